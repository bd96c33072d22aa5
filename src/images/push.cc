#include "images/push.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "images/find.h"
#include "images/workers.h"
#include "oci/registry_pusher.h"

namespace hako::images {
namespace {

using oci::RegistryPusher;

struct ManifestBytes {
    oci::Descriptor descriptor;
    std::string bytes;
};

// What goes into the registry, in the order of its sending.
struct Cargo {
    std::vector<oci::Descriptor> blobs;
    std::vector<ManifestBytes> manifests;  // the one that gets the name is the last
};

std::string type_of(const std::string& bytes, bool is_index) {
    const auto document = parse_json(bytes, {.max_bytes = oci::kMaxManifestBytes});
    const auto own = document ? json_field_or<std::string>(*document, "mediaType", "") : "";
    if (own && !own->empty()) return *own;
    return std::string(is_index ? oci::media_type::oci_index : oci::media_type::oci_manifest);
}

// Adds the blobs of an image, each once.
Result<void> add_blobs(const oci::ContentStore& content, oci::Manifest manifest, Cargo& cargo) {
    auto blobs = std::move(manifest.layers);
    blobs.push_back(std::move(manifest.config));
    for (auto& blob : blobs) {
        if (!content.has(blob.digest))
            return fail(ErrorKind::not_found, "blob {} is not here any more; pull the image again",
                        blob.digest.text());
        if (std::ranges::find(cargo.blobs, blob.digest, &oci::Descriptor::digest) ==
            cargo.blobs.end())
            cargo.blobs.push_back(std::move(blob));
    }
    return {};
}

// Adds a manifest with all it names. ErrorKind::not_found where something of it is not here.
Result<void> load(const oci::ContentStore& content, const oci::Digest& digest, Cargo& cargo) {
    HAKO_TRY(auto bytes, content.read(digest, oci::kMaxManifestBytes));
    auto document = oci::parse_manifest(bytes, {});
    if (!document) return fail(std::move(document).error());
    auto* index = std::get_if<oci::Index>(&*document);
    if (index != nullptr) {
        for (const auto& child : index->manifests) HAKO_CHECK(load(content, child.digest, cargo));
    } else {
        HAKO_CHECK(add_blobs(content, std::get<oci::Manifest>(*std::move(document)), cargo));
    }
    oci::Descriptor descriptor{type_of(bytes, index != nullptr), digest, bytes.size()};
    cargo.manifests.push_back({std::move(descriptor), std::move(bytes)});
    return {};
}

// The index that the image came with if all of its images are here, else the manifest of one: the
// platform's, or the host's.
Result<Cargo> load_cargo(const Stores& stores, const Match& match,
                         const std::optional<oci::Platform>& platform) {
    Cargo whole;
    if (!platform && load(stores.content, match.images.front().target, whole)) return whole;
    HAKO_TRY(const auto chosen, choose_image(match, match.name->familiar(), platform));
    HAKO_TRY(const auto image, stores.catalog.image(chosen.image));
    Cargo cargo;
    HAKO_CHECK(load(stores.content, image.manifest, cargo));
    return cargo;
}

// Repositories of the same registry that are known to have a blob: it came from there, or went
// there. By digest; some paths each, since one may have lost it.
constexpr std::size_t kMostSources = 3;
using Sources = std::map<oci::Digest, std::vector<std::string>>;

Result<Sources> find_sources(const Stores& stores, const oci::Reference& reference) {
    Sources sources;
    HAKO_TRY(const auto ids, stores.catalog.ids());
    for (const auto& id : ids) {
        HAKO_TRY(const auto names, stores.catalog.names_of(id));
        HAKO_TRY(const auto image, stores.catalog.image(id));
        for (const auto& name : names) {
            if (!name.digest || name.domain != reference.domain || name.path == reference.path)
                continue;
            for (const auto& blob : image.blobs) {
                auto& paths = sources[blob];
                if (paths.size() < kMostSources &&
                    std::ranges::find(paths, name.path) == paths.end())
                    paths.push_back(name.path);
            }
        }
    }
    return sources;
}

// Only what is to be pushed.
Sources keep_wanted(Sources sources, const Cargo& cargo) {
    std::erase_if(sources, [&](const auto& source) {
        return std::ranges::find(cargo.blobs, source.first, &oci::Descriptor::digest) ==
               cargo.blobs.end();
    });
    return sources;
}

std::set<std::string> paths_of(const Sources& sources) {
    std::set<std::string> all;
    for (const auto& [digest, paths] : sources) all.insert(paths.begin(), paths.end());
    return all;
}

Result<oci::HttpBody> open_body(const oci::ContentStore& content, const oci::Descriptor& blob) {
    HAKO_TRY(auto file, content.open_blob(blob.digest));
    const auto shared = std::make_shared<Fd>(std::move(file));
    return oci::HttpBody{
        blob.size,
        [shared](std::uint64_t offset, std::span<std::byte> buffer) -> Result<std::size_t> {
            while (true) {
                const auto count = ::pread(shared->get(), buffer.data(), buffer.size(),
                                           static_cast<off_t>(offset));
                if (count >= 0) return static_cast<std::size_t>(count);
                if (errno != EINTR) return fail_errno(errno, "cannot read a blob");
            }
        }};
}

bool is_config(const oci::Descriptor& blob) {
    return blob.media_type == oci::media_type::oci_config ||
           blob.media_type == oci::media_type::docker_config;
}

class Push {
public:
    Push(Stores& stores, const oci::Reference& reference, const PushOptions& options,
         Reporter& reporter, std::stop_token stop, Cargo cargo, Sources sources)
        : stores_(stores),
          reference_(reference),
          options_(options),
          reporter_(reporter),
          cargo_(std::move(cargo)),
          sources_(std::move(sources)),
          pusher_(reference, options.auth, paths_of(sources_), options.registry),
          workers_("push", std::move(stop)) {}

