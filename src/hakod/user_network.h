// QEMU's user network as the way out of a network namespace: a QEMU without a machine, which is in
// the host's namespace and has a tap of the other one.
#pragma once

#include "base/fd.h"
#include "base/process.h"

namespace hako::hakod {

// In the namespace, with its rights: the tap, which has its address and the default route.
Result<Fd> make_user_network_tap();
// Outside of it.
Result<ProcessIdentity> start_user_network(Fd tap);

}  // namespace hako::hakod
