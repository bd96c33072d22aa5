#include "cli/template/template.h"

#include <map>

#include "cli/template/ast.h"
#include "cli/template/functions.h"

namespace hako::cli {
namespace {

using ast::Block;
using ast::Call;
using ast::Node;
using ast::Operand;
using ast::Pipeline;

class Renderer {
public:
    Renderer(const Json& root, const Json& methods) : root_(root), methods_(methods) {}

    Result<void> block(const Block& block, const Json& dot) {
        for (const Node& node : block.nodes) HAKO_CHECK(this->node(node, dot));
        return {};
    }

    std::string take_text() { return std::move(text_); }

private:
    Result<void> node(const Node& node, const Json& dot) {
        if (node.kind == Node::Kind::text) {
            text_ += node.text;
            return {};
        }
        HAKO_TRY(auto value, pipeline(node.pipeline, dot));
        const auto& variables = node.pipeline.variables;
        if (node.kind == Node::Kind::range) return range(node, value, dot);
        for (const auto& name : variables) variables_[name] = value;
        switch (node.kind) {
            case Node::Kind::output:
                if (variables.empty()) text_ += go_text(value);
                return {};
            case Node::Kind::condition:
                return block(ast::is_true(value) ? node.body : node.otherwise, dot);
            default:  // with
                return ast::is_true(value) ? block(node.body, value) : block(node.otherwise, dot);
        }
    }

    Result<void> range(const Node& node, const Json& list, const Json& dot) {
        if (!ast::is_true(list)) return block(node.otherwise, dot);
        if (!list.is_structured())
            return fail(ErrorKind::invalid, "template: cannot range over {}", go_text(list));
        const auto& names = node.pipeline.variables;
        std::size_t number = 0;
        for (auto item = list.begin(); item != list.end(); ++item, ++number) {
            if (names.size() == 2)
                variables_[names[0]] = list.is_object() ? Json(item.key()) : Json(number);
            if (!names.empty()) variables_[names.back()] = *item;
            HAKO_CHECK(block(node.body, *item));
        }
        return {};
    }

    Result<Json> pipeline(const Pipeline& pipeline, const Json& dot) {
        std::optional<Json> piped;
        for (const Call& one : pipeline.calls) {
            HAKO_TRY(auto value, call(one, dot, piped));
            piped = std::move(value);
        }
        return *std::move(piped);
    }

    Result<Json> call(const Call& call, const Json& dot, const std::optional<Json>& piped) {
        const Operand& first = call.operands.front();
        std::vector<Json> arguments;
        for (std::size_t i = 1; i < call.operands.size(); ++i) {
            HAKO_TRY(auto value, operand(call.operands[i], dot));
            arguments.push_back(std::move(value));
        }
        if (piped) arguments.push_back(*piped);
        if (first.kind == Operand::Kind::function) return ast::call_function(first.name, arguments);
        if (first.kind == Operand::Kind::dot && first.fields.size() == 1 &&
            methods_.contains(first.fields[0]))
            return method(first.fields[0], arguments);
        if (!arguments.empty())
            return fail(ErrorKind::invalid, "template: a value that is no function has arguments");
        return operand(first, dot);
    }

    Result<Json> method(const std::string& name, const std::vector<Json>& arguments) {
        if (arguments.size() != 1 || !arguments[0].is_string())
            return fail(ErrorKind::invalid, "template: {} takes one text", name);
        return methods_[name].value(arguments[0].get<std::string>(), Json(""));
    }

    Result<Json> operand(const Operand& operand, const Json& dot) {
        switch (operand.kind) {
            case Operand::Kind::dot: return fields(dot, operand.fields);
            case Operand::Kind::literal: return operand.literal;
            case Operand::Kind::function: return ast::call_function(operand.name, {});
            case Operand::Kind::variable:
                return fields(operand.name == "$" ? root_ : variables_[operand.name],
                              operand.fields);
            case Operand::Kind::nested: {
                HAKO_TRY(auto value, pipeline(*operand.nested, dot));
                return fields(value, operand.fields);
            }
        }
        return Json();
    }

    static Result<Json> fields(const Json& value, const std::vector<std::string>& names) {
        const Json* at = &value;
        for (const auto& name : names) {
            if (at->is_null())
                return fail(ErrorKind::invalid, "template: no value to read field \"{}\" from",
                            name);
            if (!at->is_object())
                return fail(ErrorKind::invalid, "template: cannot read field \"{}\" from {}", name,
                            go_text(*at));
            const auto found = at->find(name);
            if (found == at->end())
                return fail(ErrorKind::invalid, "template: there is no field \"{}\"", name);
            at = &*found;
        }
        return *at;
    }

    const Json& root_;
    const Json& methods_;
    std::map<std::string, Json> variables_;
    std::string text_;
};

}  // namespace

Result<Template> Template::parse(std::string_view text) {
    HAKO_TRY(auto block, ast::parse(text));
    return Template(std::make_shared<const Block>(std::move(block)));
}

Result<std::string> Template::render(const Json& data, const Json& methods) const {
    Renderer renderer(data, methods);
    HAKO_CHECK(renderer.block(*block_, data));
    return renderer.take_text();
}

std::string go_text(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_null()) return "<no value>";
    if (value.is_array()) {
        std::string text = "[";
        for (const Json& item : value) {
            if (text.size() > 1) text += ' ';
            text += go_text(item);
        }
        return text + "]";
    }
    if (value.is_object()) {
        std::string text = "map[";
        for (const auto& [name, item] : value.items()) {
            if (text.size() > 4) text += ' ';
            text += name + ":" + go_text(item);
        }
        return text + "]";
    }
    return dump_json(value);
}

}  // namespace hako::cli
