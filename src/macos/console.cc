#include "macos/console.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/fd.h"
#include "base/json.h"
#include "base/sha256.h"
#include "macos/keys.h"

namespace hako::macos {
namespace {

constexpr auto kBetweenKeys = std::chrono::milliseconds(30);
constexpr auto kDump = std::chrono::seconds(20);
constexpr std::uint64_t kTabletSide = 0x7fff;
constexpr std::size_t kMostPixels = std::size_t{64} << 20U;

// QEMU writes into a file of ours that has no name.
Result<std::string> dump(vmm::QmpClient& qmp, std::string_view format) {
    const Fd file(::memfd_create("screen", MFD_CLOEXEC));
    if (!file) return fail_errno(errno, "cannot make room for the screen");
    HAKO_TRY(const Fd to_write, open_file(fmt::format("/proc/self/fd/{}", file.get()), O_WRONLY));
    HAKO_TRY(const auto added, qmp.execute("add-fd", {}, vmm::kQmpDeadline, to_write.get()));
    HAKO_TRY(const auto set, json_field_or(added, "fdset-id", 0));
    const auto dumped = qmp.execute(
        "screendump",
        {{"filename", fmt::format("/dev/fdset/{}", set)}, {"format", std::string(format)}}, kDump);
    (void)qmp.execute("remove-fd", {{"fdset-id", set}});
    if (!dumped) return fail(Error(dumped.error()).context("there is no picture of the screen"));
    return read_file(fmt::format("/proc/self/fd/{}", file.get()), kMostPixels);
}

Json key_event(const std::string& key, bool down) {
    return {{"type", "key"},
            {"data", {{"down", down}, {"key", {{"type", "qcode"}, {"data", key}}}}}};
}

Result<void> send(vmm::QmpClient& qmp, const Json& events) {
    HAKO_TRY([[maybe_unused]] const auto sent,
             qmp.execute("input-send-event", {{"events", events}}));
    std::this_thread::sleep_for(kBetweenKeys);
    return {};
}

Result<void> press(vmm::QmpClient& qmp, const Chord& chord) {
    Json down = Json::array();
    Json up = Json::array();
    for (const auto& key : chord) down.push_back(key_event(key, true));
    for (auto key = chord.rbegin(); key != chord.rend(); ++key)
        up.push_back(key_event(*key, false));
    HAKO_CHECK(send(qmp, down));
    return send(qmp, up);
}

std::string_view name_of(Button button) {
    switch (button) {
        case Button::left: return "left";
        case Button::middle: return "middle";
        case Button::right: return "right";
    }
    return "left";
}

}  // namespace

Result<std::string> take_screenshot(vmm::QmpClient& qmp) { return dump(qmp, "png"); }

Result<ScreenState> look_at_screen(vmm::QmpClient& qmp) {
    HAKO_TRY(const auto picture, dump(qmp, "ppm"));
    // "P6\n1920 1080\n255\n", then three bytes a pixel.
    ScreenState screen;
    int at = 0;
    if (std::sscanf(picture.c_str(), "P6\n%u %u\n255\n%n", &screen.width, &screen.height, &at) !=
            2 ||
        at == 0)
        return fail(ErrorKind::corrupt, "QEMU's picture of the screen is none");
    const auto pixels = std::string_view(picture).substr(static_cast<std::size_t>(at));
    const auto first = pixels.substr(0, 3);
    screen.is_blank = true;
    for (std::size_t i = 0; i + 3 <= pixels.size() && screen.is_blank; i += 3)
        screen.is_blank = pixels.substr(i, 3) == first;
    screen.digest = sha256_hex(as_bytes(pixels));
    return screen;
}

Result<void> type_text(vmm::QmpClient& qmp, std::string_view text) {
    HAKO_TRY(const auto chords, keys_of_text(text));
    for (const auto& chord : chords) HAKO_CHECK(press(qmp, chord));
    return {};
}

Result<void> press_keys(vmm::QmpClient& qmp, std::string_view names) {
    HAKO_TRY(const auto chord, keys_of_name(names));
    return press(qmp, chord);
}

Result<void> click(vmm::QmpClient& qmp, unsigned x, unsigned y, Button button, unsigned times) {
    HAKO_TRY(const auto screen, look_at_screen(qmp));
    if (x >= screen.width || y >= screen.height)
        return fail(ErrorKind::invalid, "{},{} is not on the screen, which has {} x {} pixels", x,
                    y, screen.width, screen.height);
    const auto axis = [](const char* name, unsigned value, unsigned side) -> Json {
        return {
            {"type", "abs"},
            {"data", {{"axis", name}, {"value", value * kTabletSide / std::max(1U, side - 1)}}}};
    };
    const auto press_button = [&](bool down) -> Json {
        return {{"type", "btn"},
                {"data", {{"down", down}, {"button", std::string(name_of(button))}}}};
    };
    HAKO_CHECK(send(qmp, {axis("x", x, screen.width), axis("y", y, screen.height)}));
    for (unsigned i = 0; i < times; ++i) {
        HAKO_CHECK(send(qmp, Json::array({press_button(true)})));
        HAKO_CHECK(send(qmp, Json::array({press_button(false)})));
    }
    return {};
}

}  // namespace hako::macos
