#include "images/stores.h"

#include <system_error>

#include "base/log.h"

namespace hako::images {

void Stores::sweep() {
    for (const auto& swept : {sweep_blobs(), sweep_layers(), sweep_views()})
        if (!swept) log_warn("cannot remove unused image data: {}", swept.error().message());
}

Result<void> Stores::sweep_blobs() {
    HAKO_TRY(const auto wanted, catalog.all_blobs());
    HAKO_TRY(const auto present, content.list());
    for (const auto& digest : present)
        if (!wanted.contains(digest)) HAKO_CHECK(content.remove(digest));
    return {};
}

Result<void> Stores::sweep_layers() {
    HAKO_TRY(const auto wanted, catalog.all_diff_ids());
    HAKO_TRY(const auto present, layers.list());
    for (const auto& diff_id : present)
        if (!wanted.contains(diff_id)) HAKO_CHECK(layers.remove(diff_id));
    return {};
}

Result<void> Stores::sweep_views() {
    HAKO_TRY(const auto ids, catalog.ids());
    std::set<std::filesystem::path> wanted;
    for (const auto& id : ids) wanted.insert(view_of(id).filename());
    std::error_code error;
    std::filesystem::directory_iterator entries(views, error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        if (wanted.contains(entries->path().filename())) continue;
        std::error_code ignored;
        std::filesystem::remove(entries->path(), ignored);
    }
    if (error) return fail_errno(error.value(), "cannot list {}", views.string());
    return {};
}

Result<StoredImage> read_stored_image(const Stores& stores, oci::Descriptor manifest,
                                      oci::Manifest content) {
    HAKO_TRY(const auto config, stores.content.read(content.config.digest, oci::kMaxConfigBytes));
    HAKO_TRY(auto description, oci::parse_image_description(config));
    if (description.platform.os != "linux")
        return fail(ErrorKind::invalid, "image is for {}; only linux images can be run",
                    description.platform.text());
    if (description.diff_ids.size() != content.layers.size())
        return fail(ErrorKind::invalid,
                    "image configuration names {} layers, but its manifest {}; the image is broken",
                    description.diff_ids.size(), content.layers.size());
    return StoredImage{std::move(manifest), std::move(content), std::move(description)};
}

Result<void> register_image(Stores& stores, const StoredImage& image,
                            const std::vector<oci::Reference>& names) {
    ImageRecord record;
    record.id = image.content.config.digest;
    record.manifest = image.manifest.digest;
    record.diff_ids = image.description.diff_ids;
    record.blobs = image.more_blobs;
    record.blobs.insert({image.manifest.digest, image.content.config.digest});
    for (const auto& layer : image.content.layers) record.blobs.insert(layer.digest);
    for (const auto& diff_id : record.diff_ids) {
        HAKO_TRY(const auto size, stores.layers.size(diff_id));
        record.size += size;
    }
    return stores.catalog.add(record, names);
}

}  // namespace hako::images
