#include "macos/usb.h"

#include <charconv>
#include <cstdint>

#include "base/fd.h"
#include "base/text.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;

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

// Of an option in QEMU's syntax: 0x46d, 1133.
unsigned option(std::string_view device, std::string_view name) {
    while (!device.empty()) {
        const auto part = device.substr(0, device.find(','));
        device.remove_prefix(std::min(part.size() + 1, device.size()));
        if (!part.starts_with(name) || part.substr(name.size(), 1) != "=") continue;
        const auto value = part.substr(name.size() + 1);
        return value.starts_with("0x") ? number(value.substr(2), 16) : number(value, 10);
    }
    return 0;
}

fs::path node_of(unsigned bus, unsigned device) {
    return fmt::format("/dev/bus/usb/{:03}/{:03}", bus, device);
}

}  // namespace

Result<std::vector<UsbWish>> parse_usb(std::string_view text) {
    std::vector<UsbWish> wishes;
    while (!text.empty()) {
        const auto item = trim(text.substr(0, text.find(',')));
        text.remove_prefix(std::min(text.find(','), text.size() - 1) + 1);
        const auto mark = item.find_first_of(":/");
        const bool by_kind = mark != std::string_view::npos && item[mark] == ':';
        const int base = by_kind ? 16 : 10;
        const auto first = number(item.substr(0, mark), base);
        const auto second =
            mark == std::string_view::npos ? 0 : number(item.substr(mark + 1), base);
        if (first == 0 || second == 0)
            return fail(ErrorKind::invalid,
                        "\"{}\" is no USB device: write 046d:c52b or 001/004, as lsusb does", item);
        wishes.push_back(by_kind ? UsbWish{.vendor = first, .product = second}
                                 : UsbWish{.bus = first, .device = second});
    }
    return wishes;
}

std::vector<std::string> take_usb(const std::vector<std::string>& arguments,
                                  std::vector<UsbWish>& wishes) {
    std::vector<std::string> rest;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "-device" && i + 1 < arguments.size() &&
            arguments[i + 1].starts_with("usb-host,")) {
            const auto& device = arguments[i + 1];
            const UsbWish wish{.vendor = option(device, "vendorid"),
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

Result<fs::path> find_usb(const UsbWish& wish, const fs::path& sys) {
    std::error_code error;
    for (fs::directory_iterator item(sys, error), end; !error && item != end;
         item.increment(error)) {
        const auto& folder = item->path();
        const auto bus = number_in(folder / "busnum", 10);
        const auto device = number_in(folder / "devnum", 10);
        if (bus == 0 || device == 0) continue;  // an interface of one
        const bool is_it = wish.vendor != 0
                               ? number_in(folder / "idVendor", 16) == wish.vendor &&
                                     number_in(folder / "idProduct", 16) == wish.product
                               : bus == wish.bus && device == wish.device;
        if (is_it) return node_of(bus, device);
    }
    if (wish.vendor != 0)
        return fail(ErrorKind::not_found,
                    "no USB device {:04x}:{:04x} is plugged in (lsusb lists them)", wish.vendor,
                    wish.product);
    return fail(ErrorKind::not_found, "no USB device {:03}/{:03} is plugged in (lsusb lists them)",
                wish.bus, wish.device);
}

}  // namespace hako::macos
