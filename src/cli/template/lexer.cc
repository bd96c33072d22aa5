#include "cli/template/lexer.h"

#include <cctype>
#include <charconv>

namespace hako::cli::ast {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

void trim_end(std::string& text) {
    while (!text.empty() && is_space(text.back())) text.pop_back();
}

// Reads the tokens of one action, front to back.
class ActionLexer {
public:
    explicit ActionLexer(std::string_view rest) : rest_(rest) {}

    // Up to and including the closing braces.
    Result<std::vector<Token>> read() {
        std::vector<Token> tokens;
        while (true) {
            const bool spaced = skip_space();
            if (rest_.starts_with("}}")) {
                rest_.remove_prefix(2);
                return tokens;
            }
            if (spaced && rest_.starts_with("-}}")) {
                rest_.remove_prefix(3);
                trim_after_ = true;
                return tokens;
            }
            if (rest_.empty()) return fail(ErrorKind::invalid, "invalid template: unclosed action");
            HAKO_TRY(auto token, next());
            token.spaced = spaced;
            tokens.push_back(std::move(token));
        }
    }

    std::string_view rest() const { return rest_; }
    bool trim_after() const { return trim_after_; }

private:
    bool skip_space() {
        bool skipped = false;
        while (!rest_.empty() && is_space(rest_.front())) {
            rest_.remove_prefix(1);
            skipped = true;
        }
        return skipped;
    }

    std::string take_name() {
        std::size_t length = 0;
        while (length < rest_.size() && is_name(rest_[length])) ++length;
        std::string name(rest_.substr(0, length));
        rest_.remove_prefix(length);
        return name;
    }

    Result<Token> next() {
        const char first = rest_.front();
        if (first == '"') return quoted();
        if (first == '`') return raw();
        if (first == '$') {
            rest_.remove_prefix(1);
            return Token{Token::Kind::variable, "$" + take_name(), {}};
        }
        if (first == '.') {
            rest_.remove_prefix(1);
            auto name = take_name();
            if (name.empty()) return Token{Token::Kind::dot, ".", {}};
            return Token{Token::Kind::field, std::move(name), {}};
        }
        if (rest_.starts_with(":=")) {
            rest_.remove_prefix(2);
            return Token{Token::Kind::symbol, ":=", {}};
        }
        if (first == '|' || first == '(' || first == ')' || first == ',' || first == '=') {
            rest_.remove_prefix(1);
            return Token{Token::Kind::symbol, std::string(1, first), {}};
        }
        if (std::isdigit(static_cast<unsigned char>(first)) != 0 || first == '-' || first == '+')
            return number();
        auto name = take_name();
        if (name.empty())
            return fail(ErrorKind::invalid, "invalid template: unexpected \"{}\" in an action",
                        first);
        if (name == "true") return Token{Token::Kind::literal, {}, true};
        if (name == "false") return Token{Token::Kind::literal, {}, false};
        if (name == "nil") return Token{Token::Kind::literal, {}, nullptr};
        return Token{Token::Kind::word, std::move(name), {}};
    }

    Result<Token> number() {
        std::size_t length = 1;
        while (length < rest_.size() && (is_name(rest_[length]) || rest_[length] == '.')) ++length;
        auto digits = rest_.substr(0, length);
        const auto whole = digits;
        if (digits.front() == '+') digits.remove_prefix(1);
        rest_.remove_prefix(length);
        std::int64_t integer = 0;
        const char* end = digits.data() + digits.size();
        if (auto [at, error] = std::from_chars(digits.data(), end, integer);
            error == std::errc() && at == end)
            return Token{Token::Kind::literal, {}, integer};
        double real = 0;
        if (auto [at, error] = std::from_chars(digits.data(), end, real);
            error == std::errc() && at == end)
            return Token{Token::Kind::literal, {}, real};
        return fail(ErrorKind::invalid, "invalid template: bad number \"{}\"", whole);
    }

    Result<Token> raw() {
        const auto end = rest_.find('`', 1);
        if (end == std::string_view::npos)
            return fail(ErrorKind::invalid, "invalid template: unterminated raw string");
        Token token{Token::Kind::literal, {}, std::string(rest_.substr(1, end - 1))};
        rest_.remove_prefix(end + 1);
        return token;
    }

    Result<Token> quoted() {
        std::string text;
        for (std::size_t at = 1; at < rest_.size(); ++at) {
            char c = rest_[at];
            if (c == '"') {
                rest_.remove_prefix(at + 1);
                return Token{Token::Kind::literal, {}, std::move(text)};
            }
            if (c == '\\' && at + 1 < rest_.size()) {
                c = rest_[++at];
                if (c == 'n') c = '\n';
                else if (c == 't') c = '\t';
                else if (c == 'r') c = '\r';
                else if (c == '0') c = '\0';
                else if (c != '\\' && c != '"' && c != '\'')
                    return fail(ErrorKind::invalid,
                                "invalid template: unsupported escape \"\\{}\" in a string", c);
            }
            text += c;
        }
        return fail(ErrorKind::invalid, "invalid template: unterminated quoted string");
    }

    std::string_view rest_;
    bool trim_after_ = false;
};

}  // namespace

Result<std::vector<Piece>> lex(std::string_view text) {
    std::vector<Piece> pieces;
    bool trim = false;
    while (!text.empty()) {
        const auto open = text.find("{{");
        std::string plain(text.substr(0, open));
        if (trim) plain.erase(0, plain.find_first_not_of(" \t\r\n"));
        trim = false;
        if (open == std::string_view::npos) {
            if (!plain.empty()) pieces.push_back({false, std::move(plain), {}});
            break;
        }
        text.remove_prefix(open + 2);
        if (text.size() >= 2 && text[0] == '-' && is_space(text[1])) {
            text.remove_prefix(1);
            trim_end(plain);
        }
        if (!plain.empty()) pieces.push_back({false, std::move(plain), {}});

        auto comment = text;
        while (!comment.empty() && is_space(comment.front())) comment.remove_prefix(1);
        if (comment.starts_with("/*")) {
            const auto end = comment.find("*/");
            if (end == std::string_view::npos)
                return fail(ErrorKind::invalid, "invalid template: unclosed comment");
            text = comment.substr(end + 2);
        }
        ActionLexer action(text);
        HAKO_TRY(auto tokens, action.read());
        text = action.rest();
        trim = action.trim_after();
        if (!tokens.empty()) pieces.push_back({true, {}, std::move(tokens)});
        else if (!comment.starts_with("/*"))
            return fail(ErrorKind::invalid, "invalid template: missing value for command");
    }
    return pieces;
}

}  // namespace hako::cli::ast
