// What a template is parsed into.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::cli::ast {

struct Pipeline;

// One value in an action, with the fields that are then read from it.
struct Operand {
    enum class Kind { dot, variable, literal, function, nested };
    Kind kind = Kind::dot;
    std::string name;                  // of a variable or function
    Json literal;                      // when kind is literal
    std::shared_ptr<Pipeline> nested;  // in parentheses
    std::vector<std::string> fields;   // .A.B after it
};

// A function with its arguments, or a single value.
struct Call {
    std::vector<Operand> operands;
};

// a | b | c, and the variables that the result is given to.
struct Pipeline {
    std::vector<std::string> variables;
    std::vector<Call> calls;
};

struct Node;
struct Block {
    std::vector<Node> nodes;
};

struct Node {
    enum class Kind { text, output, condition, range, with };
    Kind kind = Kind::text;
    std::string text;
    Pipeline pipeline;
    Block body;
    Block otherwise;
};

Result<Block> parse(std::string_view text);

}  // namespace hako::cli::ast
