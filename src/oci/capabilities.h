// Linux capabilities as container settings name them (capabilities(7), Docker's --cap-add).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace hako::oci {

// What the process gets: Docker's default 14, plus add, minus drop; all of them if privileged.
// Names in any case, with or without "CAP_"; "ALL" stands for every one. The result is sorted, with
// "CAP_". An unknown name is ErrorKind::invalid.
Result<std::vector<std::string>> select_capabilities(const std::vector<std::string>& add,
                                                     const std::vector<std::string>& drop,
                                                     bool privileged);

}  // namespace hako::oci
