#include "init/vmexec/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

namespace hako::init {
namespace {

// In the order of linux/capability.h.
constexpr std::array<std::string_view, 41> kNames{"CAP_CHOWN",
                                                  "CAP_DAC_OVERRIDE",
                                                  "CAP_DAC_READ_SEARCH",
                                                  "CAP_FOWNER",
                                                  "CAP_FSETID",
                                                  "CAP_KILL",
                                                  "CAP_SETGID",
                                                  "CAP_SETUID",
                                                  "CAP_SETPCAP",
                                                  "CAP_LINUX_IMMUTABLE",
                                                  "CAP_NET_BIND_SERVICE",
                                                  "CAP_NET_BROADCAST",
                                                  "CAP_NET_ADMIN",
                                                  "CAP_NET_RAW",
                                                  "CAP_IPC_LOCK",
                                                  "CAP_IPC_OWNER",
                                                  "CAP_SYS_MODULE",
                                                  "CAP_SYS_RAWIO",
                                                  "CAP_SYS_CHROOT",
                                                  "CAP_SYS_PTRACE",
                                                  "CAP_SYS_PACCT",
                                                  "CAP_SYS_ADMIN",
                                                  "CAP_SYS_BOOT",
                                                  "CAP_SYS_NICE",
                                                  "CAP_SYS_RESOURCE",
                                                  "CAP_SYS_TIME",
                                                  "CAP_SYS_TTY_CONFIG",
                                                  "CAP_MKNOD",
                                                  "CAP_LEASE",
                                                  "CAP_AUDIT_WRITE",
                                                  "CAP_AUDIT_CONTROL",
                                                  "CAP_SETFCAP",
                                                  "CAP_MAC_OVERRIDE",
                                                  "CAP_MAC_ADMIN",
                                                  "CAP_SYSLOG",
                                                  "CAP_WAKE_ALARM",
                                                  "CAP_BLOCK_SUSPEND",
                                                  "CAP_AUDIT_READ",
                                                  "CAP_PERFMON",
                                                  "CAP_BPF",
                                                  "CAP_CHECKPOINT_RESTORE"};

constexpr std::uint64_t bit(unsigned number) { return std::uint64_t{1} << number; }

// What this kernel knows of them.
std::uint64_t known_capabilities() {
    std::uint64_t known = 0;
    for (unsigned number = 0; number < 64; ++number)
        if (::prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0) known |= bit(number);
    return known;
}

Result<std::uint64_t> read_set(const Json& sets, std::string_view name) {
    HAKO_TRY(const auto names, json_field_or<std::vector<std::string>>(sets, name, {}));
    std::uint64_t set = 0;
    for (const auto& capability : names) {
        HAKO_TRY(const auto number, capability_number(capability));
        set |= bit(number);
    }
    return set;
}

}  // namespace

Result<unsigned> capability_number(std::string_view name) {
    const auto found = std::ranges::find(kNames, name);
    if (found == kNames.end()) return fail(ErrorKind::invalid, "unknown capability {}", name);
    return static_cast<unsigned>(found - kNames.begin());
}

Result<Capabilities> capabilities_of_process(const Json& process) {
    HAKO_TRY(const auto sets, json_field_or<Json>(process, "capabilities", Json::object()));
    Capabilities wanted;
    HAKO_TRY(wanted.bounding, read_set(sets, "bounding"));
    HAKO_TRY(wanted.effective, read_set(sets, "effective"));
    HAKO_TRY(wanted.permitted, read_set(sets, "permitted"));
    HAKO_TRY(wanted.inheritable, read_set(sets, "inheritable"));
    HAKO_TRY(wanted.ambient, read_set(sets, "ambient"));
    return wanted;
}

Result<void> limit_capabilities(const Capabilities& wanted) {
    const auto known = known_capabilities();
    for (unsigned number = 0; number < 64; ++number) {
        if ((known & ~wanted.bounding & bit(number)) == 0) continue;
        if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0)
            return fail_errno(errno, "cannot drop capability {}", number);
    }
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
        return fail_errno(errno, "cannot keep the capabilities over the change of user");
    return {};
}

Result<void> apply_capabilities(const Capabilities& wanted) {
    const auto known = known_capabilities();
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> data{};
    for (unsigned half = 0; half < 2; ++half) {
        const auto word = [&](std::uint64_t set) {
            return static_cast<std::uint32_t>((set & known) >> (32 * half));
        };
        data[half] = {word(wanted.effective & wanted.permitted), word(wanted.permitted),
                      word(wanted.inheritable)};
    }
    if (::syscall(SYS_capset, &header, data.data()) != 0)
        return fail_errno(errno, "cannot set the capabilities");
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned number = 0; number < 64; ++number) {
        if ((wanted.ambient & known & bit(number)) == 0) continue;
        if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) != 0)
            return fail_errno(errno, "cannot raise ambient capability {}", number);
    }
    return {};
}

}  // namespace hako::init
