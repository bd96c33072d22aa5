#include "vmm/host_device.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>

#include "base/fd.h"
#include "base/text.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUsbNodes = "/dev/bus/usb/";
constexpr std::string_view kGroupNodes = "/dev/vfio/";
constexpr std::string_view kUsbClass = "hako/usb=";
constexpr std::string_view kPciClass = "hako/pci=";
constexpr std::string_view kVfioDriver = "vfio-pci";
constexpr std::string_view kPciDigits = "xxxx:xx:xx.x";
constexpr unsigned kMost = 0xffff;

// 0 for what is no number from 1 to 65535.
unsigned number(std::string_view text, int base) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc() && end == text.data() + text.size() && value <= kMost ? value : 0;
}

unsigned number_in(const fs::path& file, int base) {
    const auto text = read_file(file);
    return text ? number(trim(*text), base) : 0;
}

bool is_pci_address(std::string_view text) {
    return std::ranges::equal(text, kPciDigits, [](char letter, char form) {
        return form == 'x' ? std::isxdigit(static_cast<unsigned char>(letter)) != 0
                           : letter == form;
    });
}

bool is_group(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Result<UsbName> usb_of(std::string_view name) {
    if (name.starts_with(kUsbClass)) return parse_usb_name(name.substr(kUsbClass.size()));
    return parse_usb_name(name.substr(kUsbNodes.size()));
}

// The last part of what a link names; empty: no such link.
std::string link_end(const fs::path& link) {
    std::error_code error;
    return fs::read_symlink(link, error).filename();
}

fs::path pci_folder(const fs::path& sys, std::string_view address) {
    return sys / "bus/pci/devices" / address;
}

// Bridges (class 06) stay with the host, whatever their group.
bool is_bridge(const fs::path& device) {
    const auto text = read_file(device / "class");
    return text && text->starts_with("0x06");
}

Result<HostDevice> pci_device(const fs::path& sys, const std::string& address) {
    const auto folder = pci_folder(sys, address);
    std::error_code error;
    if (!fs::exists(folder, error))
        return fail(ErrorKind::not_found, "there is no PCI device {} (lspci -D lists them)",
                    address);
    const auto group = link_end(folder / "iommu_group");
    if (group.empty())
        return fail(ErrorKind::conflict,
                    "PCI device {} is in no IOMMU group: switch the IOMMU on in the firmware, and "
                    "with the kernel's arguments (intel_iommu=on)",
                    address);
    const auto driver = link_end(folder / "driver");
    if (driver != kVfioDriver)
        return fail(ErrorKind::conflict,
                    "PCI device {} is {}: give it to VFIO (driverctl set-override {} vfio-pci)",
                    address, driver.empty() ? "without a driver" : driver + "'s", address);
    return HostDevice{HostDevice::Bus::pci, fs::path(kGroupNodes) / group, address};
}

// The devices of a group, in the order of their addresses.
Result<std::vector<HostDevice>> group_devices(const fs::path& sys, std::string_view group) {
    std::set<std::string> addresses;
    std::error_code error;
    const auto folder = sys / "kernel/iommu_groups" / group / "devices";
    for (fs::directory_iterator item(folder, error), end; !error && item != end;
         item.increment(error))
        if (!is_bridge(pci_folder(sys, item->path().filename().native())))
            addresses.insert(item->path().filename());
    if (addresses.empty())
        return fail(ErrorKind::not_found,
                    "there is no device in IOMMU group {} (ls /sys/kernel/iommu_groups/*/devices)",
                    group);
    std::vector<HostDevice> list;
    for (const auto& address : addresses) {
        HAKO_TRY(auto device, pci_device(sys, address));
        list.push_back(std::move(device));
    }
    return list;
}

Result<std::vector<HostDevice>> find(std::string_view name, const fs::path& sys) {
    std::vector<HostDevice> found(1);
    if (name.starts_with(kGroupNodes)) return group_devices(sys, name.substr(kGroupNodes.size()));
    if (name.starts_with(kPciClass)) {
        HAKO_TRY(found[0], pci_device(sys, std::string(name.substr(kPciClass.size()))));
        return found;
    }
    HAKO_TRY(const auto usb, usb_of(name));
    HAKO_TRY(found[0].node, find_usb(usb, sys));
    return found;
}

Result<HostDevice> device_from_json(const Json& json) {
    HostDevice device;
    HAKO_TRY(const auto bus, json_field_or<std::string>(json, "bus", ""));
    device.bus =
        bus == to_string(HostDevice::Bus::pci) ? HostDevice::Bus::pci : HostDevice::Bus::usb;
    HAKO_TRY(device.node, json_field_or<std::string>(json, "node", ""));
    HAKO_TRY(device.address, json_field_or<std::string>(json, "address", ""));
    return device;
}

}  // namespace

