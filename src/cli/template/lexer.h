// Splits a template into text and the tokens of its actions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::cli::ast {

struct Token {
    enum class Kind { dot, field, variable, literal, word, symbol };
    Kind kind = Kind::symbol;
    std::string text;     // name of a field (without its dot), variable (with its $), word; symbol
    Json value;           // of a literal
    bool spaced = false;  // white space stood before it
};

// Either text to be copied, or the tokens between {{ and }}.
struct Piece {
    bool action = false;
    std::string text;
    std::vector<Token> tokens;
};

Result<std::vector<Piece>> lex(std::string_view text);

}  // namespace hako::cli::ast
