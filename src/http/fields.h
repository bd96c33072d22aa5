// Header fields of a message, in order; names compare without regard to case (RFC 9110 5.1).
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hako::http {

class Fields {
public:
    using Field = std::pair<std::string, std::string>;

    Fields() = default;
    Fields(std::initializer_list<Field> fields) : fields_(fields) {}

    // The first value with the name.
    std::optional<std::string_view> find(std::string_view name) const;
    bool has(std::string_view name) const { return find(name).has_value(); }
    // Whether a comma-separated field names the token: has_token("Connection", "upgrade").
    bool has_token(std::string_view name, std::string_view token) const;
    void add(std::string_view name, std::string_view value) { fields_.emplace_back(name, value); }
    // Replaces all fields with the name.
    void set(std::string_view name, std::string_view value);

    auto begin() const { return fields_.begin(); }
    auto end() const { return fields_.end(); }

private:
    std::vector<Field> fields_;
};

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace hako::http
