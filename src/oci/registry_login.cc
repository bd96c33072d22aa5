#include "oci/registry_login.h"

#include <array>

#include "oci/reference.h"
#include "oci/registry_host.h"

namespace hako::oci {

Result<std::string> log_in(const RegistryAuth& auth, const RegistryOptions& options,
                           std::stop_token stop) {
    const std::string domain(auth.server.empty() ? kDefaultDomain : domain_of_server(auth.server));
    RegistryHost host(host_of_domain(domain), {domain, {}}, auth, {.lasting = true}, options);
    HAKO_CHECK(host.ask({.target = "/v2/", .what = "login"}, std::array{200}, stop));
    return host.authorizer().identity_token();
}

}  // namespace hako::oci
