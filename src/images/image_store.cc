#include "images/image_store.h"

#include <fcntl.h>

#include <algorithm>
#include <system_error>

#include "images/find.h"
#include "images/load.h"
#include "images/pull.h"
#include "images/remove.h"
#include "images/stores.h"

namespace hako::images {
namespace {

constexpr std::string_view kHelloName = "hako/hello";

std::vector<std::string> texts(const std::vector<oci::Digest>& digests) {
    std::vector<std::string> result;
    result.reserve(digests.size());
    for (const auto& digest : digests) result.push_back(digest.text());
    return result;
}

Result<Image> read_image(const Stores& stores, const oci::Digest& id) {
    HAKO_TRY(const auto record, stores.catalog.image(id));
    HAKO_TRY(const auto bytes, stores.content.read(id, oci::kMaxConfigBytes));
    HAKO_TRY(auto description, oci::parse_image_description(bytes));
    HAKO_TRY(const auto names, stores.catalog.names_of(id));
    Image image;
    image.id = id.text();
    for (const auto& name : names)
        (name.digest ? image.repo_digests : image.repo_tags).push_back(name.familiar());
    image.config = std::move(description.config);
    image.architecture = std::move(description.platform.architecture);
    image.os = std::move(description.platform.os);
    image.variant = std::move(description.platform.variant);
    image.created = std::move(description.created);
    image.author = std::move(description.author);
    image.size = record.size;
    image.diff_ids = texts(record.diff_ids);
    image.history = std::move(description.history);
    return image;
}

Result<Rootfs> make_rootfs(Stores& stores, const oci::Digest& id) {
    const auto lease = stores.garbage.lease();
    HAKO_TRY(const auto record, stores.catalog.image(id));
    std::vector<fsimage::LayerFiles> layers;
    for (const auto& diff_id : record.diff_ids) layers.push_back(stores.layers.files(diff_id));

    const auto view = stores.view_of(id);
    {
        const auto busy = stores.busy.lock(id.text());
        std::error_code error;
        if (!std::filesystem::exists(view, error)) HAKO_CHECK(fsimage::write_view(layers, view));
    }
    Rootfs rootfs{{view}};
    for (const auto& layer : layers) {
        std::error_code error;
        const auto bytes = std::filesystem::file_size(layer.data, error);
        if (error) return fail_errno(error.value(), "cannot use layer {}", layer.data.string());
        if (bytes > 0) rootfs.extents.push_back(layer.data);
    }
    return rootfs;
}

}  // namespace

class ImageStore::Impl : public Stores {};

ImageStore::ImageStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ImageStore::~ImageStore() = default;

Result<std::unique_ptr<ImageStore>> ImageStore::open(const Layout& layout,
                                                     store::Database& database) {
    HAKO_TRY(auto content, oci::ContentStore::open(layout.content()));
    HAKO_TRY(auto layers, LayerStore::open(layout.layers()));
    HAKO_TRY(auto catalog, Catalog::open(database));
    HAKO_CHECK(make_folders(layout.views()));
    std::unique_ptr<Impl> impl(
        new Impl{{std::move(content), std::move(layers), std::move(catalog), layout.views()}});
    impl->garbage.collect();
    return std::unique_ptr<ImageStore>(new ImageStore(std::move(impl)));
}

Result<Image> ImageStore::find(std::string_view name_or_id_prefix) const {
    HAKO_TRY(const auto match, find_image(impl_->catalog, name_or_id_prefix));
    return read_image(*impl_, match.id);
}

Result<std::vector<Image>> ImageStore::list() const {
    HAKO_TRY(const auto ids, impl_->catalog.ids());
    std::vector<Image> images;
    for (const auto& id : ids) {
        auto image = read_image(*impl_, id);
        // Removed since.
        if (!image && image.error().kind() == ErrorKind::not_found) continue;
        if (!image) return fail(std::move(image).error());
        images.push_back(*std::move(image));
    }
    return images;
}

Result<Image> ImageStore::pull(const oci::Reference& reference, const PullOptions& options,
                               const ProgressSink& progress, std::stop_token stop) {
    Reporter reporter(progress);
    auto id = [&] {
        const auto lease = impl_->garbage.lease();
        return pull_image(*impl_, reference, options, reporter, std::move(stop));
    }();
    // What a failed pull had already fetched.
    if (!id) impl_->garbage.collect();
    if (!id) return fail(std::move(id).error());
    return read_image(*impl_, *id);
}

Result<std::vector<std::string>> ImageStore::load(Reader& archive, const ProgressSink& progress) {
    Reporter reporter(progress);
    auto loaded = [&] {
        const auto lease = impl_->garbage.lease();
        return load_archive(*impl_, archive, reporter);
    }();
    if (!loaded) impl_->garbage.collect();
    return loaded;
}

Result<void> ImageStore::tag(std::string_view image, const oci::Reference& reference) {
    if (reference.digest)
        return fail(ErrorKind::invalid, "refusing to create a tag with a digest reference");
    HAKO_TRY(const auto match, find_image(impl_->catalog, image));
    return impl_->catalog.set_name(reference, match.id);
}

Result<Removed> ImageStore::remove(std::string_view name, bool force, const UsersOf& users_of) {
    return remove_image(*impl_, name, force, users_of);
}

Result<Rootfs> ImageStore::rootfs(std::string_view id) {
    HAKO_TRY(const auto digest, oci::Digest::parse(id));
    return make_rootfs(*impl_, digest);
}

Result<void> ensure_hello(ImageStore& images, const std::filesystem::path& archive) {
    auto found = images.find(kHelloName);
    if (found) return {};
    if (found.error().kind() != ErrorKind::not_found) return fail(std::move(found).error());
    HAKO_TRY(const auto file, open_file(archive, O_RDONLY));
    FdReader reader(file.get());
    HAKO_CHECK(with_context(images.load(reader, {}), archive.string()));
    return {};
}

}  // namespace hako::images
