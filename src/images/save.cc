#include "images/save.h"

#include <algorithm>
#include <map>
#include <set>

#include "fsimage/tar/writer.h"
#include "images/find.h"
#include "oci/manifest.h"

namespace hako::images {
namespace {

std::string blob_name(const oci::Digest& digest) { return "blobs/sha256/" + digest.hex; }

// What goes into the archive: the blobs, and how index.json and manifest.json speak of them.
class Archiver {
public:
    explicit Archiver(const Stores& stores) : stores_(stores) {}

    // The host's platform comes last: tools that know no platforms keep what they read last.
    Result<void> add(const Match& match) {
        HAKO_CHECK(describe(match));
        for (auto image = match.images.rbegin(); image != match.images.rend(); ++image)
            HAKO_CHECK(add_image(image->image, match.name));
        return {};
    }

    Result<void> write(const SaveOptions& options, Writer& out) const {
        fsimage::TarWriter archive(out);
        HAKO_CHECK(archive.add_folder("blobs/"));
        HAKO_CHECK(archive.add_folder("blobs/sha256/"));
        for (const auto& digest : blobs_) {
            HAKO_TRY(const auto blob, stores_.content.reader(digest));
            HAKO_CHECK(archive.add_file(blob_name(digest), blob->size(), *blob));
        }
        HAKO_CHECK(
            archive.add_file("index.json", dump_json({{"schemaVersion", 2},
                                                      {"mediaType", oci::media_type::oci_index},
                                                      {"manifests", index_}})));
        if (options.docker_manifest) {
            Json list = Json::array();
            for (const auto& id : order_) list.push_back(manifests_.at(id));
            HAKO_CHECK(archive.add_file("manifest.json", dump_json(list)));
        }
        HAKO_CHECK(archive.add_file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
        return archive.finish();
    }

private:
    // The lines of index.json. A whole index stays one; of a part of it, each image is named.
    Result<void> describe(const Match& match) {
        std::set<oci::Digest> manifests;
        for (const auto& image : match.images) {
            HAKO_TRY(const auto record, stores_.catalog.image(image.image));
            manifests.insert(record.manifest);
        }
        const auto& target = match.images.front().target;
        HAKO_TRY(const bool whole, is_whole(target, manifests));
        if (whole) return describe_one(target, std::nullopt, match.name);
        for (const auto& image : match.images) {
            HAKO_TRY(const auto record, stores_.catalog.image(image.image));
            HAKO_CHECK(describe_one(record.manifest, image.platform, match.name));
        }
        return {};
    }

    // Whether these manifests are all that the target stands for.
    Result<bool> is_whole(const oci::Digest& target, const std::set<oci::Digest>& manifests) const {
        if (manifests.size() == 1 && manifests.contains(target)) return true;
        HAKO_TRY(const auto document, read_document(target));
        const auto* index = std::get_if<oci::Index>(&document);
        if (index == nullptr) return false;
        return std::ranges::all_of(index->manifests, [&](const oci::Descriptor& descriptor) {
            return oci::is_attestation(descriptor) || manifests.contains(descriptor.digest);
        });
    }

    Result<oci::ManifestDocument> read_document(const oci::Digest& digest) const {
        HAKO_TRY(const auto bytes, stores_.content.read(digest, oci::kMaxManifestBytes));
        return oci::parse_manifest(bytes, {});
    }

    Result<void> describe_one(const oci::Digest& digest,
                              const std::optional<oci::Platform>& platform,
                              const std::optional<oci::Reference>& name) {
        HAKO_TRY(const auto bytes, stores_.content.read(digest, oci::kMaxManifestBytes));
        HAKO_TRY(const auto json, parse_json(bytes, {.max_bytes = oci::kMaxManifestBytes}));
        const bool is_index = json.contains("manifests");
        Json line{{"mediaType",
                   json.value("mediaType", std::string(is_index ? oci::media_type::oci_index
                                                                : oci::media_type::oci_manifest))},
                  {"digest", digest.text()},
                  {"size", bytes.size()}};
        if (platform) {
            line["platform"] = {{"os", platform->os}, {"architecture", platform->architecture}};
            if (!platform->variant.empty()) line["platform"]["variant"] = platform->variant;
        }
        if (name && !name->tag.empty())
            line["annotations"] = {{"io.containerd.image.name", name->text()},
                                   {"org.opencontainers.image.ref.name", name->tag}};
        index_.push_back(std::move(line));
        blobs_.insert(digest);
        return {};
    }

    Result<void> add_image(const oci::Digest& id, const std::optional<oci::Reference>& name) {
        HAKO_TRY(const auto record, stores_.catalog.image(id));
        HAKO_TRY(const auto document, read_document(record.manifest));
        const auto* manifest = std::get_if<oci::Manifest>(&document);
        if (manifest == nullptr)
            return fail(ErrorKind::corrupt, "image {} has an index for a manifest; pull it again",
                        id.text());
        Json layers = Json::array();
        blobs_.insert({record.manifest, id});
        for (const auto& layer : manifest->layers) {
            layers.push_back(blob_name(layer.digest));
            blobs_.insert(layer.digest);
        }
        for (const auto& blob : blobs_)
            if (!stores_.content.has(blob))
                return fail(ErrorKind::not_found, "blob {} of image {} is missing; pull it again",
                            blob.text(), id.text());
        const auto [entry, added] = manifests_.try_emplace(
            id, Json{{"Config", blob_name(id)}, {"RepoTags", nullptr}, {"Layers", layers}});
        if (added) order_.push_back(id);
        if (name && !name->tag.empty()) entry->second["RepoTags"].push_back(name->familiar());
        return {};
    }

    const Stores& stores_;
    std::set<oci::Digest> blobs_;
    Json index_ = Json::array();
    std::map<oci::Digest, Json> manifests_;  // lines of manifest.json
    std::vector<oci::Digest> order_;         // of them
};

}  // namespace

Result<void> save_images(const Stores& stores, const std::vector<std::string>& names,
                         const SaveOptions& options, Writer& out) {
    Archiver archiver(stores);
    for (const auto& name : names) {
        HAKO_TRY(auto match, find_images(stores.catalog, name));
        if (options.platform) {
            HAKO_TRY(auto chosen, choose_image(match, name, options.platform));
            HAKO_TRY(const auto record, stores.catalog.image(chosen.image));
            chosen.target = record.manifest;
            match.images = {std::move(chosen)};
        }
        HAKO_CHECK(archiver.add(match));
    }
    return archiver.write(options, out);
}

}  // namespace hako::images
