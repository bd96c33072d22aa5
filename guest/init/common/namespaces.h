// The namespaces that config.json wants, and the little that a new network namespace needs.
#pragma once

#include "base/json.h"
#include "base/result.h"

namespace hako::init {

// linux.namespaces -> CLONE_NEW* flags; a mount namespace is always among them. Namespaces of
// others (with a path) and user namespaces are ErrorKind::unimplemented.
Result<unsigned> namespace_flags(const Json& container);

// ip link set lo up
Result<void> bring_loopback_up();

}  // namespace hako::init
