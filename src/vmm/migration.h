// The state of a machine's memory and devices, in a file.
#pragma once

#include <chrono>

#include "base/result.h"
#include "vmm/qemu/qmp.h"

namespace hako::vmm {

// Of large memory; QEMU answers nothing while it reads.
constexpr std::chrono::milliseconds kLoadDeadline = std::chrono::minutes(10);

// For both, before: memory that is a file shared with others is none of the state.
Result<void> leave_out_shared_memory(QmpClient& qmp);
// Of a QEMU that was started with "-incoming defer": from its descriptor's offset on, in the
// background.
Result<void> load_state(QmpClient& qmp, int its_descriptor);
// Writes it from the file's offset on. The CPUs stand still afterwards.
Result<void> save_state(QmpClient& qmp, int file, std::chrono::milliseconds deadline);
// Of a QEMU that was started with -incoming: until it has read all and runs.
Result<void> await_loaded(QmpClient& qmp);

}  // namespace hako::vmm
