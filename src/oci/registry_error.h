// What a registry answers when it refuses (OCI distribution-spec 1.1, "Error Codes"), as Docker's
// sentences.
#pragma once

#include <string>

#include "base/result.h"
#include "oci/transport.h"

namespace hako::oci {

// "manifest unknown: manifest unknown" out of the body; empty when it has no such error.
std::string registry_error_text(const HttpResponse& response);

struct Refused {
    std::string registry;           // "registry docker.io"
    std::string repository;         // as people write it; empty: none
    std::string what;               // "manifest for x:1", "blob sha256:..."
    bool pushes = false;            // else pulls
    bool with_credentials = false;  // whether the user gave any
};
// For a status that is no success.
Error registry_error(const Refused& refused, const HttpResponse& response);

}  // namespace hako::oci
