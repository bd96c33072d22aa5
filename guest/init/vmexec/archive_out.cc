#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/json.h"
#include "init/vmexec/archive.h"
#include "init/vmexec/tar_creation.h"

namespace hako::init {
namespace {

// "/a/b" -> "b", "/a/." -> "."
std::string base_name(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path.substr(path.rfind('/') + 1);
}

}  // namespace

Result<Json> stat_path(const std::string& path) {
    struct stat state {};
    if (::lstat(path.c_str(), &state) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return fail(ErrorKind::not_found, "Could not find the file {} in container", path);
        return fail_errno(errno, "cannot look at {}", path);
    }
    return Json{{"name", path == "/" ? path : base_name(path)},
                {"size", state.st_size},
                {"mode", state.st_mode},
                {"mtime_ns", state.st_mtim.tv_sec * 1'000'000'000 + state.st_mtim.tv_nsec},
                {"link_target", S_ISLNK(state.st_mode) ? read_link(AT_FDCWD, path) : ""}};
}

Result<void> create_tar(const std::string& path, int fd) {
    const auto name = base_name(path);
    const bool whole = path == "/";  // an export: without what is mounted, named from the root
    const bool own_mount = whole || name == ".";
    HAKO_TRY(auto tar, TarCreation::begin(
                           fd, {.mount = own_mount ? mount_of(AT_FDCWD, path) : std::nullopt}));
    if (whole) {
        HAKO_TRY(const Fd root, open_file(path, O_RDONLY | O_DIRECTORY));
        HAKO_CHECK(tar.add_children(root.get(), ""));
    } else {
        HAKO_CHECK(tar.add(AT_FDCWD, path, name));
    }
    return tar.finish();
}

}  // namespace hako::init
