#include "runtime/seccomp_filter.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/fd.h"

namespace hako::runtime {

SeccompFilter::SeccompFilter(std::uint32_t default_action)
    : default_action_(default_action), context_(::seccomp_init(default_action)) {
    check(context_ ? 0 : -ENOMEM);
    // Searched as a tree, not call by call.
    check(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
}

void SeccompFilter::add_architecture(std::uint32_t token) {
    const int error = ::seccomp_arch_add(context_.get(), token);
    if (error != -EEXIST) check(error);
}

void SeccompFilter::add(std::uint32_t action, std::string_view call,
                        const std::vector<scmp_arg_cmp>& conditions) {
    if (action == default_action_) return;  // libseccomp refuses what changes nothing
    const int number = ::seccomp_syscall_resolve_name(std::string(call).c_str());
    if (number == __NR_SCMP_ERROR) return;  // newer than this host's libseccomp
    const int error =
        ::seccomp_rule_add_array(context_.get(), action, number,
                                 static_cast<unsigned>(conditions.size()), conditions.data());
    // Some calls do not exist on every architecture of the filter.
    if (error != -EDOM) check(error);
}

void SeccompFilter::add_all(std::uint32_t action, std::string_view calls) {
    while (!calls.empty()) {
        const auto name = calls.substr(0, calls.find(' '));
        calls.remove_prefix(std::min(name.size() + 1, calls.size()));
        add(action, name);
    }
}

Result<std::string> SeccompFilter::bytes() const {
    if (error_ != 0) return fail_errno(-error_, "cannot build the seccomp profile");
    const Fd file(::memfd_create("seccomp", MFD_CLOEXEC));
    if (!file) return fail_errno(errno, "cannot make an anonymous file");
    if (const int error = ::seccomp_export_bpf(context_.get(), file.get()); error != 0)
        return fail_errno(-error, "cannot build the seccomp profile");
    return read_file(fmt::format("/proc/self/fd/{}", file.get()));
}

}  // namespace hako::runtime
