// The whole API over fakes, served on a unix socket: for tests.
#pragma once

#include <sys/socket.h>

#include <gtest/gtest.h>

#include <array>

#include "base/fd.h"
#include "dockerapi/api.h"
#include "dockerapi/fake_networks.h"
#include "dockerapi/fake_volumes.h"
#include "dockerapi/fakes.h"
#include "http/client.h"
#include "http/server.h"
#include "http/url.h"

namespace hako::dockerapi {

class ApiTest : public testing::Test {
protected:
    ApiTest() {
        std::vector<Fd> listeners;
        listeners.push_back(http::listen(endpoint_).value());
        const Services services{containers_, files_,  execs_,   images_,
                                networks_,   system_, volumes_, registries_};
        server_ = http::Server::start(std::move(listeners), make_api(services)).value();
        images_.images = {fakes::busybox()};
    }

    http::Client client() const { return http::Client(endpoint_); }
    http::ClientResponse send(std::string method, std::string target, std::string body = {}) const {
        return client()
            .send(
                {.method = std::move(method), .target = std::move(target), .body = std::move(body)})
            .value();
    }
    // The JSON of a GET that must succeed.
    Json get(std::string target) const {
        const auto response = send("GET", std::move(target));
        EXPECT_EQ(response.status, 200) << response.body;
        return parse_json(response.body).value_or(Json());
    }
    // "status message" of an answer.
    std::string outcome(std::string method, std::string target, std::string body = {}) const {
        const auto response = send(std::move(method), std::move(target), std::move(body));
        if (response.body.empty()) return std::to_string(response.status);
        const auto json = parse_json(response.body).value_or(Json::object());
        return fmt::format("{} {}", response.status,
                           json.is_object() ? json.value("message", "") : "");
    }
    static std::string read_rest(int fd) {
        std::string all;
        std::array<std::byte, 4096> piece;
        while (wait_readable(fd, std::chrono::seconds(5)).value_or(false)) {
            const auto count = read_some(fd, piece);
            if (!count || *count == 0) return all;
            all += as_text(std::span(piece).first(*count));
        }
        ADD_FAILURE() << "the daemon did not close the connection";
        return all;
    }

    TempDir folder_ = TempDir::create().value();
    http::Endpoint endpoint_ = http::Endpoint::unix_socket(folder_.path() / "s");
    fakes::Containers containers_;
    fakes::Files files_;
    fakes::Execs execs_;
    fakes::Images images_;
    fakes::Networks networks_;
    fakes::System system_;
    fakes::Volumes volumes_;
    oci::RegistryOptions registries_{.attempts = 1};
    std::unique_ptr<http::Server> server_;
};

}  // namespace hako::dockerapi
