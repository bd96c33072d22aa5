#include "images/stores.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <system_error>

#include "base/disk_usage.h"
#include "base/log.h"

namespace hako::images {
namespace {

namespace fs = std::filesystem;

}  // namespace

void Stores::sweep() {
    if (const auto swept = remove_leftovers(); !swept)
        log_warn("cannot remove unused image data: {}", swept.error().message());
}

Result<void> Stores::remove_leftovers() {
    HAKO_TRY(const auto unwanted, leftovers());
    for (const auto& digest : unwanted.blobs) HAKO_CHECK(content.remove(digest));
    for (const auto& diff_id : unwanted.layers) HAKO_CHECK(layers.remove(diff_id));
    for (const auto& path : unwanted.files) {
        std::error_code error;
        fs::remove_all(path, error);
        if (error) return fail_errno(error.value(), "cannot remove {}", path.string());
    }
    return {};
}

Result<Stores::Leftovers> Stores::leftovers() const {
    Leftovers result;
    HAKO_TRY(const auto wanted_blobs, catalog.all_blobs());
    HAKO_TRY(result.blobs, content.list());
    std::erase_if(result.blobs, [&](const auto& blob) { return wanted_blobs.contains(blob); });
    HAKO_TRY(const auto wanted_layers, catalog.all_diff_ids());
    HAKO_TRY(result.layers, layers.list());
    std::erase_if(result.layers, [&](const auto& layer) { return wanted_layers.contains(layer); });

    HAKO_TRY(result.files, content.strays());
    HAKO_TRY(auto strays, layers.strays());
    std::ranges::move(strays, std::back_inserter(result.files));
    HAKO_TRY(const auto ids, catalog.ids());
    std::set<fs::path> wanted_views;
    for (const auto& id : ids) wanted_views.insert(view_of(id));
    std::error_code error;
    fs::directory_iterator entries(views, error);
    for (; !error && entries != fs::directory_iterator(); entries.increment(error))
        if (!wanted_views.contains(entries->path())) result.files.push_back(entries->path());
    if (error) return fail_errno(error.value(), "cannot list {}", views.string());
    return result;
}

Result<std::vector<fsimage::LayerFiles>> Stores::layers_of(const oci::Digest& id) const {
    HAKO_TRY(const auto record, catalog.image(id));
    std::vector<fsimage::LayerFiles> result;
    for (const auto& diff_id : record.diff_ids) result.push_back(layers.files(diff_id));
    return result;
}

std::uint64_t Stores::disk_usage() const {
    std::uint64_t bytes = 0;
    for (const auto& folder : {content.folder(), layers.folder(), views})
        bytes += hako::disk_usage(folder);
    return bytes;
}

Result<std::vector<fs::path>> Stores::files_of(const oci::Digest& image) const {
    HAKO_TRY(const auto record, catalog.image(image));
    HAKO_TRY(const auto unpacked, layers_of(image));
    auto blobs = record.blobs;
    HAKO_TRY(const auto names, catalog.names_of(image));
    for (const auto& name : names) {
        HAKO_TRY(const auto named, catalog.images_of(name));
        for (const NamedImage& of_name : named) blobs.insert(of_name.target);
    }
    std::vector<fs::path> files;
    for (const auto& blob : blobs) files.push_back(content.path_of(blob));
    for (const auto& layer : unpacked) files.insert(files.end(), {layer.data, layer.index});
    return files;
}

Result<StoredImage> read_stored_image(const Stores& stores, oci::Descriptor manifest,
                                      oci::Manifest content) {
    HAKO_TRY(const auto config, stores.content.read(content.config.digest, oci::kMaxConfigBytes));
    HAKO_TRY(auto description, oci::parse_image_description(config));
    auto platform = oci::normalize(manifest.platform.value_or(description.platform));
    if (platform.architecture.empty()) platform.architecture = oci::Platform::host().architecture;
    if (platform.os != "linux")
        return fail(ErrorKind::invalid, "image is for {}; only linux images can be run",
                    platform.text());
    if (description.diff_ids.size() != content.layers.size())
        return fail(ErrorKind::invalid,
                    "image configuration names {} layers, but its manifest {}; the image is broken",
                    description.diff_ids.size(), content.layers.size());
    return StoredImage{std::move(manifest), std::move(content), std::move(description),
                       std::move(platform)};
}

Result<void> make_view(Stores& stores, const oci::Digest& image,
                       const std::vector<fsimage::LayerFiles>& layers) {
    const auto busy = stores.busy.lock(image.text());
    const auto view = stores.view_of(image);
    std::error_code error;
    if (fs::exists(view, error)) return {};
    const auto start = std::chrono::steady_clock::now();
    HAKO_CHECK(fsimage::write_view(layers, view));
    const auto taken = std::chrono::steady_clock::now() - start;
    log_info("made the view of image {} in {} ms", image.hex,
             std::chrono::duration_cast<std::chrono::milliseconds>(taken).count());
    return {};
}

Result<void> register_image(Stores& stores, const StoredImage& image,
                            const std::vector<oci::Reference>& names) {
    ImageRecord record;
    record.id = image.content.config.digest;
    record.manifest = image.manifest.digest;
    record.platform = image.platform;
    record.diff_ids = image.description.diff_ids;
    record.blobs = {image.manifest.digest, image.content.config.digest};
    if (image.index) record.blobs.insert(*image.index);
    for (const auto& layer : image.content.layers) record.blobs.insert(layer.digest);
    std::vector<fsimage::LayerFiles> layers;
    for (const auto& diff_id : record.diff_ids) {
        HAKO_TRY(const auto size, stores.layers.size(diff_id));
        record.size += size;
        layers.push_back(stores.layers.files(diff_id));
    }
    HAKO_CHECK(make_view(stores, record.id, layers));
    HAKO_CHECK(stores.settling.note(record.id));
    HAKO_CHECK(stores.catalog.add(record, names, image.index.value_or(image.manifest.digest)));
    stores.settling.settle(record.id);
    return {};
}

}  // namespace hako::images
