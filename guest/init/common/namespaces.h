// The namespaces that config.json wants, and the little that a new network namespace needs.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hako::init {

// A namespace whose path in config.json is this and a container's id is that container's.
constexpr std::string_view kNamespaceOf = "container:";

// CLONE_NEW* flags; a mount namespace is always among those of its own.
struct Namespaces {
    unsigned own = 0;
    unsigned joined = 0;
    std::string container;  // whose those are

    unsigned all() const { return own | joined; }
};
// linux.namespaces. User namespaces, other paths and those of several containers are
// ErrorKind::unimplemented.
Result<Namespaces> namespaces_of(const Json& container);

// ip link set lo up
Result<void> bring_loopback_up();

}  // namespace hako::init
