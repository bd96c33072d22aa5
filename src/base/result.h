// Errors as values. A function that can fail returns Result<T>; the error carries a kind out of a
// closed set, the root cause and one context sentence per level, printed as one chain at the edge.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <tl/expected.hpp>

namespace hako {

// The closed set. http_status() and the table in guest/ and runtime/ for gRPC map from it; there is
// no other mapping.
enum class ErrorKind : std::uint8_t {
    invalid,         // the caller's input is wrong: 400
    unauthorized,    // credentials missing or refused: 401
    forbidden,       // understood and refused: 403
    not_found,       // 404
    conflict,        // a name in use, the wrong state: 409
    not_modified,    // already in the wanted state: 304
    too_large,       // input over a documented limit: 413
    unimplemented,   // known, but not offered here: 501
    unavailable,     // a peer, a registry, a daemon does not answer: 503
    deadline,        // took longer than allowed: 504
    exhausted,       // disk, memory, descriptors: 507
    corrupt,         // data that failed a check (digest, length, magic): 500
    cancelled,       // the caller went away: 499
    exec_not_found,  // a process' executable does not exist: 400, exit status 127
    exec_failed,     // a process' executable cannot be run: 400, exit status 126
    internal,        // everything else: 500
};

std::string_view to_string(ErrorKind kind);
int http_status(ErrorKind kind);
ErrorKind kind_of_http_status(int status);
// EACCES -> forbidden, ENOENT -> not_found, ENOSPC/EMFILE/ENOMEM -> exhausted ...
ErrorKind kind_of_errno(int error);

class Error {
public:
    Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {}

    ErrorKind kind() const { return kind_; }
    // The whole chain, outermost context first: "cannot start app: cannot open disk: No such file".
    const std::string& message() const { return message_; }

    Error context(std::string_view sentence) && {
        message_ = fmt::format("{}: {}", sentence, message_);
        return std::move(*this);
    }
    Error context(std::string_view sentence) const& { return Error(*this).context(sentence); }

private:
    ErrorKind kind_;
    std::string message_;
};

template <typename T = void>
using Result = tl::expected<T, Error>;

// return fail(ErrorKind::invalid, "memory {} is below the {} that the kernel needs", a, b);
template <typename... Args>
tl::unexpected<Error> fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
    return tl::unexpected<Error>(Error(kind, fmt::format(format, std::forward<Args>(args)...)));
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

// From errno: return fail_errno(errno, "cannot open {}", path);
template <typename... Args>
tl::unexpected<Error> fail_errno(int error, fmt::format_string<Args...> format, Args&&... args);

std::string errno_text(int error);

template <typename... Args>
tl::unexpected<Error> fail_errno(int error, fmt::format_string<Args...> format, Args&&... args) {
    return fail(kind_of_errno(error), "{}: {}", fmt::format(format, std::forward<Args>(args)...),
                errno_text(error));
}

// Adds a context sentence to the error, if there is one.
template <typename T>
Result<T> with_context(Result<T> result, std::string_view sentence) {
    if (!result) return fail(std::move(result.error()).context(sentence));
    return result;
}

}  // namespace hako

#define HAKO_CONCAT_INNER(a, b) a##b
#define HAKO_CONCAT(a, b) HAKO_CONCAT_INNER(a, b)

// HAKO_TRY(auto fd, open_file(path));  declares fd, or returns the error.
#define HAKO_TRY(declaration, expression) \
    HAKO_TRY_INNER(HAKO_CONCAT(hako_result_, __LINE__), declaration, expression)
#define HAKO_TRY_INNER(temporary, declaration, expression)             \
    auto temporary = (expression);                                     \
    if (!temporary) return ::hako::fail(std::move(temporary).error()); \
    declaration = *std::move(temporary)

// HAKO_CHECK(sync(fd));  for Result<void>.
#define HAKO_CHECK(expression)                                    \
    do {                                                          \
        if (auto hako_checked = (expression); !hako_checked)      \
            return ::hako::fail(std::move(hako_checked).error()); \
    } while (false)
