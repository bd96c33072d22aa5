// What the builder of an appliance and its first process agree on (docs/macos-appliance.md).
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "macos/identity.h"
#include "macos/settings.h"

namespace hako::appliance {

// Names of the partitions of its disk.
constexpr std::string_view kBiosPartition = "hako-bios";
constexpr std::string_view kBootPartition = "hako-boot";
constexpr std::string_view kVariablesPartition = "hako-variables";  // the firmware's
constexpr std::string_view kOpenCorePartition = "hako-opencore";
constexpr std::string_view kRecoveryPartition = "hako-recovery";  // where there is one

// Where things lie in its root file system.
constexpr std::string_view kSettingsFile = "/etc/hako/appliance.json";
constexpr std::string_view kNetworkScript = "/etc/hako/network.sh";
constexpr std::string_view kBusybox = "/bin/busybox";
constexpr std::string_view kQemu = "/usr/bin/qemu-system-x86_64";
constexpr std::string_view kViewer = "/usr/bin/hako-viewer";
constexpr std::string_view kWeb = "/usr/share/hako/web";

struct ApplianceSettings {
    macos::Variables variables;
    macos::Identity identity;
};
Json to_json(const ApplianceSettings& settings);
Result<ApplianceSettings> settings_from_json(const Json& json);

// What macOS gets of a machine: Linux and QEMU keep a processor, and a tenth of the memory or
// 768 MiB. ErrorKind::unavailable where that is too little.
Result<macos::HostSize> share_for_macos(const macos::HostSize& machine);

// Where it is not said otherwise, macOS gets all of its share, and its ports 22 and 5900 are the
// appliance's. ErrorKind::invalid for what an appliance does not do.
Result<macos::ParsedSettings> read_variables(const macos::Variables& variables,
                                             const macos::HostSize& share);

// ON_FAILURE=poweroff; else there is a shell when macOS cannot be run.
bool powers_off_on_failure(const macos::Variables& variables);

// Of the kernel's command line: hako.RAM_SIZE=8G is the variable RAM_SIZE.
macos::Variables variables_of_kernel_line(std::string_view line);

}  // namespace hako::appliance
