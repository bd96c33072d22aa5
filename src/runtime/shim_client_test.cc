// ShimClient against a service in this process that answers what the test wants.
#include "runtime/shim_client.h"

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/thread.h"
#include "guest/status.h"
#include "proto/shim.grpc.pb.h"

namespace hako::runtime {
namespace {

using grpc::ServerContext;
using grpc::Status;

class FakeShim final : public shim::v1::Shim::Service {
public:
    Status Ready(ServerContext* context, const shim::v1::Empty*,
                 shim::v1::ReadyResponse* response) override {
        while (hang && !context->IsCancelled()) std::this_thread::yield();
        response->set_accelerator("kvm");
        return guest::to_status(ready);
    }
    Status Start(ServerContext*, const shim::v1::ProcessRequest* request,
                 shim::v1::StartResponse* response) override {
        if (request->process() == "missing")
            return guest::to_status(Error(ErrorKind::exec_not_found, "no such file"));
        response->set_pid(42);
        response->set_started_at_unix_ns(1'000'000'007);
        return Status::OK;
    }
    Status Input(ServerContext*, grpc::ServerReader<shim::v1::InputRequest>* reader,
                 shim::v1::Empty*) override {
        shim::v1::InputRequest request;
        while (hang) std::this_thread::yield();
        while (reader->Read(&request)) {
            auto text = input.lock();
            *text += request.data();
            if (request.close()) {
                *text += "<eof>";
                return Status::OK;
            }
            if (text->size() > 1'000'000)
                return guest::to_status(Error(ErrorKind::conflict, "the process has ended"));
        }
        return Status::OK;
    }
    Status Wait(ServerContext* context, const shim::v1::ProcessRequest*,
                shim::v1::ExitStatus* response) override {
        while (hang && !context->IsCancelled()) std::this_thread::yield();
        response->set_code(137);
        response->set_oom_killed(true);
        response->set_exited_at_unix_ns(5);
        response->set_reason("the guest kernel panicked: x");
        return Status::OK;
    }
    Status AddContainer(ServerContext*, const shim::v1::AddContainerRequest* request,
                        shim::v1::Empty*) override {
        added = request->spec();
        return Status::OK;
    }
    Status State(ServerContext*, const shim::v1::ContainerRequest* request,
                 shim::v1::StateResponse* response) override {
        if (request->container() != "c1")
            return guest::to_status(Error(ErrorKind::not_found, "another container"));
        response->set_qemu_pid(7);
        response->add_processes()->set_started(true);
        auto* exec = response->add_processes();
        exec->set_process("e1");
        exec->set_ended(true);
        exec->mutable_exit()->set_code(3);
        return Status::OK;
    }

    Result<void> ready;
    std::atomic<bool> hang = false;
    Guarded<std::string> input;
    std::string added;
};

class ShimClientTest : public testing::Test {
protected:
    ShimClientTest() {
        grpc::ServerBuilder builder;
        builder.AddListeningPort("unix:" + socket_.native(), grpc::InsecureServerCredentials());
        builder.RegisterService(&shim_);
        server_ = builder.BuildAndStart();
    }
    std::unique_ptr<ShimClient> connect() {
        auto client = ShimClient::connect(socket_, "c1");
        EXPECT_TRUE(client);
        return *std::move(client);
    }

