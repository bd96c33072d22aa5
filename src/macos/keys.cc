#include "macos/keys.h"

#include <array>
#include <map>
#include <optional>

#include "base/text.h"

namespace hako::macos {
namespace {

struct Symbol {
    char plain;
    char shifted;
    std::string_view key;
};
constexpr std::array kSymbols{
    Symbol{'1', '!', "1"},
    Symbol{'2', '@', "2"},
    Symbol{'3', '#', "3"},
    Symbol{'4', '$', "4"},
    Symbol{'5', '%', "5"},
    Symbol{'6', '^', "6"},
    Symbol{'7', '&', "7"},
    Symbol{'8', '*', "8"},
    Symbol{'9', '(', "9"},
    Symbol{'0', ')', "0"},
    Symbol{'-', '_', "minus"},
    Symbol{'=', '+', "equal"},
    Symbol{'[', '{', "bracket_left"},
    Symbol{']', '}', "bracket_right"},
    Symbol{'\\', '|', "backslash"},
    Symbol{';', ':', "semicolon"},
    Symbol{'\'', '"', "apostrophe"},
    Symbol{'`', '~', "grave_accent"},
    Symbol{',', '<', "comma"},
    Symbol{'.', '>', "dot"},
    Symbol{'/', '?', "slash"},
    Symbol{' ', '\0', "spc"},
    Symbol{'\n', '\0', "ret"},
    Symbol{'\t', '\0', "tab"},
};

// What people call them, beside QEMU's own names.
const std::map<std::string_view, std::string_view> kNames{
    {"cmd", "meta_l"},    {"command", "meta_l"}, {"win", "meta_l"},
    {"option", "alt"},    {"alt", "alt"},        {"ctrl", "ctrl"},
    {"control", "ctrl"},  {"shift", "shift"},    {"enter", "ret"},
    {"return", "ret"},    {"esc", "esc"},        {"escape", "esc"},
    {"space", "spc"},     {"tab", "tab"},        {"backspace", "backspace"},
    {"delete", "delete"}, {"up", "up"},          {"down", "down"},
    {"left", "left"},     {"right", "right"},    {"home", "home"},
    {"end", "end"},       {"pageup", "pgup"},    {"pagedown", "pgdn"},
};

std::optional<Chord> chord_of(char letter) {
    if (letter >= 'a' && letter <= 'z') return Chord{std::string(1, letter)};
    if (letter >= 'A' && letter <= 'Z') return Chord{"shift", to_lower(std::string(1, letter))};
    for (const auto& [plain, shifted, key] : kSymbols) {
        if (letter == plain) return Chord{std::string(key)};
        if (letter == shifted && letter != '\0') return Chord{"shift", std::string(key)};
    }
    return std::nullopt;
}

bool is_function_key(std::string_view name) {
    return name.size() >= 2 && name.size() <= 3 && name.front() == 'f' &&
           name.find_first_not_of("0123456789", 1) == std::string_view::npos && name[1] != '0' &&
           (name.size() == 2 || (name[1] == '1' && name[2] <= '2'));
}

}  // namespace

Result<std::vector<Chord>> keys_of_text(std::string_view text) {
    std::vector<Chord> chords;
    for (const char letter : text) {
        auto chord = chord_of(letter);
        if (!chord)
            return fail(ErrorKind::invalid,
                        "an American keyboard has no key for the byte {:#04x}: write plain letters",
                        static_cast<unsigned char>(letter));
        chords.push_back(*std::move(chord));
    }
    return chords;
}

Result<Chord> keys_of_name(std::string_view name) {
    Chord chord;
    for (std::string_view rest = name;;) {
        const auto part = to_lower(rest.substr(0, rest.find('-')));
        const auto known = kNames.find(part);
        if (known != kNames.end()) chord.emplace_back(known->second);
        else if (is_function_key(part)) chord.push_back(part);
        else if (part.size() == 1 && chord_of(part.front()))
            chord.push_back(chord_of(part.front())->back());
        else
            return fail(ErrorKind::invalid,
                        "\"{}\" is no key: write letters, enter, esc, tab, space, up, down, left, "
                        "right, f1 to f12, with cmd-, option-, ctrl- or shift- before",
                        part);
        if (rest.size() == rest.substr(0, rest.find('-')).size()) return chord;
        rest.remove_prefix(rest.find('-') + 1);
    }
}

}  // namespace hako::macos
