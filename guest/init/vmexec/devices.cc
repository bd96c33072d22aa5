#include "init/vmexec/devices.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <map>

#include "init/common/path_in_root.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDevicesAnnotation = "io.hako.devices";  // "all": those of the VM

struct Device {
    std::string path;
    mode_t mode = 0;  // type and permissions
    unsigned major = 0, minor = 0;
    uid_t uid = 0;
    gid_t gid = 0;
};

struct DefaultDevice {
    const char* name;
    unsigned major, minor;
};
constexpr std::array kDefaults{
    DefaultDevice{"null", 1, 3},   DefaultDevice{"zero", 1, 5},    DefaultDevice{"full", 1, 7},
    DefaultDevice{"random", 1, 8}, DefaultDevice{"urandom", 1, 9}, DefaultDevice{"tty", 5, 0},
};

struct Link {
    const char* name;
    const char* target;
};
constexpr std::array kLinks{
    Link{"fd", "/proc/self/fd"},       Link{"stdin", "/proc/self/fd/0"},
    Link{"stdout", "/proc/self/fd/1"}, Link{"stderr", "/proc/self/fd/2"},
    Link{"core", "/proc/kcore"},
};

Result<void> make_device(const Fd& root, const Device& device) {
    const auto slash = device.path.rfind('/');
    const auto name = device.path.substr(slash + 1);
    HAKO_TRY(const auto folder, make_folder_in_root(root.get(), device.path.substr(0, slash)));
    const auto number = ::makedev(device.major, device.minor);
    struct stat present {};
    if (::fstatat(folder.get(), name.c_str(), &present, AT_SYMLINK_NOFOLLOW) == 0) {
        if (present.st_rdev == number && (present.st_mode & S_IFMT) == (device.mode & S_IFMT))
            return {};
        ::unlinkat(folder.get(), name.c_str(), 0);
    }
    if (::mknodat(folder.get(), name.c_str(), device.mode, number) != 0 ||
        ::fchownat(folder.get(), name.c_str(), device.uid, device.gid, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno(errno, "cannot make the device {}", device.path);
    return {};
}

Result<Device> read_device(const Json& json) {
    Device device;
    HAKO_TRY(device.path, json_field_or<std::string>(json, "path", ""));
    HAKO_TRY(const auto type, json_field_or<std::string>(json, "type", ""));
    HAKO_TRY(device.mode, json_field_or<std::uint32_t>(json, "fileMode", 0666));
    HAKO_TRY(device.major, json_field_or<std::uint32_t>(json, "major", 0));
    HAKO_TRY(device.minor, json_field_or<std::uint32_t>(json, "minor", 0));
    HAKO_TRY(device.uid, json_field_or<std::uint32_t>(json, "uid", 0));
    HAKO_TRY(device.gid, json_field_or<std::uint32_t>(json, "gid", 0));
    device.mode &= 07777U;
    if (!device.path.starts_with('/') || device.path.ends_with('/'))
        return fail(ErrorKind::invalid, "device path \"{}\" is not absolute", device.path);
    if (type == "c" || type == "u") device.mode |= S_IFCHR;
    else if (type == "b") device.mode |= S_IFBLK;
    else if (type == "p") device.mode |= S_IFIFO;
    else
        return fail(ErrorKind::invalid, "device {} has the unknown type \"{}\"", device.path, type);
    return device;
}

// What the VM's own /dev has, terminals and folders of mounts excepted.
Result<void> make_all_devices(const Fd& root) {
    std::error_code error;
    for (fs::recursive_directory_iterator entry("/dev", error), end; !error && entry != end;
         entry.increment(error)) {
        struct stat state {};
        if (::lstat(entry->path().c_str(), &state) != 0) continue;
        const auto name = entry->path().filename();
        if (S_ISDIR(state.st_mode) && (name == "pts" || name == "shm" || name == "mqueue"))
            entry.disable_recursion_pending();
        const bool is_terminal = name == "ptmx" || name == "console";
        if (is_terminal || (!S_ISCHR(state.st_mode) && !S_ISBLK(state.st_mode))) continue;
        HAKO_CHECK(make_device(root, {entry->path(), state.st_mode, major(state.st_rdev),
                                      minor(state.st_rdev), state.st_uid, state.st_gid}));
    }
    if (error) return fail_errno(error.value(), "cannot list the VM's devices");
    return {};
}

Result<void> make_links(const Fd& dev) {
    for (const auto& link : kLinks)
        if (::symlinkat(link.target, dev.get(), link.name) != 0 && errno != EEXIST)
            return fail_errno(errno, "cannot make the link /dev/{}", link.name);
    // The container's own instance of devpts, whatever the image has there.
    struct stat pts {};
    if (::fstatat(dev.get(), "pts/ptmx", &pts, 0) != 0) return {};
    ::unlinkat(dev.get(), "ptmx", 0);
    if (::symlinkat("pts/ptmx", dev.get(), "ptmx") != 0 && errno != EEXIST)
        return fail_errno(errno, "cannot make the link /dev/ptmx");
    return {};
}

}  // namespace

Result<void> make_devices(const Fd& root, const Json& container) {
    const auto mask = ::umask(0);
    const auto made = [&]() -> Result<void> {
        for (const auto& device : kDefaults)
            HAKO_CHECK(make_device(root, {fmt::format("/dev/{}", device.name), S_IFCHR | 0666U,
                                          device.major, device.minor}));
        using Annotations = std::map<std::string, std::string>;
        HAKO_TRY(const auto annotations, json_field_or<Annotations>(container, "annotations", {}));
        const auto wanted = annotations.find(kDevicesAnnotation);
        if (wanted != annotations.end() && wanted->second == "all")
            HAKO_CHECK(make_all_devices(root));
        HAKO_TRY(const auto linux_json, json_field_or<Json>(container, "linux", Json::object()));
        HAKO_TRY(const auto more, json_field_or<std::vector<Json>>(linux_json, "devices", {}));
        for (const auto& json : more) {
            HAKO_TRY(const auto device, read_device(json));
            HAKO_CHECK(make_device(root, device));
        }
        HAKO_TRY(const auto dev, open_in_root(root.get(), "/dev", O_PATH | O_DIRECTORY));
        return make_links(dev);
    }();
    ::umask(mask);
    return made;
}

}  // namespace hako::init
