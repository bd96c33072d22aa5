// The guest kernels that containers can name: the built-in one, and those that users import. A
// kernel is a folder in layout.kernels() with vmlinux and meta.json; the file `default` there holds
// the name of the default one.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.h"
#include "base/paths.h"
#include "base/result.h"

namespace hako::vmm {

constexpr std::string_view kBuiltinKernel = "builtin";

struct Kernel {
    std::string name;
    std::string version;  // the release, as uname -r prints it: "6.1.170-hako"
    std::filesystem::path vmlinux;
    bool is_default = false;
    bool is_builtin = false;
};

// Any thread may call anything; two that import under one name at once: one of them wins.
class KernelStore {
public:
    KernelStore(const Layout& layout, const Installation& installation);

    // Sorted by name, the built-in one first.
    Result<std::vector<Kernel>> list() const;
    // An empty name is the default one. ErrorKind::not_found: "No such kernel: foo".
    Result<Kernel> find(std::string_view name) const;
    // Copies and checks an uncompressed vmlinux (kernel_image.h). ErrorKind::invalid lists the
    // options that it lacks; conflict when the name is taken. Names: [a-zA-Z0-9][a-zA-Z0-9_.-]*,
    // at most 64 bytes.
    Result<Kernel> import(std::string_view name, const std::filesystem::path& vmlinux);
    Result<void> set_default(std::string_view name);
    Result<void> remove(std::string_view name);

private:
    std::string default_name() const;
    Result<std::string> builtin_version() const;

    std::filesystem::path folder_;
    std::filesystem::path builtin_;
    Guarded<std::string> builtin_version_;  // empty until somebody asks
};

}  // namespace hako::vmm
