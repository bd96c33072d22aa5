// Answers a registry's challenges: Basic, or a Bearer token from the token server that the registry
// names (Docker Registry "Token Authentication" and its OAuth2 form).
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "base/guarded.h"
#include "base/result.h"
#include "oci/challenge.h"
#include "oci/registry_client.h"
#include "oci/transport.h"

namespace hako::oci {

// Of one registry and one repository. Thread-safe.
class Authorizer {
public:
    Authorizer(Transport& transport, RegistryAuth auth, std::string repository)
        : transport_(transport), auth_(std::move(auth)), repository_(std::move(repository)) {}

    bool has_credentials() const {
        return !auth_.username.empty() || !auth_.identity_token.empty();
    }
    // The Authorization header for the next request; empty: none is needed as far as is known.
    std::string current() const;
    // After a 401 to a request that carried `used`: gets what the response asks for. False when
    // there is nothing better to offer. ErrorKind::unauthorized, unavailable.
    Result<bool> answer(const HttpResponse& challenge, const Origin& registry,
                        const std::string& used, std::stop_token stop);

private:
    struct State {
        std::string header;
        std::chrono::steady_clock::time_point expires;
    };

    Result<State> fetch_token(const Challenge& challenge, const Origin& registry,
                              std::stop_token stop);
    std::string basic() const;

    Transport& transport_;
    RegistryAuth auth_;
    std::string repository_;
    Guarded<State> state_;
};

}  // namespace hako::oci
