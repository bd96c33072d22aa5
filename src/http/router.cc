#include "http/router.h"

#include <algorithm>

namespace hako::http {
namespace {

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> segments;
    if (path.starts_with('/')) path.remove_prefix(1);
    while (true) {
        const auto slash = path.find('/');
        segments.push_back(path.substr(0, slash));
        if (slash == std::string_view::npos) return segments;
        path.remove_prefix(slash + 1);
    }
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
    Route route{std::string(method), {}, std::move(handler)};
    for (std::string_view text : split(pattern)) {
        auto kind = Segment::Kind::literal;
        if (text.starts_with('{') && text.ends_with('}')) {
            text = text.substr(1, text.size() - 2);
            kind = text.ends_with(":*") ? Segment::Kind::many : Segment::Kind::one;
            if (kind == Segment::Kind::many) text.remove_suffix(2);
        }
        route.pattern.push_back({std::string(text), kind});
    }
    // More literal patterns first; equal ones keep their order.
    const auto before = [](const Route& a, const Route& b) {
        return std::ranges::lexicographical_compare(a.pattern, b.pattern, {}, &Segment::kind,
                                                    &Segment::kind);
    };
    routes_.insert(std::ranges::upper_bound(routes_, route, before), std::move(route));
}

bool Router::match(std::span<const Segment> pattern, std::span<const std::string_view> path,
                   Parameters& parameters) {
    if (pattern.empty() || path.empty()) return pattern.empty() && path.empty();
    const Segment& segment = pattern.front();
    if (segment.kind == Segment::Kind::literal)
        return segment.text == path.front() &&
               match(pattern.subspan(1), path.subspan(1), parameters);
    const std::size_t most = segment.kind == Segment::Kind::many ? path.size() : 1;
    // The longest first, so that "/images/a/json/json" names the image "a/json".
    for (std::size_t count = most; count > 0; --count) {
        if (!match(pattern.subspan(1), path.subspan(count), parameters)) continue;
        const char* begin = path.front().data();
        const std::string_view last = path[count - 1];
        const std::string_view value(begin, static_cast<std::size_t>(last.end() - begin));
        if (value.empty()) return false;
        parameters.insert_or_assign(segment.text, std::string(value));
        return true;
    }
    return false;
}

Result<void> Router::handle(Request& request, Response& response) const {
    const auto path = split(request.path);
    // A view of either: the ternary of a literal and a std::string would be a temporary.
    const std::string_view asked = request.method;
    const std::string_view method = asked == "HEAD" ? std::string_view("GET") : asked;
    for (const auto& route : routes_) {
        if (route.method != method && route.method != asked) continue;
        Parameters parameters;
        if (!match(route.pattern, path, parameters)) continue;
        request.parameters = std::move(parameters);
        return route.handler(request, response);
    }
    return fail(ErrorKind::not_found, "page not found");
}

}  // namespace hako::http
