// The program hako-shim: runs one virtual machine and the container in it (docs/vm.md).
//
//   hako-shim --spec FILE            a sandbox, in the foreground
//   hako-shim --spec FILE --detach   the same in a session of its own; returns once it serves
//   hako-shim jail                   becomes QEMU in a jail (vmm/jail.h)
#pragma once

#include <span>
#include <string_view>

namespace hako::runtime {

// arguments: without the program's name. Returns the exit status.
int shim_main(std::span<const std::string_view> arguments);

}  // namespace hako::runtime