    Result<void> run() {
        reporter_.report({}, fmt::format("The push refers to repository [{}]", reference_.name()));
        for (const auto& blob : cargo_.blobs) report(blob, "Preparing");
        HAKO_CHECK(workers_.run(options_.registry.parallel_uploads, cargo_.blobs.size(),
                                [&](std::size_t i) { return push_blob(cargo_.blobs[i]); }));
        for (const auto& manifest : cargo_.manifests) {
            const bool is_last = &manifest == &cargo_.manifests.back();
            const auto key =
                is_last ? reference_.manifest_key() : manifest.descriptor.digest.text();
            HAKO_CHECK(
                pusher_.push_manifest(key, manifest.descriptor, manifest.bytes, workers_.stop()));
        }
        const auto& top = cargo_.manifests.back().descriptor;
        reporter_.report({}, fmt::format("{}: digest: {} size: {}", reference_.manifest_key(),
                                         top.digest.text(), top.size));
        reporter_.report_result({{"Tag", reference_.manifest_key()},
                                 {"Digest", top.digest.text()},
                                 {"Size", top.size}});
        return {};
    }

    const oci::Digest& digest() const { return cargo_.manifests.back().descriptor.digest; }

private:
    // Configurations are not shown, as docker does not show them.
    void report(const oci::Descriptor& blob, std::string_view status) {
        if (!is_config(blob)) reporter_.report(blob.digest.short_hex(), status);
    }

    Result<void> push_blob(const oci::Descriptor& blob) {
        HAKO_TRY(const auto body, open_body(stores_.content, blob));
        const auto found = sources_.find(blob.digest);
        const auto sources =
            found == sources_.end() ? std::span<const std::string>() : std::span(found->second);
        Meter meter(reporter_, blob.digest.short_hex(), "Pushing", blob.size);
        const auto sent = [&](std::uint64_t bytes) {
            if (!is_config(blob)) meter.at(bytes);
        };
        HAKO_TRY(const auto outcome, pusher_.push_blob(blob, body, sources, workers_.stop(), sent));
        using How = RegistryPusher::Outcome::How;
        switch (outcome.how) {
            case How::existed: report(blob, "Layer already exists"); break;
            case How::mounted: report(blob, "Mounted from " + outcome.source); break;
            case How::uploaded: report(blob, "Pushed"); break;
        }
        return {};
    }

    Stores& stores_;
    const oci::Reference& reference_;
    const PushOptions& options_;
    Reporter& reporter_;
    Cargo cargo_;
    Sources sources_;
    RegistryPusher pusher_;
    Workers workers_;
};

}  // namespace

Result<void> push_image(Stores& stores, const oci::Reference& reference, const PushOptions& options,
                        Reporter& reporter, std::stop_token stop) {
    const auto match = find_images(stores.catalog, reference.text());
    if (!match || !match->name)
        return fail(ErrorKind::not_found, "An image does not exist locally with the tag: {}",
                    reference.familiar());
    HAKO_TRY(auto cargo, load_cargo(stores, *match, options.platform));
    HAKO_TRY(auto sources, find_sources(stores, reference));
    sources = keep_wanted(std::move(sources), cargo);
    Push push(stores, reference, options, reporter, std::move(stop), std::move(cargo),
              std::move(sources));
    HAKO_CHECK(push.run());
    // Now the registry knows what went there by its digest, too.
    auto name = reference;
    name.tag.clear();
    name.digest = push.digest();
    for (auto image : match->images) {
        HAKO_TRY(const auto record, stores.catalog.image(image.image));
        if (image.target != *name.digest && record.manifest != *name.digest) continue;
        image.target = *name.digest;
        HAKO_CHECK(stores.catalog.set_name(name, image));
    }
    return {};
}

}  // namespace hako::images
