// For tests: an HTTP server on loopback that misbehaves as told. Speaks no TLS.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/guarded.h"

namespace hako::oci::testing {

struct FakeRequest {
    std::string method;
    std::string target;
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;

    std::string header(const std::string& name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? "" : found->second;
    }
};

struct FakeResponse {
    int status = 200;
    std::string body = {};
    std::vector<std::string> headers = {};        // "Name: value"
    std::optional<std::size_t> cut_after = {};    // bytes of the body before the connection closes
    std::optional<std::size_t> said_length = {};  // what Content-Length says instead of the truth
    bool drop = false;                            // the connection closes without an answer
    bool hang = false;                            // nothing more comes, the connection stays
};

class FakeServer {
public:
    using Handler = std::function<FakeResponse(const FakeRequest&)>;

    // The handler is called by several threads at once.
    explicit FakeServer(Handler handler) : handler_(std::move(handler)) {
        listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size);
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
        ::listen(listener_.get(), 64);
        port_ = ntohs(address.sin_port);
        acceptor_ = std::jthread([this](const std::stop_token& stop) { accept(stop); });
    }
    ~FakeServer() {
        acceptor_.request_stop();
        ::shutdown(listener_.get(), SHUT_RDWR);
        acceptor_.join();
    }
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;

    std::string address(std::string_view host = "127.0.0.1") const {
        return std::string(host) + ":" + std::to_string(port_);
    }
    std::vector<FakeRequest> requests() const { return *requests_.lock(); }

private:
    void accept(const std::stop_token& stop) {
        std::vector<std::jthread> connections;
        while (!stop.stop_requested()) {
            Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (peer)
                connections.emplace_back([this, fd = std::move(peer)](const std::stop_token& end) {
                    serve(fd.get(), end);
                });
        }
    }

    // One request; then the connection closes.
    void serve(int fd, const std::stop_token& stop) {
        std::string text;
        while (text.find("\r\n\r\n") == std::string::npos) {
            char buffer[4096];
            const auto count = ::recv(fd, buffer, sizeof buffer, 0);
            if (count <= 0) return;
            text.append(buffer, static_cast<std::size_t>(count));
            if (text.front() == '\x16') return;  // a TLS client's hello
        }
        const auto request = parse(fd, text);
        requests_.lock()->push_back(request);
        const auto response = handler_(request);
        if (response.drop) return;
        std::string head = "HTTP/1.1 " + std::to_string(response.status) + " Fake\r\n";
        head += "Content-Length: " +
                std::to_string(response.said_length.value_or(response.body.size())) + "\r\n";
        for (const auto& header : response.headers) head += header + "\r\n";
        send(fd, head + "Connection: close\r\n\r\n");
        send(fd, std::string_view(response.body)
                     .substr(0, response.cut_after.value_or(response.body.size())));
        while (response.hang && !stop.stop_requested())
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        ::shutdown(fd, SHUT_RDWR);
    }

    static FakeRequest parse(int fd, std::string& text) {
        FakeRequest request;
        const auto head_end = text.find("\r\n\r\n") + 4;
        std::string_view rest(text.data(), head_end);
        auto line = rest.substr(0, rest.find("\r\n"));
        request.method = line.substr(0, line.find(' '));
        line.remove_prefix(line.find(' ') + 1);
        request.target = line.substr(0, line.find(' '));
        for (rest.remove_prefix(rest.find("\r\n") + 2); rest.size() > 2;
             rest.remove_prefix(rest.find("\r\n") + 2)) {
            const auto field = rest.substr(0, rest.find("\r\n"));
            std::string name(field.substr(0, field.find(':')));
            std::ranges::transform(name, name.begin(), [](unsigned char c) {
                return static_cast<char>(std::tolower(c));
            });
            request.headers[name] = field.substr(field.find(':') + 2);
        }
        const auto length = request.header("content-length");
        const auto size = length.empty() ? 0 : std::stoul(length);
        request.body = text.substr(head_end);
        while (request.body.size() < size) {
            char buffer[4096];
            const auto count = ::recv(fd, buffer, sizeof buffer, 0);
            if (count <= 0) break;
            request.body.append(buffer, static_cast<std::size_t>(count));
        }
        return request;
    }

    static void send(int fd, std::string_view text) {
        while (!text.empty()) {
            const auto count = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
            if (count <= 0) return;
            text.remove_prefix(static_cast<std::size_t>(count));
        }
    }

    Handler handler_;
    Guarded<std::vector<FakeRequest>> requests_;
    Fd listener_;
    int port_ = 0;
    std::jthread acceptor_;
};

}  // namespace hako::oci::testing
