#include "appliance/settings.h"

#include <algorithm>

#include "base/text.h"
#include "base/units.h"

namespace hako::appliance {
namespace {

constexpr std::uint64_t kLeastForLinux = 768 * kMiB;
constexpr std::string_view kPrefix = "hako.";

void add_default(macos::Variables& variables, const std::string& name, std::string_view value) {
    if (auto& given = variables[name]; given.empty()) given = value;
}

// A variable of ours, beside those of a machine: what happens when macOS cannot be run.
constexpr std::string_view kOnFailure = "ON_FAILURE";
constexpr std::string_view kPowerOff = "poweroff";
constexpr std::string_view kShell = "shell";

std::string on_failure(const macos::Variables& variables) {
    const auto given = variables.find(std::string(kOnFailure));
    return given == variables.end() ? std::string() : to_lower(given->second);
}

}  // namespace

Json to_json(const ApplianceSettings& settings) {
    return {{"variables", settings.variables}, {"identity", macos::to_json(settings.identity)}};
}

Result<ApplianceSettings> settings_from_json(const Json& json) {
    ApplianceSettings settings;
    HAKO_TRY(settings.variables,
             json_field_or<macos::Variables>(json, "variables", macos::Variables()));
    HAKO_TRY(const auto identity, json_field_or<Json>(json, "identity", Json::object()));
    HAKO_TRY(const auto parts, macos::identity_parts_from_json(identity));
    HAKO_TRY(settings.identity, macos::make_identity(parts, macos::system_draw()));
    return settings;
}

Result<macos::HostSize> share_for_macos(const macos::HostSize& machine) {
    const auto for_linux = std::max(kLeastForLinux, machine.memory / 10);
    if (machine.memory < for_linux + macos::kLeastMemory)
        return fail(ErrorKind::unavailable,
                    "this machine has {} MiB of memory, but macOS needs {} MiB and Linux {}: give "
                    "it 5 GiB or more",
                    machine.memory / kMiB, macos::kLeastMemory / kMiB, kLeastForLinux / kMiB);
    return macos::HostSize{.cpus = std::max(1U, machine.cpus - 1),
                           .memory = machine.memory - for_linux};
}

Result<macos::ParsedSettings> read_variables(const macos::Variables& variables,
                                             const macos::HostSize& share) {
    auto all = variables;
    add_default(all, "CPU_CORES", "max");
    add_default(all, "RAM_SIZE", "max");
    add_default(all, "USER_PORTS", "22,5900");
    HAKO_TRY(auto parsed, macos::parse_settings(all, share));
    if (const auto wish = on_failure(variables);
        !wish.empty() && wish != kPowerOff && wish != kShell)
        return fail(ErrorKind::invalid, "{}={}: use {} or {}", kOnFailure, wish, kShell, kPowerOff);
    auto& settings = parsed.settings;
    if (settings.network == macos::Network::lan)
        return fail(ErrorKind::invalid, "DHCP=Y: an appliance puts macOS behind NAT only");
    if (settings.display == macos::Display::vnc)
        return fail(ErrorKind::invalid,
                    "DISPLAY=vnc: an appliance shows its screen by web, or none");
    for (auto& port : settings.ports) port.address = "0.0.0.0";
    return parsed;
}

bool powers_off_on_failure(const macos::Variables& variables) {
    return on_failure(variables) == kPowerOff;
}

macos::Variables variables_of_kernel_line(std::string_view line) {
    macos::Variables variables;
    const auto words = macos::split_arguments(line);
    if (!words) return variables;
    for (const std::string& word : *words) {
        const auto equals = word.find('=');
        if (!word.starts_with(kPrefix) || equals == std::string::npos) continue;
        variables[word.substr(kPrefix.size(), equals - kPrefix.size())] = word.substr(equals + 1);
    }
    return variables;
}

}  // namespace hako::appliance
