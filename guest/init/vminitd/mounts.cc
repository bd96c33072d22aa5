#include "init/vminitd/mounts.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "base/fd.h"
#include "base/paths.h"
#include "base/text.h"
#include "init/common/mount_options.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

bool is_file(const std::string& path) {
    struct stat state {};
    return ::stat(path.c_str(), &state) == 0 && !S_ISDIR(state.st_mode);
}

Result<void> make_target(const std::string& target, const std::string& source, bool bind) {
    if (!bind || !is_file(source)) return make_folders(target, 0755);
    HAKO_CHECK(make_folders(fs::path(target).parent_path(), 0755));
    return fs::exists(target) ? Result<void>() : write_file(target, "");
}

}  // namespace

Result<std::string> find_disk(const std::string& serial) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/sys/block", error)) {
        const auto text = read_file(entry.path() / "serial");
        if (text && trim(*text) == serial) return "/dev/" + entry.path().filename().string();
    }
    return fail(ErrorKind::not_found, "the VM has no disk with the serial \"{}\"", serial);
}

Result<void> mount_one(const agent::v1::Mount& mount) {
    auto source = mount.source();
    if (mount.has_disk_serial()) {
        HAKO_TRY(source, find_disk(mount.disk_serial()));
    }
    if (!mount.target().starts_with('/'))
        return fail(ErrorKind::invalid, "mount target \"{}\" is not absolute", mount.target());
    const std::vector<std::string> texts(mount.options().begin(), mount.options().end());
    const auto options = parse_mount_options(texts);
    if (mount.create_directories())
        for (const auto& text : texts)
            for (const std::string_view name : {"upperdir=", "workdir="})
                if (text.starts_with(name))
                    HAKO_CHECK(make_folders(text.substr(name.size()), 0755));
    HAKO_CHECK(make_target(mount.target(), source, options.bind()));
    HAKO_CHECK(mount_at(source, mount.target(), mount.type(), options));
    return finish_mount(mount.target(), options);
}

Result<void> unmount(const std::string& target) {
    if (::umount2(target.c_str(), UMOUNT_NOFOLLOW) != 0)
        return fail_errno(errno, "cannot unmount {}", target);
    return {};
}

}  // namespace hako::init
