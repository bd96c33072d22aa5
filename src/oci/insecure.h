// Which registries may be asked over plain HTTP, or over TLS that proves nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hako::oci {

// 127.0.0.0/8, ::1, localhost.
bool is_loopback(std::string_view host);

// Whether a list such as RegistryOptions::insecure names the host, or a network that one of its
// addresses is in. host has no brackets; port is never empty.
bool is_insecure(const std::vector<std::string>& list, std::string_view host,
                 std::string_view port);

// ErrorKind::invalid for an entry that can name no registry, such as a URL.
Result<void> check_insecure(std::string_view entry);

}  // namespace hako::oci
