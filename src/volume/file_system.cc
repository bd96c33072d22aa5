#include "volume/file_system.h"

#include <fcntl.h>
#include <netdb.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "base/text.h"
#include "volume/options.h"

namespace hako::volume {
namespace {

constexpr std::array kFlags{
    std::pair{std::string_view("ro"), MS_RDONLY},
    std::pair{std::string_view("noexec"), MS_NOEXEC},
    std::pair{std::string_view("sync"), MS_SYNCHRONOUS},
    std::pair{std::string_view("dirsync"), MS_DIRSYNC},
    std::pair{std::string_view("noatime"), MS_NOATIME},
    std::pair{std::string_view("nodiratime"), MS_NODIRATIME},
    std::pair{std::string_view("relatime"), MS_RELATIME},
    std::pair{std::string_view("strictatime"), MS_STRICTATIME},
};

bool is_of_a_network(std::string_view type) {
    return type == "nfs" || type == "nfs4" || type == "cifs" || type == "smb3";
}

// "server:/export" or "//server/share"
std::string server_in(std::string_view device) {
    if (device.starts_with("//")) {
        device.remove_prefix(2);
        return std::string(device.substr(0, device.find('/')));
    }
    if (device.starts_with('[')) return std::string(device.substr(1, device.find(']') - 1));
    return std::string(device.substr(0, device.find(":/")));
}

Result<std::string> address_of(const std::string& server) {
    addrinfo* found = nullptr;
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    if (const int error = ::getaddrinfo(server.c_str(), nullptr, &wanted, &found); error != 0)
        return fail(ErrorKind::not_found, "no address for the server {}: {}", server,
                    ::gai_strerror(error));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
    std::array<char, NI_MAXHOST> text{};
    if (const int error = ::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(),
                                        nullptr, 0, NI_NUMERICHOST);
        error != 0)
        return fail(ErrorKind::internal, "cannot read the address of the server {}: {}", server,
                    ::gai_strerror(error));
    return std::string(text.data());
}

// The kernel wants numbers, which mount.nfs and mount.cifs would have put there.
Result<std::string> with_address(const FileSystem& wanted) {
    constexpr std::string_view kAddress = "addr=";
    if (!is_of_a_network(wanted.type)) return wanted.data;
    std::string server, data;
    for (const auto word : words_of(wanted.data)) {
        if (word.starts_with(kAddress)) server = word.substr(kAddress.size());
        else data += fmt::format("{}{}", data.empty() ? "" : ",", word);
    }
    if (server.empty()) server = server_in(wanted.device);
    if (server.empty()) return wanted.data;
    HAKO_TRY(const auto address, address_of(server));
    return fmt::format("{}{}{}{}", data, data.empty() ? "" : ",", kAddress, address);
}

std::string reason_of(int error, const FileSystem& wanted) {
    if (error == ENODEV)
        return fmt::format("the host's kernel has no file system of the type {}", wanted.type);
    if (error == EPERM)
        return fmt::format("hakod may not mount a file system of the type {} here", wanted.type);
    return errno_text(error);
}

}  // namespace

std::optional<FileSystem> file_system_of(const Volume& volume) {
    const auto type = value_of(volume.options, "type");
    if (volume.driver != kLocal || type.empty() || type == "none") return std::nullopt;
    FileSystem wanted{.type = std::string(type),
                      .device = std::string(value_of(volume.options, "device")),
                      .data = {},
                      // Its files are for containers, not for programs of the host.
                      .flags = MS_NOSUID | MS_NODEV};
    for (const auto word : words_of(value_of(volume.options, "o"))) {
        if (word == "rw") wanted.flags &= ~static_cast<unsigned long>(MS_RDONLY);
        const auto flag =
            std::ranges::find(kFlags, word, [](const auto& one) { return one.first; });
        if (flag != kFlags.end()) wanted.flags |= static_cast<unsigned long>(flag->second);
        else if (!means_nothing(word) && !is_restriction(word))
            wanted.data += fmt::format("{}{}", wanted.data.empty() ? "" : ",", word);
    }
    return wanted;
}

Result<void> mount_volume(const Volume& volume, const std::filesystem::path& folder) {
    const auto wanted = file_system_of(volume);
    if (!wanted || is_mount_point(folder)) return {};
    const auto mounted = [&]() -> Result<void> {
        HAKO_TRY(const auto data, with_address(*wanted));
        if (::mount(wanted->device.c_str(), folder.c_str(), wanted->type.c_str(), wanted->flags,
                    data.c_str()) != 0)
            return fail(ErrorKind::invalid, "{}", reason_of(errno, *wanted));
        return {};
    }();
    return with_context(
        mounted, fmt::format("cannot mount volume {} (type {}, device {}, o {})", volume.name,
                             wanted->type, wanted->device, value_of(volume.options, "o")));
}

Result<void> unmount_volume(const std::filesystem::path& folder) {
    if (!is_mount_point(folder)) return {};
    if (::umount2(folder.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
        return fail_errno(errno, "cannot unmount {}", folder.native());
    return {};
}

// Without a word with a server that may be gone.
bool is_mount_point(const std::filesystem::path& folder) {
    struct statx found {};
    constexpr int kFlagsOfLook = AT_NO_AUTOMOUNT | AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC;
    return ::statx(AT_FDCWD, folder.c_str(), kFlagsOfLook, 0, &found) == 0 &&
           (found.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace hako::volume
