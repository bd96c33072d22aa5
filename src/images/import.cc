#include "images/import.h"

#include "base/stream.h"
#include "base/units.h"
#include "images/new_image.h"
#include "oci/config_change.h"

namespace hako::images {
namespace {

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

    HAKO_TRY(auto blob, stores.content.ingest());
    HAKO_CHECK(copy_all(tar, *blob));
    auto layer = add_layer(stores, *blob);
    // What is said of layers is for those that were pulled.
    if (!layer && layer.error().kind() == ErrorKind::corrupt)
        return fail(ErrorKind::invalid,
                    "this is no tar archive, or it is damaged or cut short: import a tar, packed "
                    "by gzip, by zstd or not at all");
    if (!layer) return fail(std::move(layer).error());
    return add_image(stores, describe(options, platform, std::move(config), layer->diff_id),
                     {std::move(layer->descriptor)}, options.name);
}

}  // namespace hako::images
