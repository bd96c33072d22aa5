#include "macos/usb.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"

namespace hako::macos {
namespace {

constexpr unsigned kMost = 0xffff;

// Of an option in QEMU's syntax: 0x46d, 1133. 0 where it is missing, or no such number.
unsigned option(std::string_view device, std::string_view name) {
    while (!device.empty()) {
        const auto part = device.substr(0, device.find(','));
        device.remove_prefix(std::min(part.size() + 1, device.size()));
        if (!part.starts_with(name) || part.substr(name.size(), 1) != "=") continue;
        const std::string value(part.substr(name.size() + 1));
        char* end = nullptr;
        const auto number = std::strtoul(value.c_str(), &end, 0);
        return *end == '\0' && number <= kMost ? static_cast<unsigned>(number) : 0;
    }
    return 0;
}

constexpr std::string_view kOff[] = {"n", "no", "none", "false", "off", "disable", "disabled"};
constexpr std::string_view kId = "id=";

bool is_plain(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
    });
}

// p2=7, but for the id, which has a rule of its own.
bool is_option(std::string_view text) {
    const auto equals = text.find('=');
    return equals != std::string_view::npos && is_plain(text.substr(0, equals)) &&
           is_plain(text.substr(equals + 1)) && !text.starts_with(kId);
}

// nec-usb-xhci, qemu-xhci, usb-ehci, ich9-usb-ehci1, piix3-usb-uhci, pci-ohci.
bool is_controller(std::string_view text) {
    constexpr std::string_view kKinds[] = {"xhci", "ehci", "uhci", "ohci"};
    return is_plain(text) && std::ranges::any_of(kKinds, [&](std::string_view kind) {
               return text.find(kind) != std::string_view::npos;
           });
}

}  // namespace

Result<UsbSettings> parse_usb(std::string_view text) {
    UsbSettings usb;
    const auto word = to_lower(trim(text));
    if (std::ranges::find(kOff, word) != std::end(kOff)) {
        usb.on = false;
        return usb;
    }
    bool names_controller = false;
    while (!text.empty()) {
        const auto item = trim(text.substr(0, text.find(',')));
        text.remove_prefix(std::min(text.find(','), text.size() - 1) + 1);
        const bool is_device = item.empty() || item.find_first_of(":/") != std::string_view::npos;
        if (is_device) {
            HAKO_TRY(const auto wish, vmm::parse_usb_name(item));
            usb.devices.push_back(wish);
        } else if (names_controller && item.starts_with(kId) && is_plain(item.substr(kId.size()))) {
            usb.id = item.substr(kId.size());
        } else if (names_controller && is_option(item)) {
            usb.options += fmt::format(",{}", item);
        } else if (!names_controller && is_controller(item)) {
            names_controller = true;
            usb.controller = item;
            usb.options.clear();
        } else {
            return fail(ErrorKind::invalid,
                        "\"{}\" is neither a USB device, which is written 046d:c52b or 001/004 as "
                        "lsusb does, nor a controller of QEMU, such as qemu-xhci; N is for none",
                        item);
        }
    }
    return usb;
}

std::vector<std::string> take_usb(const std::vector<std::string>& arguments,
                                  std::vector<vmm::UsbName>& wishes) {
    std::vector<std::string> rest;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "-device" && i + 1 < arguments.size() &&
            arguments[i + 1].starts_with("usb-host,")) {
            const auto& device = arguments[i + 1];
            const vmm::UsbName wish{.vendor = option(device, "vendorid"),
                                    .product = option(device, "productid"),
                                    .bus = option(device, "hostbus"),
                                    .device = option(device, "hostaddr")};
            if ((wish.vendor != 0 && wish.product != 0) || (wish.bus != 0 && wish.device != 0)) {
                wishes.push_back(wish);
                ++i;
                continue;
            }
        }
        rest.push_back(arguments[i]);
    }
    return rest;
}

}  // namespace hako::macos
