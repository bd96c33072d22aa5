// Seccomp profiles of users' own, in Docker's JSON (--security-opt seccomp=FILE).
#pragma once

#include <set>
#include <string>

#include "base/result.h"

namespace hako::runtime {

// As default_seccomp_filter() gives it. Rules may depend on capabilities, processors and the
// kernel's version. Calls that this host's libseccomp does not know are left out.
// ErrorKind::invalid names the field that is wrong.
Result<std::string> seccomp_filter_of_profile(const std::string& profile,
                                              const std::set<std::string>& capabilities);

}  // namespace hako::runtime
