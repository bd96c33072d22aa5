#include "vmm/console.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/log.h"
#include "base/thread.h"

namespace hako::vmm {
namespace {

constexpr std::string_view kPanicMark = "Kernel panic - not syncing: ";

std::string printable(std::string_view text) {
    std::string result;
    for (const char c : text)
        if (static_cast<unsigned char>(c) >= ' ' && c != '\x7f') result += c;
    return result;
}

// Two files, each of a bounded size; the older one is replaced.
class RotatingFile {
public:
    explicit RotatingFile(std::filesystem::path path) : path_(std::move(path)) {
        if (!path_.empty()) reopen();
    }

    void append(std::string_view text) {
        if (!file_) return;
        if (written_ + text.size() > Console::kLogBytes) {
            std::error_code ignored;
            std::filesystem::rename(path_, path_.native() + ".1", ignored);
            reopen();
        }
        // A full disk costs the log, not the machine.
        if (!file_ || !write_all(file_.get(), text)) return file_.reset();
        written_ += text.size();
    }

private:
    void reopen() {
        auto opened = open_file(path_, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (!opened) log_warn("the console is not logged: {}", opened.error().message());
        file_ = opened ? *std::move(opened) : Fd();
        written_ = 0;
    }

    std::filesystem::path path_;
    Fd file_;
    std::size_t written_ = 0;
};

}  // namespace

void Tail::append(std::string_view text) {
    text_ += text;
    // Cut rarely, so that a flood of small pieces costs no copy each.
    if (text_.size() > 2 * limit_) text_.erase(0, text_.size() - limit_);
}

std::optional<std::string> find_panic(std::string_view console) {
    const auto start = console.rfind(kPanicMark);
    if (start == std::string_view::npos) return std::nullopt;
    const auto rest = console.substr(start + kPanicMark.size());
    return printable(rest.substr(0, rest.find_first_of("\r\n")));
}

std::string last_lines(std::string_view text, std::size_t count, std::string_view separator) {
    std::vector<std::string> lines;
    while (!text.empty() && lines.size() < count) {
        const auto start = text.rfind('\n');
        const auto line = start == std::string_view::npos ? text : text.substr(start + 1);
        if (auto plain = printable(line); plain.find_first_not_of(' ') != std::string::npos)
            lines.push_back(std::move(plain));
        text = start == std::string_view::npos ? std::string_view() : text.substr(0, start);
    }
    std::string result;
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
        if (!result.empty()) result += separator;
        result += *line;
    }
    return result;
}

Result<std::unique_ptr<Console>> Console::start(Fd serial, Fd errors, std::filesystem::path log) {
    HAKO_TRY(FdPair wake, make_pipe());
    std::unique_ptr<Console> console(new Console());
    console->stop_ = std::move(wake.second);
    console->reader_ = start_thread(
        "vm-console", [self = console.get(), log = std::move(log), wake = wake.first.release(),
                       serial = serial.release(), errors = errors.release()](auto) {
            self->read_streams(Fd(wake), Fd(serial), Fd(errors), log);
        });
    return console;
}

Console::~Console() { stop_.reset(); }

void Console::read_streams(const Fd& wake, Fd serial, Fd errors, const std::filesystem::path& log) {
    RotatingFile file(log);
    std::array<std::byte, 4096> buffer{};
    const auto take = [&](Fd& fd, const pollfd& entry, auto&& keep) {
        if (entry.revents == 0) return;
        const auto count = read_some(fd.get(), buffer);
        if (!count || *count == 0) return fd.reset();
        keep(as_text(std::span(buffer).first(*count)));
    };
    while (serial || errors) {
        std::array<pollfd, 3> entries{{{.fd = serial.get(), .events = POLLIN, .revents = 0},
                                       {.fd = errors.get(), .events = POLLIN, .revents = 0},
                                       {.fd = wake.get(), .events = POLLIN, .revents = 0}}};
        if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) break;
        if (entries[2].revents != 0) break;
        take(serial, entries[0], [&](std::string_view text) {
            file.append(text);
            state_.lock()->serial.append(text);
        });
        take(errors, entries[1],
             [&](std::string_view text) { state_.lock()->errors.append(text); });
    }
    state_.lock()->ended = true;
    ended_.notify_all();
}

std::string Console::tail() const { return std::string(state_.lock()->serial.text()); }
std::string Console::errors() const { return std::string(state_.lock()->errors.text()); }

void Console::drain(std::chrono::milliseconds timeout) const {
    auto state = state_.lock();
    ended_.wait_for(state.lock(), timeout, [&] { return state->ended; });
}

}  // namespace hako::vmm
