#include "init/common/path_in_root.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace hako::init {
namespace {

struct Split {
    std::string parent;
    std::string name;
};

Split split_last(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    const auto slash = path.rfind('/');
    if (slash == std::string_view::npos) return {"/", std::string(path)};
    return {std::string(path.substr(0, slash + 1)), std::string(path.substr(slash + 1))};
}

}  // namespace

Result<Fd> open_in_root(int root, std::string_view path, int flags, mode_t mode) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.mode = mode;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    const std::string text = path.empty() ? "." : std::string(path);
    // The kernel gives up with EAGAIN when something was renamed meanwhile.
    for (int attempt = 0; attempt < 128; ++attempt) {
        const auto fd =
            static_cast<int>(::syscall(SYS_openat2, root, text.c_str(), &how, sizeof(how)));
        if (fd >= 0) return Fd(fd);
        if (errno != EAGAIN && errno != EINTR) break;
    }
    return fail_errno(errno, "cannot open {} in the container", path);
}

Result<Fd> make_folder_in_root(int root, std::string_view path, mode_t mode) {
    auto found = open_in_root(root, path, O_PATH | O_DIRECTORY);
    if (found || found.error().kind() != ErrorKind::not_found) return found;
    const auto [parent_path, name] = split_last(path);
    if (name.empty() || name == "." || name == "..") return found;
    HAKO_TRY(const Fd parent, make_folder_in_root(root, parent_path, mode));
    if (::mkdirat(parent.get(), name.c_str(), mode) != 0 && errno != EEXIST)
        return fail_errno(errno, "cannot create the directory {} in the container", path);
    return open_in_root(root, path, O_PATH | O_DIRECTORY);
}

Result<Fd> make_file_in_root(int root, std::string_view path) {
    auto found = open_in_root(root, path, O_PATH);
    if (found || found.error().kind() != ErrorKind::not_found) return found;
    const auto [parent_path, name] = split_last(path);
    HAKO_TRY(const Fd parent, make_folder_in_root(root, parent_path));
    HAKO_TRY(Fd file, open_in_root(root, path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644));
    return open_in_root(root, path, O_PATH);
}

std::string path_of(const Fd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

}  // namespace hako::init
