#include "cli/template/functions.h"

#include <cctype>
#include <functional>
#include <map>

#include "cli/template/template.h"

namespace hako::cli::ast {
namespace {

using Arguments = std::vector<Json>;
using Function = Result<Json> (*)(const Arguments&);

Result<Json> refuse(std::string_view why) { return fail(ErrorKind::invalid, "template: {}", why); }

Result<std::string> text_of(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    return fail(ErrorKind::invalid, "template: a text is expected, not {}", go_text(value));
}

Result<Json> index(const Arguments& arguments) {
    Json value = arguments.at(0);
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const Json& key = arguments[i];
        if (value.is_array()) {
            if (!key.is_number_integer() || key < 0 || key >= value.size())
                return refuse("index out of range: " + go_text(key));
            value = Json(value[key.get<std::size_t>()]);
        } else if (value.is_object()) {
            HAKO_TRY(auto name, text_of(key));
            value = value.value(name, Json(""));
        } else if (value.is_null()) {
            value = "";
        } else {
            return refuse("cannot index " + go_text(value));
        }
    }
    return value;
}

Result<Json> length(const Arguments& arguments) {
    const Json& value = arguments.at(0);
    if (value.is_string()) return Json(value.get_ref<const std::string&>().size());
    if (value.is_structured() || value.is_null()) return Json(value.size());
    return refuse("len of " + go_text(value));
}

template <int (*Convert)(int)>
Result<Json> convert_case(const Arguments& arguments) {
    HAKO_TRY(auto text, text_of(arguments.at(0)));
    for (char& c : text) c = static_cast<char>(Convert(static_cast<unsigned char>(c)));
    return Json(std::move(text));
}

Result<Json> title(const Arguments& arguments) {
    HAKO_TRY(auto text, text_of(arguments.at(0)));
    bool start = true;
    for (char& c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (start) c = static_cast<char>(std::toupper(byte));
        start = std::isspace(byte) != 0;
    }
    return Json(std::move(text));
}

Result<Json> join(const Arguments& arguments) {
    if (arguments.size() != 2 || !(arguments[0].is_array() || arguments[0].is_null()))
        return refuse("join takes a list and a separator");
    HAKO_TRY(auto separator, text_of(arguments[1]));
    std::string text;
    for (const Json& item : arguments[0]) {
        if (&item != &arguments[0].front()) text += separator;
        text += go_text(item);
    }
    return Json(std::move(text));
}

Result<Json> split(const Arguments& arguments) {
    if (arguments.size() != 2) return refuse("split takes a text and a separator");
    HAKO_TRY(auto text, text_of(arguments[0]));
    HAKO_TRY(auto separator, text_of(arguments[1]));
    if (separator.empty()) return refuse("split needs a separator");
    Json list = Json::array();
    std::size_t from = 0;
    for (auto at = text.find(separator); at != std::string::npos; at = text.find(separator, from)) {
        list.push_back(text.substr(from, at - from));
        from = at + separator.size();
    }
    list.push_back(text.substr(from));
    return list;
}

Result<Json> truncate(const Arguments& arguments) {
    if (arguments.size() != 2 || !arguments[1].is_number_integer() || arguments[1] < 0)
        return refuse("truncate takes a text and a length");
    HAKO_TRY(auto text, text_of(arguments[0]));
    return Json(text.substr(0, arguments[1].get<std::size_t>()));
}

Result<Json> pad(const Arguments& arguments) {
    constexpr int kWidest = 1000;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        if (!arguments[i].is_number_integer() || arguments[i] < 0 || arguments[i] > kWidest)
            return refuse("pad takes a text and two widths of at most 1000");
    }
    if (arguments.size() != 3) return refuse("pad takes a text and two widths");
    HAKO_TRY(auto text, text_of(arguments[0]));
    return Json(std::string(arguments[1].get<std::size_t>(), ' ') + text +
                std::string(arguments[2].get<std::size_t>(), ' '));
}

