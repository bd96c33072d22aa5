#include "init/vminitd/plugged_devices.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <sstream>
#include <thread>

#include "base/fd.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr const char* kHostDevices = "io.hako.host-devices";
constexpr const char* kSys = "/sys";
constexpr milliseconds kDeadline(10'000);
constexpr milliseconds kPause(20);
// Drivers make their nodes a moment after the bus has found the device.
constexpr milliseconds kQuiet(300);

// "usb1", "pci0000:00": what all devices on such a bus lie below.
bool is_bus(const std::string& name) {
    const auto rest = name.substr(std::min<std::size_t>(3, name.size()));
    const bool numbered = !rest.empty() && std::isdigit(static_cast<unsigned char>(rest[0])) != 0;
    return numbered && (name.starts_with("usb") || name.starts_with("pci"));
}

// "4:64" -> 4 and 64.
bool read_numbers(std::string_view text, PluggedNode& node) {
    const auto colon = std::min(text.find(':'), text.size());
    const auto parse = [](std::string_view part, unsigned& number) {
        const auto end = part.data() + part.size();
        return std::from_chars(part.data(), end, number).ptr == end && !part.empty();
    };
    return parse(text.substr(0, colon), node.major) &&
           parse(text.substr(std::min(colon + 1, text.size())), node.minor);
}

// DEVNAME of a device's uevent file; empty: it has no node.
std::string node_name(const fs::path& device) {
    std::istringstream lines(read_file(device / "uevent").value_or(""));
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("DEVNAME=")) return line.substr(8);
    return {};
}

Result<unsigned> awaited(const Json& spec) {
    HAKO_TRY(const auto annotations, json_field_or<Json>(spec, "annotations", Json::object()));
    HAKO_TRY(const auto text, json_field_or<std::string>(annotations, kHostDevices, "0"));
    unsigned count = 0;
    const auto end = text.data() + text.size();
    if (std::from_chars(text.data(), end, count).ptr != end)
        return fail(ErrorKind::invalid, "annotation {}: \"{}\" is no number", kHostDevices, text);
    return count;
}

Result<void> wait_for_usb(unsigned count) {
    const auto end = std::chrono::steady_clock::now() + kDeadline;
    while (count_usb_devices(kSys) < count) {
        if (std::chrono::steady_clock::now() > end) {
            std::error_code error;
            if (!fs::exists(fs::path(kSys) / "bus/usb", error))
                return fail(ErrorKind::unavailable,
                            "the guest kernel has no drivers for USB: use hako's own, or one with "
                            "CONFIG_USB_XHCI_PLATFORM");
            return fail(ErrorKind::unavailable,
                        "the guest found {} of {} USB devices in {} s: is one in use on the host?",
                        count_usb_devices(kSys), count, kDeadline / std::chrono::seconds(1));
        }
        std::this_thread::sleep_for(kPause);
    }
    return {};
}

// Once no more come.
std::vector<PluggedNode> settled_nodes() {
    auto nodes = plugged_nodes(kSys);
    for (milliseconds quiet(0); quiet < kQuiet; quiet += kPause) {
        std::this_thread::sleep_for(kPause);
        auto now = plugged_nodes(kSys);
        if (now.size() != nodes.size()) quiet = milliseconds(0);
        nodes = std::move(now);
    }
    return nodes;
}

}  // namespace

std::vector<PluggedNode> plugged_nodes(const fs::path& sys) {
    std::vector<PluggedNode> nodes;
    for (const bool block : {false, true}) {
        std::error_code error;
        const auto folder = sys / "dev" / (block ? "block" : "char");
        for (fs::directory_iterator item(folder, error), end; !error && item != end;
             item.increment(error)) {
            PluggedNode node{.path = {}, .block = block};
            std::error_code gone;
            const auto place = fs::read_symlink(item->path(), gone);
            if (gone || !std::any_of(place.begin(), place.end(), is_bus) ||
                !read_numbers(item->path().filename().native(), node))
                continue;
            node.path = node_name(item->path());
            if (node.path.empty()) continue;
            node.path = "/dev/" + node.path;
            nodes.push_back(std::move(node));
        }
    }
    return nodes;
}

unsigned count_usb_devices(const fs::path& sys) {
    unsigned count = 0;
    std::error_code error;
    for (fs::directory_iterator item(sys / "bus/usb/devices", error), end; !error && item != end;
         item.increment(error)) {
        const auto name = item->path().filename().native();  // "1-1.4"; an interface is "1-1.4:1.0"
        if (!name.starts_with("usb") && name.find(':') == std::string::npos) ++count;
    }
    return count;
}

Result<void> add_plugged_devices(Json& spec) {
    if (!spec.contains("annotations") || !spec["annotations"].contains(kHostDevices)) return {};
    HAKO_TRY(const auto count, awaited(spec));
    HAKO_CHECK(wait_for_usb(count));
    for (const auto& node : settled_nodes()) {
        const Json type = node.block ? "b" : "c";
        spec["linux"]["devices"].push_back({{"path", node.path},
                                            {"type", type},
                                            {"major", node.major},
                                            {"minor", node.minor},
                                            {"fileMode", 0660}});
        spec["linux"]["resources"]["devices"].push_back({{"allow", true},
                                                         {"type", type},
                                                         {"major", node.major},
                                                         {"minor", node.minor},
                                                         {"access", "rwm"}});
    }
    return {};
}

}  // namespace hako::init
