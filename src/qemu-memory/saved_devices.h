// Which devices a machine may have that a state is loaded into.
#pragma once

namespace hako {

// QEMU 7.2 loads no state into a machine that has a vhost-user-fs device, since it could not have
// saved one. Ours was saved from a machine without, and the guest meets the device afterwards: so
// the device's description shall no longer say that. Does nothing where QEMU shows no such device,
// or one that it does save (8.2 and later). To be called before QEMU makes its devices.
// zeros: a file that begins with one.
void load_beside_shared_folders(int zeros);

}  // namespace hako
