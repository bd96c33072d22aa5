#include "images/new_image.h"

#include "images/layer_type.h"

namespace hako::images {

Result<NewLayer> add_layer(const Stores& stores, oci::BlobWriter& blob) {
    HAKO_TRY(auto digest, blob.finish());
    HAKO_CHECK(blob.commit(digest));
    HAKO_TRY(auto type, layer_type(stores.content, digest));
    HAKO_TRY(const auto reader, stores.content.reader(digest));
    HAKO_TRY(auto pending, stores.layers.unpack(*reader));
    HAKO_TRY(auto diff_id, oci::Digest::parse(pending.diff_id()));
    HAKO_CHECK(std::move(pending).commit(diff_id));
    return NewLayer{{std::move(type), std::move(digest), blob.size()}, std::move(diff_id)};
}

Result<oci::Digest> add_image(Stores& stores, const Json& config,
                              std::vector<oci::Descriptor> layers,
                              const std::optional<oci::Reference>& name) {
    const auto text = dump_json(config);
    oci::Manifest manifest;
    manifest.layers = std::move(layers);
    HAKO_TRY(auto id, stores.content.put(text));
    manifest.config = {std::string(oci::media_type::oci_config), std::move(id), text.size()};
    const auto bytes = oci::write_manifest(manifest);
    HAKO_TRY(auto digest, stores.content.put(bytes));
    HAKO_TRY(const auto image,
             read_stored_image(stores,
                               {std::string(oci::media_type::oci_manifest), digest, bytes.size()},
                               std::move(manifest)));
    std::vector<oci::Reference> names;
    if (name) names.push_back(*name);
    HAKO_CHECK(register_image(stores, image, names));
    return image.content.config.digest;
}

}  // namespace hako::images
