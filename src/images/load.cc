#include "images/load.h"

#include <algorithm>

namespace hako::images {
namespace {

Result<void> unpack_from_store(Stores& stores, const oci::Descriptor& layer,
                               const oci::Digest& diff_id, Reporter& reporter) {
    const auto busy = stores.busy.lock(diff_id.text());
    if (stores.layers.has(diff_id)) return {};
    HAKO_TRY(const auto blob, stores.content.reader(layer.digest));
    Meter meter(reporter, diff_id.short_hex(), "Loading layer", layer.size);
    MeteredReader metered(*blob, meter);
    HAKO_TRY(auto pending, stores.layers.unpack(metered));
    return std::move(pending).commit(diff_id);
}

// Whether the image was wanted.
Result<bool> install(Stores& stores, const ArchivedImage& archived,
                     const std::optional<oci::Platform>& platform, Reporter& reporter) {
    HAKO_TRY(auto image, read_stored_image(stores, archived.manifest, archived.content));
    if (platform && !oci::platform_rank(*platform, image.platform)) return false;
    image.index = archived.index;
    for (std::size_t i = 0; i < image.content.layers.size(); ++i) {
        const auto& layer = image.content.layers[i];
        HAKO_CHECK(
            with_context(unpack_from_store(stores, layer, image.description.diff_ids[i], reporter),
                         fmt::format("layer {}", layer.digest.text())));
    }
    HAKO_CHECK(register_image(stores, image, archived.names));
    return true;
}

}  // namespace

Result<std::vector<std::string>> load_archive(Stores& stores, Reader& source,
                                              const std::optional<oci::Platform>& platform,
                                              Reporter& reporter) {
    HAKO_TRY(auto archive,
             Archive::read(source, stores.content, {.layer = stores.layers.limits()}));
    std::vector<ArchivedImage> images;
    // A layout keeps the manifests as they were, so it is the better source where there are both.
    if (archive.has("oci-layout") && archive.has("index.json")) {
        HAKO_TRY(images, read_oci_layout(archive, stores.content, platform));
    } else if (archive.has("manifest.json")) {
        HAKO_TRY(images, read_docker_archive(archive, stores.content));
    } else {
        return fail(ErrorKind::invalid,
                    "archive is neither an OCI layout (index.json) nor from docker save "
                    "(manifest.json)");
    }
    if (images.empty()) return fail(ErrorKind::invalid, "archive holds no image");

    std::vector<std::string> loaded;
    const auto add = [&](std::string name) {
        // The platforms of an image share its name.
        if (std::ranges::find(loaded, name) == loaded.end()) loaded.push_back(std::move(name));
    };
    for (const auto& image : images) {
        HAKO_TRY(const bool wanted, install(stores, image, platform, reporter));
        if (!wanted) continue;
        for (const auto& name : image.names) add(name.familiar());
        if (image.names.empty()) add(image.content.config.digest.text());
    }
    if (loaded.empty())
        return fail(ErrorKind::not_found, "archive holds no image for {}", platform->text());
    return loaded;
}

}  // namespace hako::images
