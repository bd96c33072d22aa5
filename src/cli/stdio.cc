#include "cli/stdio.h"

#include "base/fd.h"

namespace hako::cli {

void Stdio::print(std::string_view text) const { (void)write_all(out, text); }

void Stdio::complain(std::string_view text) const {
    (void)write_all(err, fmt::format("{}\n", text));
}

}  // namespace hako::cli
