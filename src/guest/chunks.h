// Bytes that come as the messages of a gRPC stream: agent.proto's and shim.proto's DataChunk.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <vector>

#include "base/stream.h"
#include "base/units.h"
#include "guest/patience.h"

namespace hako::guest {

// In pieces: for the guest to say that all has arrived. It may write its disk back first.
constexpr unsigned kLastAnswer = 3;

// To the stream's end, whose status it gives. A writer that fails cancels the call.
template <typename Chunk>
Result<grpc::Status> take_chunks(grpc::ClientContext& context, grpc::ClientReader<Chunk>& reader,
                                 Writer& out, Patience& patience) {
    Chunk chunk;
    while (patience.wait([&] { return reader.Read(&chunk); })) {
        const auto taken = out.write(as_bytes(chunk.data()));
        if (taken) continue;
        context.TryCancel();
        (void)reader.Finish();
        return fail(taken.error());
    }
    return reader.Finish();
}

// The message, then what the reader has as the `data` of messages of its kind; the call's status. A
// reader that fails cancels the call.
template <typename Message>
Result<grpc::Status> send_chunks(grpc::ClientContext& context, grpc::ClientWriter<Message>& writer,
                                 Message message, Reader& from, Patience& patience) {
    std::vector<std::byte> buffer(64 * kKiB);
    // A failed write means that the other side has ended the call: Finish tells why.
    while (patience.wait([&] { return writer.Write(message); })) {
        const auto got = from.read(buffer);
        if (!got) {
            context.TryCancel();
            (void)writer.Finish();
            return fail(got.error());
        }
        if (*got == 0) break;
        message.Clear();
        message.set_data(buffer.data(), *got);
    }
    writer.WritesDone();
    return patience.wait([&] { return writer.Finish(); }, kLastAnswer);
}

}  // namespace hako::guest
