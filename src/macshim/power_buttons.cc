#include "macshim/power_buttons.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>

#include "base/text.h"
#include "base/thread.h"

namespace hako::macshim {
namespace {

constexpr std::array<std::string_view, 3> kButtons{"stop", "restart", "kill"};
constexpr std::size_t kLongestLine = 64;

// What it stands for is done on a thread of its own: a force off must not wait for a shutdown.
class Button {
public:
    void press(const PressButton& press, const std::string& name, const std::stop_token& stop) {
        if (busy_.exchange(true)) return;
        thread_ = start_thread("button", [this, &press, name, stop](const std::stop_token&) {
            press(name, stop);
            busy_ = false;
        });
    }

private:
    std::atomic<bool> busy_ = false;
    std::jthread thread_;
};

void listen(const Fd& pipe, const PressButton& press, const std::stop_token& stop) {
    std::array<Button, kButtons.size()> buttons;
    std::array<std::byte, kLongestLine> buffer{};
    std::string rest;
    for (;;) {
        const auto count = read_some(pipe.get(), buffer);
        if (!count || *count == 0) return;
        rest += as_text(std::span(buffer).first(*count));
        for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
            const auto line = rest.substr(0, end);
            rest.erase(0, end + 1);
            const auto* const found = std::ranges::find(kButtons, line);
            if (found != kButtons.end())
                buttons.at(static_cast<std::size_t>(found - kButtons.begin()))
                    .press(press, line, stop);
        }
        if (rest.size() > kLongestLine) rest.clear();
    }
}

}  // namespace

std::jthread listen_to_buttons(Fd pipe, PressButton press) {
    const auto lines = std::make_shared<Fd>(std::move(pipe));
    return start_thread("buttons", [lines, press = std::move(press)](const std::stop_token& stop) {
        listen(*lines, press, stop);
    });
}

}  // namespace hako::macshim
