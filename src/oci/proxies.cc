#include <cstdlib>

#include "oci/registry_options.h"

namespace hako::oci {
namespace {

std::string variable(const char* lower, const char* upper) {
    for (const auto* name : {lower, upper})
        if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
    return {};
}

}  // namespace

Proxies Proxies::from_environment() {
    return {variable("http_proxy", "HTTP_PROXY"), variable("https_proxy", "HTTPS_PROXY"),
            variable("no_proxy", "NO_PROXY")};
}

}  // namespace hako::oci