// Go's Print: a space between two operands when neither is a string.
Result<Json> print(const Arguments& arguments) {
    std::string text;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (i > 0 && !arguments[i].is_string() && !arguments[i - 1].is_string()) text += ' ';
        text += go_text(arguments[i]);
    }
    return Json(std::move(text));
}

Result<Json> println(const Arguments& arguments) {
    std::string text;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (i > 0) text += ' ';
        text += go_text(arguments[i]);
    }
    return Json(text + "\n");
}

// %s %v %d %t %q %%, with a width and `-`.
Result<Json> printf_(const Arguments& arguments) {
    HAKO_TRY(auto format, text_of(arguments.at(0)));
    std::string text;
    std::size_t next = 1;
    for (std::size_t at = 0; at < format.size(); ++at) {
        if (format[at] != '%') {
            text += format[at];
            continue;
        }
        ++at;
        const bool left = at < format.size() && format[at] == '-';
        if (left) ++at;
        std::size_t width = 0;
        while (at < format.size() && std::isdigit(static_cast<unsigned char>(format[at])) != 0 &&
               width < 1000)
            width = width * 10 + static_cast<std::size_t>(format[at++] - '0');
        if (at >= format.size()) return refuse("printf: the format ends in a %");
        const char verb = format[at];
        if (verb == '%') {
            text += '%';
            continue;
        }
        if (std::string_view("svdtq").find(verb) == std::string_view::npos)
            return refuse(std::string("printf: %") + verb + " is not supported");
        if (next >= arguments.size()) return refuse("printf: more verbs than values");
        const Json& value = arguments[next++];
        const auto shown = verb == 'q' ? dump_json(value) : go_text(value);
        const std::string fill(width > shown.size() ? width - shown.size() : 0, ' ');
        text += left ? shown + fill : fill + shown;
    }
    return Json(std::move(text));
}

Result<Json> equal(const Arguments& arguments) {
    if (arguments.size() < 2) return refuse("eq takes two values");
    for (std::size_t i = 1; i < arguments.size(); ++i)
        if (arguments[0] == arguments[i]) return Json(true);
    return Json(false);
}

template <typename Compare>
Result<Json> compare(const Arguments& arguments) {
    if (arguments.size() != 2) return refuse("a comparison takes two values");
    return Json(Compare()(arguments[0], arguments[1]));
}

Result<Json> all_of(const Arguments& arguments) {
    for (const Json& value : arguments)
        if (!is_true(value)) return value;
    return arguments.back();
}

Result<Json> any_of(const Arguments& arguments) {
    for (const Json& value : arguments)
        if (is_true(value)) return value;
    return arguments.back();
}

const std::map<std::string_view, Function>& functions() {
    static const std::map<std::string_view, Function> table = {
        {"json", [](const Arguments& a) { return Result<Json>(dump_json(a.at(0))); }},
        {"index", index},
        {"len", length},
        {"upper", convert_case<std::toupper>},
        {"lower", convert_case<std::tolower>},
        {"title", title},
        {"join", join},
        {"split", split},
        {"truncate", truncate},
        {"pad", pad},
        {"print", print},
        {"println", println},
        {"printf", printf_},
        {"eq", equal},
        {"ne", compare<std::not_equal_to<>>},
        {"lt", compare<std::less<>>},
        {"le", compare<std::less_equal<>>},
        {"gt", compare<std::greater<>>},
        {"ge", compare<std::greater_equal<>>},
        {"and", all_of},
        {"or", any_of},
        {"not", [](const Arguments& a) { return Result<Json>(!is_true(a.at(0))); }},
    };
    return table;
}

}  // namespace

bool is_function(std::string_view name) { return functions().contains(name); }

Result<Json> call_function(std::string_view name, const std::vector<Json>& arguments) {
    if (arguments.empty() && name != "print" && name != "println")
        return fail(ErrorKind::invalid, "template: {} needs a value", name);
    return functions().at(name)(arguments);
}

bool is_true(const Json& value) {
    if (value.is_null()) return false;
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number()) return value != 0;
    if (value.is_string()) return !value.get_ref<const std::string&>().empty();
    return !value.empty();
}

}  // namespace hako::cli::ast
