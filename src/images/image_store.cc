#include "images/image_store.h"

#include <fcntl.h>

#include <algorithm>
#include <system_error>

#include "base/log.h"
#include "base/process.h"
#include "images/check.h"
#include "images/commit.h"
#include "images/find.h"
#include "images/import.h"
#include "images/load.h"
#include "images/machine_image.h"
#include "images/pull.h"
#include "images/push.h"
#include "images/remove.h"
#include "images/save.h"
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

// What the manifest says of itself; it need not, and may be lost.
std::string media_type_of(const oci::ContentStore& content, const oci::Digest& manifest) {
    const auto bytes = content.read(manifest, oci::kMaxManifestBytes);
    const auto json =
        bytes ? parse_json(*bytes, {.max_bytes = oci::kMaxManifestBytes}) : Result<Json>(Json());
    const auto type = json ? json_field_or<std::string>(*json, "mediaType", "") : std::string();
    return type && !type->empty() ? *type : std::string(oci::media_type::oci_manifest);
}

Result<Image> read_image(const Stores& stores, const oci::Digest& id) {
    HAKO_TRY(const auto record, stores.catalog.image(id));
    HAKO_TRY(const auto bytes, stores.content.read(id, oci::kMaxConfigBytes));
    HAKO_TRY(auto description, oci::parse_image_description(bytes));
    HAKO_TRY(const auto names, stores.catalog.names_of(id));
    HAKO_TRY(const auto tagged, stores.catalog.last_tagged(id));
    Image image;
    image.id = id.text();
    image.manifest = {.media_type = media_type_of(stores.content, record.manifest),
                      .digest = record.manifest,
                      .size = stores.content.size(record.manifest)};
    for (const auto& blob : record.blobs) image.content_size += stores.content.size(blob);
    for (const auto& name : names)
        (name.digest ? image.repo_digests : image.repo_tags).push_back(name.familiar());
    image.config = std::move(description.config);
    image.architecture = record.platform.architecture;
    image.os = record.platform.os;
    image.variant = description.platform.variant.empty() ? record.platform.variant
                                                         : description.platform.variant;
    image.tagged = tagged.value_or(WallTime{});
    image.created = std::move(description.created);
    image.author = std::move(description.author);
    image.size = record.size;
    image.diff_ids = texts(record.diff_ids);
    for (const auto& diff_id : record.diff_ids)
        image.layer_sizes.push_back(stores.layers.size(diff_id).value_or(0));
    image.history = std::move(description.history);
    return image;
}

Result<Rootfs> make_rootfs(Stores& stores, const oci::Digest& id) {
    const auto lease = stores.garbage.lease();
    HAKO_TRY(const auto layers, stores.layers_of(id));
    HAKO_CHECK(make_view(stores, id, layers));
    Rootfs rootfs{{stores.view_of(id)}};
    for (const auto& layer : layers) {
        std::error_code error;
        const auto bytes = std::filesystem::file_size(layer.data, error);
        if (error) return fail_errno(error.value(), "cannot use layer {}", layer.data.string());
        if (bytes > 0) rootfs.extents.push_back(layer.data);
    }
    return rootfs;
}

// An image that may not have reached the disk before the host went down is taken for lost.
Result<void> drop_doubtful_images(Stores& stores) {
    HAKO_TRY(const auto images, stores.settling.doubtful());
    for (const auto& id : images) {
        log_warn("image {} was not on the disk yet when the host went down: pull it again", id.hex);
        HAKO_CHECK(stores.catalog.remove_image(id));
        HAKO_CHECK(stores.settling.forget(id));
    }
    return {};
}

// Views are never written to the disk for good: after a boot of the host they are made anew.
Result<void> drop_views_of_last_boot(const Layout& layout) {
    const auto note = layout.unsettled() / "views-are-of-boot";
    HAKO_TRY(const auto boot, boot_id());
    const auto noted = read_file(note);
    if (noted && *noted == boot) return {};
    std::error_code error;
    std::filesystem::remove_all(layout.views(), error);
    if (error) return fail_errno(error.value(), "cannot remove {}", layout.views().string());
    return replace_file(note, boot);
}

}  // namespace

class ImageStore::Impl : public Stores {};

ImageStore::ImageStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ImageStore::~ImageStore() = default;

