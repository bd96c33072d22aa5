#include "init/vminitd/lines.h"

#include <algorithm>
#include <iterator>

namespace hako::init {

std::string change_lines(std::string_view text, std::span<const std::string> gone,
                         std::span<const std::string> come) {
    std::vector<std::string_view> kept;
    std::ptrdiff_t place = -1;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (std::ranges::find(gone, line) == gone.end()) kept.push_back(line);
        else if (place < 0) place = std::ssize(kept);
    }
    const auto is_new = [&](std::string_view line) {
        return std::ranges::find(kept, line) == kept.end();
    };
    std::vector<std::string_view> added;
    std::ranges::copy_if(come, std::back_inserter(added), is_new);
    kept.insert(place < 0 ? kept.end() : kept.begin() + place, added.begin(), added.end());
    std::string changed;
    for (const auto line : kept) (changed += line) += '\n';
    return changed;
}

}  // namespace hako::init