    TempDir folder_ = *TempDir::create();
    std::filesystem::path socket_ = folder_.path() / "shim.sock";
    FakeShim shim_;
    std::unique_ptr<grpc::Server> server_;
};

TEST_F(ShimClientTest, ReadyAnswersOrSaysWhyNot) {
    const auto client = connect();
    EXPECT_EQ(*client->ready({}), vmm::Accelerator::kvm);
    shim_.ready = fail(ErrorKind::deadline, "the guest agent did not answer");
    const auto failed = client->ready({});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind(), ErrorKind::deadline);
    EXPECT_EQ(failed.error().message(), "the guest agent did not answer");
}

TEST_F(ShimClientTest, StartKeepsTheKindOfAFailedExec) {
    const auto client = connect();
    const auto started = client->start("");
    ASSERT_TRUE(started);
    EXPECT_EQ(started->pid, 42);
    EXPECT_EQ(started->started_at.time_since_epoch().count(), 1'000'000'007);
    EXPECT_EQ(client->start("missing").error().kind(), ErrorKind::exec_not_found);
}

TEST_F(ShimClientTest, WaitGivesTheExitRecord) {
    const auto record = connect()->wait("", {});
    ASSERT_TRUE(record);
    EXPECT_EQ(record->code, 137);
    EXPECT_TRUE(record->oom_killed);
    EXPECT_EQ(record->exited_at.time_since_epoch().count(), 5);
    EXPECT_EQ(record->reason, "the guest kernel panicked: x");
}

TEST_F(ShimClientTest, WaitingCanBeGivenUp) {
    shim_.hang = true;
    const auto client = connect();
    std::stop_source source;
    const auto stopper = start_thread("stop", [&](auto) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        source.request_stop();
    });
    EXPECT_EQ(client->wait("", source.get_token()).error().kind(), ErrorKind::cancelled);
    EXPECT_EQ(client->ready(source.get_token()).error().kind(), ErrorKind::cancelled);
}

TEST_F(ShimClientTest, InputArrivesWholeAndEnds) {
    const auto client = connect();
    const std::string data(300'000, 'i');
    auto input = client->open_input("");
    ASSERT_TRUE(input);
    ASSERT_TRUE((*input)->write(as_bytes(data), {}));
    ASSERT_TRUE((*input)->close({}));
    EXPECT_EQ(*shim_.input.lock(), data + "<eof>");
    EXPECT_EQ((*input)->write(as_bytes("more"), {}).error().kind(), ErrorKind::unavailable);
}

TEST_F(ShimClientTest, AWriterMayLeaveAProcessThatDoesNotRead) {
    shim_.hang = true;
    const auto client = connect();
    auto input = client->open_input("");
    ASSERT_TRUE(input);
    std::stop_source source;
    std::jthread leaves([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        source.request_stop();
    });
    const std::string piece(30'000, 'i');
    std::string sent;
    Result<void> written;
    while (written) {
        sent += piece;
        ASSERT_LT(sent.size(), 100'000'000U) << "somebody keeps it all in memory";
        written = (*input)->write(as_bytes(piece), source.get_token());
    }
    EXPECT_EQ(written.error().kind(), ErrorKind::cancelled) << written.error().message();
    input->reset();
    shim_.hang = false;
    const auto arrived = [&] { return shim_.input.lock()->size(); };
    const auto expected = std::min<std::size_t>(sent.size(), 1'000'000);
    for (int i = 0; i < 500 && arrived() < expected; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_GE(arrived(), expected) << "what was written before still arrives";
}

TEST_F(ShimClientTest, InputToAProcessThatEndedIsAnError) {
    auto input = connect()->open_input("");
    ASSERT_TRUE(input);
    const std::string data(300'000, 'i');
    Result<void> written;
    for (int i = 0; i < 1000 && written; ++i) written = (*input)->write(as_bytes(data), {});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().message(), "the process has ended");
}

TEST_F(ShimClientTest, StateListsProcesses) {
    const auto state = connect()->state();
    ASSERT_TRUE(state);
    EXPECT_EQ(state->qemu_pid, 7);
    ASSERT_EQ(state->processes.size(), 2U);
    EXPECT_TRUE(state->processes[0].started);
    EXPECT_FALSE(state->processes[0].exit);
    EXPECT_EQ(state->processes[1].id, "e1");
    EXPECT_EQ(state->processes[1].exit->code, 3);
}

TEST_F(ShimClientTest, AddsAContainerWhole) {
    ContainerSpec spec{.id = "c2",
                       .rootfs = {"r1", {"/view", "/layer"}, true},
                       .scratch = {"s1", {"/scratch"}, false},
                       .emulator = EmulatorSpec{"arm64", "/usr/bin/emulator"},
                       .oci_spec = R"({"process":{}})",
                       .seccomp = std::string(kNoSeccomp),
                       .log = {.file = "/log"},
                       .exit_record = "/exit"};
    ASSERT_TRUE(connect()->add(spec, {}));
    EXPECT_EQ(parse_json(shim_.added).value(), to_json(spec));
    const auto read = container_spec_from_json(to_json(spec));
    ASSERT_TRUE(read) << read.error().message();
    EXPECT_EQ(to_json(*read), to_json(spec));
}

TEST_F(ShimClientTest, AShimThatWentIsUnavailable) {
    const auto client = connect();
    server_->Shutdown();
    server_.reset();
    EXPECT_EQ(client->state().error().kind(), ErrorKind::unavailable);
    EXPECT_EQ(client->wait("", {}).error().kind(), ErrorKind::unavailable);
}

}  // namespace
}  // namespace hako::runtime