Result<std::unique_ptr<ImageStore>> ImageStore::open(const Layout& layout,
                                                     store::Database& database,
                                                     const LayerLimits& limits) {
    HAKO_TRY(auto content, oci::ContentStore::open(layout.content()));
    HAKO_TRY(auto layers, LayerStore::open(layout.layers(), limits));
    HAKO_TRY(const auto catalog, Catalog::open(database));
    HAKO_CHECK(make_folders(layout.unsettled()));
    HAKO_CHECK(drop_views_of_last_boot(layout));
    HAKO_CHECK(make_folders(layout.views()));
    std::unique_ptr<Impl> impl(new Impl{
        {std::move(content), std::move(layers), catalog, layout.views(), layout.unsettled()}});
    HAKO_CHECK(drop_doubtful_images(*impl));
    HAKO_CHECK(impl->settling.resume());
    impl->garbage.collect();
    return std::unique_ptr<ImageStore>(new ImageStore(std::move(impl)));
}

Result<Image> ImageStore::find(std::string_view name_or_id_prefix,
                               const std::optional<oci::Platform>& platform) const {
    HAKO_TRY(const auto match, find_images(impl_->catalog, name_or_id_prefix));
    HAKO_TRY(const auto chosen, choose_image(match, name_or_id_prefix, platform));
    return read_image(*impl_, chosen.image);
}

Result<std::vector<Image>> ImageStore::list() const {
    HAKO_TRY(const auto ids, impl_->catalog.ids());
    std::vector<Image> images;
    for (const auto& id : ids) {
        auto image = read_image(*impl_, id);
        // Removed since, or damaged, which must not hide the others.
        if (!image && image.error().kind() != ErrorKind::not_found)
            log_warn("image {} is left out: {}", id.text(), image.error().message());
        if (image) images.push_back(*std::move(image));
    }
    return images;
}

Result<Image> ImageStore::pull(const oci::Reference& reference, const PullOptions& options,
                               const ProgressSink& progress, std::stop_token stop) {
    Reporter reporter(progress);
    if (!machine_of_image(reference).empty()) {
        reporter.report("", fmt::format("Status: {} is a machine that hako makes itself",
                                        reference.familiar()));
        return make_machine_image(*this, reference);
    }
    auto pulled = [&] {
        const auto lease = impl_->garbage.lease();
        return pull_image(*impl_, reference, options, reporter, std::move(stop));
    }();
    // What a failed pull had already fetched.
    if (!pulled) impl_->garbage.collect();
    if (!pulled) return fail(std::move(pulled).error());
    return find(reference.text(), options.platform);
}

Result<std::vector<std::string>> ImageStore::load(Reader& archive,
                                                  const std::optional<oci::Platform>& platform,
                                                  const ProgressSink& progress) {
    Reporter reporter(progress);
    auto loaded = [&] {
        const auto lease = impl_->garbage.lease();
        return load_archive(*impl_, archive, platform, reporter);
    }();
    if (!loaded) impl_->garbage.collect();
    return loaded;
}

Result<void> ImageStore::save(const std::vector<std::string>& names, const SaveOptions& options,
                              Writer& out) {
    const auto lease = impl_->garbage.lease();
    return save_images(*impl_, names, options, out);
}

Result<Image> ImageStore::import(Reader& tar, const ImportOptions& options) {
    auto id = [&] {
        const auto lease = impl_->garbage.lease();
        return import_image(*impl_, tar, options);
    }();
    if (!id) impl_->garbage.collect();
    if (!id) return fail(std::move(id).error());
    return read_image(*impl_, *id);
}

Result<std::string> ImageStore::commit(const CommitOptions& options,
                                       const std::function<Result<void>(Writer&)>& write_layer) {
    auto id = [&] {
        const auto lease = impl_->garbage.lease();
        return commit_image(*impl_, options, write_layer);
    }();
    if (!id) impl_->garbage.collect();
    if (!id) return fail(std::move(id).error());
    return id->text();
}

Result<void> ImageStore::push(const oci::Reference& reference, const PushOptions& options,
                              const ProgressSink& progress, std::stop_token stop) {
    Reporter reporter(progress);
    const auto lease = impl_->garbage.lease();
    return push_image(*impl_, reference, options, reporter, std::move(stop));
}

Result<void> ImageStore::tag(std::string_view image, const oci::Reference& reference) {
    if (reference.digest)
        return fail(ErrorKind::invalid, "refusing to create a tag with a digest reference");
    HAKO_TRY(auto match, find_images(impl_->catalog, image));
    for (auto& named : match.images) named.tagged = now();
    return impl_->catalog.replace_name(reference, match.images);
}

Result<Removed> ImageStore::remove(std::string_view name, const RemoveOptions& options,
                                   const UsersOf& users_of) {
    return remove_image(*impl_, name, options, users_of);
}

std::uint64_t ImageStore::disk_usage() const { return impl_->disk_usage(); }

Result<CheckReport> ImageStore::check(const CheckOptions& options) {
    return check_stores(*impl_, options);
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
    HAKO_CHECK(with_context(images.load(reader, {}, {}), archive.string()));
    return {};
}

}  // namespace hako::images
