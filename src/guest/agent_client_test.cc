// AgentClient against guests that misbehave. How it works with the real one is tested in
// guest/init.
#include "guest/agent_client.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "proto/agent.grpc.pb.h"

namespace hako::guest {
namespace {

using namespace std::chrono_literals;
using grpc::Status;

// Lies wherever it can.
class Liar final : public agent::v1::Agent::Service {
public:
    Status Info(grpc::ServerContext*, const agent::v1::InfoRequest*,
                agent::v1::InfoResponse* response) override {
        response->set_version(std::string(info_bytes, 'x'));
        return Status::OK;
    }
    Status StartProcess(grpc::ServerContext*, const agent::v1::ProcessRequest*,
                        agent::v1::StartProcessResponse*) override {
        return {grpc::StatusCode::NOT_FOUND, "no such thing", "exec_not_found"};
    }
    Status CreateProcess(
        grpc::ServerContext*,
        grpc::ServerReaderWriter<agent::v1::StdioOutput, agent::v1::StdioInput>* stream) override {
        // A call that ends unread is not refused: gRPC's client waits for it at times.
        agent::v1::StdioInput first;
        stream->Read(&first);
        if (refuse_process) return Status::OK;
        stream->Write(agent::v1::StdioOutput());
        agent::v1::StdioOutput output;
        output.set_data("half");
        stream->Write(output);
        return Status::OK;  // without `exit`
    }
    Status CopyOut(grpc::ServerContext*, const agent::v1::CopyOutRequest*,
                   grpc::ServerWriter<agent::v1::DataChunk>*) override {
        return Status::OK;  // without a word about the path
    }
    Status Wait(grpc::ServerContext*, const agent::v1::ProcessRequest*,
                agent::v1::ExitStatus* response) override {
        response->set_code(-5);
        response->set_exited_at_unix_ns(std::numeric_limits<std::int64_t>::min());
        return Status::OK;
    }

    std::size_t info_bytes = 1;
    bool refuse_process = false;
};

class AgentClientTest : public testing::Test {
protected:
    void SetUp() override {
        auto sockets = make_socket_pair();
        ASSERT_TRUE(sockets);
        ASSERT_TRUE(set_nonblocking(sockets->second.get(), true));
        grpc::ServerBuilder builder;
        builder.RegisterService(&liar_);
        server_ = builder.BuildAndStart();
        grpc::AddInsecureChannelFromFd(server_.get(), sockets->second.release());
        auto client = AgentClient::connect(std::move(sockets->first));
        ASSERT_TRUE(client);
        client_ = std::move(*client);
    }

    Liar liar_;
    std::unique_ptr<grpc::Server> server_;
    std::unique_ptr<AgentClient> client_;
};

struct NoWriter : Writer {
    Result<void> write(std::span<const std::byte>) override { return {}; }
};

TEST_F(AgentClientTest, AnAnswerThatIsTooLargeIsAnError) {
    EXPECT_EQ(client_->info(30s)->version, "x");
    liar_.info_bytes = 5 << 20;
    const auto info = client_->info(30s);
    ASSERT_FALSE(info);
    EXPECT_EQ(info.error().kind(), ErrorKind::exhausted) << info.error().message();
}

TEST_F(AgentClientTest, TheKindOfAnErrorArrives) {
    const auto started = client_->start_process({"c", "p"});
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().kind(), ErrorKind::exec_not_found);
    EXPECT_EQ(started.error().message(), "no such thing");
}

TEST_F(AgentClientTest, StreamsThatEndHalfWayAreAnError) {
    auto stdio = client_->create_process({{"c", "p"}, "{}"});
    ASSERT_TRUE(stdio) << stdio.error().message();
    EXPECT_EQ((*stdio->read())->data, "half");
    const auto end = stdio->read();
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().kind(), ErrorKind::corrupt);
    EXPECT_TRUE(stdio->close_input());
    EXPECT_FALSE(stdio->exit());
    liar_.refuse_process = true;
    EXPECT_FALSE(client_->create_process({{"c", "p"}, "{}"}));
}

TEST_F(AgentClientTest, ACopyWithoutADescriptionIsAnError) {
    NoWriter nowhere;
    const auto on_stat = [](const PathStat&) { return Result<void>(); };
    EXPECT_EQ(client_->copy_out("c", "/x", on_stat, nowhere).error().kind(), ErrorKind::corrupt);
    EXPECT_EQ(client_->stat_path("c", "/x").error().kind(), ErrorKind::corrupt);
}

