// For tests: the whole program against a daemon made of canned answers.
#pragma once

#include <fcntl.h>

#include <gtest/gtest.h>

#include "base/guarded.h"
#include "cli/main.h"
#include "cli/test_program.h"
#include "http/server.h"

namespace hako::cli {

class ProgramTest : public testing::Test {
protected:
    // Answers GET /_ping; what else is needed the test adds before serve().
    ProgramTest() {
        add("GET", "/_ping", [](http::Request&, http::Response& response) {
            response.headers().add("Api-Version", "1.44");
            return response.send(200, "text/plain", "OK");
        });
    }
    void add(std::string_view method, std::string_view path, http::Handler handler) {
        router_.add(method, path,
                    [this, handler](http::Request& request, http::Response& response) {
                        requests_.lock()->push_back(request.method + " " + request.target);
                        return handler(request, response);
                    });
    }
    void answer(std::string_view method, std::string_view path, int status, const Json& body) {
        add(method, path, [status, body](http::Request&, http::Response& response) {
            return body.is_null() ? response.send_empty(status) : response.send_json(status, body);
        });
    }
    void stream(std::string_view method, std::string_view path, std::string text) {
        add(method, path, [text](http::Request&, http::Response& response) -> Result<void> {
            HAKO_TRY(auto* out, response.stream(200, "application/json"));
            return out->write(text);
        });
    }
    void fail_with(std::string_view method, std::string_view path, ErrorKind kind,
                   std::string message) {
        add(method, path, [kind, message](http::Request&, http::Response&) -> Result<void> {
            return fail(kind, "{}", message);
        });
    }
    // A container `c` that echoes its input, says `error` on stderr and ends with `status`.
    void add_container(int status, Json created = {{"Id", "c"}, {"Warnings", Json::array()}}) {
        add("POST", "/v1.44/containers/create",
            [this, created](http::Request& request, http::Response& response) -> Result<void> {
                HAKO_TRY(const auto text, request.read_body());
                created_ = parse_json(text).value();
                return response.send_json(201, created);
            });
        add("POST", "/v1.44/containers/c/attach",
            [](http::Request&, http::Response& response) -> Result<void> {
                HAKO_TRY(auto* raw, response.hijack("application/vnd.docker.raw-stream"));
                std::vector<std::byte> buffer(4096);
                while (true) {
                    HAKO_TRY(const auto count, raw->read(buffer));
                    if (count == 0) break;
                    HAKO_CHECK(raw->write(frame(1, as_text(std::span(buffer).first(count)))));
                }
                return raw->write(frame(2, "error"));
            });
        stream("POST", "/v1.44/containers/c/wait", fmt::format("{{\"StatusCode\":{}}}\n", status));
        answer("POST", "/v1.44/containers/c/start", 204, nullptr);
    }
    void serve() {
        std::vector<Fd> listeners;
        listeners.push_back(http::listen(endpoint_).value());
        server_ = http::Server::start(std::move(listeners), [this](http::Request& request,
                                                                   http::Response& response) {
                      return router_.handle(request, response);
                  }).value();
    }
    int run(std::vector<std::string> arguments, std::string_view input = {}) {
        program_.clear();
        const auto path = program_.folder() / "stdin";
        EXPECT_TRUE(write_file(path, input));
        const auto in = open_file(path, O_RDONLY).value();
        arguments.insert(arguments.begin(), {"-H", endpoint_.to_string()});
        return run_program(arguments, program_.stdio(in.get()));
    }
    std::vector<std::string> requests() { return *requests_.lock(); }

    TestProgram program_;
    http::Endpoint endpoint_ = http::Endpoint::unix_socket(program_.folder() / "s");
    http::Router router_;
    Guarded<std::vector<std::string>> requests_;
    Json created_;
    std::unique_ptr<http::Server> server_;
};

}  // namespace hako::cli
