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

}  // namespace

Result<std::vector<vmm::UsbName>> parse_usb(std::string_view text) {
    std::vector<vmm::UsbName> wishes;
    while (!text.empty()) {
        const auto item = trim(text.substr(0, text.find(',')));
        text.remove_prefix(std::min(text.find(','), text.size() - 1) + 1);
        HAKO_TRY(const auto wish, vmm::parse_usb_name(item));
        wishes.push_back(wish);
    }
    return wishes;
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
