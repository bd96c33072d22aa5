#include "init/common/namespaces.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/fd.h"

namespace hako::init {
namespace {

struct Row {
    std::string_view type;
    unsigned flag;
};
constexpr std::array kRows{
    Row{"pid", CLONE_NEWPID}, Row{"mount", CLONE_NEWNS},      Row{"ipc", CLONE_NEWIPC},
    Row{"uts", CLONE_NEWUTS}, Row{"cgroup", CLONE_NEWCGROUP}, Row{"network", CLONE_NEWNET},
};

}  // namespace

Result<Namespaces> namespaces_of(const Json& container) {
    HAKO_TRY(const auto json, json_field_or<Json>(container, "linux", Json::object()));
    HAKO_TRY(const auto list, json_field_or<std::vector<Json>>(json, "namespaces", {}));
    Namespaces namespaces{.own = CLONE_NEWNS};
    for (const auto& entry : list) {
        HAKO_TRY(const auto type, json_field_or<std::string>(entry, "type", ""));
        HAKO_TRY(const auto path, json_field_or<std::string>(entry, "path", ""));
        const auto row = std::ranges::find(kRows, type, &Row::type);
        const auto other = path.starts_with(kNamespaceOf) ? path.substr(kNamespaceOf.size()) : "";
        const bool joins = !other.empty() && type != "mount" && type != "cgroup";
        const bool fits = namespaces.container.empty() || namespaces.container == other;
        if (row == kRows.end() || (!path.empty() && !(joins && fits)))
            return fail(ErrorKind::unimplemented,
                        "the namespace of type \"{}\" with path \"{}\" is not offered in the guest",
                        type, path);
        (joins ? namespaces.joined : namespaces.own) |= row->flag;
        if (joins) namespaces.container = other;
    }
    return namespaces;
}

Result<void> bring_loopback_up() {
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno(errno, "cannot open a socket to bring up lo");
    ifreq interface {};
    std::memcpy(interface.ifr_name, "lo", 3);
    if (::ioctl(socket.get(), SIOCGIFFLAGS, &interface) == 0) {
        interface.ifr_flags = static_cast<short>(interface.ifr_flags | IFF_UP);
        if (::ioctl(socket.get(), SIOCSIFFLAGS, &interface) == 0) return {};
    }
    return fail_errno(errno, "cannot bring up lo");
}

}  // namespace hako::init
