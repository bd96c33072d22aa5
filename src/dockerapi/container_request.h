// The bodies of POST /containers/create and POST /containers/{id}/exec, checked field by field.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "engine/types.h"

namespace hako::dockerapi {

struct ParsedCreate {
    engine::CreateRequest request;
    std::vector<std::string> warnings;  // what was asked for and has no effect here
};
// ErrorKind::invalid names the field that is wrong; unimplemented what is not offered and must not
// be ignored silently, as a volume whose data would be lost.
Result<ParsedCreate> parse_create(const Json& body);

// Config of the body (its top level).
Result<engine::ContainerConfig> parse_config(const Json& body);
// HostConfig of the body. Adds to warnings.
Result<engine::HostConfig> parse_host_config(const Json& host, std::vector<std::string>& warnings);

struct ParsedUpdate {
    engine::UpdateRequest request;
    std::vector<std::string> warnings;
};
// POST /containers/{id}/update: what is 0, empty or absent stays.
Result<ParsedUpdate> parse_update(const Json& body);

Result<engine::ExecConfig> parse_exec(const Json& body);

// Environment variables and labels end up in files and argument lists: no NUL, no empty names.
Result<void> check_environment(const std::vector<std::string>& env);

// Puts the field's value into target unless it is absent or null.
template <typename T, typename Target>
Result<void> read_field(const Json& object, std::string_view name, Target& target) {
    HAKO_TRY(auto value, json_field<T>(object, name));
    if (value) target = *std::move(value);
    return {};
}
template <typename T>
Result<void> read_field(const Json& object, std::string_view name, T& target) {
    return read_field<T, T>(object, name, target);
}

}  // namespace hako::dockerapi
