// The certificates that a host's folder below certs.d holds, as Docker has it:
//   certs.d/<host>[:port]/*.crt           CAs to trust beside the system's
//   certs.d/<host>[:port]/<name>.cert     our certificate, with its key in <name>.key
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::oci {

struct TlsFiles {
    std::vector<std::filesystem::path> authorities;
    std::filesystem::path certificate;  // empty: none. Of several pairs the first by name
    std::filesystem::path key;
    bool any_certificate = false;  // of the peer: nothing is verified
};

// Looks into each certs.d that there is. ErrorKind::invalid names a certificate without its key,
// or a key without its certificate.
Result<TlsFiles> find_tls_files(const std::vector<std::filesystem::path>& folders,
                                std::string_view host);

}  // namespace hako::oci
