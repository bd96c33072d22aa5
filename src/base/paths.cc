#include "base/paths.h"

#include <sys/stat.h>

#include <cerrno>

namespace hako {

namespace fs = std::filesystem;

Result<Installation> Installation::find() {
    std::error_code error;
    const fs::path executable = fs::read_symlink("/proc/self/exe", error);
    if (error) return fail_errno(error.value(), "cannot read /proc/self/exe");
    const fs::path bin = executable.parent_path();
    const fs::path prefix = bin.parent_path();
    for (const fs::path& share : {prefix / "share" / "hako", prefix / "share"})
        if (fs::exists(share / "initramfs.cpio", error)) return Installation{bin, share};
    return fail(ErrorKind::not_found,
                "hako's kernel and agent are not beside {}; run 'make build', or reinstall hako",
                executable.native());
}

Result<void> make_folders(const fs::path& path, mode_t mode) {
    std::error_code error;
    const bool created = fs::create_directories(path, error);
    if (error) return fail_errno(error.value(), "cannot create the folder {}", path.native());
    if (created && ::chmod(path.c_str(), mode) != 0)
        return fail_errno(errno, "cannot set the mode of {}", path.native());
    return {};
}

}  // namespace hako
