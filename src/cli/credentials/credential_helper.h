// Programs docker-credential-NAME that keep credentials: the name of an operation as argument, a
// registry or a JSON document on stdin, the answer on stdout.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "cli/credentials/credentials.h"

namespace hako::cli {

class CredentialHelper {
public:
    // ErrorKind::invalid for a name that is a path.
    static Result<CredentialHelper> named(const std::string& name);

    // nullopt when it has none for the server.
    Result<std::optional<Credentials>> get(const std::string& server) const;
    Result<void> store(const Credentials& credentials) const;
    // No error when there are none.
    Result<void> erase(const std::string& server) const;

private:
    explicit CredentialHelper(std::string program) : program_(std::move(program)) {}
    // Its output; nullopt when it says that there are no credentials.
    Result<std::optional<std::string>> call(const std::string& operation,
                                            const std::string& input) const;

    std::string program_;
};

}  // namespace hako::cli
