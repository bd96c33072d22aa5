#include "oci/back_off.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>
#include <random>

#include "base/thread.h"

namespace hako::oci {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kMaxRetryAfter{60};

std::optional<seconds> parse_retry_after(const std::string& text) {
    if (text.empty()) return std::nullopt;
    seconds::rep count = 0;
    const auto* end = text.data() + text.size();
    const auto number = std::from_chars(text.data(), end, count);
    if (number.ec == std::errc() && number.ptr == end)
        return seconds(std::max<seconds::rep>(count, 0));
    const auto date = curl_getdate(text.c_str(), nullptr);
    if (date < 0) return std::nullopt;
    return seconds(std::max<std::time_t>(date - std::time(nullptr), 0));
}

// Clients that failed together shall not come back together.
milliseconds with_jitter(milliseconds time) {
    static thread_local std::minstd_rand random(std::random_device{}());
    std::uniform_int_distribution<milliseconds::rep> spread(-time.count() / 4, time.count() / 4);
    return time + milliseconds(spread(random));
}

}  // namespace

bool is_passing(int status) { return status == 408 || status == 429 || status >= 500; }

Result<void> BackOff::wait(const Error& reason, const std::string& retry_after,
                           const std::stop_token& stop) {
    if (++failed_ >= attempts_) return fail(reason);
    auto time = with_jitter(base_ * (1 << std::min(failed_ - 1, 10)));
    if (const auto wanted = parse_retry_after(retry_after)) {
        if (*wanted > kMaxRetryAfter)
            return fail(Error(reason.kind(),
                              fmt::format("{}, in {} seconds", reason.message(), wanted->count())));
        time = std::max<milliseconds>(time, *wanted);
    }
    if (!sleep_for(time, stop)) return fail(ErrorKind::cancelled, "cancelled");
    return {};
}

}  // namespace hako::oci
