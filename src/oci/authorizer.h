// Answers a registry's challenges: Basic, or a Bearer token from the token server that the registry
// names (Docker Registry "Token Authentication" and its OAuth2 form).
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "base/guarded.h"
#include "base/result.h"
#include "oci/challenge.h"
#include "oci/registry_options.h"
#include "oci/transport.h"

namespace hako::oci {

// What a token is for, beyond what a challenge asks for.
struct Access {
    std::set<std::string> scopes = {};  // "repository:team/app:pull,push"
    bool lasting = false;               // a login: an identity token is wanted, too
};

// Of one registry. Thread-safe.
class Authorizer {
public:
    Authorizer(Transport& transport, RegistryAuth auth, Access access)
        : transport_(transport), auth_(std::move(auth)), access_(std::move(access)) {}

    bool has_credentials() const {
        return !auth_.username.empty() || !auth_.identity_token.empty() ||
               !auth_.registry_token.empty();
    }
    // The Authorization header for the next request; empty: none is needed as far as is known.
    std::string current() const;
    // After a 401 to a request that carried `used`: gets what the response asks for. False when
    // there is nothing better to offer. ErrorKind::unauthorized, unavailable.
    Result<bool> answer(const HttpResponse& challenge, const Origin& registry,
                        const std::string& used, std::stop_token stop);

    // The refresh token that came with the last access token; mostly empty.
    std::string identity_token() const { return state_.lock()->identity_token; }

private:
    struct State {
        std::string header;
        std::chrono::steady_clock::time_point expires;
        std::string identity_token = {};
    };

    Result<State> fetch_token(const Challenge& challenge, const Origin& registry,
                              std::stop_token stop);
    HttpRequest token_request(const Challenge& challenge) const;
    std::string basic() const;

    Transport& transport_;
    RegistryAuth auth_;
    Access access_;
    Guarded<State> state_;
};

}  // namespace hako::oci
