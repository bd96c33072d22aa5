#include "guest/wake.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>

namespace hako::guest {
namespace {

constexpr std::string_view kMagic = "hakowake";
constexpr std::int64_t kNanosecond = 1'000'000'000;

void put(std::string& text, std::uint64_t number, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) text += static_cast<char>(number >> (8 * i));
}

std::uint64_t take(std::string_view& text, unsigned bytes) {
    std::uint64_t number = 0;
    for (unsigned i = 0; i < bytes; ++i)
        number |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
    text.remove_prefix(bytes);
    return number;
}

}  // namespace

Result<Wake> make_wake() {
    Wake wake{.time = now(), .entropy = std::string(kWakeEntropy, '\0')};
    if (::getrandom(wake.entropy.data(), kWakeEntropy, 0) != static_cast<ssize_t>(kWakeEntropy))
        return fail_errno(errno, "cannot read random bytes");
    return wake;
}

std::string encode(const Wake& wake) {
    const std::int64_t time = wake.time.time_since_epoch().count();
    std::string text(kMagic);
    put(text, static_cast<std::uint64_t>(time / kNanosecond), 8);
    put(text, static_cast<std::uint64_t>(time % kNanosecond), 4);
    put(text, wake.slots, 1);
    return text + wake.entropy;
}

Result<Wake> decode_wake(std::string_view bytes) {
    if (bytes.size() != kWakeBytes || !bytes.starts_with(kMagic))
        return fail(ErrorKind::corrupt, "the host's first words are not understood");
    bytes.remove_prefix(kMagic.size());
    const auto seconds = static_cast<std::int64_t>(take(bytes, 8));
    const auto nanoseconds = static_cast<std::int64_t>(take(bytes, 4));
    const auto slots = static_cast<unsigned>(take(bytes, 1));
    if (seconds < 0 || seconds > INT64_MAX / kNanosecond - 1 || nanoseconds >= kNanosecond)
        return fail(ErrorKind::corrupt, "the host's time is not understood");
    return Wake{
        .time = WallTime(std::chrono::seconds(seconds) + std::chrono::nanoseconds(nanoseconds)),
        .entropy = std::string(bytes),
        .slots = slots};
}

}  // namespace hako::guest
