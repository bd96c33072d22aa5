#include <algorithm>
#include <optional>

#include "images/load.h"

namespace hako::images {
namespace {

std::string blob_name(const oci::Digest& digest) { return "blobs/sha256/" + digest.hex; }

// The name that the tool which wrote the layout gave the image. A lone tag ("1.0") names nothing.
Result<std::vector<oci::Reference>> names_of(const oci::Descriptor& descriptor) {
    std::vector<oci::Reference> names;
    for (const auto* key : {"io.containerd.image.name", "org.opencontainers.image.ref.name"}) {
        const auto found = descriptor.annotations.find(key);
        if (found == descriptor.annotations.end() ||
            found->second.find_first_of("/:") == std::string::npos)
            continue;
        HAKO_TRY(auto name, with_context(oci::Reference::parse(found->second), found->second));
        names.push_back(std::move(name));
        break;
    }
    return names;
}

class LayoutReader {
public:
    LayoutReader(Archive& archive, const oci::ContentStore& content,
                 const std::optional<oci::Platform>& platform)
        : archive_(archive), content_(content), platform_(platform) {}

    // The images that a descriptor leads to.
    Result<std::vector<ArchivedImage>> read(const oci::Descriptor& descriptor, int depth = 0) {
        if (depth > oci::kMaxIndexDepth)
            return fail(ErrorKind::invalid, "image indexes are nested too deeply");
        HAKO_TRY(const auto kept, keep(descriptor));
        HAKO_TRY(const auto bytes, content_.read(kept.digest, oci::kMaxManifestBytes));
        HAKO_TRY(auto document, oci::parse_manifest(bytes, descriptor.media_type));
        if (const auto* index = std::get_if<oci::Index>(&document))
            return read_index(*index, kept.digest, depth);
        ArchivedImage image;
        image.manifest = descriptor;
        image.content = std::get<oci::Manifest>(std::move(document));
        HAKO_CHECK(keep(image.content.config));
        for (const auto& layer : image.content.layers) HAKO_CHECK(keep(layer));
        std::vector<ArchivedImage> images;
        images.push_back(std::move(image));
        return images;
    }

private:
    // An archive need not hold every image that its index names.
    Result<std::vector<ArchivedImage>> read_index(const oci::Index& index,
                                                  const oci::Digest& digest, int depth) {
        oci::Index present;
        std::ranges::copy_if(
            index.manifests, std::back_inserter(present.manifests), [&](const auto& child) {
                return !oci::is_attestation(child) && archive_.has(blob_name(child.digest));
            });
        if (platform_) {
            HAKO_TRY(auto chosen, oci::choose(present, *platform_));
            present.manifests = {std::move(chosen)};
        }
        std::vector<ArchivedImage> images;
        for (const auto& child : present.manifests) {
            if (child.platform && child.platform->os != "linux") continue;
            HAKO_TRY(auto found, read(child, depth + 1));
            for (auto& image : found) {
                image.index = digest;
                images.push_back(std::move(image));
            }
        }
        if (images.empty())
            return fail(ErrorKind::invalid, "archive holds no Linux image of index {}",
                        digest.text());
        return images;
    }

    Result<oci::Descriptor> keep(const oci::Descriptor& descriptor) {
        HAKO_TRY(auto kept, archive_.keep(blob_name(descriptor.digest), descriptor.digest));
        if (kept.size != descriptor.size)
            return fail(ErrorKind::corrupt, "blob {} has {} bytes, but {} were promised",
                        descriptor.digest.text(), kept.size, descriptor.size);
        return kept;
    }

    Archive& archive_;
    const oci::ContentStore& content_;
    const std::optional<oci::Platform>& platform_;
};

}  // namespace

Result<std::vector<ArchivedImage>> read_oci_layout(Archive& archive,
                                                   const oci::ContentStore& content,
                                                   const std::optional<oci::Platform>& platform) {
    HAKO_TRY(const auto layout, archive.json("oci-layout", oci::kMaxManifestBytes));
    HAKO_TRY(const auto version, json_field_or<std::string>(layout, "imageLayoutVersion", ""));
    if (!version.starts_with("1."))
        return fail(ErrorKind::invalid, "OCI layout has the unknown version \"{}\"", version);
    HAKO_TRY(const auto json, archive.json("index.json", oci::kMaxManifestBytes));
    HAKO_TRY(const auto document,
             with_context(oci::parse_manifest(dump_json(json), {}), "index.json"));
    const auto* index = std::get_if<oci::Index>(&document);
    if (index == nullptr) return fail(ErrorKind::invalid, "index.json is not an index");

    std::vector<ArchivedImage> images;
    for (const auto& descriptor : index->manifests) {
        if (oci::is_attestation(descriptor)) continue;
        HAKO_TRY(auto found, LayoutReader(archive, content, platform).read(descriptor));
        HAKO_TRY(const auto names, names_of(descriptor));
        for (auto& image : found) {
            image.names = names;
            images.push_back(std::move(image));
        }
    }
    return images;
}

}  // namespace hako::images
