#include "cli/suggest.h"

#include <algorithm>
#include <numeric>

namespace hako::cli {
namespace {

// Levenshtein's distance, two rows at a time.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> above(b.size() + 1);
    std::iota(above.begin(), above.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::vector<std::size_t> row(b.size() + 1, i + 1);
        for (std::size_t j = 0; j < b.size(); ++j)
            row[j + 1] =
                std::min({above[j + 1] + 1, row[j] + 1, above[j] + (a[i] == b[j] ? 0 : 1)});
        above = std::move(row);
    }
    return above.back();
}

}  // namespace

std::optional<std::string> nearest(std::string_view typed, const std::vector<std::string>& names) {
    constexpr std::size_t kLongest = 64;
    if (typed.size() > kLongest) return std::nullopt;
    std::optional<std::string> best;
    std::size_t best_distance = std::min<std::size_t>(2, typed.size() / 3 + 1) + 1;
    for (const auto& name : names) {
        if (const auto d = distance(typed, name); d < best_distance) {
            best_distance = d;
            best = name;
        }
    }
    return best;
}

}  // namespace hako::cli
