#include "viewer/screen.h"

#include <sys/socket.h>

#include <array>
#include <functional>

#include "base/thread.h"

namespace hako::viewer {

void join(http::Hijacked& browser, const Fd& screen) {
    const auto cut = [&screen] { ::shutdown(screen.get(), SHUT_RDWR); };
    const std::stop_callback<std::function<void()>> when_gone(browser.gone(), cut);
    const auto typing = start_thread("screen-input", [&](const std::stop_token&) {
        std::array<std::byte, 16384> piece;
        while (true) {
            const auto count = browser.read(piece);
            if (!count || *count == 0) break;
            if (!write_all(screen.get(), std::span(piece).first(*count))) break;
        }
        cut();
    });
    std::array<std::byte, 65536> piece;
    while (true) {
        const auto count = read_some(screen.get(), piece);
        if (!count || *count == 0) break;
        if (!browser.write(std::span(piece).first(*count))) break;
    }
    cut();
    browser.stop_reading();
}

}  // namespace hako::viewer
