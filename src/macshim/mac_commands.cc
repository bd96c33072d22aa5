#include "macshim/mac_commands.h"

#include <fcntl.h>

#include <algorithm>

#include "base/fd.h"
#include "base/units.h"
#include "macos/console.h"
#include "macos/disk_image.h"
#include "macos/disk_verbs.h"
#include "macos/settings.h"
#include "macos/snapshots.h"
#include "vmm/migration.h"

namespace hako::macshim {
namespace {

using Words = std::vector<std::string>;

constexpr auto kSave = std::chrono::minutes(20);
constexpr unsigned kMostClicks = 10;
constexpr int kUnknown = 127;

Result<unsigned> number(const std::string& text, std::string_view what) {
    const auto json = parse_json(text);
    if (json && json->is_number_unsigned() && *json <= 1'000'000) return json->get<unsigned>();
    return fail(ErrorKind::invalid, "\"{}\" is no {}: write a number", text.substr(0, 32), what);
}

Result<std::string> screenshot(const MacHands& hands, const Words&) {
    HAKO_TRY(const auto qmp, hands.qmp());
    return macos::take_screenshot(*qmp);
}

Result<std::string> screen(const MacHands& hands, const Words&) {
    HAKO_TRY(const auto qmp, hands.qmp());
    HAKO_TRY(const auto screen, macos::look_at_screen(*qmp));
    return dump_json({{"width", screen.width},
                      {"height", screen.height},
                      {"blank", screen.is_blank},
                      {"digest", screen.digest}}) +
           "\n";
}

Result<std::string> status(const MacHands& hands, const Words&) {
    HAKO_TRY(const auto status, hands.status());
    return dump_json(status) + "\n";
}

Result<std::string> type(const MacHands& hands, const Words& words) {
    HAKO_TRY(const auto qmp, hands.qmp());
    HAKO_CHECK(macos::type_text(*qmp, words[0]));
    return std::string();
}

Result<std::string> key(const MacHands& hands, const Words& words) {
    HAKO_TRY(const auto qmp, hands.qmp());
    for (const auto& keys : words) HAKO_CHECK(macos::press_keys(*qmp, keys));
    return std::string();
}

Result<std::string> click(const MacHands& hands, const Words& words) {
    HAKO_TRY(const auto qmp, hands.qmp());
    HAKO_TRY(const auto x, number(words[0], "place on the screen"));
    HAKO_TRY(const auto y, number(words[1], "place on the screen"));
    HAKO_TRY(const auto count, words.size() > 3 ? number(words[3], "count") : Result<unsigned>(1));
    if (count < 1 || count > kMostClicks)
        return fail(ErrorKind::invalid, "click 1 to {} times, not {}", kMostClicks, count);
    const std::string wanted = words.size() > 2 ? words[2] : "left";
    for (const auto& [name, button] :
         {std::pair("left", macos::Button::left), std::pair("middle", macos::Button::middle),
          std::pair("right", macos::Button::right)}) {
        if (wanted != name) continue;
        HAKO_CHECK(macos::click(*qmp, x, y, button, count));
        return std::string();
    }
    return fail(ErrorKind::invalid, "there is no button {}: use left, middle or right", wanted);
}

Result<std::string> snapshot(const MacHands& hands, const Words& words) {
    const bool memory = words.size() > 1;
    if (memory && words[1] != "memory")
        return fail(ErrorKind::invalid, "say memory, or nothing: not {}", words[1]);
    if (hands.stopped) {
        if (memory)
            return fail(ErrorKind::conflict, "a machine that does not run has no memory: start it");
        HAKO_CHECK(macos::take_snapshot(hands.folder, words[0]));
        return std::string();
    }
    HAKO_TRY(const auto qmp, hands.qmp());
    HAKO_TRY(const auto state, qmp->query_status());
    if (state != "running")
        return fail(ErrorKind::conflict, "the machine is {}: let it run first", state);
    if (!memory) HAKO_CHECK(qmp->stop());
    const auto save = [&](const std::filesystem::path& file) -> Result<void> {
        HAKO_TRY(const Fd fd, open_file(file, O_WRONLY | O_CREAT | O_TRUNC, 0600));
        return vmm::save_state(*qmp, fd.get(), kSave);
    };
    auto taken = macos::take_snapshot(hands.folder, words[0],
                                      memory ? macos::SaveMemory(save) : macos::SaveMemory());
    const auto goes_on = qmp->cont();
    HAKO_CHECK(taken);
    HAKO_CHECK(goes_on);
    return std::string();
}

Result<std::string> snapshots(const MacHands& hands, const Words&) {
    HAKO_TRY(const auto list, macos::list_snapshots(hands.folder));
    Json json = Json::array();
    for (const auto& snapshot : list)
        json.push_back({{"name", snapshot.name},
                        {"taken", format_time(snapshot.taken)},
                        {"memory", snapshot.has_memory},
                        {"bytes", snapshot.bytes}});
    return dump_json(json) + "\n";
}

Result<std::string> restore(const MacHands& hands, const Words& words) {
    const bool disk_only = words.size() > 1;
    if (disk_only && words[1] != "disk-only")
        return fail(ErrorKind::invalid, "say disk-only, or nothing: not {}", words[1]);
    HAKO_TRY(const auto list, macos::list_snapshots(hands.folder));
    if (std::ranges::find(list, words[0], &macos::Snapshot::name) == list.end())
        return fail(ErrorKind::not_found, "No such snapshot: {}", words[0]);
    if (hands.stopped) HAKO_CHECK(macos::restore_snapshot(hands.folder, words[0], !disk_only));
    else HAKO_CHECK(hands.restore(words[0], !disk_only));
    return std::string();
}

Result<std::string> forget(const MacHands& hands, const Words& words) {
    HAKO_CHECK(macos::remove_snapshot(hands.folder, words[0]));
    return std::string();
}

Result<std::string> resize(const MacHands& hands, const Words& words) {
    HAKO_TRY(const auto asked, with_context(parse_bytes(words[0]), "the disk's new size"));
    const auto bytes = asked / kMiB * kMiB;
    HAKO_TRY(const auto disk, words.size() > 1 ? number(words[1], "disk") : Result<unsigned>(1));
    if (disk < 1 || disk > macos::kMostDisks)
        return fail(ErrorKind::invalid, "a machine has disks 1 to {}", macos::kMostDisks);
    const auto name = macos::disk_name(disk - 1);
    if (hands.stopped) {
        HAKO_CHECK(macos::grow_disk(hands.folder, {name, *hands.stopped, bytes}));
        return std::string();
    }
    HAKO_TRY(const auto qmp, hands.qmp());
    HAKO_TRY(const auto blocks, qmp->execute("query-named-block-nodes", {{"flat", true}}));
    for (const auto& node : blocks) {
        HAKO_TRY(const auto node_name, json_field_or<std::string>(node, "node-name", {}));
        if (node_name != name) continue;
        HAKO_TRY(const auto image, json_field_or(node, "image", Json::object()));
        HAKO_TRY(const auto size, json_field_or<std::uint64_t>(image, "virtual-size", 0));
        if (bytes < size)
            return fail(ErrorKind::invalid, "disk {} has {} MiB: disks only grow", disk,
                        size / kMiB);
        const auto grow = [&]() -> Result<void> {
            HAKO_TRY([[maybe_unused]] const auto done,
                     qmp->execute("block_resize", {{"node-name", name}, {"size", bytes}}));
            return {};
        };
        HAKO_CHECK(macos::grow_noted(hands.folder, name, bytes, grow));
        return std::string();
    }
    return fail(ErrorKind::not_found, "the machine has no disk {}", disk);
}

struct Verb {
    std::string_view name;
    std::string_view usage;
    std::size_t least, most;
    Result<std::string> (*run)(const MacHands&, const Words&);
};
constexpr Verb kVerbs[] = {
    {"screenshot", "", 0, 0, screenshot},
    {"screen", "", 0, 0, screen},
    {"status", "", 0, 0, status},
    {"type", "TEXT", 1, 1, type},
    {"key", "KEYS...", 1, 100, key},
    {"click", "X Y [left|middle|right [COUNT]]", 2, 4, click},
    {"snapshot", "NAME [memory]", 1, 2, snapshot},
    {"snapshots", "", 0, 0, snapshots},
    {"restore", "NAME [disk-only]", 1, 2, restore},
    {"forget", "NAME", 1, 1, forget},
    {"resize", "SIZE [DISK]", 1, 2, resize},
};

std::string all_verbs() {
    std::string text;
    for (const auto& verb : kVerbs)
        text += fmt::format("  {}{}{}\n", verb.name, verb.usage.empty() ? "" : " ", verb.usage);
    return text;
}

}  // namespace

CommandAnswer run_command(const MacHands& hands, const Words& words) {
    const auto name = words.empty() ? std::string() : words.front();
    if (name == "help") return {0, all_verbs(), ""};
    const auto verb = std::ranges::find(kVerbs, name, &Verb::name);
    if (verb == std::end(kVerbs))
        return {kUnknown, "",
                fmt::format("hako has no agent in macOS, so it cannot run \"{}\" there: use ssh by "
                            "a published port 22. Commands of the machine:\n{}",
                            name, all_verbs())};
    const Words rest(words.begin() + 1, words.end());
    if (rest.size() < verb->least || rest.size() > verb->most)
        return {1, "", fmt::format("usage: {} {}", verb->name, verb->usage)};
    if (hands.stopped && !macos::is_disk_verb(name))
        return {1, "", "the machine does not run: start it first"};
    auto answer = verb->run(hands, rest);
    if (!answer) return {1, "", answer.error().message()};
    return {0, *std::move(answer), ""};
}

}  // namespace hako::macshim
