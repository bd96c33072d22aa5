#include "images/load.h"

#include "base/fd.h"

namespace hako::images {
namespace {

Result<void> unpack_from_store(Stores& stores, const oci::Descriptor& layer,
                               const oci::Digest& diff_id, Reporter& reporter) {
    const auto busy = stores.busy.lock(diff_id.text());
    if (stores.layers.has(diff_id)) return {};
    HAKO_TRY(const auto file, stores.content.open_blob(layer.digest));
    FdReader reader(file.get());
    Meter meter(reporter, diff_id.short_hex(), "Loading layer", layer.size);
    MeteredReader metered(reader, meter);
    HAKO_TRY(auto pending, stores.layers.unpack(metered));
    return std::move(pending).commit(diff_id);
}

Result<void> install(Stores& stores, const ArchivedImage& archived, Reporter& reporter) {
    HAKO_TRY(auto image, read_stored_image(stores, archived.manifest, archived.content));
    image.more_blobs = archived.more_blobs;
    for (std::size_t i = 0; i < image.content.layers.size(); ++i) {
        const auto& layer = image.content.layers[i];
        HAKO_CHECK(
            with_context(unpack_from_store(stores, layer, image.description.diff_ids[i], reporter),
                         fmt::format("layer {}", layer.digest.text())));
    }
    return register_image(stores, image, archived.names);
}

}  // namespace

Result<std::vector<std::string>> load_archive(Stores& stores, Reader& source, Reporter& reporter,
                                              const ArchiveLimits& limits) {
    HAKO_TRY(auto archive, Archive::read(source, stores.content, limits));
    std::vector<ArchivedImage> images;
    // A layout keeps the manifests as they were, so it is the better source where there are both.
    if (archive.has("oci-layout") && archive.has("index.json")) {
        HAKO_TRY(images, read_oci_layout(archive, stores.content));
    } else if (archive.has("manifest.json")) {
        HAKO_TRY(images, read_docker_archive(archive, stores.content));
    } else {
        return fail(ErrorKind::invalid,
                    "archive is neither an OCI layout (index.json) nor from docker save "
                    "(manifest.json)");
    }
    if (images.empty()) return fail(ErrorKind::invalid, "archive holds no image");

    std::vector<std::string> loaded;
    for (const auto& image : images) {
        HAKO_CHECK(install(stores, image, reporter));
        for (const auto& name : image.names) loaded.push_back(name.familiar());
        if (image.names.empty()) loaded.push_back(image.content.config.digest.text());
    }
    return loaded;
}

}  // namespace hako::images
