// How far a macOS machine is on its way to a screen. Whoever runs it keeps the newest state in one
// small file, replaced at each change and at most twice a second: a viewer reads it whenever it
// likes, also after the machine has ended.
//
// Where: the machine's folder holds kProgressFile, and while QEMU runs kVncSocket, a unix socket
// that speaks RFB; each connection is a viewer of its own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "base/json.h"
#include "base/result.h"
#include "base/units.h"

namespace hako::macos {

constexpr std::string_view kProgressFile = "progress.json";
constexpr std::string_view kVncSocket = "vnc.sock";

enum class Stage : std::uint8_t {
    checking,     // host, settings, storage
    downloading,  // the recovery system; bytes are counted
    preparing,    // disks and firmware
    running,      // QEMU runs: there is a screen
    waiting,      // the guest stands still until the host's disk has room; `message` says where
    stopping,
    stopped,
    failed,  // `message` says why and what to do
};
std::string_view to_string(Stage stage);

struct Progress {
    Stage stage = Stage::checking;
    std::string title;    // "macOS 14 (Sonoma)"
    std::string message;  // a sentence for people: "Downloading the recovery system from Apple"
    std::uint64_t bytes_done = 0;
    std::uint64_t bytes_total = 0;  // 0: not known
    std::uint64_t bytes_per_second = 0;
    WallTime changed_at{};

    bool has_screen() const {
        return stage == Stage::running || stage == Stage::waiting || stage == Stage::stopping;
    }
    // 0 to 100, of the bytes; none where they are not known.
    std::optional<double> percent() const;
    std::optional<std::uint64_t> seconds_left() const;
};

// {"stage":"downloading","title":…,"message":…,"percent":12.5,"bytes_done":…,"bytes_total":…,
// "bytes_per_second":…,"seconds_left":…,"changed_at":"<RFC 3339>"}; what is not known is null.
Json to_json(const Progress& progress);
Result<Progress> progress_from_json(const Json& json);

// Readers see the old state or the new one.
Result<void> write_progress(const std::filesystem::path& file, const Progress& progress);
// Nullopt when there is no such file yet.
Result<std::optional<Progress>> read_progress(const std::filesystem::path& file);

// Keeps the file while a machine is made and runs. Any thread may call anything.
class ProgressFile {
public:
    using Listener = std::function<void(const Progress&)>;
    // title: "macOS 14 (Sonoma)". The listener hears of all that is written.
    ProgressFile(std::filesystem::path file, std::string title, Listener listener = {});

    void enter(Stage stage, std::string message);
    // Of a download: twice a second at most, and at its end.
    void count(std::uint64_t done, std::uint64_t total);

private:
    struct State {
        Progress progress;
        std::uint64_t first = 0;  // bytes that were there when it began
        std::optional<std::chrono::steady_clock::time_point> begun;
        std::chrono::steady_clock::time_point written{};
    };
    void write(State& state) const;

    std::filesystem::path file_;
    Listener listener_;
    Guarded<State> state_;
};

}  // namespace hako::macos
