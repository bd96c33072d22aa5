// The inside of SocketCall, shared by the two sources that make and use it.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>

#include <grpcpp/grpcpp.h>

#include "base/guarded.h"
#include "guest/agent_client.h"
#include "guest/patience.h"
#include "proto/agent.grpc.pb.h"

namespace hako::guest {

struct SocketCall::Impl {
    using Stream = grpc::ClientReaderWriterInterface<agent::v1::SocketData, agent::v1::SocketData>;

    Impl(agent::v1::Agent::StubInterface& agent, Cut how) : stub(agent), cut(std::move(how)) {}
    ~Impl() {
        if (!stream || finished) return;
        context.TryCancel();
        (void)stream->Finish();
    }
    grpc::Status finish() {
        finished = true;
        return stream->Finish();
    }

    agent::v1::Agent::StubInterface& stub;
    const Cut cut;
    agent::v1::SocketData first;
    std::optional<std::chrono::milliseconds> patience;  // for the guest to answer
    grpc::ClientContext context;
    std::unique_ptr<Stream> stream;
    bool finished = false;
    std::atomic<bool> guest_ended = false;
    struct Use {
        bool cancelled = false;
        int socket = -1;  // while it is relayed
    };
    Guarded<Use> use;
};

}  // namespace hako::guest
