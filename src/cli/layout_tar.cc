#include "cli/layout_tar.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "cli/piped_tar.h"

namespace hako::cli {
namespace {

namespace fs = std::filesystem;

Result<void> add(fsimage::TarWriter& tar, const fs::path& file, const std::string& name) {
    HAKO_TRY(const auto fd, open_file(file, O_RDONLY));
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) return fail_errno(errno, "cannot read {}", file.string());
    FdReader contents(fd.get());
    return tar.add_file(name, static_cast<std::uint64_t>(status.st_size), contents);
}

// Only what a layout has: whatever else lies in the folder is nobody's business.
Result<void> write_layout(const fs::path& folder, fsimage::TarWriter& tar) {
    for (const char* name : {"oci-layout", "index.json"}) HAKO_CHECK(add(tar, folder / name, name));
    std::error_code error;
    fs::directory_iterator blobs(folder / "blobs/sha256", error);
    for (; !error && blobs != fs::directory_iterator(); blobs.increment(error))
        HAKO_CHECK(add(tar, blobs->path(), "blobs/sha256/" + blobs->path().filename().string()));
    if (error) return fail_errno(error.value(), "cannot list the blobs of {}", folder.string());
    return {};
}

}  // namespace

Result<std::unique_ptr<Reader>> open_layout(const fs::path& folder) {
    for (const char* name : {"oci-layout", "index.json"}) {
        std::error_code error;
        if (!fs::is_regular_file(folder / name, error))
            return fail(ErrorKind::invalid, "{} is no OCI layout: it has no {}", folder.string(),
                        name);
    }
    return PipedTar::start([folder](fsimage::TarWriter& tar) { return write_layout(folder, tar); });
}

}  // namespace hako::cli
