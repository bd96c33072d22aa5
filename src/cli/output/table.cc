#include "cli/output/table.h"

#include <algorithm>

#include "cli/output/text.h"

namespace hako::cli {

std::string format_table(const std::vector<Row>& rows, std::size_t narrowest_column) {
    constexpr std::size_t kGap = 3;
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max({widths[i], display_width(row[i]) + kGap, narrowest_column});
    }
    std::string out;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            out += row[i];
            if (i + 1 < row.size()) out.append(widths[i] - display_width(row[i]), ' ');
        }
        out += '\n';
    }
    return out;
}

}  // namespace hako::cli
