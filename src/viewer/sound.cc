#include "viewer/sound.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include "base/log.h"
#include "base/thread.h"

namespace hako::viewer {
namespace {

constexpr std::string_view kVersion = "RFB 003.008\n";
constexpr std::size_t kServerInit = 24;  // sizes, pixel format, length of the name
constexpr std::size_t kRectangle = 12;
constexpr std::size_t kColour = 6;
constexpr std::size_t kFrame = 4;
// None at all, and the pseudo-encoding that tells that there is sound (-259).
constexpr std::string_view kEncodings("\x02\0\0\x01\xff\xff\xfe\xfd", 8);
// 16 bits with sign, two channels, 48000 a second; then: begin.
constexpr std::string_view kFormat("\xff\x01\0\x02\x03\x02\0\0\xbb\x80", 10);
constexpr std::string_view kBegin("\xff\x01\0\0", 4);
constexpr std::uint64_t kSound = 0xfffffefd;

enum class Message : std::uint8_t { update = 0, colours = 1, bell = 2, clipboard = 3, qemu = 255 };

Error ended() { return {ErrorKind::cancelled, "the machine's screen has ended"}; }

class Listener {
public:
    explicit Listener(const Fd& server) : server_(server.get()) {}

    // The connection is new.
    Result<void> begin() {
        HAKO_CHECK(skip(kVersion.size()));
        HAKO_CHECK(write_all(server_, kVersion));
        HAKO_TRY(const auto kinds, number(1));
        HAKO_CHECK(skip(kinds));
        HAKO_CHECK(write_all(server_, "\x01"));  // without a password
        HAKO_TRY(const auto refused, number(4));
        if (kinds == 0 || refused != 0)
            return fail(ErrorKind::forbidden, "the machine's screen wants a password");
        HAKO_CHECK(write_all(server_, "\x01"));  // beside others
        HAKO_CHECK(skip(kServerInit - 4));
        HAKO_TRY(const auto name, number(4));
        HAKO_CHECK(skip(name));
        return write_all(server_, kEncodings);
    }

    // As many whole frames as there are, at least one.
    Result<std::size_t> read(std::span<std::byte> buffer) {
        while (left_ < kFrame) HAKO_CHECK(next());
        const auto count = std::min(left_, buffer.size()) / kFrame * kFrame;
        HAKO_CHECK(fill(buffer.first(count)));
        left_ -= count;
        return count;
    }

private:
    Result<void> next() {
        HAKO_CHECK(skip(left_));
        left_ = 0;
        HAKO_TRY(const auto kind, number(1));
        switch (static_cast<Message>(kind)) {
            case Message::update: return take_update();
            case Message::bell: return {};
            case Message::colours: {
                HAKO_CHECK(skip(3));
                HAKO_TRY(const auto count, number(2));
                return skip(count * kColour);
            }
            case Message::clipboard: {
                HAKO_CHECK(skip(3));
                HAKO_TRY(const auto length, number(4));
                return skip(length);
            }
            case Message::qemu: return take_sound();
        }
        return fail(ErrorKind::corrupt, "the machine's screen sent an unknown message, {}", kind);
    }

    // There is nothing in it but the word that there is sound.
    Result<void> take_update() {
        HAKO_CHECK(skip(1));
        HAKO_TRY(const auto count, number(2));
        for (std::uint64_t i = 0; i < count; ++i) {
            HAKO_CHECK(skip(kRectangle - 4));
            HAKO_TRY(const auto encoding, number(4));
            if (encoding != kSound)
                return fail(ErrorKind::corrupt, "the machine's screen sent a picture unasked");
            HAKO_CHECK(write_all(server_, kFormat));
            HAKO_CHECK(write_all(server_, kBegin));
        }
        return {};
    }

    Result<void> take_sound() {
        HAKO_TRY(const auto kind, number(1));
        HAKO_TRY(const auto what, number(2));
        if (kind != 1) return fail(ErrorKind::corrupt, "an unknown message of QEMU's, {}", kind);
        constexpr std::uint64_t kSamples = 2;  // others: it begins, it ends
        if (what != kSamples) return {};
        HAKO_TRY(left_, number(4));
        return {};
    }

    Result<void> fill(std::span<std::byte> buffer) const {
        HAKO_TRY(const auto count, read_full(server_, buffer));
        if (count < buffer.size()) return fail(ended());
        return {};
    }
    Result<std::uint64_t> number(std::size_t bytes) const {
        std::array<std::byte, 4> buffer{};
        HAKO_CHECK(fill(std::span(buffer).first(bytes)));
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i)
            value = value << 8U | std::to_integer<std::uint64_t>(buffer.at(i));
        return value;
    }
    Result<void> skip(std::uint64_t bytes) const {
        std::array<std::byte, 4096> buffer{};
        while (bytes > 0) {
            const auto count = std::min<std::uint64_t>(bytes, buffer.size());
            HAKO_CHECK(fill(std::span(buffer).first(count)));
            bytes -= count;
        }
        return {};
    }

    int server_;
    std::size_t left_ = 0;  // bytes of samples in the message that is read now
};

Result<void> send_sound(http::Hijacked& browser, const Fd& server) {
    Listener listener(server);
    HAKO_CHECK(listener.begin());
    std::array<std::byte, 16384> piece;
    for (;;) {
        HAKO_TRY(const auto count, listener.read(piece));
        HAKO_CHECK(browser.write(std::span(piece).first(count)));
    }
}

}  // namespace

void play(http::Hijacked& browser, const Fd& server) {
    const auto cut = [&server] { ::shutdown(server.get(), SHUT_RDWR); };
    const std::stop_callback<std::function<void()>> when_gone(browser.gone(), cut);
    // A listener has nothing to say, but may leave.
    const auto waiting = start_thread("sound-listener", [&](const std::stop_token&) {
        std::array<std::byte, 256> piece;
        while (browser.read(piece).value_or(0) > 0) {
        }
        cut();
    });
    if (const auto sent = send_sound(browser, server);
        !sent && sent.error().kind() == ErrorKind::corrupt)
        log_warn("no sound: {}", sent.error().message());
    cut();
    browser.stop_reading();
}

}  // namespace hako::viewer
