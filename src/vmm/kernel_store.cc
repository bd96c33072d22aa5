#include "vmm/kernel_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/ranges.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/units.h"
#include "vmm/kernel_image.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxName = 64;

Result<void> check_name(std::string_view name) {
    const auto allowed = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
    };
    if (name.empty() || name.size() > kMaxName || !std::ranges::all_of(name, allowed) ||
        std::isalnum(static_cast<unsigned char>(name.front())) == 0)
        return fail(ErrorKind::invalid,
                    "'{}' is no name for a kernel: up to {} letters, digits, '_', '.' and '-', "
                    "beginning with a letter or digit",
                    name, kMaxName);
    return {};
}

tl::unexpected<Error> no_such_kernel(std::string_view name) {
    return fail(ErrorKind::not_found, "No such kernel: {}; see 'hako kernel ls'", name);
}

Result<std::string> version_in(const fs::path& folder) {
    HAKO_TRY(const auto text, read_file(folder / "meta.json", 64 * kKiB));
    HAKO_TRY(const auto meta, parse_json(text));
    return json_field_or<std::string>(meta, "version", "unknown");
}

}  // namespace

KernelStore::KernelStore(const Layout& layout, const Installation& installation)
    : folder_(layout.kernels()), builtin_(installation.kernel()) {}

std::string KernelStore::default_name() const {
    const auto text = read_file(folder_ / "default", kMaxName);
    return text && check_name(*text) ? *text : std::string(kBuiltinKernel);
}

Result<std::string> KernelStore::builtin_version() const {
    auto known = builtin_version_.lock();
    if (known->empty()) {
        HAKO_TRY(auto image, read_kernel_image(builtin_));
        *known = std::move(image.version);
    }
    return *known;
}

Result<Kernel> KernelStore::find(std::string_view name) const {
    const std::string chosen = name.empty() ? default_name() : std::string(name);
    HAKO_CHECK(check_name(chosen));
    const bool is_default = chosen == default_name();
    if (chosen == kBuiltinKernel) {
        HAKO_TRY(const auto version, builtin_version());
        return Kernel{chosen, version, builtin_, is_default, true};
    }
    auto version = version_in(folder_ / chosen);
    if (!version) return no_such_kernel(chosen);
    return Kernel{chosen, *version, folder_ / chosen / "vmlinux", is_default, false};
}

Result<std::vector<Kernel>> KernelStore::list() const {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder_, error))
        if (entry.is_directory() && check_name(entry.path().filename().native()))
            names.push_back(entry.path().filename());
    std::ranges::sort(names);
    names.insert(names.begin(), std::string(kBuiltinKernel));
    std::vector<Kernel> kernels;
    for (const auto& name : names)
        if (auto kernel = find(name)) kernels.push_back(*std::move(kernel));
    return kernels;
}

Result<Kernel> KernelStore::import(std::string_view name, const fs::path& vmlinux) {
    HAKO_CHECK(check_name(name));
    std::error_code error;
    if (name == kBuiltinKernel || fs::exists(folder_ / name, error))
        return fail(ErrorKind::conflict, "there is a kernel named {} already", name);
    HAKO_TRY(const auto image, read_kernel_image(vmlinux));
    if (const auto missing = missing_options(image.config); !missing.empty())
        return fail(ErrorKind::invalid,
                    "{} cannot run containers: build it with these options as =y: {}",
                    vmlinux.native(), fmt::join(missing, ", "));

    HAKO_CHECK(make_folders(folder_));
    // Hidden while it is not whole, then renamed.
    HAKO_TRY(const TempDir work, TempDir::create(folder_));
    const auto entry = work.path() / "kernel";
    HAKO_CHECK(make_folders(entry, 0755));
    fs::copy_file(vmlinux, entry / "vmlinux", error);
    if (error) return fail_errno(error.value(), "cannot copy {}", vmlinux.native());
    fs::permissions(entry / "vmlinux", fs::perms(0644), error);  // QEMU's uid reads it
    HAKO_CHECK(write_file(entry / "meta.json", dump_json({{"version", image.version}})));
    fs::rename(entry, folder_ / name, error);
    if (error) return fail_errno(error.value(), "cannot add the kernel {}", name);
    return find(name);
}

Result<void> KernelStore::set_default(std::string_view name) {
    HAKO_TRY(const auto kernel, find(name));
    HAKO_CHECK(make_folders(folder_));
    return replace_file(folder_ / "default", kernel.name);
}

Result<void> KernelStore::remove(std::string_view name) {
    HAKO_TRY(const auto kernel, find(name));
    if (kernel.is_builtin)
        return fail(ErrorKind::forbidden, "the built-in kernel cannot be removed");
    if (kernel.is_default) HAKO_CHECK(set_default(kBuiltinKernel));
    std::error_code error;
    fs::remove_all(folder_ / kernel.name, error);
    if (error) return fail_errno(error.value(), "cannot remove the kernel {}", name);
    return {};
}

}  // namespace hako::vmm
