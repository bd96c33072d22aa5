// A subset of Go's text/template, as docker's --format takes it:
//   {{.Field.Sub}} {{json .}} {{index .Labels "key"}} {{len .Mounts}} {{"text"}} {{`text`}}
//   {{range .List}}…{{else}}…{{end}}  {{range $key, $value := .Map}}…{{end}}
//   {{if eq .State "running"}}…{{else if …}}…{{else}}…{{end}}  {{with .Field}}…{{end}}
//   {{$name := .Field}}, pipes (`|`), parentheses, {{- trimming -}} and comments.
// Functions: json index len print println printf upper lower title join split truncate pad
//            eq ne lt le gt ge and or not.
// Everything else is refused by name (define, template, block, methods of Go types).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace hako::cli {

namespace ast {
struct Block;
}

class Template {
public:
    // ErrorKind::invalid says what is wrong or unsupported.
    static Result<Template> parse(std::string_view text);

    // Fields of `data` are read by name. `methods` holds what may be called on the root but is not
    // part of it: {{.Label "key"}} reads methods["Label"]["key"], empty when it is absent.
    // A field that does not exist is ErrorKind::invalid.
    Result<std::string> render(const Json& data, const Json& methods = Json::object()) const;

private:
    explicit Template(std::shared_ptr<const ast::Block> block) : block_(std::move(block)) {}
    std::shared_ptr<const ast::Block> block_;
};

// A value as Go's %v prints it: strings bare, lists as [a b], maps as map[k:v].
std::string go_text(const Json& value);

}  // namespace hako::cli
