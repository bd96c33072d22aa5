#include "engine/health.h"

namespace hako::engine {
namespace {

using std::chrono::nanoseconds;

constexpr std::chrono::seconds kDefaultInterval{30};
constexpr std::chrono::seconds kDefaultTimeout{30};
constexpr std::chrono::seconds kDefaultStartInterval{5};
constexpr int kDefaultRetries = 3;
constexpr std::size_t kKeptProbes = 5;

nanoseconds or_default(nanoseconds span, nanoseconds fallback) {
    return span.count() > 0 ? span : fallback;
}

Result<nanoseconds> read_span(const Json& object, const char* name) {
    HAKO_TRY(const auto count, json_field_or<std::int64_t>(object, name, 0));
    const nanoseconds span(count);
    if (count != 0 && span < std::chrono::milliseconds(1))
        return fail(ErrorKind::invalid, "{} in Healthcheck cannot be less than 1ms", name);
    return span;
}

}  // namespace

std::string_view to_string(Health health) {
    switch (health) {
        case Health::starting: return "starting";
        case Health::healthy: return "healthy";
        case Health::unhealthy: return "unhealthy";
    }
    return "unhealthy";
}

Result<HealthCheck> parse_health_check(const Json& object) {
    HealthCheck check;
    HAKO_TRY(check.test, json_field_or(object, "Test", check.test));
    HAKO_TRY(check.interval, read_span(object, "Interval"));
    HAKO_TRY(check.timeout, read_span(object, "Timeout"));
    HAKO_TRY(check.start_period, read_span(object, "StartPeriod"));
    HAKO_TRY(check.start_interval, read_span(object, "StartInterval"));
    HAKO_TRY(check.retries, json_field_or(object, "Retries", 0));
    if (check.retries < 0)
        return fail(ErrorKind::invalid, "Retries in Healthcheck cannot be negative");
    if (check.test.empty()) return check;
    const std::string& kind = check.test.front();
    if (kind != "NONE" && kind != "CMD" && kind != "CMD-SHELL")
        return fail(ErrorKind::invalid,
                    "Test in Healthcheck begins with \"{}\": use NONE, CMD or CMD-SHELL",
                    kind.substr(0, 64));
    if (kind != "NONE" && check.test.size() < 2)
        return fail(ErrorKind::invalid, "Test in Healthcheck names no command behind {}", kind);
    return check;
}

std::optional<HealthCheck> merge_health_check(const std::optional<HealthCheck>& container,
                                              const std::optional<HealthCheck>& image) {
    HealthCheck merged = container.value_or(HealthCheck());
    const HealthCheck base = image.value_or(HealthCheck());
    if (merged.test.empty()) merged.test = base.test;
    if (merged.retries == 0) merged.retries = base.retries;
    for (const auto span : {&HealthCheck::interval, &HealthCheck::timeout,
                            &HealthCheck::start_period, &HealthCheck::start_interval})
        if ((merged.*span).count() == 0) merged.*span = base.*span;
    if (merged.test.empty()) return std::nullopt;
    return merged;
}

std::vector<std::string> health_command(const HealthCheck& check) {
    std::vector<std::string> command(check.test.begin() + 1, check.test.end());
    if (check.test.front() == "CMD-SHELL") command.insert(command.begin(), {"/bin/sh", "-c"});
    return command;
}

nanoseconds health_interval(const HealthCheck& check, const HealthState& state, nanoseconds ran) {
    if (state.status == Health::starting && ran < check.start_period)
        return or_default(check.start_interval, kDefaultStartInterval);
    return or_default(check.interval, kDefaultInterval);
}

nanoseconds health_timeout(const HealthCheck& check) {
    return or_default(check.timeout, kDefaultTimeout);
}

bool apply_probe(const HealthCheck& check, HealthState::Probe probe, nanoseconds ran,
                 HealthState& state) {
    const Health before = state.status;
    const bool still_starting = before == Health::starting && ran < check.start_period;
    if (probe.exit_code == 0) {
        state.failing_streak = 0;
        state.status = Health::healthy;
    } else if (!still_starting) {
        ++state.failing_streak;
        if (state.failing_streak >= (check.retries > 0 ? check.retries : kDefaultRetries))
            state.status = Health::unhealthy;
    }
    state.log.push_back(std::move(probe));
    if (state.log.size() > kKeptProbes) state.log.pop_front();
    return state.status != before;
}

}  // namespace hako::engine
