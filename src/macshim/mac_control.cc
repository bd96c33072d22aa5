#include "macshim/mac_control.h"

#include <fcntl.h>

#include "base/fd.h"
#include "macos/console.h"
#include "macos/disk_image.h"
#include "macos/snapshots.h"
#include "macos/storage_control.h"
#include "vmm/migration.h"

namespace hako::macshim {
namespace {

constexpr auto kSave = std::chrono::minutes(20);
constexpr unsigned kMostClicks = 10;

Result<std::string> screen(vmm::QmpClient& qmp) {
    HAKO_TRY(const auto screen, macos::look_at_screen(qmp));
    return dump_json({{"width", screen.width},
                      {"height", screen.height},
                      {"blank", screen.is_blank},
                      {"digest", screen.digest}});
}

Result<void> click(vmm::QmpClient& qmp, const Json& arguments) {
    HAKO_TRY(const auto x, json_field<unsigned>(arguments, "x"));
    HAKO_TRY(const auto y, json_field<unsigned>(arguments, "y"));
    HAKO_TRY(const auto name, json_field_or<std::string>(arguments, "button", "left"));
    HAKO_TRY(const auto count, json_field_or(arguments, "count", 1U));
    if (!x || !y) return fail(ErrorKind::invalid, "say where to click: x and y");
    if (count < 1 || count > kMostClicks)
        return fail(ErrorKind::invalid, "click 1 to {} times, not {}", kMostClicks, count);
    for (const auto& [word, button] :
         {std::pair("left", macos::Button::left), std::pair("middle", macos::Button::middle),
          std::pair("right", macos::Button::right)})
        if (name == word) return macos::click(qmp, *x, *y, button, count);
    return fail(ErrorKind::invalid, "button {} is not known: use left, middle or right", name);
}

Result<void> snapshot(vmm::QmpClient& qmp, const std::filesystem::path& folder,
                      const Json& arguments) {
    HAKO_TRY(const auto name, json_field_or<std::string>(arguments, "name", {}));
    HAKO_TRY(const bool memory, json_field_or(arguments, "memory", false));
    HAKO_TRY(const auto status, qmp.query_status());
    if (status != "running")
        return fail(ErrorKind::conflict, "the machine is {}: let it run first", status);
    if (!memory) HAKO_CHECK(qmp.stop());
    const auto save = [&](const std::filesystem::path& file) -> Result<void> {
        HAKO_TRY(const Fd fd, open_file(file, O_WRONLY | O_CREAT | O_TRUNC, 0600));
        return vmm::save_state(qmp, fd.get(), kSave);
    };
    auto taken = macos::take_snapshot(folder, name, memory ? save : macos::SaveMemory());
    const auto goes_on = qmp.cont();
    return taken ? goes_on : taken;
}

Result<void> resize(vmm::QmpClient& qmp, const std::filesystem::path& folder,
                    const Json& arguments) {
    HAKO_TRY(const auto growth, macos::read_growth(arguments));
    HAKO_TRY(const auto blocks, qmp.execute("query-named-block-nodes", {{"flat", true}}));
    for (const auto& node : blocks) {
        HAKO_TRY(const auto name, json_field_or<std::string>(node, "node-name", {}));
        if (name != growth.disk) continue;
        HAKO_TRY(const auto image, json_field_or(node, "image", Json::object()));
        HAKO_TRY(const auto size, json_field_or<std::uint64_t>(image, "virtual-size", 0));
        if (growth.bytes < size)
            return fail(ErrorKind::invalid, "{} has {} bytes: disks only grow", name, size);
        HAKO_CHECK(macos::note_growth(folder, name, growth.bytes));
        HAKO_TRY([[maybe_unused]] const auto done,
                 qmp.execute("block_resize", {{"node-name", name}, {"size", growth.bytes}}));
        return {};
    }
    return fail(ErrorKind::not_found, "the machine has no disk {}", growth.disk);
}

Result<void> act(vmm::QmpClient& qmp, const std::filesystem::path& folder, std::string_view verb,
                 const Json& arguments) {
    if (verb == "click") return click(qmp, arguments);
    if (verb == "snapshot") return snapshot(qmp, folder, arguments);
    if (verb == "resize") return resize(qmp, folder, arguments);
    if (verb == "type") {
        HAKO_TRY(const auto text, json_field_or<std::string>(arguments, "text", {}));
        return macos::type_text(qmp, text);
    }
    if (verb == "key") {
        HAKO_TRY(const auto keys, json_field_or<std::string>(arguments, "keys", {}));
        return macos::press_keys(qmp, keys);
    }
    if (verb == "restore")
        return fail(ErrorKind::conflict, "the machine runs: stop it, then restore and start it");
    return fail(ErrorKind::invalid, "a macOS machine knows no \"{}\"", verb.substr(0, 64));
}

}  // namespace

Result<std::string> control_running(vmm::QmpClient& qmp, const std::filesystem::path& folder,
                                    std::string_view verb, const Json& arguments) {
    if (verb == "screenshot") return macos::take_screenshot(qmp);
    if (verb == "screen") return screen(qmp);
    HAKO_TRY(const auto known, macos::control_snapshots(folder, verb, arguments));
    if (known) return dump_json(*known);
    HAKO_CHECK(act(qmp, folder, verb, arguments));
    return std::string("null");
}

}  // namespace hako::macshim
