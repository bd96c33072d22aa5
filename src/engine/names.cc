#include "engine/names.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <csignal>
#include <optional>
#include <random>

namespace hako::engine {
namespace {

constexpr std::array<std::string_view, 48> kAdjectives = {
    "amber",  "brisk",  "calm",   "clever", "cobalt", "cosmic", "crisp", "dapper",
    "deft",   "eager",  "early",  "fair",   "fleet",  "fond",   "frank", "gentle",
    "glad",   "golden", "hardy",  "hazel",  "humble", "ivory",  "jolly", "keen",
    "kind",   "lively", "lucid",  "mellow", "merry",  "mild",   "neat",  "nimble",
    "noble",  "placid", "plucky", "quick",  "quiet",  "rapid",  "sage",  "serene",
    "silver", "steady", "sturdy", "sunny",  "tidy",   "vivid",  "warm",  "witty",
};

// Makers of boxes, machines and methods.
constexpr std::array<std::string_view, 48> kSurnames = {
    "abel",    "ampere",    "babbage",  "banach",    "bernoulli", "boole",      "carnot",
    "cauchy",  "clapeyron", "cori",     "daimler",   "erlang",    "euler",      "faraday",
    "fermi",   "fourier",   "galois",   "germain",   "goeppert",  "hamilton",   "hertz",
    "hooke",   "huygens",   "joule",    "kepler",    "kilby",     "kolmogorov", "lagrange",
    "laplace", "leibniz",   "markov",   "maxwell",   "noyce",     "ohm",        "papin",
    "peano",   "planck",    "poincare", "ramanujan", "rontgen",   "sagan",      "seki",
    "shannon", "siemens",   "takagi",   "volta",     "watt",      "zuse",
};

template <std::size_t size>
std::string_view pick(const std::array<std::string_view, size>& words) {
    thread_local std::mt19937 generator{std::random_device{}()};
    return words[std::uniform_int_distribution<std::size_t>(0, size - 1)(generator)];
}

struct SignalName {
    std::string_view name;
    int number;
};
constexpr std::array<SignalName, 33> kSignals = {{
    {"ABRT", SIGABRT}, {"ALRM", SIGALRM},     {"BUS", SIGBUS},       {"CHLD", SIGCHLD},
    {"CONT", SIGCONT}, {"FPE", SIGFPE},       {"HUP", SIGHUP},       {"ILL", SIGILL},
    {"INT", SIGINT},   {"IO", SIGIO},         {"IOT", SIGIOT},       {"KILL", SIGKILL},
    {"PIPE", SIGPIPE}, {"POLL", SIGPOLL},     {"PROF", SIGPROF},     {"PWR", SIGPWR},
    {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV},     {"STKFLT", SIGSTKFLT}, {"STOP", SIGSTOP},
    {"SYS", SIGSYS},   {"TERM", SIGTERM},     {"TRAP", SIGTRAP},     {"TSTP", SIGTSTP},
    {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU},     {"URG", SIGURG},       {"USR1", SIGUSR1},
    {"USR2", SIGUSR2}, {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH},   {"XCPU", SIGXCPU},
    {"XFSZ", SIGXFSZ},
}};

// The kernel's numbers, which the guest has; the C library keeps two of them for itself.
constexpr int kRealTimeMinimum = 34;
constexpr int kRealTimeMaximum = 64;

std::optional<int> parse_number(std::string_view text) {
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

// "RTMIN", "RTMIN+3", "RTMAX-1"
std::optional<int> parse_real_time(std::string_view name) {
    const bool low = name.starts_with("RTMIN");
    if (!low && !name.starts_with("RTMAX")) return std::nullopt;
    const std::string_view rest = name.substr(5);
    if (rest.empty()) return low ? kRealTimeMinimum : kRealTimeMaximum;
    if (rest[0] != (low ? '+' : '-')) return std::nullopt;
    const auto offset = parse_number(rest.substr(1));
    if (!offset || *offset < 0 || *offset > kRealTimeMaximum - kRealTimeMinimum)
        return std::nullopt;
    return low ? kRealTimeMinimum + *offset : kRealTimeMaximum - *offset;
}

}  // namespace

Result<std::string> check_container_name(std::string_view name) {
    const std::string_view shown = name.substr(0, kMaxNameLength);
    if (name.starts_with('/')) name.remove_prefix(1);
    const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    const auto is_part = [&](char c) { return is_word(c) || c == '_' || c == '.' || c == '-'; };
    if (name.size() < 2 || !is_word(name[0]) || !std::ranges::all_of(name, is_part))
        return fail(ErrorKind::invalid,
                    "Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                    shown);
    if (name.size() > kMaxNameLength)
        return fail(ErrorKind::invalid,
                    "Invalid container name ({}...): at most {} bytes are allowed", shown,
                    kMaxNameLength);
    return std::string(name);
}

std::string random_container_name(int attempt) {
    std::string name = fmt::format("{}_{}", pick(kAdjectives), pick(kSurnames));
    if (attempt > 0) name += std::to_string(attempt);
    return name;
}

Result<int> parse_signal(std::string_view text) {
    if (const auto number = parse_number(text); number && *number >= 1 && *number <= 64)
        return *number;
    std::string name(text);
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (name.starts_with("SIG")) name.erase(0, 3);
    const auto found = std::ranges::find(kSignals, name, &SignalName::name);
    if (found != kSignals.end()) return found->number;
    if (const auto real_time = parse_real_time(name)) return *real_time;
    return fail(ErrorKind::invalid, "invalid signal: {}", text.substr(0, 64));
}

}  // namespace hako::engine
