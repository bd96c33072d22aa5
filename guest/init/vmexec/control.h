// vmexec's side of the conversation with vminitd (init/common/vmexec_protocol.h).
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/json.h"
#include "base/result.h"

namespace hako::init {

// One packet, with a descriptor if there is one to hand over.
Result<void> send_report(const Json& report, std::optional<int> fd = {});
Result<void> send_error(const Error& error);
// Blocks until vminitd lets the process go on; an error when vminitd is gone or gave it up.
Result<void> wait_for_go();

}  // namespace hako::init
