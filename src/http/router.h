// Finds the handler of a request by method and path.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/message.h"

namespace hako::http {

// An error returned before the response started is sent as its JSON body; afterwards it ends the
// connection, so that the client notices.
using Handler = std::function<Result<void>(Request&, Response&)>;

// Filled before the server starts, then only read: any thread may call handle().
class Router {
public:
    // "/containers/{id}/json": {id} takes one segment, {name:*} one or more, slashes included. A
    // pattern's literal segments win over parameters, the earlier of equal ones wins. GET routes
    // answer HEAD too.
    void add(std::string_view method, std::string_view pattern, Handler handler);
    // Sets request.parameters and runs the handler. ErrorKind::not_found "page not found" for
    // unknown paths and methods.
    Result<void> handle(Request& request, Response& response) const;

private:
    struct Segment {
        enum class Kind { literal, one, many };  // the most particular first
        std::string text;                        // a literal, or the parameter's name
        Kind kind;
    };
    struct Route {
        std::string method;
        std::vector<Segment> pattern;
        Handler handler;
    };
    using Parameters = std::map<std::string, std::string, std::less<>>;
    static bool match(std::span<const Segment> pattern, std::span<const std::string_view> path,
                      Parameters& parameters);

    std::vector<Route> routes_;
};

}  // namespace hako::http
