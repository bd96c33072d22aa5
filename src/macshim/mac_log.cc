#include "macshim/mac_log.h"

#include <array>
#include <utility>

#include "base/log.h"
#include "base/thread.h"
#include "base/units.h"

namespace hako::macshim {
namespace {

constexpr std::size_t kMostUnended = 64 * kKiB;
// Of a download whose tenths are told.
constexpr std::uint64_t kLarge = 16 * kMiB;

std::string size_text(std::uint64_t bytes) {
    return bytes < kMiB ? fmt::format("{} KiB", (bytes + kKiB - 1) / kKiB)
                        : fmt::format("{} MiB", bytes / kMiB);
}

// Of what QEMU says: recovery systems need neither of the two modules, and who emulates a processor
// does without some of its features.
bool is_news(std::string_view line) {
    return line.find(": module block-block-dmg-") == std::string_view::npos &&
           line.find("TCG doesn't support requested feature") == std::string_view::npos;
}

}  // namespace

Result<std::unique_ptr<MacLog>> MacLog::open(runtime::OutputLog::Setup setup) {
    HAKO_TRY(auto writer, runtime::OutputLog::open(std::move(setup)));
    HAKO_TRY(auto pipe, make_pipe());
    return std::unique_ptr<MacLog>(new MacLog(std::move(writer), std::move(pipe)));
}

MacLog::MacLog(runtime::OutputLog writer, FdPair pipe)
    : writer_(std::move(writer)), errors_(std::move(pipe.second)) {
    const auto read_end = std::make_shared<Fd>(std::move(pipe.first));
    reader_ = start_thread("words", [this, read_end](const std::stop_token&) {
        std::array<std::byte, 4096> buffer{};
        std::string line;
        for (;;) {
            const auto count = read_some(read_end->get(), buffer);
            if (!count || *count == 0) break;
            line += as_text(std::span(buffer).first(*count));
            for (auto end = line.find('\n'); end != std::string::npos; end = line.find('\n')) {
                if (is_news(line.substr(0, end))) complain(line.substr(0, end));
                line.erase(0, end + 1);
            }
            if (line.size() > kMostUnended) {
                complain(line);
                line.clear();
            }
        }
        if (!line.empty()) complain(line);
    });
}

MacLog::~MacLog() { errors_.reset(); }

void MacLog::write(runtime::LogStream stream, std::string_view line) {
    const auto text = std::string(line) + "\n";
    if (auto written = writer_.append(stream, as_bytes(text)); !written)
        log_warn("{}", written.error().message());
}

void MacLog::tell(const macos::Progress& progress) {
    auto told = told_.lock();
    if (told->stage != progress.stage || told->message != progress.message) {
        told->stage = progress.stage;
        told->message = progress.message;
        told->tenth = 0;
        if (progress.stage == macos::Stage::failed) complain(progress.message);
        else say(progress.message);
    }
    if (progress.bytes_total == 0) return;
    const auto tenth = progress.bytes_done * 10 / progress.bytes_total;
    if (tenth == told->tenth || (tenth < 10 && progress.bytes_total < kLarge)) return;
    told->tenth = tenth;
    const auto left = progress.seconds_left();
    say(fmt::format("{} % of {}{}", tenth * 10, size_text(progress.bytes_total),
                    left && *left > 0 ? fmt::format(", {} s left", *left) : ""));
}

void MacLog::end(std::string_view why) {
    if (told_.lock()->stage != macos::Stage::failed) complain(why);
}

Result<void> MacLog::finish() {
    errors_.reset();
    if (reader_.joinable()) reader_.join();
    return writer_.finish();
}

}  // namespace hako::macshim
