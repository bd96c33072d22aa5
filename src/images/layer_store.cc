#include "images/layer_store.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "base/paths.h"
#include "base/units.h"
#include "oci/digest_folder.h"

namespace hako::images {
namespace {

namespace fs = std::filesystem;

fs::path ingest_of(const fs::path& folder) { return folder / "ingest"; }

fsimage::LayerFiles files_in(const fs::path& folder) { return {folder / "data", folder / "index"}; }

}  // namespace

Result<LayerStore> LayerStore::open(const fs::path& folder, const fsimage::LayerLimits& limits) {
    // Whatever lies in ingest belongs to a process that is gone.
    std::error_code error;
    fs::remove_all(ingest_of(folder), error);
    HAKO_CHECK(make_folders(folder));
    HAKO_CHECK(make_folders(ingest_of(folder)));
    return LayerStore(folder, limits);
}

fs::path LayerStore::folder_of(const oci::Digest& diff_id) const { return folder_ / diff_id.hex; }

bool LayerStore::has(const oci::Digest& diff_id) const {
    return ::access(folder_of(diff_id).c_str(), F_OK) == 0;
}

fsimage::LayerFiles LayerStore::files(const oci::Digest& diff_id) const {
    return files_in(folder_of(diff_id));
}

Result<std::uint64_t> LayerStore::size(const oci::Digest& diff_id) const {
    std::error_code error;
    const auto bytes = fs::file_size(files(diff_id).data, error);
    if (error) return fail_errno(error.value(), "layer {} is not there", diff_id.text());
    return bytes;
}

Result<LayerStore::Pending> LayerStore::unpack(Reader& tar) const {
    HAKO_TRY(auto folder, TempDir::create(ingest_of(folder_)));
    const auto files = files_in(folder.path());
    HAKO_TRY(auto layer, fsimage::unpack_layer(tar, files.data, files.index, limits_));
    return Pending(std::move(folder), std::move(layer.diff_id), folder_);
}

fsimage::LayerFiles LayerStore::Pending::files() const { return files_in(folder_.path()); }

Result<void> LayerStore::Pending::commit(const oci::Digest& expected) && {
    const auto folder = std::move(folder_);
    if (diff_id_ != expected.text())
        return fail(ErrorKind::corrupt,
                    "its content is {}, but the image's configuration promises {}", diff_id_,
                    expected.text());
    const auto target = store_ / expected.hex;
    // Somebody was faster: the same bytes are there already.
    if (::rename(folder.path().c_str(), target.c_str()) != 0 && errno != ENOTEMPTY &&
        errno != EEXIST)
        return fail_errno(errno, "cannot keep layer {}", expected.text());
    return {};
}

Result<void> LayerStore::remove(const oci::Digest& diff_id) const {
    // Renamed first, so that a crash never leaves half a layer under its name.
    const auto doomed = ingest_of(folder_) / random_id();
    if (::rename(folder_of(diff_id).c_str(), doomed.c_str()) != 0) {
        if (errno == ENOENT) return {};
        return fail_errno(errno, "cannot remove layer {}", diff_id.text());
    }
    std::error_code error;
    fs::remove_all(doomed, error);
    if (error) return fail_errno(error.value(), "cannot remove layer {}", diff_id.text());
    return {};
}

Result<std::vector<oci::Digest>> LayerStore::list() const {
    HAKO_TRY(auto content, oci::list_digests(folder_));
    return std::move(content.digests);
}

Result<std::vector<fs::path>> LayerStore::strays() const {
    return oci::list_strays(folder_, ingest_of(folder_));
}

}  // namespace hako::images
