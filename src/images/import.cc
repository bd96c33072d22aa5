#include "images/import.h"

#include "base/stream.h"
#include "base/units.h"
#include "images/layer_type.h"
#include "oci/config_change.h"

namespace hako::images {
namespace {

Result<oci::Descriptor> keep(const oci::ContentStore& content, Reader& tar) {
    HAKO_TRY(auto blob, content.ingest());
    HAKO_CHECK(copy_all(tar, *blob));
    HAKO_TRY(auto digest, blob->finish());
    HAKO_CHECK(blob->commit(digest));
    HAKO_TRY(auto type, layer_type(content, digest));
    return oci::Descriptor{std::move(type), std::move(digest), blob->size()};
}

Result<oci::Digest> unpack(const Stores& stores, const oci::Digest& blob) {
    HAKO_TRY(const auto reader, stores.content.reader(blob));
    HAKO_TRY(auto pending, stores.layers.unpack(*reader));
    HAKO_TRY(auto diff_id, oci::Digest::parse(pending.diff_id()));
    HAKO_CHECK(std::move(pending).commit(diff_id));
    return diff_id;
}

Json describe(const ImportOptions& options, const oci::Platform& platform, Json config,
              const oci::Digest& diff_id) {
    const auto time = format_time(now());
    Json result{{"architecture", platform.architecture},
                {"os", platform.os},
                {"created", time},
                {"config", std::move(config)},
                {"rootfs", {{"type", "layers"}, {"diff_ids", {diff_id.text()}}}},
                {"history", Json::array({{{"created", time}, {"comment", options.message}}})}};
    if (!platform.variant.empty()) result["variant"] = platform.variant;
    return result;
}

}  // namespace

Result<oci::Digest> import_image(Stores& stores, Reader& tar, const ImportOptions& options) {
    // The changes first: whoever mistyped one need not wait for the tar.
    Json config = Json::object();
    for (const auto& change : options.changes) HAKO_CHECK(oci::apply_change(config, change));
    const auto platform = options.platform.value_or(oci::Platform::host());

    HAKO_TRY(auto layer, keep(stores.content, tar));
    HAKO_TRY(const auto diff_id, unpack(stores, layer.digest));
    const auto text = dump_json(describe(options, platform, std::move(config), diff_id));
    oci::Manifest manifest;
    manifest.layers.push_back(std::move(layer));
    HAKO_TRY(auto id, stores.content.put(text));
    manifest.config = {std::string(oci::media_type::oci_config), std::move(id), text.size()};
    const auto bytes = oci::write_manifest(manifest);
    HAKO_TRY(auto digest, stores.content.put(bytes));
    HAKO_TRY(const auto image,
             read_stored_image(stores,
                               {std::string(oci::media_type::oci_manifest), digest, bytes.size()},
                               std::move(manifest)));
    std::vector<oci::Reference> names;
    if (options.name) names.push_back(*options.name);
    HAKO_CHECK(register_image(stores, image, names));
    return image.content.config.digest;
}

}  // namespace hako::images
