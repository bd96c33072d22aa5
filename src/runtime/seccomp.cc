#include "runtime/seccomp.h"

#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <string_view>

#include "base/json.h"
#include "runtime/seccomp_filter.h"
#include "runtime/seccomp_profile.h"
#include "runtime/seccomp_table.h"

namespace hako::runtime {
namespace {

constexpr unsigned kNewNamespaces[] = {CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,   CLONE_NEWUSER,
                                       CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP};
// Linux, PER_LINUX32 and UNAME26 in their combinations, and the query.
constexpr unsigned kPersonalities[] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};

}  // namespace

Result<std::string> default_seccomp_filter(const std::set<std::string>& capabilities) {
    constexpr auto kRefuse = SCMP_ACT_ERRNO(EPERM);
    const bool is_admin = capabilities.contains("CAP_SYS_ADMIN");
    SeccompFilter filter(SCMP_ACT_ERRNO(ENOSYS));
    filter.add_architecture(SCMP_ARCH_X86);
    filter.add_architecture(SCMP_ARCH_X32);
    filter.add_all(SCMP_ACT_ALLOW, kAllowedCalls);

    std::set<std::string_view> granted;
    for (const auto& [capability, calls] : kCapabilityCalls)
        if (capabilities.contains(std::string(capability))) granted.insert(calls);
    // A call can come with one of several capabilities, so all grants come first.
    std::string allowed;
    for (const auto calls : granted) allowed += fmt::format(" {} ", calls);
    const auto refuse_rest = [&](std::string_view names) {
        while (!names.empty()) {
            const auto name = names.substr(0, names.find(' '));
            names.remove_prefix(std::min(name.size() + 1, names.size()));
            const bool is_allowed = allowed.find(fmt::format(" {} ", name)) != std::string::npos;
            filter.add(is_allowed ? SCMP_ACT_ALLOW : kRefuse, name);
        }
    };
    for (const auto& [capability, calls] : kCapabilityCalls) refuse_rest(calls);
    refuse_rest(kRefusedCalls);

    if (is_admin) {
        filter.add_all(SCMP_ACT_ALLOW, "clone clone3");
    } else {
        // clone3's flags lie in memory, which a filter cannot read: it gets the filter's ENOSYS,
        // and programs fall back to clone.
        unsigned all = 0;
        for (const unsigned flag : kNewNamespaces) {
            filter.add(kRefuse, "clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag)});
            all |= flag;
        }
        filter.add(SCMP_ACT_ALLOW, "clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, all, 0)});
    }
    for (const unsigned personality : kPersonalities)
        filter.add(SCMP_ACT_ALLOW, "personality", {SCMP_A0(SCMP_CMP_EQ, personality)});
    // The agent's channel may be vsock: no container speaks to the host.
    filter.add(kRefuse, "socket", {SCMP_A0(SCMP_CMP_EQ, AF_VSOCK)});
    filter.add(SCMP_ACT_ALLOW, "socket", {SCMP_A0(SCMP_CMP_NE, AF_VSOCK)});
    return filter.bytes();
}

Result<std::set<std::string>> capabilities_of(const std::string& oci_process) {
    HAKO_TRY(const auto process, parse_json(oci_process));
    HAKO_TRY(const auto sets, json_field_or(process, "capabilities", Json::object()));
    HAKO_TRY(const auto bounding, json_field_or<std::vector<std::string>>(sets, "bounding", {}));
    return std::set<std::string>(bounding.begin(), bounding.end());
}

Result<std::string> SeccompFilters::find(const std::string& profile,
                                         const std::string& oci_process) {
    if (profile == kNoSeccomp) return std::string();
    HAKO_TRY(auto capabilities, capabilities_of(oci_process));
    Key key(profile, std::move(capabilities));
    auto filters = filters_.lock();
    if (const auto known = filters->find(key); known != filters->end()) return known->second;
    HAKO_TRY(auto filter, profile == kBuiltinSeccomp
                              ? default_seccomp_filter(key.second)
                              : seccomp_filter_of_profile(profile, key.second));
    return filters->emplace(std::move(key), std::move(filter)).first->second;
}

}  // namespace hako::runtime
