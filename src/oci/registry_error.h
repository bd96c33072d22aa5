// What a registry answers when it refuses (OCI distribution-spec 1.1, "Error Codes"), as Docker's
// sentences.
#pragma once

#include <string>

#include "base/result.h"
#include "oci/reference.h"
#include "oci/transport.h"

namespace hako::oci {

// "manifest unknown: manifest unknown" out of the body; empty when it has no such error.
std::string registry_error_text(const HttpResponse& response);

// For a status that is no success. what: "manifest for x:1", "blob sha256:...". with_credentials:
// whether the user gave any.
Error registry_error(const Reference& image, std::string_view what, const HttpResponse& response,
                     bool with_credentials);

}  // namespace hako::oci
