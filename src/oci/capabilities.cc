#include "oci/capabilities.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string_view>

namespace hako::oci {
namespace {

constexpr std::array<std::string_view, 41> kAll = {
    "CAP_AUDIT_CONTROL",   "CAP_AUDIT_READ",   "CAP_AUDIT_WRITE",
    "CAP_BLOCK_SUSPEND",   "CAP_BPF",          "CAP_CHECKPOINT_RESTORE",
    "CAP_CHOWN",           "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",          "CAP_FSETID",       "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",       "CAP_KILL",         "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE", "CAP_MAC_ADMIN",    "CAP_MAC_OVERRIDE",
    "CAP_MKNOD",           "CAP_NET_ADMIN",    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",   "CAP_NET_RAW",      "CAP_PERFMON",
    "CAP_SETFCAP",         "CAP_SETGID",       "CAP_SETPCAP",
    "CAP_SETUID",          "CAP_SYSLOG",       "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",        "CAP_SYS_CHROOT",   "CAP_SYS_MODULE",
    "CAP_SYS_NICE",        "CAP_SYS_PACCT",    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",       "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",  "CAP_WAKE_ALARM",
};

constexpr std::array<std::string_view, 14> kDefault = {
    "CAP_AUDIT_WRITE", "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",     "CAP_FSETID",
    "CAP_KILL",        "CAP_MKNOD",   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",    "CAP_SETFCAP",
    "CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT",
};

using Set = std::set<std::string, std::less<>>;

// The capabilities that a setting's name stands for.
Result<Set> expand(const std::vector<std::string>& names) {
    Set result;
    for (const std::string& name : names) {
        std::string upper = name;
        for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        if (upper == "ALL") {
            result.insert(kAll.begin(), kAll.end());
            continue;
        }
        if (!upper.starts_with("CAP_")) upper.insert(0, "CAP_");
        if (std::ranges::find(kAll, upper) == kAll.end())
            return fail(ErrorKind::invalid, "invalid capability: \"{}\"", name);
        result.insert(std::move(upper));
    }
    return result;
}

bool names_all(const std::vector<std::string>& names) {
    return std::ranges::any_of(names, [](std::string name) {
        std::ranges::transform(name, name.begin(),
                               [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        return name == "ALL";
    });
}

}  // namespace

Result<std::vector<std::string>> select_capabilities(const std::vector<std::string>& add,
                                                     const std::vector<std::string>& drop,
                                                     bool privileged) {
    HAKO_TRY(const Set added, expand(add));
    HAKO_TRY(const Set dropped, expand(drop));
    if (privileged) return std::vector<std::string>(kAll.begin(), kAll.end());

    Set chosen(kDefault.begin(), kDefault.end());
    // "--cap-drop ALL --cap-add X" leaves X, "--cap-add ALL --cap-drop X" all but X.
    if (names_all(drop)) {
        chosen = added;
    } else {
        chosen.insert(added.begin(), added.end());
        for (const std::string& name : dropped) chosen.erase(name);
    }
    return std::vector<std::string>(chosen.begin(), chosen.end());
}

}  // namespace hako::oci
