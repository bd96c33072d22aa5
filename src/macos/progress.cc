#include "macos/progress.h"

#include <algorithm>

#include "base/fd.h"
#include "base/log.h"

namespace hako::macos {
namespace {

constexpr auto kPause = std::chrono::milliseconds(500);
constexpr Stage kStages[] = {Stage::checking, Stage::downloading, Stage::preparing, Stage::running,
                             Stage::waiting,  Stage::stopping,    Stage::stopped,   Stage::failed};

template <typename T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json();
}

}  // namespace

std::string_view to_string(Stage stage) {
    switch (stage) {
        case Stage::checking: return "checking";
        case Stage::downloading: return "downloading";
        case Stage::preparing: return "preparing";
        case Stage::running: return "running";
        case Stage::waiting: return "waiting";
        case Stage::stopping: return "stopping";
        case Stage::stopped: return "stopped";
        case Stage::failed: return "failed";
    }
    return "";
}

std::optional<double> Progress::percent() const {
    if (bytes_total == 0) return std::nullopt;
    const auto done = static_cast<double>(std::min(bytes_done, bytes_total));
    return done * 100 / static_cast<double>(bytes_total);
}

std::optional<std::uint64_t> Progress::seconds_left() const {
    if (bytes_per_second == 0 || bytes_total < bytes_done) return std::nullopt;
    return (bytes_total - bytes_done) / bytes_per_second;
}

Json to_json(const Progress& progress) {
    return {{"stage", to_string(progress.stage)},
            {"title", progress.title},
            {"message", progress.message},
            {"percent", or_null(progress.percent())},
            {"bytes_done", progress.bytes_done},
            {"bytes_total", progress.bytes_total == 0 ? Json() : Json(progress.bytes_total)},
            {"bytes_per_second", progress.bytes_per_second},
            {"seconds_left", or_null(progress.seconds_left())},
            {"changed_at", format_time(progress.changed_at)}};
}

Result<Progress> progress_from_json(const Json& json) {
    Progress progress;
    HAKO_TRY(const auto stage, json_field_or<std::string>(json, "stage", {}));
    bool known = false;
    for (const Stage candidate : kStages) {
        if (to_string(candidate) != stage) continue;
        progress.stage = candidate;
        known = true;
    }
    if (!known) return fail(ErrorKind::invalid, "'{}' is no stage of a machine", stage);
    HAKO_TRY(progress.title, json_field_or<std::string>(json, "title", {}));
    HAKO_TRY(progress.message, json_field_or<std::string>(json, "message", {}));
    HAKO_TRY(progress.bytes_done, json_field_or(json, "bytes_done", progress.bytes_done));
    HAKO_TRY(progress.bytes_total, json_field_or(json, "bytes_total", progress.bytes_total));
    HAKO_TRY(progress.bytes_per_second,
             json_field_or(json, "bytes_per_second", progress.bytes_per_second));
    HAKO_TRY(const auto time, json_field_or<std::string>(json, "changed_at", {}));
    HAKO_TRY(progress.changed_at, parse_time(time));
    return progress;
}

Result<void> write_progress(const std::filesystem::path& file, const Progress& progress) {
    return replace_file(file, dump_json(to_json(progress)) + "\n", 0644);
}

Result<std::optional<Progress>> read_progress(const std::filesystem::path& file) {
    const auto text = read_file(file);
    if (!text && text.error().kind() == ErrorKind::not_found) return std::nullopt;
    if (!text) return fail(text.error());
    HAKO_TRY(const auto json, with_context(parse_json(*text), file.native()));
    HAKO_TRY(auto progress, with_context(progress_from_json(json), file.native()));
    return std::optional(std::move(progress));
}

ProgressFile::ProgressFile(std::filesystem::path file, std::string title, Listener listener)
    : file_(std::move(file)),
      listener_(std::move(listener)),
      state_({.progress = {.title = std::move(title)}}) {}

void ProgressFile::enter(Stage stage, std::string message) {
    auto state = state_.lock();
    state->progress = {
        .stage = stage, .title = state->progress.title, .message = std::move(message)};
    state->begun.reset();
    write(*state);
}

void ProgressFile::count(std::uint64_t done, std::uint64_t total) {
    auto state = state_.lock();
    const auto time = std::chrono::steady_clock::now();
    if (!state->begun) {
        state->begun = time;
        state->first = done;
    }
    if (time - state->written < kPause && done != total) return;
    auto& progress = state->progress;
    progress.bytes_done = done;
    progress.bytes_total = total;
    const auto seconds = std::chrono::duration<double>(time - *state->begun).count();
    if (seconds > 0)
        progress.bytes_per_second =
            static_cast<std::uint64_t>(static_cast<double>(done - state->first) / seconds);
    write(*state);
}

void ProgressFile::write(State& state) const {
    state.written = std::chrono::steady_clock::now();
    state.progress.changed_at = now();
    // A machine does not stop because nobody can be told how it is.
    if (auto written = write_progress(file_, state.progress); !written)
        log_warn("{}", written.error().message());
    if (listener_) listener_(state.progress);
}

}  // namespace hako::macos
