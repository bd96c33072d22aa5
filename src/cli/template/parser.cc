#include <set>
#include <span>

#include "cli/template/ast.h"
#include "cli/template/functions.h"
#include "cli/template/lexer.h"

namespace hako::cli::ast {
namespace {

using Tokens = std::span<const Token>;

bool is_symbol(const Token& token, std::string_view text) {
    return token.kind == Token::Kind::symbol && token.text == text;
}
bool is_word(const Token& token, std::string_view text) {
    return token.kind == Token::Kind::word && token.text == text;
}

class PipelineParser {
public:
    PipelineParser(Tokens tokens, const std::set<std::string>& variables)
        : tokens_(tokens), known_(variables) {}

    Result<Pipeline> parse() {
        HAKO_TRY(auto pipeline, declared());
        if (!tokens_.empty())
            return fail(ErrorKind::invalid, "invalid template: unexpected \"{}\"",
                        tokens_.front().text);
        return pipeline;
    }

private:
    // $a, $b := pipeline
    Result<Pipeline> declared() {
        std::vector<std::string> names;
        std::size_t at = 0;
        while (at < tokens_.size() && tokens_[at].kind == Token::Kind::variable) {
            names.push_back(tokens_[at++].text);
            if (at < tokens_.size() && is_symbol(tokens_[at], ",")) ++at;
            else break;
        }
        const bool declares = !names.empty() && at < tokens_.size() &&
                              (is_symbol(tokens_[at], ":=") || is_symbol(tokens_[at], "="));
        if (declares) tokens_ = tokens_.subspan(at + 1);
        HAKO_TRY(auto result, pipeline());
        if (declares) result.variables = std::move(names);
        return result;
    }

    Result<Pipeline> pipeline() {
        Pipeline result;
        while (true) {
            HAKO_TRY(auto one, call());
            result.calls.push_back(std::move(one));
            if (tokens_.empty() || !is_symbol(tokens_.front(), "|")) return result;
            tokens_ = tokens_.subspan(1);
        }
    }

    Result<Call> call() {
        Call result;
        while (!tokens_.empty() && !is_symbol(tokens_.front(), "|") &&
               !is_symbol(tokens_.front(), ")")) {
            HAKO_TRY(auto one, operand());
            result.operands.push_back(std::move(one));
        }
        if (result.operands.empty())
            return fail(ErrorKind::invalid, "invalid template: missing value for command");
        return result;
    }

    Result<Operand> operand() {
        const Token& token = tokens_.front();
        tokens_ = tokens_.subspan(1);
        Operand result;
        switch (token.kind) {
            case Token::Kind::dot: return result;
            case Token::Kind::field: result.fields.push_back(token.text); break;
            case Token::Kind::variable:
                if (token.text != "$" && !known_.contains(token.text))
                    return fail(ErrorKind::invalid, "invalid template: undefined variable \"{}\"",
                                token.text);
                result.kind = Operand::Kind::variable;
                result.name = token.text;
                break;
            case Token::Kind::literal:
                result.kind = Operand::Kind::literal;
                result.literal = token.value;
                return result;
            case Token::Kind::word:
                if (!is_function(token.text))
                    return fail(ErrorKind::invalid,
                                "invalid template: function \"{}\" is not supported", token.text);
                result.kind = Operand::Kind::function;
                result.name = token.text;
                return result;
            case Token::Kind::symbol:
                if (token.text != "(")
                    return fail(ErrorKind::invalid, "invalid template: unexpected \"{}\"",
                                token.text);
                HAKO_CHECK(parentheses(result));
                break;
        }
        while (!tokens_.empty() && tokens_.front().kind == Token::Kind::field &&
               !tokens_.front().spaced) {
            result.fields.push_back(tokens_.front().text);
            tokens_ = tokens_.subspan(1);
        }
        return result;
    }

    Result<void> parentheses(Operand& result) {
        HAKO_TRY(auto nested, pipeline());
        if (tokens_.empty() || !is_symbol(tokens_.front(), ")"))
            return fail(ErrorKind::invalid, "invalid template: unclosed parenthesis");
        tokens_ = tokens_.subspan(1);
        result.kind = Operand::Kind::nested;
        result.nested = std::make_shared<Pipeline>(std::move(nested));
        return {};
    }

    Tokens tokens_;
    const std::set<std::string>& known_;
};

class BlockParser {
public:
    explicit BlockParser(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}

    Result<Block> parse() {
        HAKO_TRY(auto block, body());
        if (at_ < pieces_.size())
            return fail(ErrorKind::invalid, "invalid template: unexpected {{{{{}}}}}",
                        pieces_[at_].tokens.front().text);
        return block;
    }

private:
    // Up to an action that ends the block ({{end}}, {{else}}), which stays.
    Result<Block> body() {
        Block block;
        for (; at_ < pieces_.size(); ++at_) {
            const Piece& piece = pieces_[at_];
            Node node;
            if (!piece.action) {
                node.text = piece.text;
                block.nodes.push_back(std::move(node));
                continue;
            }
            const Token& first = piece.tokens.front();
            if (is_word(first, "end") || is_word(first, "else")) return block;
            if (is_word(first, "if")) node.kind = Node::Kind::condition;
            else if (is_word(first, "range")) node.kind = Node::Kind::range;
            else if (is_word(first, "with")) node.kind = Node::Kind::with;
            else node.kind = Node::Kind::output;
            if (node.kind == Node::Kind::output) {
                HAKO_TRY(node.pipeline, read(piece.tokens));
            } else {
                HAKO_CHECK(control(node, Tokens(piece.tokens).subspan(1)));
            }
            block.nodes.push_back(std::move(node));
        }
        return block;
    }

    // {{if}}, {{range}} or {{with}} up to its {{end}}, on which at_ is left.
    Result<void> control(Node& node, Tokens tokens) {
        HAKO_TRY(node.pipeline, read(tokens));
        ++at_;
        HAKO_TRY(node.body, body());
        if (at_ >= pieces_.size())
            return fail(ErrorKind::invalid, "invalid template: missing {{{{end}}}}");
        const Tokens closing = pieces_[at_].tokens;
        if (is_word(closing.front(), "end")) return {};
        if (closing.size() > 1) {
            if (!is_word(closing[1], "if") || node.kind != Node::Kind::condition)
                return fail(ErrorKind::invalid, "invalid template: unexpected \"{}\" after else",
                            closing[1].text);
            Node chained;
            chained.kind = Node::Kind::condition;
            HAKO_CHECK(control(chained, closing.subspan(2)));
            node.otherwise.nodes.push_back(std::move(chained));
            return {};
        }
        ++at_;
        HAKO_TRY(node.otherwise, body());
        if (at_ >= pieces_.size() || !is_word(pieces_[at_].tokens.front(), "end"))
            return fail(ErrorKind::invalid, "invalid template: missing {{{{end}}}}");
        return {};
    }

    Result<Pipeline> read(Tokens tokens) {
        HAKO_TRY(auto pipeline, PipelineParser(tokens, variables_).parse());
        variables_.insert(pipeline.variables.begin(), pipeline.variables.end());
        return pipeline;
    }

    std::vector<Piece> pieces_;
    std::size_t at_ = 0;
    std::set<std::string> variables_;
};

}  // namespace

Result<Block> parse(std::string_view text) {
    HAKO_TRY(auto pieces, lex(text));
    return BlockParser(std::move(pieces)).parse();
}

}  // namespace hako::cli::ast
