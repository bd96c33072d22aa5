// A seccomp filter in the making, by libseccomp.
#pragma once

#include <seccomp.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::runtime {

// Errors stick: the first one is told at the end.
class SeccompFilter {
public:
    // For x86-64 programs; others are added.
    explicit SeccompFilter(std::uint32_t default_action);

    void add_architecture(std::uint32_t token);
    // Calls that this host's libseccomp does not know are left out.
    void add(std::uint32_t action, std::string_view call,
             const std::vector<scmp_arg_cmp>& conditions = {});
    // Names separated by blanks.
    void add_all(std::uint32_t action, std::string_view calls);

    // struct sock_filter[]
    Result<std::string> bytes() const;

private:
    void check(int error) {
        if (error_ == 0) error_ = error;
    }

    struct Release {
        void operator()(void* context) const { ::seccomp_release(context); }
    };
    std::uint32_t default_action_;
    std::unique_ptr<void, Release> context_;
    int error_ = 0;
};

}  // namespace hako::runtime
