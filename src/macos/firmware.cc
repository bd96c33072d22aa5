#include "macos/firmware.h"

#include "base/fd.h"

namespace hako::macos {

Result<std::string> new_firmware_variables() {
    auto text = read_file(kFirmwareVariables);
    if (text) return text;
    return fail(ErrorKind::not_found,
                "the firmware {} is missing: install the package ovmf (apt-get install ovmf)",
                kFirmwareVariables);
}

}  // namespace hako::macos
