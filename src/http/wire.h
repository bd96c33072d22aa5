// Internal: one connection's socket with time limits, and the reading of one message from it.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "base/result.h"
#include "http/fields.h"

namespace hako::http {

constexpr std::size_t kPiece = std::size_t{64} << 10U;  // read at once

using Clock = std::chrono::steady_clock;
using Deadline = std::optional<Clock::time_point>;
inline Deadline deadline_in(std::optional<std::chrono::milliseconds> time) {
    return time ? Deadline(Clock::now() + *time) : std::nullopt;
}

// Borrows a blocking stream socket. One thread may receive while another sends.
class Wire {
public:
    explicit Wire(int fd) : fd_(fd) {}

    int fd() const { return fd_; }
    // 0 at the end. ErrorKind::deadline past the deadline, cancelled when the connection broke.
    Result<std::size_t> receive(std::span<std::byte> buffer, Deadline deadline = {}) const;
    // All parts, in one go as far as possible.
    Result<void> send(std::string_view head, std::string_view body = {},
                      std::string_view tail = {}) const;
    // Returns when the peer has read all that was sent, or after `limit`. Knows it of unix sockets
    // only (their SIOCOUTQ); returns at once for others.
    void wait_until_read(std::chrono::milliseconds limit) const;
    // Ends the connection so that the peer gets all that was sent: closing with unread input would
    // reset it. Discards input until the peer closes, for a short time.
    void linger() const;

private:
    int fd_;
};

// Reads one message: its header, then its body in pieces. Bytes that follow it stay in `pending`,
// which is shared by the messages of one connection and stays small.
template <bool is_request>
class MessageReader {
public:
    MessageReader(const Wire& wire, std::string& pending, std::size_t max_header_bytes);

    // ErrorKind::too_large for a header over the limit, invalid for a malformed one.
    Result<void> read_header(Deadline deadline);
    // At least one byte of the body; 0 at its end.
    Result<std::size_t> read_body(std::span<std::byte> buffer, Deadline deadline);
    bool at_end() const { return parser_.is_done(); }

    const auto& message() const { return parser_.get(); }
    bool keep_alive() const { return parser_.keep_alive(); }
    // The response to a HEAD has no body, whatever its header says.
    void expect_no_body() { parser_.skip(true); }
    Fields fields() const;

private:
    // Gives the parser what is pending. True when it wants more bytes than there are.
    Result<bool> parse();
    // More bytes from the socket to pending.
    Result<void> fill(Deadline deadline);

    const Wire& wire_;
    std::string& pending_;
    std::size_t max_header_bytes_;
    boost::beast::http::parser<is_request, boost::beast::http::buffer_body> parser_;
};

extern template class MessageReader<true>;
extern template class MessageReader<false>;

}  // namespace hako::http
