// The default seccomp profile of containers: an allow-list that behaves like Docker's. What is
// known and not allowed fails with EPERM; what is not known here, being newer, with ENOSYS, so that
// libraries fall back to older calls.
#pragma once

#include <set>
#include <string>

#include "base/result.h"

namespace hako::runtime {

// struct sock_filter[] for x86-64, with x86 and x32 binaries, as seccomp(2) takes it.
// capabilities: "CAP_SYS_ADMIN" ...: some calls are allowed only with one.
Result<std::string> default_seccomp_filter(const std::set<std::string>& capabilities);

// The bounding set in an OCI `process` object; empty when it names none.
Result<std::set<std::string>> capabilities_of(const std::string& oci_process);

}  // namespace hako::runtime