TEST_F(AgentClientTest, OddNumbersAreNumbers) { EXPECT_EQ(client_->wait({"c", "p"})->code, -5); }

TEST_F(AgentClientTest, WhatAGuestDoesNotOfferIsSaid) {
    EXPECT_EQ(client_->sync().error().kind(), ErrorKind::unimplemented);
}

TEST_F(AgentClientTest, AGuestThatIsGoneIsUnavailable) {
    server_->Shutdown();
    const auto info = client_->info(30s);
    ASSERT_FALSE(info);
    EXPECT_EQ(info.error().kind(), ErrorKind::unavailable) << info.error().message();
    EXPECT_TRUE(client_->power_off(30s));
}

TEST(AgentClient, AGuestThatIsSilentIsNotWaitedForForEver) {
    auto sockets = make_socket_pair();
    const auto client = AgentClient::connect(std::move(sockets->first));
    ASSERT_TRUE(client);
    const auto info = (*client)->info(200ms);
    ASSERT_FALSE(info);
    EXPECT_EQ(info.error().kind(), ErrorKind::deadline) << info.error().message();
    EXPECT_FALSE(AgentClient::connect(Fd()));
}

TEST(AgentClient, AGuestThatReadsNothingIsNotWaitedForForEver) {
    auto sockets = make_socket_pair();
    // Full from the beginning: gRPC waits for what it is just writing, cancelled or not.
    while (::send(sockets->first.get(), "x", 1, MSG_DONTWAIT) == 1) {
    }
    const auto client =
        AgentClient::connect(std::move(sockets->first), {.call = 200ms, .quick = 200ms});
    ASSERT_TRUE(client);
    NoWriter nowhere;
    EXPECT_FALSE((*client)->info(200ms));
    EXPECT_FALSE((*client)->signal({"c", "p"}, 9, false));
    EXPECT_FALSE((*client)->create_process({}));
    EXPECT_FALSE((*client)->changes({}, nowhere));
    EXPECT_FALSE((*client)->stat_path("c", "/"));
}

TEST(AgentClient, OfASilentGuestEveryCallEnds) {
    auto sockets = make_socket_pair();
    const auto client =
        AgentClient::connect(std::move(sockets->first), {.call = 200ms, .quick = 200ms});
    ASSERT_TRUE(client);
    NoWriter nowhere;
    const auto on_stat = [](const PathStat&) { return Result<void>(); };
    EXPECT_EQ((*client)->changes({}, nowhere).error().kind(), ErrorKind::deadline);
    EXPECT_EQ((*client)->copy_out("c", "/", on_stat, nowhere).error().kind(), ErrorKind::deadline);
    EXPECT_EQ((*client)->stat_path("c", "/").error().kind(), ErrorKind::deadline);
    EXPECT_EQ((*client)->list_processes("c").error().kind(), ErrorKind::deadline);
    EXPECT_EQ((*client)->create_process({}).error().kind(), ErrorKind::deadline);
}

TEST(AgentClient, GarbageOnTheChannelIsUnavailable) {
    auto sockets = make_socket_pair();
    ASSERT_TRUE(write_all(sockets->second.get(), std::string(1000, '!')));
    const auto client = AgentClient::connect(std::move(sockets->first));
    const auto info = (*client)->info(20s);
    ASSERT_FALSE(info);
    EXPECT_EQ(info.error().kind(), ErrorKind::unavailable) << info.error().message();
}

TEST(Serialised, WhatCannotBeReadIsCorrupt) {
    EXPECT_EQ(parse_statistics("\xff").error().kind(), ErrorKind::corrupt);
    EXPECT_EQ(parse_processes("\xff").error().kind(), ErrorKind::corrupt);
    using namespace std::string_literals;
    for (const auto& list : {"A/x"s, "X/x\0"s, "A\0"s, "\0"s})
        EXPECT_EQ(parse_changes(list).error().kind(), ErrorKind::corrupt);
    EXPECT_EQ(*parse_changes("A/x\0D/y z\0"s),
              (std::vector<Change>{{Change::Kind::added, "/x"}, {Change::Kind::deleted, "/y z"}}));
    EXPECT_TRUE(parse_statistics(""));
    EXPECT_TRUE(parse_processes("")->empty());
}

}  // namespace
}  // namespace hako::guest
