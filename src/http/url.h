// Request targets: percent-encoding and queries (RFC 3986; a query's "+" is a space).
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace hako::http {

// Encodes all but unreserved characters; '/' stays when asked.
std::string percent_encode(std::string_view text, bool keep_slashes = false);
// ErrorKind::invalid for a malformed escape and for an encoded NUL.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

// The decoded part behind the '?', in order.
class Query {
public:
    Query() = default;
    Query(std::initializer_list<std::pair<std::string, std::string>> values) : values_(values) {}
    static Result<Query> parse(std::string_view encoded);

    std::optional<std::string> find(std::string_view name) const;
    std::string value_or(std::string_view name, std::string_view fallback) const;
    std::vector<std::string> all(std::string_view name) const;
    bool has(std::string_view name) const { return find(name).has_value(); }
    void add(std::string_view name, std::string_view value);

    std::string encode() const;  // without the '?'
    bool empty() const { return values_.empty(); }

private:
    std::vector<std::pair<std::string, std::string>> values_;
};

// make_target("/images/a b/json", {{"all", "1"}}) is "/images/a%20b/json?all=1": the path is
// encoded but for its slashes.
std::string make_target(std::string_view path, const Query& query = {});

}  // namespace hako::http