std::string_view to_string(HostDevice::Bus bus) {
    return bus == HostDevice::Bus::pci ? "pci" : "usb";
}

// They go into QEMU's command line and its jail.
Result<void> validate(const HostDevice& device) {
    const std::string_view node = device.node.native();
    const bool fits = device.bus == HostDevice::Bus::pci
                          ? node.starts_with(kGroupNodes) &&
                                is_group(node.substr(kGroupNodes.size())) &&
                                is_pci_address(device.address)
                          : node.starts_with(kUsbNodes) && usb_of(node).has_value();
    if (!fits) return fail(ErrorKind::invalid, "{} cannot be a VM's device", node);
    return {};
}

Json to_json(const std::vector<HostDevice>& devices) {
    Json list = Json::array();
    for (const auto& device : devices)
        list.push_back({{"bus", to_string(device.bus)},
                        {"node", device.node.native()},
                        {"address", device.address}});
    return list;
}

Result<std::vector<HostDevice>> host_devices_from_json(const Json& list) {
    std::vector<HostDevice> devices;
    for (const auto& json : list) {
        HAKO_TRY(auto device, device_from_json(json));
        devices.push_back(std::move(device));
    }
    return devices;
}

Result<UsbName> parse_usb_name(std::string_view text) {
    const auto mark = text.find_first_of(":/");
    const bool by_kind = mark != std::string_view::npos && text[mark] == ':';
    const int base = by_kind ? 16 : 10;
    const auto first = number(text.substr(0, mark), base);
    const auto second = mark == std::string_view::npos ? 0 : number(text.substr(mark + 1), base);
    if (first == 0 || second == 0)
        return fail(ErrorKind::invalid,
                    "\"{}\" is no USB device: write 046d:c52b or 001/004, as lsusb does",
                    text.substr(0, 64));
    return by_kind ? UsbName{.vendor = first, .product = second}
                   : UsbName{.bus = first, .device = second};
}

Result<fs::path> find_usb(const UsbName& name, const fs::path& sys) {
    std::error_code error;
    for (fs::directory_iterator item(sys / "bus/usb/devices", error), end; !error && item != end;
         item.increment(error)) {
        const auto& folder = item->path();
        const auto bus = number_in(folder / "busnum", 10);
        const auto device = number_in(folder / "devnum", 10);
        if (bus == 0 || device == 0) continue;  // an interface of one
        const bool is_it = name.vendor != 0
                               ? number_in(folder / "idVendor", 16) == name.vendor &&
                                     number_in(folder / "idProduct", 16) == name.product
                               : bus == name.bus && device == name.device;
        if (is_it) return fmt::format("{}{:03}/{:03}", kUsbNodes, bus, device);
    }
    if (name.vendor != 0)
        return fail(ErrorKind::not_found,
                    "no USB device {:04x}:{:04x} is plugged in (lsusb lists them)", name.vendor,
                    name.product);
    return fail(ErrorKind::not_found, "no USB device {:03}/{:03} is plugged in (lsusb lists them)",
                name.bus, name.device);
}

bool names_host_device(std::string_view name) {
    return std::ranges::any_of(std::to_array({kUsbNodes, kGroupNodes, kUsbClass, kPciClass}),
                               [&](std::string_view prefix) { return name.starts_with(prefix); });
}

Result<void> check_host_device(std::string_view name) {
    if (name.starts_with(kGroupNodes)) {
        if (is_group(name.substr(kGroupNodes.size()))) return {};
        return fail(ErrorKind::invalid, "{} is no node of an IOMMU group, such as {}12",
                    name.substr(0, 64), kGroupNodes);
    }
    if (name.starts_with(kPciClass)) {
        if (is_pci_address(name.substr(kPciClass.size()))) return {};
        return fail(ErrorKind::invalid,
                    "{} is no PCI device: write {}0000:01:00.0, as lspci -D does",
                    name.substr(0, 64), kPciClass);
    }
    HAKO_TRY([[maybe_unused]] const auto usb, usb_of(name));
    return {};
}

Result<std::vector<HostDevice>> find_host_devices(const std::vector<std::string>& names,
                                                  const fs::path& sys) {
    std::vector<HostDevice> list;
    for (const auto& name : names) {
        HAKO_TRY(const auto found, find(name, sys));
        for (const auto& device : found) {
            const bool known = std::ranges::any_of(list, [&](const HostDevice& other) {
                return other.node == device.node && other.address == device.address;
            });
            if (!known) list.push_back(device);
        }
    }
    return list;
}

}  // namespace hako::vmm
