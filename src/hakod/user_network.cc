#include "hakod/user_network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/user_network.h"

namespace hako::hakod {

namespace {

// Those of QEMU's user network, unless it is told others.
constexpr const char* kAddress = "10.0.2.15";
constexpr const char* kMask = "255.255.255.0";
constexpr const char* kGateway = "10.0.2.2";
constexpr int kTap = 3;  // the descriptor's number in QEMU

sockaddr address_of(const char* text) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, text, &address.sin_addr);
    sockaddr generic{};
    std::memcpy(&generic, &address, sizeof generic);
    return generic;
}

ifreq request_for(const char* link) {
    ifreq request{};
    std::strncpy(request.ifr_name, link, IFNAMSIZ - 1);
    return request;
}

Result<void> bring_up(int socket, const char* link) {
    ifreq request = request_for(link);
    if (::ioctl(socket, SIOCGIFFLAGS, &request) == 0) {
        request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
        if (::ioctl(socket, SIOCSIFFLAGS, &request) == 0) return {};
    }
    return fail_errno(errno, "cannot bring up {}", link);
}

Result<void> configure() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno(errno, "cannot make a socket");
    ifreq request = request_for(kUserNetworkLink);
    request.ifr_addr = address_of(kAddress);
    if (::ioctl(socket.get(), SIOCSIFADDR, &request) != 0)
        return fail_errno(errno, "cannot give {} its address", kUserNetworkLink);
    request.ifr_netmask = address_of(kMask);
    if (::ioctl(socket.get(), SIOCSIFNETMASK, &request) != 0)
        return fail_errno(errno, "cannot give {} its netmask", kUserNetworkLink);
    for (const char* link : {"lo", kUserNetworkLink}) HAKO_CHECK(bring_up(socket.get(), link));
    rtentry route{};
    route.rt_dst = address_of("0.0.0.0");
    route.rt_genmask = address_of("0.0.0.0");
    route.rt_gateway = address_of(kGateway);
    route.rt_flags = RTF_UP | RTF_GATEWAY;
    if (::ioctl(socket.get(), SIOCADDRT, &route) != 0)
        return fail_errno(errno, "cannot set the default route");
    return {};
}

}  // namespace

Result<Fd> make_user_network_tap() {
    HAKO_TRY(Fd tap, open_file("/dev/net/tun", O_RDWR | O_NONBLOCK));
    ifreq request = request_for(kUserNetworkLink);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (::ioctl(tap.get(), TUNSETIFF, &request) != 0)
        return fail_errno(errno, "cannot make the tap {}", kUserNetworkLink);
    HAKO_CHECK(configure());
    return tap;
}

Result<ProcessIdentity> start_user_network(Fd tap) {
    const char* qemu = std::getenv("HAKO_QEMU");
    const Command command{
        .argv = {qemu != nullptr ? qemu : "qemu-system-x86_64", "-machine", "none", "-nodefaults",
                 "-no-user-config", "-display", "none", "-sandbox",
                 "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
                 // A hub joins the two.
                 "-netdev", "user,id=out", "-netdev", "hubport,id=port0,hubid=0,netdev=out",
                 "-netdev", fmt::format("tap,id=in,fd={}", kTap), "-netdev",
                 "hubport,id=port1,hubid=0,netdev=in"},
        .new_session = true};
    HAKO_TRY(Process process, spawn(command, {{tap.get(), kTap}}));
    tap.reset();
    HAKO_TRY(const auto identity, identify_process(process.pid()));
    process.release();
    return identity;
}

}  // namespace hako::hakod
