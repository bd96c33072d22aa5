#include "oci/challenge.h"

#include <algorithm>

namespace hako::oci {
namespace {

constexpr std::string_view kBlank = " \t";

class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    void skip(std::string_view characters) {
        const auto count = std::min(rest_.find_first_not_of(characters), rest_.size());
        rest_.remove_prefix(count);
    }
    bool take(char c) {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    // Lower-cased; empty when there is none.
    std::string token() {
        auto text = raw_token();
        std::ranges::transform(text, text.begin(), [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        });
        return text;
    }
    // nullopt: a string that does not end.
    std::optional<std::string> value() {
        if (!take('"')) return raw_token();
        std::string text;
        while (!rest_.empty()) {
            if (take('"')) return text;
            take('\\');
            if (rest_.empty()) break;
            text += rest_.front();
            rest_.remove_prefix(1);
        }
        return std::nullopt;
    }
    bool done() const { return rest_.empty(); }

private:
    std::string raw_token() {
        const auto count = std::min(rest_.find_first_of(" \t,=\""), rest_.size());
        std::string text(rest_.substr(0, count));
        rest_.remove_prefix(count);
        return text;
    }
    std::string_view rest_;
};

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view header) {
    std::vector<Challenge> challenges;
    Scanner scanner(header);
    while (true) {
        scanner.skip(" \t,");
        if (scanner.done()) return challenges;
        auto word = scanner.token();
        if (word.empty()) return challenges;
        scanner.skip(kBlank);
        // A word with "=" is a parameter of the last scheme; without, it is the next scheme.
        if (!scanner.take('=')) {
            challenges.push_back({std::move(word), {}});
            continue;
        }
        scanner.skip(kBlank);
        auto value = scanner.value();
        if (!value || challenges.empty()) return challenges;
        challenges.back().parameters.insert_or_assign(std::move(word), *std::move(value));
    }
}

}  // namespace hako::oci
