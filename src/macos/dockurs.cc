#include "macos/dockurs.h"

#include <string_view>

#include "base/text.h"

namespace hako::macos {
namespace {

struct Dockurs {
    std::string_view name;  // with a '*' behind it: all that begin so
    std::string_view why;
    bool is_secret = false;
};

constexpr std::string_view kNetworkIsQemus = "the network is QEMU's user network, or DHCP=Y's";
constexpr std::string_view kNoNginx = "the viewer is at WEB_PORT, and carries all there";

constexpr Dockurs kDockurs[] = {
    {"BOOT_MODE", "machines boot by UEFI"},
    {"SECURE", "OpenCore's SecureBootModel is Disabled, unless an own config.plist says else"},
    {"SMM", "machines have no system management mode"},
    {"LOGO", "the firmware's logo is its own"},
    {"BOOT_INDEX", "OpenCore is what boots, always"},
    {"MEDIA_TYPE", "the recovery system is where the disks are (DISK_TYPE)"},
    {"HOST_PORTS", "only published ports and USER_PORTS lead to the guest"},
    {"VNC_PORT", "the screen is at WEB_PORT, or with DISPLAY=vnc at a unix socket"},
    {"WSS_PORT", kNoNginx},
    {"WSD_PORT", kNoNginx},
    {"AUX_PORT", kNoNginx},
    {"USERNAME", "the viewer asks for a password alone"},
    {"PASS", "PASSWORD is the viewer's password", true},
    {"AUTOLOGIN", "accounts are made in macOS"},
    {"PROTECT", "the viewer always asks for its password"},
    {"SHUTDOWN", "stop always asks the guest first, kill never does"},
    {"DEBUG", "the log has all that there is to tell"},
    {"TRACE", "the log has all that there is to tell"},
    {"SERIAL", "macOS writes nothing there; ARGUMENTS adds QEMU's -serial"},
    {"MONITOR", "commands go by exec; ARGUMENTS adds QEMU's -monitor"},
    {"QMP", "commands go by exec; ARGUMENTS adds QEMU's -qmp"},
    {"MACHINE", "machines are QEMU's q35"},
    {"PCI_BUS", "machines are QEMU's q35"},
    {"HPET", "it is off"},
    {"VMPORT", "it is off"},
    {"WEB", "DISPLAY=vnc or none goes without the viewer"},
    {"SOUND", "the sound card of AUDIO=Y is usb-audio"},
    {"STORAGE", "the disks lie in what is mounted at /storage"},
    {"DISK_FLAGS", "disks of DISK_FMT=qcow2 have QEMU's own defaults"},
    {"DISK_OPTIONS", "ARGUMENTS adds QEMU's -set or -global"},
    {"RAM_CHECK", "memory that the host has not is a warning, and no refusal"},
    {"BALLOONING_*", "BALLOONING=Y adds the device alone"},
    {"IP", "the guest asks for its address"},
    {"HOST", "the guest's name is set in macOS"},
    {"DEV", kNetworkIsQemus},
    {"MASK", kNetworkIsQemus},
    {"TAP", kNetworkIsQemus},
    {"BRIDGE", kNetworkIsQemus},
    {"DNSMASQ_*", kNetworkIsQemus},
    {"PASST_*", kNetworkIsQemus},
    {"LOSSY", "viewers choose how they pack the screen"},
    {"DISK7_SIZE", "a machine has six disks"}};

bool is_named(std::string_view name, std::string_view pattern) {
    if (!pattern.ends_with('*')) return name == pattern;
    pattern.remove_suffix(1);
    return name.starts_with(pattern);
}

}  // namespace

std::vector<std::string> warn_of_dockurs(const Variables& variables) {
    std::vector<std::string> warnings;
    for (const auto& [pattern, why, is_secret] : kDockurs)
        for (const auto& [name, value] : variables)
            if (is_named(name, pattern) && !trim(value).empty())
                warnings.push_back(fmt::format("{}{} is passed over: {}", name,
                                               is_secret ? "" : fmt::format("={}", trim(value)),
                                               why));
    return warnings;
}

}  // namespace hako::macos
