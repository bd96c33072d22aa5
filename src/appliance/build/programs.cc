#include "appliance/build/programs.h"

#include <algorithm>

#include "appliance/build/tools.h"
#include "appliance/settings.h"
#include "base/process.h"
#include "macos/firmware.h"
#include "vmm/qemu/binary.h"

namespace hako::appliance {
namespace {

namespace fs = std::filesystem;

constexpr auto kLdd = std::chrono::seconds(30);
constexpr std::string_view kStatic = "not a dynamic executable";
constexpr std::string_view kQemuModules = "/usr/lib/x86_64-linux-gnu/qemu";
// What QEMU loads when it is asked for it.
constexpr std::string_view kModuleNames[] = {
    "accel-tcg-x86_64.so", "hw-usb-host.so", "hw-display-virtio-gpu.so",
    "hw-display-virtio-gpu-pci.so", "hw-display-virtio-vga.so"};

// Where distributions put QEMU's ROMs, in the order of its own search, and which a machine may ask
// for.
constexpr std::string_view kRomFolders[] = {"/usr/share/qemu", "/usr/share/seabios",
                                            "/usr/lib/ipxe/qemu"};
constexpr std::string_view kRoms[] = {
    "kvmvapic.bin",       "vgabios-vmware.bin", "vgabios-stdvga.bin", "vgabios-virtio.bin",
    "vgabios-cirrus.bin", "efi-virtio.rom",     "efi-vmxnet3.rom",    "efi-e1000.rom",
    "efi-e1000e.rom",     "keymaps/en-us"};

// What is called by these names before busybox makes links for all that it is.
constexpr std::string_view kApplets[] = {"/bin/sh", "/sbin/modprobe", "/usr/sbin/udhcpc"};

Result<void> add_with_libraries(ImageTree& tree, const fs::path& path, const fs::path& from) {
    tree.add_program(path, from);
    HAKO_TRY(const auto listed,
             hako::run({.argv = {"ldd", from}, .extra_environment = {{"LC_ALL", "C"}}}, kLdd));
    if (listed.err.find(kStatic) != std::string::npos) return {};
    if (!listed.status.success())
        return fail(ErrorKind::invalid, "{} is no program of this host: {}", from.native(),
                    listed.err);
    HAKO_TRY(const auto libraries, with_context(parse_ldd(listed.out), from.native()));
    for (const auto& library : libraries) tree.add_program(library, library);
    return {};
}

}  // namespace

Result<std::vector<fs::path>> parse_ldd(std::string_view text) {
    std::vector<fs::path> libraries;
    while (!text.empty()) {
        auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.find("not found") != std::string_view::npos)
            return fail(ErrorKind::not_found, "a library is missing:{}", line);
        const auto slash = line.find('/');
        const auto address = line.find(" (0x");
        if (slash == std::string_view::npos || address == std::string_view::npos) continue;
        // "libc.so.6 => /lib/…" and "/lib64/ld-linux-x86-64.so.2".
        libraries.emplace_back(line.substr(slash, address - slash));
    }
    return libraries;
}

Result<void> add_programs(ImageTree& tree, const Installation& installation) {
    HAKO_TRY(const auto qemu, vmm::find_qemu());
    HAKO_TRY(const auto busybox, find_tool("busybox", "busybox-static"));
    HAKO_CHECK(need_file(macos::kFirmwareCode, "ovmf"));
    HAKO_CHECK(add_with_libraries(tree, kQemu, qemu));
    HAKO_CHECK(add_with_libraries(tree, kViewer, installation.viewer()));
    HAKO_CHECK(add_with_libraries(tree, "/init", installation.appliance()));
    std::error_code error;
    for (const auto name : kModuleNames) {
        const auto path = fs::path(kQemuModules) / name;
        if (fs::exists(path, error)) HAKO_CHECK(add_with_libraries(tree, path, path));
    }
    for (const auto name : kRoms)
        for (const auto folder : kRomFolders) {
            const auto path = fs::path(folder) / name;
            if (!fs::exists(path, error)) continue;
            tree.add_file(fs::path(kRomFolders[0]) / name, path);
            break;
        }
    tree.add_file(macos::kFirmwareCode, macos::kFirmwareCode);
    for (const auto& entry : fs::recursive_directory_iterator(installation.web(), error))
        if (entry.is_regular_file(error))
            tree.add_file(kWeb / entry.path().lexically_relative(installation.web()), entry.path());
    HAKO_CHECK(add_with_libraries(tree, kBusybox, busybox));
    for (const auto applet : kApplets) tree.add_link(applet, kBusybox);
    return {};
}

}  // namespace hako::appliance
