#include "appliance/boot/devices.h"

#include <algorithm>
#include <charconv>

#include "appliance/settings.h"
#include "base/fd.h"
#include "base/text.h"
#include "base/units.h"

namespace hako::appliance {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSysfsSector = 512;  // whatever the disk's own is

std::string text_of(const fs::path& file) {
    const auto text = read_file(file);
    return text ? std::string(trim(*text)) : std::string();
}

std::uint64_t number_of(const fs::path& file) {
    const auto text = text_of(file);
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// "PARTNAME=hako-opencore" is a line of its own.
std::string partition_name(const fs::path& device) {
    const auto text = "\n" + text_of(device / "uevent") + "\n";
    constexpr std::string_view kName = "\nPARTNAME=";
    const auto at = text.find(kName);
    if (at == std::string::npos) return {};
    const auto begin = at + kName.size();
    return text.substr(begin, text.find('\n', begin) - begin);
}

}  // namespace

std::optional<OwnDisk> find_own_disk(const fs::path& sys) {
    std::error_code error;
    for (const auto& disk : fs::directory_iterator(sys / "block", error)) {
        OwnDisk own{.name = disk.path().filename(), .variables = {}, .opencore = {}};
        for (const auto& part : fs::directory_iterator(disk.path(), error)) {
            const auto name = partition_name(part.path());
            if (name == kVariablesPartition) own.variables = part.path().filename();
            if (name == kOpenCorePartition) own.opencore = part.path().filename();
            if (name == kRecoveryPartition) own.recovery = part.path().filename();
        }
        if (!own.variables.empty() && !own.opencore.empty()) return own;
    }
    return std::nullopt;
}

std::vector<OtherDisk> other_disks(const fs::path& sys, const OwnDisk& own) {
    std::vector<OtherDisk> disks;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(sys / "block", error)) {
        const auto& path = entry.path();
        OtherDisk disk{.name = path.filename(), .bytes = number_of(path / "size") * kSysfsSector};
        // What has no device is Linux's own making: loop, ram, dm, md.
        const bool is_disk = fs::exists(path / "device", error) && disk.bytes > 0 &&
                             number_of(path / "ro") == 0 && number_of(path / "removable") == 0 &&
                             number_of(path / "hidden") == 0;
        if (is_disk && disk.name != own.name) disks.push_back(std::move(disk));
    }
    std::ranges::sort(disks, {}, &OtherDisk::name);
    return disks;
}

Result<OtherDisk> choose_disk(const std::vector<OtherDisk>& disks) {
    if (disks.size() == 1) return disks.front();
    if (disks.empty())
        return fail(ErrorKind::not_found,
                    "this machine has no second disk: attach the one that macOS is on, or an empty "
                    "one to install it to, and start again");
    std::string list;
    for (const auto& disk : disks)
        list +=
            fmt::format("{}{} ({})", list.empty() ? "" : ", ", disk.name, format_bytes(disk.bytes));
    return fail(ErrorKind::conflict,
                "this machine has more than one other disk: {}. Name macOS's with the kernel "
                "parameter hako.DEVICE=/dev/{}, or build with -e DEVICE=/dev/{}",
                list, disks.front().name, disks.front().name);
}

}  // namespace hako::appliance
