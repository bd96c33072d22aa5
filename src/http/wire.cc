#include "http/wire.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

namespace hako::http {
namespace {

namespace beast = boost::beast::http;

tl::unexpected<Error> broken(int error) {
    if (error == EPIPE || error == ECONNRESET)
        return fail(ErrorKind::cancelled, "the other side closed the connection");
    return fail_errno(error, "the connection failed");
}

Result<void> wait_until_readable(int fd, Clock::time_point deadline) {
    using std::chrono::milliseconds;
    while (true) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
        pollfd waiting{fd, POLLIN, 0};
        const int ready =
            ::poll(&waiting, 1, static_cast<int>(std::max(left, milliseconds(0)).count()));
        if (ready > 0) return {};
        if (ready == 0) return fail(ErrorKind::deadline, "the other side sent nothing in time");
        if (errno != EINTR) return fail_errno(errno, "cannot wait for a connection");
    }
}

}  // namespace

Result<std::size_t> Wire::receive(std::span<std::byte> buffer, Deadline deadline) const {
    if (deadline) HAKO_CHECK(wait_until_readable(fd_, *deadline));
    ssize_t count = 0;
    do count = ::recv(fd_, buffer.data(), buffer.size(), 0);
    while (count < 0 && errno == EINTR);
    if (count < 0) return broken(errno);
    return static_cast<std::size_t>(count);
}

Result<void> Wire::send(std::string_view head, std::string_view body, std::string_view tail) const {
    std::array texts{head, body, tail};
    while (std::ranges::any_of(texts, [](auto text) { return !text.empty(); })) {
        std::array<iovec, texts.size()> parts{};
        std::ranges::transform(texts, parts.begin(), [](std::string_view text) {
            return iovec{const_cast<char*>(text.data()), text.size()};
        });
        msghdr message{};
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        const ssize_t count = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return broken(errno);
        auto sent = static_cast<std::size_t>(count);
        for (std::string_view& text : texts) {
            const std::size_t of_this = std::min(sent, text.size());
            text.remove_prefix(of_this);
            sent -= of_this;
        }
    }
    return {};
}

void Wire::wait_until_read(std::chrono::milliseconds limit) const {
    using std::chrono::microseconds;
    int domain = 0;
    socklen_t size = sizeof domain;
    if (::getsockopt(fd_, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX) return;
    const Clock::time_point deadline = Clock::now() + limit;
    int unread = 0;
    for (microseconds pause(20); ::ioctl(fd_, SIOCOUTQ, &unread) == 0 && unread > 0;
         pause = std::min(pause * 2, microseconds(1000))) {
        if (Clock::now() >= deadline) return;
        std::this_thread::sleep_for(pause);
    }
}

void Wire::linger() const {
    constexpr std::size_t kMostDiscarded = std::size_t{32} << 20U;
    const Deadline deadline = deadline_in(std::chrono::milliseconds(1000));
    ::shutdown(fd_, SHUT_WR);
    std::array<std::byte, 16384> discarded;
    for (std::size_t total = 0; total < kMostDiscarded;) {
        const auto count = receive(discarded, deadline);
        if (!count || *count == 0) return;
        total += *count;
    }
}

template <bool is_request>
MessageReader<is_request>::MessageReader(const Wire& wire, std::string& pending,
                                         std::size_t max_header_bytes)
    : wire_(wire), pending_(pending), max_header_bytes_(max_header_bytes) {
    parser_.header_limit(static_cast<std::uint32_t>(max_header_bytes));
    parser_.body_limit(boost::none);  // bodies are streamed; who collects one sets the limit
}

template <bool is_request>
Result<bool> MessageReader<is_request>::parse() {
    boost::beast::error_code error;
    const std::size_t used = parser_.put(boost::asio::buffer(pending_), error);
    pending_.erase(0, used);
    if (error == beast::error::need_more) {
        // What waits for its end is a header, a chunk's header or a trailer: all bounded.
        if (pending_.size() > max_header_bytes_)
            return fail(ErrorKind::too_large, "the header is larger than {} bytes",
                        max_header_bytes_);
        return true;
    }
    if (error == beast::error::header_limit)
        return fail(ErrorKind::too_large, "the header is larger than {} bytes", max_header_bytes_);
    if (error && error != beast::error::need_buffer)
        return fail(ErrorKind::invalid, "malformed HTTP message: {}", error.message());
    return pending_.empty();
}

template <bool is_request>
Result<void> MessageReader<is_request>::fill(Deadline deadline) {
    const std::size_t before = pending_.size();
    pending_.resize(before + kPiece);
    const auto count =
        wire_.receive(std::as_writable_bytes(std::span(pending_)).subspan(before), deadline);
    pending_.resize(before + count.value_or(0));
    if (!count) return fail(count.error());
    if (*count > 0) return {};
    boost::beast::error_code error;
    // The regular end of a response without a length.
    if (parser_.is_header_done()) parser_.put_eof(error);
    if (!parser_.is_done())
        return fail(ErrorKind::cancelled, "the connection ended in the middle of a message");
    return {};
}

template <bool is_request>
Result<void> MessageReader<is_request>::read_header(Deadline deadline) {
    bool wants_more = pending_.empty();
    while (!parser_.is_header_done()) {
        if (wants_more) HAKO_CHECK(fill(deadline));
        HAKO_TRY(wants_more, parse());
    }
    return {};
}

template <bool is_request>
Result<std::size_t> MessageReader<is_request>::read_body(std::span<std::byte> buffer,
                                                         Deadline deadline) {
    auto& body = parser_.get().body();
    body.data = buffer.data();
    body.size = buffer.size();
    body.more = true;
    bool wants_more = pending_.empty();
    while (!parser_.is_done()) {
        if (wants_more) HAKO_CHECK(fill(deadline));
        if (parser_.is_done()) break;
        HAKO_TRY(wants_more, parse());
        if (body.size < buffer.size()) break;
    }
    return buffer.size() - body.size;
}

template <bool is_request>
Fields MessageReader<is_request>::fields() const {
    Fields fields;
    for (const auto& field : parser_.get()) {
        const auto name = field.name_string();
        const auto value = field.value();
        fields.add({name.data(), name.size()}, {value.data(), value.size()});
    }
    return fields;
}

template class MessageReader<true>;
template class MessageReader<false>;

}  // namespace hako::http
