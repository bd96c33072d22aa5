#include "images/push.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <thread>

#include "base/guarded.h"
#include "base/thread.h"
#include "images/find.h"
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

// Adds a manifest with all it names. ErrorKind::not_found where something of it is not here.
Result<void> load(const oci::ContentStore& content, const oci::Digest& digest, Cargo& cargo) {
    HAKO_TRY(auto bytes, content.read(digest, oci::kMaxManifestBytes));
    HAKO_TRY(const auto document, oci::parse_manifest(bytes, {}));
    const auto* index = std::get_if<oci::Index>(&document);
    if (index != nullptr) {
        for (const auto& child : index->manifests) HAKO_CHECK(load(content, child.digest, cargo));
    } else {
        const auto& manifest = std::get<oci::Manifest>(document);
        auto blobs = manifest.layers;
        blobs.push_back(manifest.config);
        for (auto& blob : blobs) {
            if (!content.has(blob.digest))
                return fail(ErrorKind::not_found,
                            "blob {} is not here any more; pull the image again",
                            blob.digest.text());
            if (std::ranges::find(cargo.blobs, blob.digest, &oci::Descriptor::digest) ==
                cargo.blobs.end())
                cargo.blobs.push_back(std::move(blob));
        }
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
// there. By digest, one path each.
Result<std::map<oci::Digest, std::string>> find_sources(const Stores& stores,
                                                        const oci::Reference& reference) {
    std::map<oci::Digest, std::string> sources;
    HAKO_TRY(const auto ids, stores.catalog.ids());
    for (const auto& id : ids) {
        HAKO_TRY(const auto names, stores.catalog.names_of(id));
        const auto name = std::ranges::find_if(names, [&](const oci::Reference& other) {
            return other.digest && other.domain == reference.domain && other.path != reference.path;
        });
        if (name == names.end()) continue;
        HAKO_TRY(const auto image, stores.catalog.image(id));
        for (const auto& blob : image.blobs) sources.emplace(blob, name->path);
    }
    return sources;
}

// Only what is to be pushed.
std::map<oci::Digest, std::string> keep_wanted(std::map<oci::Digest, std::string> sources,
                                               const Cargo& cargo) {
    std::erase_if(sources, [&](const auto& source) {
        return std::ranges::find(cargo.blobs, source.first, &oci::Descriptor::digest) ==
               cargo.blobs.end();
    });
    return sources;
}

std::set<std::string> paths_of(const std::map<oci::Digest, std::string>& sources) {
    std::set<std::string> paths;
    for (const auto& [digest, path] : sources) paths.insert(path);
    return paths;
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

class Push {
public:
    Push(Stores& stores, const oci::Reference& reference, const PushOptions& options,
         Reporter& reporter, std::stop_token stop, Cargo cargo,
         std::map<oci::Digest, std::string> sources)
        : stores_(stores),
          reference_(reference),
          options_(options),
          reporter_(reporter),
          cargo_(std::move(cargo)),
          sources_(std::move(sources)),
          pusher_(reference, options.auth, paths_of(sources_), options.registry) {
        caller_stop_.emplace(std::move(stop), [this] { stop_.request_stop(); });
    }

    Result<void> run() {
        reporter_.report({}, fmt::format("The push refers to repository [{}]", reference_.name()));
        for (const auto& blob : cargo_.blobs)
            reporter_.report(blob.digest.short_hex(), "Preparing");
        HAKO_CHECK(push_blobs());
        for (const auto& manifest : cargo_.manifests) {
            const bool is_last = &manifest == &cargo_.manifests.back();
            const auto key =
                is_last ? reference_.manifest_key() : manifest.descriptor.digest.text();
            HAKO_CHECK(
                pusher_.push_manifest(key, manifest.descriptor, manifest.bytes, stop_.get_token()));
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
    // A few workers take blobs off the list; the first error stops them all.
    Result<void> push_blobs() {
        std::atomic<std::size_t> next = 0;
        const auto work = [&](std::stop_token) {
            for (auto i = next++; i < cargo_.blobs.size() && !stop_.stop_requested(); i = next++)
                if (auto pushed = push_blob(cargo_.blobs[i]); !pushed)
                    give_up(std::move(pushed).error());
        };
        {
            std::vector<std::jthread> workers;
            for (std::size_t i = 0;
                 i < std::min(options_.registry.parallel_uploads, cargo_.blobs.size()); ++i)
                workers.push_back(start_thread("push", work));
        }
        if (auto error = *first_error_.lock()) return fail(*std::move(error));
        if (stop_.stop_requested()) return fail(ErrorKind::cancelled, "push was cancelled");
        return {};
    }

    void give_up(Error error) {
        auto first = first_error_.lock();
        if (!*first) *first = std::move(error);
        stop_.request_stop();
    }

    Result<void> push_blob(const oci::Descriptor& blob) {
        const auto id = blob.digest.short_hex();
        HAKO_TRY(const auto body, open_body(stores_.content, blob));
        const auto found = sources_.find(blob.digest);
        const auto source = found == sources_.end() ? std::string() : found->second;
        Meter meter(reporter_, id, "Pushing", blob.size);
        HAKO_TRY(const auto outcome,
                 pusher_.push_blob(blob, body, source, stop_.get_token(),
                                   [&](std::uint64_t sent) { meter.at(sent); }));
        switch (outcome) {
            case RegistryPusher::Outcome::existed:
                reporter_.report(id, "Layer already exists");
                break;
            case RegistryPusher::Outcome::mounted:
                reporter_.report(id, "Mounted from " + source);
                break;
            case RegistryPusher::Outcome::uploaded: reporter_.report(id, "Pushed"); break;
        }
        return {};
    }

    Stores& stores_;
    const oci::Reference& reference_;
    const PushOptions& options_;
    Reporter& reporter_;
    Cargo cargo_;
    std::map<oci::Digest, std::string> sources_;
    RegistryPusher pusher_;
    std::stop_source stop_;  // the caller's wish, or an error's
    std::optional<std::stop_callback<std::function<void()>>> caller_stop_;
    Guarded<std::optional<Error>> first_error_;
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
