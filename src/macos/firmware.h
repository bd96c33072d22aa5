// The UEFI firmware of the host's package ovmf.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"

namespace hako::macos {

constexpr std::string_view kFirmwareCode = "/usr/share/OVMF/OVMF_CODE_4M.fd";
constexpr std::string_view kFirmwareVariables = "/usr/share/OVMF/OVMF_VARS_4M.fd";

// Its variables as a new machine has them. ErrorKind::not_found names the package.
Result<std::string> new_firmware_variables();

}  // namespace hako::macos
