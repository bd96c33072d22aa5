#include "viewer/access.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace hako::viewer {
namespace {

constexpr std::string_view kCookie = "hako_viewer";
// 32 that are not taken for one another.
constexpr std::string_view kAlphabet = "abcdefghijkmnpqrstuvwxyz23456789";

std::string random_text(std::size_t length) {
    std::string text(length, '\0');
    std::array<unsigned char, 64> bytes;
    static_assert(kAlphabet.size() == 32);
    if (::getrandom(bytes.data(), length, 0) != static_cast<ssize_t>(length)) std::abort();
    for (std::size_t i = 0; i < length; ++i) text[i] = kAlphabet[bytes[i] % kAlphabet.size()];
    return text;
}

// Takes the same time wherever the texts differ.
bool equal(std::string_view given, std::string_view expected) {
    unsigned difference = given.size() == expected.size() ? 0 : 1;
    for (std::size_t i = 0; i < given.size(); ++i)
        difference |= static_cast<unsigned char>(given[i]) ^
                      static_cast<unsigned char>(expected[i % expected.size()]);
    return difference == 0;
}

// The cookie's value among "a=1; hako_viewer=x".
std::string_view session_of(const http::Request& request) {
    std::string_view rest = request.headers.find("Cookie").value_or("");
    while (!rest.empty()) {
        const auto pair = rest.substr(0, rest.find(';'));
        rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
        const auto start = pair.find_first_not_of(' ');
        if (start == std::string_view::npos) continue;
        const auto trimmed = pair.substr(start);
        if (trimmed.starts_with(kCookie) && trimmed.substr(kCookie.size()).starts_with('='))
            return trimmed.substr(kCookie.size() + 1);
    }
    return {};
}

}  // namespace

std::string generate_password() {
    std::string text = random_text(16);
    for (const std::size_t at : {12U, 8U, 4U}) text.insert(at, 1, '-');
    return text;
}

std::string Access::cookie(std::string_view session) {
    return fmt::format("{}={}; Path=/; HttpOnly; SameSite=Strict", kCookie, session);
}

Result<std::string> Access::enter(std::string_view password) {
    auto state = state_.lock();
    const auto moment = clock_();
    if (state->tries == kTries) state->refilled = moment;
    for (; state->tries < kTries && moment - state->refilled >= kRefill; ++state->tries)
        state->refilled += kRefill;
    if (state->tries == 0)
        return fail(ErrorKind::exhausted, "too many wrong passwords: wait {} seconds and try again",
                    kRefill.count());
    if (!password_.empty() && !equal(password, password_)) {
        --state->tries;
        return fail(ErrorKind::unauthorized,
                    "the password is wrong: it is in the machine's log (docker logs)");
    }
    if (state->sessions.size() >= kMaxSessions) state->sessions.pop_front();
    return state->sessions.emplace_back(random_text(32));
}

Result<void> Access::check(const http::Request& request) const {
    if (password_.empty()) return {};
    const auto session = session_of(request);
    auto state = state_.lock();
    for (const auto& known : state->sessions)
        if (equal(session, known)) return {};
    return fail(ErrorKind::unauthorized, "say the machine's password first");
}

}  // namespace hako::viewer
