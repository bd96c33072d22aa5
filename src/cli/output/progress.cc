#include "cli/output/progress.h"

#include <unistd.h>

#include <algorithm>

#include "base/fd.h"
#include "base/units.h"
#include "cli/output/text.h"
#include "cli/terminal.h"

namespace hako::cli {
namespace {

constexpr std::string_view kClearLine = "\x1b[2K\r";

std::string text_field(const Json& message, const char* name) {
    const auto text = json_field<std::string>(message, name);
    return text && *text ? **text : std::string();
}

// Too short a time says nothing.
constexpr std::chrono::milliseconds kShortestMeasured{500};

// The words of docker's daemon, and ours.
constexpr std::string_view kDownloading = "Downloading";
constexpr std::string_view kComplete = "Pull complete";
constexpr std::string_view kPresent = "Already exists";

}  // namespace

std::string format_bar(std::uint64_t current, std::uint64_t total, std::size_t columns) {
    constexpr std::size_t kNarrow = 70;  // below it there is only room for the numbers
    constexpr std::size_t kWidth = 50;
    if (total == 0) return format_bytes(current);
    current = std::min(current, total);
    const auto amounts = fmt::format("{}/{}", format_bytes(current), format_bytes(total));
    if (columns < kNarrow) return amounts;
    const auto share = static_cast<double>(current) / static_cast<double>(total);
    const auto filled = static_cast<std::size_t>(share * static_cast<double>(kWidth));
    std::string bar(filled, '=');
    if (filled < kWidth) bar += '>';
    return fmt::format("[{:<{}}]  {}", bar, kWidth, amounts);
}

std::string ProgressRenderer::move_to(std::size_t line) const {
    const auto up = lines_ - line;
    return up == 0 ? std::string() : fmt::format("\x1b[{}A", up);
}

// The bar of a message, if it has one, and how fast it moves.
std::string ProgressRenderer::bar(const Json& message, const std::string& id,
                                  std::chrono::steady_clock::time_point time) {
    const auto detail = json_field_or(message, "progressDetail", Json());
    if (!detail || !detail->is_object()) return {};
    const auto current = json_field_or<std::uint64_t>(*detail, "current", 0);
    const auto total = json_field_or<std::uint64_t>(*detail, "total", 0);
    if (!current || !total || (*current == 0 && *total == 0)) return {};
    auto text = format_bar(*current, *total, columns_);
    if (text_field(message, "status") != kDownloading) return text;
    auto& transfer = transfers_.try_emplace(id, Transfer{time, *current}).first->second;
    transfer.total = *total;
    const auto span = time - transfer.since;
    if (span < kShortestMeasured || *current <= transfer.first) return text;
    const auto speed = static_cast<double>(*current - transfer.first) /
                       std::chrono::duration<double>(span).count();
    return fmt::format("{}  {}/s", text, format_size(static_cast<std::uint64_t>(speed)));
}

void ProgressRenderer::count(const std::string& id, const std::string& status) {
    if (status == kComplete) complete_.insert(id);
    if (status == kPresent && !complete_.contains(id)) present_.insert(id);
}

std::string ProgressRenderer::summary() const {
    if (complete_.empty() && present_.empty()) return {};
    std::uint64_t bytes = 0;
    for (const auto& id : complete_)
        if (const auto found = transfers_.find(id); found != transfers_.end())
            bytes += found->second.total;
    return fmt::format("Layers: {} downloaded ({}), {} already there\n", complete_.size(),
                       format_size(bytes), present_.size());
}

std::string ProgressRenderer::render(const Json& message,
                                     std::chrono::steady_clock::time_point time) {
    if (auto stream = text_field(message, "stream"); !stream.empty()) return stream;
    const auto id = text_field(message, "id");
    const auto status = text_field(message, "status");
    const auto drawn = bar(message, id, time);
    if (status.empty()) return {};
    count(id, status);
    auto line = id.empty() ? status : id + ": " + status;
    if (columns_ == 0) return drawn.empty() ? line + "\n" : std::string();

    if (!drawn.empty()) line += " " + drawn;
    line = ellipsis(line, columns_ - std::min<std::size_t>(columns_, 1));
    if (id.empty()) {
        // A line of its own ends the block of bars.
        line_.clear();
        lines_ = 0;
        return line + "\n";
    }
    const auto known = line_.find(id);
    if (known == line_.end()) {
        line_.emplace(id, lines_++);
        return line + "\n";
    }
    const auto up = lines_ - known->second;
    return fmt::format("{}{}{}\r\x1b[{}B", move_to(known->second), kClearLine, line, up);
}

Result<void> show_progress(http::ClientStream& answer, const ProgressView& view) {
    const bool terminal = view.fd >= 0 && ::isatty(view.fd) != 0;
    ProgressRenderer renderer(terminal ? columns_of(view.fd) : 0);
    while (true) {
        HAKO_TRY(const auto line, answer.next_line());
        if (!line) break;
        if (line->empty() || *line == "\r") continue;
        HAKO_TRY(const auto message, parse_json(*line));
        if (const auto error = text_field(message, "error"); !error.empty())
            return fail(ErrorKind::internal, "Error response from daemon: {}", error);
        if (view.on_aux && message.contains("aux")) view.on_aux(message["aux"]);
        if (view.fd < 0) continue;
        if (const auto text = renderer.render(message); !text.empty())
            (void)write_all(view.fd, text);
    }
    if (view.fd >= 0) (void)write_all(view.fd, renderer.summary());
    return {};
}

}  // namespace hako::cli
