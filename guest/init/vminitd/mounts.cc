#include "init/vminitd/mounts.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

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

constexpr auto kPlugDeadline = std::chrono::seconds(5);
constexpr auto kPlugPoll = std::chrono::milliseconds(5);
constexpr std::size_t kPageHeader = 4;  // of a SCSI vital product data page

std::string serial_of(const fs::path& disk) {
    if (const auto text = read_file(disk / "serial")) return std::string(trim(*text));
    const auto page = read_file(disk / "device/vpd_pg80");
    if (!page || page->size() <= kPageHeader) return {};
    return std::string(trim(std::string_view(*page).substr(kPageHeader)));
}

}  // namespace

Result<std::string> find_disk(const std::string& serial) {
    // A SCSI disk is plugged in while the VM runs: the kernel finds it a moment later,
    // and opens it another moment later.
    std::error_code error;
    const bool may_come = !fs::is_empty("/sys/class/scsi_host", error) && !error;
    const auto deadline = std::chrono::steady_clock::now() + kPlugDeadline;
    do {
        for (const auto& entry : fs::directory_iterator("/sys/block", error))
            if (const auto node = "/dev/" + entry.path().filename().string();
                serial_of(entry.path()) == serial && open_file(node, O_RDONLY))
                return node;
        std::this_thread::sleep_for(kPlugPoll);
    } while (may_come && std::chrono::steady_clock::now() < deadline);
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
