// Who may look at a machine: whoever said its password once. Any thread may call anything.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/guarded.h"
#include "base/result.h"
#include "http/message.h"

namespace hako::viewer {

// A password that nobody guesses and people can type: "k7mq-2xhd-9wfa-tz4n".
std::string generate_password();

class Access {
public:
    using Clock = std::chrono::steady_clock;

    // So many wrong passwords at once; after that one each kRefill, for all clients together.
    static constexpr int kTries = 10;
    static constexpr std::chrono::seconds kRefill{10};
    static constexpr std::size_t kMaxSessions = 64;  // a new one ends the oldest

    // An empty password lets everybody in.
    explicit Access(std::string password, std::function<Clock::time_point()> clock = Clock::now)
        : password_(std::move(password)), clock_(std::move(clock)) {}

    // The value of the cookie that proves it. ErrorKind::unauthorized for a wrong password,
    // exhausted while there are too many of them: not even the right one is looked at then.
    Result<std::string> enter(std::string_view password);
    // ErrorKind::unauthorized without the cookie of a session.
    Result<void> check(const http::Request& request) const;

    static std::string cookie(std::string_view session);  // as Set-Cookie has it

private:
    struct State {
        std::deque<std::string> sessions;
        int tries = kTries;
        Clock::time_point refilled{};
    };
    const std::string password_;
    const std::function<Clock::time_point()> clock_;
    Guarded<State> state_;
};

}  // namespace hako::viewer
