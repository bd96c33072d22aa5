#include "images/layer_type.h"
#include "images/load.h"

namespace hako::images {
namespace {

using namespace oci::media_type;

Result<ArchivedImage> read_image(Archive& archive, const oci::ContentStore& content,
                                 const Json& entry) {
    using Strings = std::vector<std::string>;
    HAKO_TRY(const auto config, json_field_or<std::string>(entry, "Config", ""));
    HAKO_TRY(const auto layers, json_field_or<Strings>(entry, "Layers", {}));
    HAKO_TRY(const auto tags, json_field_or<Strings>(entry, "RepoTags", {}));

    ArchivedImage image;
    HAKO_TRY(image.content.config, archive.keep(config));
    image.content.config.media_type = oci_config;
    for (const auto& name : layers) {
        HAKO_TRY(auto layer, archive.keep(name));
        HAKO_TRY(layer.media_type, layer_type(content, layer.digest));
        image.content.layers.push_back(std::move(layer));
    }
    for (const auto& tag : tags) {
        HAKO_TRY(auto name, with_context(oci::Reference::parse(tag), tag));
        image.names.push_back(std::move(name));
    }
    const auto bytes = oci::write_manifest(image.content);
    HAKO_TRY(auto digest, content.put(bytes));
    image.manifest = {std::string(oci_manifest), std::move(digest), bytes.size()};
    return image;
}

}  // namespace

Result<std::vector<ArchivedImage>> read_docker_archive(Archive& archive,
                                                       const oci::ContentStore& content) {
    HAKO_TRY(const auto list, archive.json("manifest.json", oci::kMaxManifestBytes));
    if (!list.is_array()) return fail(ErrorKind::invalid, "manifest.json is not a list of images");
    std::vector<ArchivedImage> images;
    for (const auto& entry : list) {
        HAKO_TRY(auto image, with_context(read_image(archive, content, entry), "manifest.json"));
        images.push_back(std::move(image));
    }
    return images;
}

}  // namespace hako::images
