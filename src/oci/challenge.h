// WWW-Authenticate (RFC 9110, 11.6.1) as registries use it: Basic, or Bearer with realm, service
// and scope.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hako::oci {

struct Challenge {
    std::string scheme;                             // lower case: "bearer", "basic"
    std::map<std::string, std::string> parameters;  // names in lower case

    std::string parameter(const std::string& name) const {
        const auto found = parameters.find(name);
        return found == parameters.end() ? "" : found->second;
    }
};

// All challenges of one header; what cannot be understood ends the list.
std::vector<Challenge> parse_challenges(std::string_view header);

}  // namespace hako::oci
