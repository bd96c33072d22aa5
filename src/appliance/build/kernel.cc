#include "appliance/build/kernel.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "appliance/build/tools.h"
#include "base/process.h"

namespace hako::appliance {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kImagePrefix = "vmlinuz-";
constexpr std::string_view kModule = ".ko";
constexpr std::string_view kKernelFolder = "kernel/";
constexpr auto kDepmod = std::chrono::minutes(2);

// Folders, or single modules without their ending. What macOS is run by, then what machines have:
// disks, the buses that they are on, network cards, and a keyboard for the one who has to look.
constexpr std::string_view kWanted[] = {
    "arch/x86/kvm/",
    "drivers/acpi/button",
    "drivers/ata/",
    "drivers/block/virtio_blk",
    "drivers/block/xen-blkfront",
    "drivers/char/hw_random/virtio-rng",
    "drivers/hid/hid",
    "drivers/hid/hid-generic",
    "drivers/hid/hid-hyperv",
    "drivers/hid/usbhid/usbhid",
    "drivers/hv/",
    "drivers/input/evdev",
    "drivers/input/keyboard/atkbd",
    "drivers/input/serio/",
    "drivers/message/fusion/",
    "drivers/net/ethernet/",
    "drivers/net/hyperv/",
    "drivers/net/phy/",
    "drivers/net/virtio_net",
    "drivers/net/vmxnet3/",
    "drivers/net/xen-netfront",
    "drivers/nvme/host/",
    "drivers/pci/controller/",
    "drivers/scsi/",
    "drivers/usb/host/",
    "drivers/usb/storage/",
    "drivers/virtio/",
    "drivers/xen/",
    "net/packet/",
};

bool is_wanted(std::string_view path) {
    if (!path.starts_with(kKernelFolder)) return false;
    path.remove_prefix(kKernelFolder.size());
    return std::ranges::any_of(kWanted, [&](std::string_view wish) {
        return path.starts_with(wish) &&
               (wish.ends_with('/') || path.substr(wish.size()) == kModule);
    });
}

// As aliases name it.
std::string module_name(const std::string& path) {
    auto name = fs::path(path).stem().native();
    std::ranges::replace(name, '-', '_');
    return name;
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const auto word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        if (!word.empty()) words.emplace_back(word);
    }
    return words;
}

}  // namespace

Result<Kernel> find_kernel(const fs::path& root) {
    Kernel newest{.root = root, .version = {}};
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(root / "boot", error)) {
        const auto name = entry.path().filename().native();
        if (!name.starts_with(kImagePrefix)) continue;
        const Kernel found{.root = root, .version = name.substr(kImagePrefix.size())};
        if (fs::is_directory(found.modules(), error) &&
            ::strverscmp(found.version.c_str(), newest.version.c_str()) > 0)
            newest = found;
    }
    if (!newest.version.empty()) return newest;
    return fail(ErrorKind::not_found,
                "{} has no Linux kernel with modules: apt-get install linux-image-amd64, or name "
                "with --kernel the .deb of one (apt-get download)",
                (root / "boot").native());
}

ModuleIndex parse_depmod(std::string_view text) {
    ModuleIndex index;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const auto colon = line.find(':');
        if (line.starts_with(kKernelFolder) && colon != std::string_view::npos) {
            index.needs[std::string(line.substr(0, colon))] = words_of(line.substr(colon + 1));
        } else if (line.starts_with("alias ")) {
            const auto words = words_of(line);
            if (words.size() == 3 && !words[1].starts_with("symbol:"))
                index.aliases.emplace_back(words[1], words[2]);
        }
    }
    return index;
}

ModuleIndex choose_modules(const ModuleIndex& all) {
    ModuleIndex chosen;
    // What depmod lists of a module is complete: nothing that it needs needs more.
    for (const auto& [path, needs] : all.needs) {
        if (!is_wanted(path)) continue;
        chosen.needs[path] = needs;
        for (const std::string& need : needs)
            if (const auto found = all.needs.find(need); found != all.needs.end())
                chosen.needs.insert(*found);
    }
    std::set<std::string> names;
    for (const auto& [path, needs] : chosen.needs) names.insert(module_name(path));
    for (const auto& alias : all.aliases)
        if (names.contains(alias.second)) chosen.aliases.push_back(alias);
    std::ranges::sort(chosen.aliases);
    return chosen;
}

std::string dependencies_text(const ModuleIndex& index) {
    std::string text;
    for (const auto& [path, needs] : index.needs)
        text += fmt::format("{}:{}{}\n", path, needs.empty() ? "" : " ", fmt::join(needs, " "));
    return text;
}

std::string aliases_text(const ModuleIndex& index) {
    std::string text;
    for (const auto& [alias, name] : index.aliases)
        text += fmt::format("alias {} {}\n", alias, name);
    return text;
}

Result<void> add_modules(ImageTree& tree, const Kernel& kernel) {
    HAKO_TRY(const auto depmod, find_tool("depmod", "kmod"));
    HAKO_TRY(const auto listed,
             hako::run({.argv = {depmod, "-n", "-b", kernel.root, kernel.version}}, kDepmod));
    if (!listed.status.success())
        return fail(ErrorKind::internal, "depmod does not list the modules of {}: {}",
                    kernel.version, listed.err);
    const auto chosen = choose_modules(parse_depmod(listed.out));
    if (chosen.needs.empty())
        return fail(ErrorKind::invalid,
                    "{} holds no modules that end in .ko: name another kernel with --kernel",
                    kernel.modules().native());
    const auto folder = fs::path("/lib/modules") / kernel.version;
    for (const auto& [path, needs] : chosen.needs)
        tree.add_file(folder / path, kernel.modules() / path);
    tree.add_text(folder / "modules.dep", dependencies_text(chosen));
    tree.add_text(folder / "modules.alias", aliases_text(chosen));
    return {};
}

}  // namespace hako::appliance
