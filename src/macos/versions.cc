#include "macos/versions.h"

#include <algorithm>

#include "base/text.h"
#include "macos/table.h"

namespace hako::macos {
namespace {

constexpr std::string_view kTable =
#include "versions.inc"
    ;

std::vector<Version> read_versions() {
    std::vector<Version> versions;
    for (auto& row : parse_table(kTable))
        versions.push_back({.number = row.at(0),
                            .name = row.at(1),
                            .darwin = std::stoi(row.at(2)),
                            .board_id = row.at(3),
                            .mlb = row.at(4),
                            .os = row.at(5),
                            .needs_avx2 = row.at(6) == "yes",
                            .cpu = row.at(7),
                            .disk = row.at(8),
                            .nic = row.at(9)});
    return versions;
}

// Lower case, letters and digits and dots only.
std::string plain(std::string_view text) {
    std::string result;
    for (const char c : to_lower(trim(text)))
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.') result += c;
    return result;
}

// The number in the table for a number that a user writes.
std::string canonical_number(const std::string& text) {
    const auto major = text.substr(0, text.find('.'));
    if (major == "16") return "26";
    if (major != "10") return major;
    const auto two = text.substr(0, text.find('.', text.find('.') + 1));
    return two == "10.13" || two == "10.14" ? two : "10.15";
}

}  // namespace

std::string Version::slug() const {
    auto text = to_lower(name);
    std::ranges::replace(text, ' ', '-');
    return text;
}

const std::vector<Version>& all_versions() {
    static const std::vector<Version> versions = read_versions();
    return versions;
}

Result<Version> find_version(std::string_view text) {
    const auto wanted = plain(text);
    const bool is_number = wanted.find_first_not_of("0123456789.") == std::string::npos;
    const auto number = canonical_number(wanted);
    std::string known;
    for (const auto& version : all_versions()) {
        if (is_number ? version.number == number : plain(version.name) == wanted) return version;
        known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", version.number, version.name);
    }
    return fail(ErrorKind::invalid, "there is no macOS {}: choose one of {}", text, known);
}

}  // namespace hako::macos
