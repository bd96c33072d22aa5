// QEMU's end of taps: by ioctl, without netlink, for the shim has no use for that.
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstring>

#include "network/links.h"
#include "network/tap.h"

namespace hako::network {

namespace {

// The device of a macvtap where no udev made /dev/tapN: its number from sysfs, a node of our own.
Result<Fd> open_macvtap_by_number(const std::string& name, const std::string& device) {
    HAKO_TRY(const std::string text,
             read_file(fmt::format("/sys/class/net/{}/macvtap/{}/dev", name, device)));
    unsigned major = 0;
    unsigned minor = 0;
    if (std::sscanf(text.c_str(), "%u:%u", &major, &minor) != 2)
        return fail(ErrorKind::internal, "the device number of {} is \"{}\"", name, text);
    HAKO_TRY(const TempDir folder, TempDir::create());
    const std::string node = folder.path() / device;
    if (::mknod(node.c_str(), S_IFCHR | 0600, makedev(major, minor)) != 0)
        return fail_errno(errno, "cannot make the device of {}", name);
    return open_file(node, O_RDWR);
}

Result<Fd> open_macvtap(const std::string& name) {
    const std::string device = fmt::format("tap{}", ::if_nametoindex(name.c_str()));
    if (auto fd = open_file("/dev/" + device, O_RDWR)) return fd;
    return open_macvtap_by_number(name, device);
}

Result<void> set_interface(int fd, const std::string& name) {
    ifreq request{};
    if (name.size() >= sizeof request.ifr_name)
        return fail(ErrorKind::invalid, "\"{}\" is longer than the name of a link may be", name);
    std::strncpy(request.ifr_name, name.c_str(), sizeof request.ifr_name - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (::ioctl(fd, TUNSETIFF, &request) == 0) return {};
    if (errno == EBUSY)
        return fail(ErrorKind::conflict, "tap {} is in use by another process", name);
    return fail_errno(errno, "cannot open tap {}", name);
}

}  // namespace

Result<Fd> attach_tap(const std::string& name) {
    auto fd = open_file("/dev/net/tun", O_RDWR);
    if (!fd)
        return fail(
            std::move(fd.error()).context("taps need /dev/net/tun; load the kernel module tun"));
    HAKO_CHECK(set_interface(fd->get(), name));
    return fd;
}

Result<void> keep_tap(const Fd& tap) {
    if (::ioctl(tap.get(), TUNSETPERSIST, 1) != 0)
        return fail_errno(errno, "cannot make the tap persistent");
    return {};
}

void release_tap(const Fd& tap) { (void)::ioctl(tap.get(), TUNSETPERSIST, 0); }

Result<Fd> open_tap(const std::string& name) {
    if (::if_nametoindex(name.c_str()) == 0)
        return fail(ErrorKind::not_found, "there is no tap {}", name);
    auto tap = attach_tap(name);
    // A macvtap is no tap to /dev/net/tun (EINVAL): it has a device of its own.
    if (tap || tap.error().kind() == ErrorKind::conflict) return tap;
    if (auto device = open_macvtap(name)) {
        HAKO_CHECK(set_interface(device->get(), name));
        return device;
    }
    return tap;
}

}  // namespace hako::network
