// An archive that the daemon sends, to a file or to standard output.
#pragma once

#include <string>

#include "base/result.h"
#include "base/stream.h"
#include "cli/stdio.h"

namespace hako::cli {

// Before anything is asked for: an archive is not for a terminal. output: a file, or empty.
Result<void> check_output(const Stdio& io, const std::string& output);
// A file appears complete or not at all.
Result<void> download(Reader& from, const Stdio& io, const std::string& output);

}  // namespace hako::cli
