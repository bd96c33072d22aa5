#include "cli/stdio.h"

#include <array>
#include <string>

#include "base/fd.h"

namespace hako::cli {

void Stdio::print(std::string_view text) const { (void)write_all(out, text); }

Result<bool> Stdio::confirm(std::string_view warning) const {
    print(fmt::format("{}\nAre you sure you want to continue? [y/N] ", warning));
    std::string answer;
    std::array<std::byte, 1> key{};
    while (true) {
        HAKO_TRY(const auto count, read_some(in, key));
        if (count == 0 || as_text(key) == "\n") break;
        answer += as_text(key);
    }
    return answer == "y" || answer == "Y" || answer == "yes";
}

void Stdio::complain(std::string_view text) const {
    (void)write_all(err, fmt::format("{}\n", text));
}

}  // namespace hako::cli
