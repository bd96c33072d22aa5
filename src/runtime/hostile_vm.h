// For tests: a program that is started as QEMU and has a guest in it that is out to harm the host.
#pragma once

#include <string_view>

namespace hako::runtime {

constexpr std::string_view kHostilePrefix = "hostile-";

// What it does on the agent channel:
//   garbage   bytes that are no HTTP/2, without end
//   pings     HTTP/2, and then PING frames without end, whose answers it does not read
//   lengths   a frame that says it has 16 MiB, and zeros without end
//   headers   a header block that never ends
//   silent    nothing
// and as an agent that speaks gRPC and boots a container like a good one:
//   deaf      answers nothing once the process runs
//   endless   output, files and lists without end
//   huge      answers of a million parts
//   exit      a process that ends with codes and times that cannot be
int hostile_vm_main(std::string_view how);

}  // namespace hako::runtime
