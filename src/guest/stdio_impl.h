// The inside of Stdio, shared by the two sources that make and use it.
#pragma once

#include <mutex>
#include <optional>

#include <grpcpp/grpcpp.h>

#include "guest/agent_client.h"
#include "guest/patience.h"
#include "proto/agent.grpc.pb.h"

namespace hako::guest {

struct Stdio::Impl {
    using Stream = grpc::ClientReaderWriterInterface<agent::v1::StdioInput, agent::v1::StdioOutput>;

    // Ends the call, once; afterwards the same status again.
    grpc::Status finish() {
        if (!status) status = stream->Finish();
        return *status;
    }
    ~Impl() {
        if (!stream || status) return;
        context.TryCancel();
        (void)stream->Finish();
    }

    grpc::ClientContext context;
    Cut cut;
    std::unique_ptr<Stream> stream;
    std::mutex writing;                  // close_input may come from the reading thread, at the end
    bool input_closed = false;           // guarded by writing
    std::optional<grpc::Status> status;  // these two of the reading thread
    std::optional<ProcessExit> exit;
};

}  // namespace hako::guest
