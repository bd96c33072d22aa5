// The screen, keyboard and mouse of a machine that runs, through QMP.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "vmm/qemu/qmp.h"

namespace hako::macos {

// What is on the screen, as PNG.
Result<std::string> take_screenshot(vmm::QmpClient& qmp);

struct ScreenState {
    unsigned width = 0;
    unsigned height = 0;
    bool is_blank = false;  // one colour all over
    std::string digest;     // SHA-256 of its pixels: another one is another picture
};
Result<ScreenState> look_at_screen(vmm::QmpClient& qmp);

// As a person would, key after key.
Result<void> type_text(vmm::QmpClient& qmp, std::string_view text);
Result<void> press_keys(vmm::QmpClient& qmp, std::string_view names);

enum class Button { left, middle, right };
// In pixels of the screen. ErrorKind::invalid outside of it.
Result<void> click(vmm::QmpClient& qmp, unsigned x, unsigned y, Button button, unsigned times);

}  // namespace hako::macos
