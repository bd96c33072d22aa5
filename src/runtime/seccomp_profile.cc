#include "runtime/seccomp_profile.h"

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "base/json.h"
#include "runtime/seccomp_filter.h"

namespace hako::runtime {
namespace {

using Strings = std::vector<std::string>;

constexpr std::string_view kArchitecture = "SCMP_ARCH_X86_64";
constexpr std::string_view kProcessor = "amd64";  // as includes and excludes name it
constexpr std::pair<unsigned, unsigned> kKernel{6, 1};
constexpr std::uint32_t kDefaultErrno = 1;  // EPERM
constexpr std::size_t kMaxProfile = 1U << 20U;

Result<std::uint32_t> action_of(const std::string& name, std::uint32_t error) {
    if (name == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
    if (name == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(error);
    if (name == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
    if (name == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
    if (name == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(error);
    if (name == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
    if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
    return fail(ErrorKind::invalid, "\"{}\" is no action that is offered", name.substr(0, 64));
}

Result<std::uint32_t> action_field(const Json& json, std::string_view name,
                                   std::string_view error_name, std::uint32_t fallback) {
    HAKO_TRY(const auto action, json_field_or<std::string>(json, name, ""));
    HAKO_TRY(const auto error, json_field_or<std::uint32_t>(json, error_name, fallback));
    if (error > 4095)
        return fail(ErrorKind::invalid, "field {}: {} is no errno", error_name, error);
    return with_context(action_of(action, error), fmt::format("field {}", name));
}

Result<scmp_arg_cmp> condition_of(const Json& json) {
    constexpr std::array<std::pair<std::string_view, scmp_compare>, 7> kOperators{{
        {"SCMP_CMP_NE", SCMP_CMP_NE},
        {"SCMP_CMP_LT", SCMP_CMP_LT},
        {"SCMP_CMP_LE", SCMP_CMP_LE},
        {"SCMP_CMP_EQ", SCMP_CMP_EQ},
        {"SCMP_CMP_GE", SCMP_CMP_GE},
        {"SCMP_CMP_GT", SCMP_CMP_GT},
        {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
    }};
    HAKO_TRY(const auto index, json_field_or<unsigned>(json, "index", 0));
    HAKO_TRY(const auto value, json_field_or<std::uint64_t>(json, "value", 0));
    HAKO_TRY(const auto second, json_field_or<std::uint64_t>(json, "valueTwo", 0));
    HAKO_TRY(const auto name, json_field_or<std::string>(json, "op", ""));
    const auto found =
        std::ranges::find(kOperators, name, &decltype(kOperators)::value_type::first);
    if (found == kOperators.end() || index > 5)
        return fail(ErrorKind::invalid, "field args: {} of argument {} is no comparison",
                    name.substr(0, 64), index);
    return scmp_arg_cmp{index, found->second, value, second};
}

// "4.8" and later: our guests' kernels are newer than what profiles ask for.
bool has_kernel(const std::string& least) {
    unsigned major = 0, minor = 0;
    return std::sscanf(least.c_str(), "%u.%u", &major, &minor) == 2 &&
           kKernel >= std::pair(major, minor);
}

struct Circumstances {
    Strings capabilities, processors;
    std::string kernel;
};
Result<Circumstances> read_circumstances(const Json& rule, std::string_view name) {
    HAKO_TRY(const auto json, json_field_or<Json>(rule, name, Json::object()));
    Circumstances read;
    HAKO_TRY(read.capabilities, json_field_or<Strings>(json, "caps", {}));
    HAKO_TRY(read.processors, json_field_or<Strings>(json, "arches", {}));
    HAKO_TRY(read.kernel, json_field_or<std::string>(json, "minKernel", ""));
    return read;
}

Result<bool> applies(const Json& rule, const std::set<std::string>& capabilities) {
    const auto has = [&](const std::string& capability) {
        return capabilities.contains(capability);
    };
    HAKO_TRY(const auto with, read_circumstances(rule, "includes"));
    HAKO_TRY(const auto without, read_circumstances(rule, "excludes"));
    const auto named = [](const Strings& processors) {
        return std::ranges::find(processors, kProcessor) != processors.end();
    };
    return std::ranges::all_of(with.capabilities, has) &&
           (with.processors.empty() || named(with.processors)) &&
           (with.kernel.empty() || has_kernel(with.kernel)) &&
           std::ranges::none_of(without.capabilities, has) && !named(without.processors) &&
           (without.kernel.empty() || !has_kernel(without.kernel));
}

Result<void> add_rule(SeccompFilter& filter, const Json& rule,
                      const std::set<std::string>& capabilities) {
    HAKO_TRY(const bool is_wanted, applies(rule, capabilities));
    HAKO_TRY(auto names, json_field_or<Strings>(rule, "names", {}));
    HAKO_TRY(const auto name, json_field_or<std::string>(rule, "name", ""));
    if (!name.empty()) names.push_back(name);
    HAKO_TRY(const auto action, action_field(rule, "action", "errnoRet", kDefaultErrno));
    HAKO_TRY(const auto list, json_field_or<std::vector<Json>>(rule, "args", {}));
    std::vector<scmp_arg_cmp> conditions;
    std::set<unsigned> arguments;
    for (const auto& json : list) {
        HAKO_TRY(const auto condition, condition_of(json));
        conditions.push_back(condition);
        arguments.insert(condition.arg);
    }
    if (!is_wanted) return {};
    for (const auto& call : names) {
        // Several conditions on one argument are alternatives, else all must hold.
        if (arguments.size() == conditions.size()) filter.add(action, call, conditions);
        else
            for (const auto& condition : conditions) filter.add(action, call, {condition});
    }
    return {};
}

Result<void> add_architecture(SeccompFilter& filter, const std::string& name) {
    static const std::map<std::string, std::uint32_t> kKnown{{"SCMP_ARCH_X86", SCMP_ARCH_X86},
                                                             {"SCMP_ARCH_X32", SCMP_ARCH_X32}};
    // Programs of other processors are the emulator's, which is a native one.
    if (const auto found = kKnown.find(name); found != kKnown.end())
        filter.add_architecture(found->second);
    return {};
}

Result<void> add_architectures(SeccompFilter& filter, const Json& profile) {
    HAKO_TRY(auto names, json_field_or<Strings>(profile, "architectures", {}));
    HAKO_TRY(const auto map, json_field_or<std::vector<Json>>(profile, "archMap", {}));
    for (const auto& entry : map) {
        HAKO_TRY(const auto name, json_field_or<std::string>(entry, "architecture", ""));
        HAKO_TRY(const auto below, json_field_or<Strings>(entry, "subArchitectures", {}));
        if (name == kArchitecture) names.insert(names.end(), below.begin(), below.end());
    }
    for (const auto& name : names) HAKO_CHECK(add_architecture(filter, name));
    return {};
}

Result<std::string> compile(const std::string& text, const std::set<std::string>& capabilities) {
    HAKO_TRY(const auto profile, parse_json(text, {.max_bytes = kMaxProfile}));
    if (!profile.is_object()) return fail(ErrorKind::invalid, "it is no JSON object");
    HAKO_TRY(const auto action,
             action_field(profile, "defaultAction", "defaultErrnoRet", kDefaultErrno));
    SeccompFilter filter(action);
    HAKO_CHECK(add_architectures(filter, profile));
    HAKO_TRY(const auto rules, json_field_or<std::vector<Json>>(profile, "syscalls", {}));
    for (const auto& rule : rules)
        HAKO_CHECK(with_context(add_rule(filter, rule, capabilities), "field syscalls"));
    return filter.bytes();
}

}  // namespace

Result<std::string> seccomp_filter_of_profile(const std::string& profile,
                                              const std::set<std::string>& capabilities) {
    return with_context(compile(profile, capabilities), "the seccomp profile");
}

}  // namespace hako::runtime
