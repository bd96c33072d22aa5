#include "http/message.h"

#include <array>

namespace hako::http {

const std::string& Request::parameter(std::string_view name) const {
    static const std::string empty;
    const auto found = parameters.find(name);
    return found == parameters.end() ? empty : found->second;
}

Result<std::string> Request::read_body(std::size_t limit) const {
    std::string text;
    std::array<std::byte, 16384> piece;
    while (true) {
        HAKO_TRY(const std::size_t count, body->read(piece));
        if (count == 0) return text;
        if (text.size() + count > limit)
            return fail(ErrorKind::too_large, "the request's body is larger than {} bytes", limit);
        text += as_text(std::span(piece).first(count));
    }
}

Result<void> Response::send_json(int status, const Json& value) {
    return send(status, "application/json", dump_json(value) + "\n");
}

Result<void> Response::send_error(const Error& error) {
    const int status = http_status(error.kind());
    if (status == 304) return send_empty(status);
    return send_json(status, {{"message", error.message()}});
}

}  // namespace hako::http
