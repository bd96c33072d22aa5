// The default seccomp profile of containers: an allow-list that behaves like Docker's. What is
// known and not allowed fails with EPERM; what is not known here, being newer, with ENOSYS, so that
// libraries fall back to older calls.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/guarded.h"
#include "base/result.h"

namespace hako::runtime {

// struct sock_filter[] for x86-64, with x86 and x32 binaries, as seccomp(2) takes it.
// capabilities: "CAP_SYS_ADMIN" ...: some calls are allowed only with one.
Result<std::string> default_seccomp_filter(const std::set<std::string>& capabilities);

// The bounding set in an OCI `process` object; empty when it names none.
Result<std::set<std::string>> capabilities_of(const std::string& oci_process);

// What a container has instead of a profile of its own (seccomp_profile.h).
constexpr std::string_view kBuiltinSeccomp = "builtin";  // the default profile
constexpr std::string_view kNoSeccomp = "unconfined";

// Compiled filters are kept: making one takes as long as an exec. Thread-safe.
class SeccompFilters {
public:
    // profile: one of the words above, or a text. The filter depends on the OCI process'
    // capabilities; it is empty for kNoSeccomp.
    Result<std::string> find(const std::string& profile, const std::string& oci_process);

private:
    using Key = std::pair<std::string, std::set<std::string>>;  // profile, capabilities
    Guarded<std::map<Key, std::string>> filters_;
};

}  // namespace hako::runtime
