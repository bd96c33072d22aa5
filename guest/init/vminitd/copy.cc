#include "init/vminitd/copy.h"

#include "base/units.h"
#include "init/common/vmexec_protocol.h"

namespace hako::init {
namespace {

// Where the copy works: in the running container's mounts, else on its bare root.
Result<Launched> start_copy(Guest& guest, const std::string& container, Json request, int in,
                            int out) {
    HAKO_TRY(const auto found, guest.container(container));
    const auto running = found->first_process();
    request[request::kJoin] = running != nullptr;
    request[request::kRoot] = found->root();
    Launch launch;
    launch.request = std::move(request);
    launch.in = in;
    launch.out = out;
    if (running) launch.container = running->pidfd();
    return guest.launcher().start(launch, nullptr);
}

// The helper's verdict, after its streams ended.
Result<void> verdict(Conversation& conversation) {
    HAKO_TRY(const auto report, conversation.receive());
    return report ? fail(ErrorKind::internal, "vmexec says more than it should") : Result<void>();
}

// The helper's output, to its end.
Result<void> send_all(const Fd& pipe, grpc::ServerWriter<agent::v1::DataChunk>& writer) {
    agent::v1::DataChunk chunk;
    std::vector<std::byte> buffer(64 * kKiB);
    while (true) {
        HAKO_TRY(const auto got, read_full(pipe.get(), buffer));
        if (got == 0) return {};
        chunk.set_data(buffer.data(), got);
        if (!writer.Write(chunk)) return fail(ErrorKind::cancelled, "the caller went away");
    }
}

agent::v1::PathStat to_message(const Json& json) {
    agent::v1::PathStat stat;
    stat.set_name(json.value("name", ""));
    stat.set_size(json.value("size", std::uint64_t{0}));
    stat.set_mode(json.value("mode", std::uint32_t{0}));
    stat.set_mtime_unix_ns(json.value("mtime_ns", std::int64_t{0}));
    stat.set_link_target(json.value("link_target", ""));
    return stat;
}

}  // namespace

Result<void> copy_in(Guest& guest, grpc::ServerReader<agent::v1::CopyInRequest>& reader) {
    agent::v1::CopyInRequest message;
    if (!reader.Read(&message)) return fail(ErrorKind::invalid, "no container is named");
    HAKO_TRY(auto pipe, make_pipe());
    HAKO_TRY(auto launched, start_copy(guest, message.container(),
                                       {{request::kAction, action::kCopyIn},
                                        {request::kPath, message.path()},
                                        {request::kKeepKinds, message.no_overwrite_dir_non_dir()},
                                        {request::kOwner, message.owner()}},
                                       pipe.first.get(), -1));
    pipe.first.reset();
    do {
        // When the helper gave up, the reason is in its verdict.
        if (!write_all(pipe.second.get(), message.data())) break;
    } while (reader.Read(&message));
    pipe.second.reset();
    return verdict(launched.conversation);
}

Result<void> copy_out(Guest& guest, const agent::v1::CopyOutRequest& request,
                      grpc::ServerWriter<agent::v1::DataChunk>& writer) {
    HAKO_TRY(auto pipe, make_pipe());
    HAKO_TRY(auto launched, start_copy(guest, request.container(),
                                       {{request::kAction, action::kCopyOut},
                                        {request::kPath, request.path()},
                                        {request::kStatOnly, request.stat_only()}},
                                       -1, pipe.second.get()));
    pipe.second.reset();
    HAKO_TRY(const auto report, launched.conversation.receive());
    if (!report) return fail(ErrorKind::internal, "vmexec ended without a word");
    agent::v1::DataChunk chunk;
    *chunk.mutable_stat() = to_message(report->json.value("stat", Json::object()));
    if (!writer.Write(chunk)) return fail(ErrorKind::cancelled, "the caller went away");
    HAKO_CHECK(send_all(pipe.first, writer));
    return verdict(launched.conversation);
}

Result<void> copy_changes(Guest& guest, const agent::v1::ChangesRequest& request,
                          grpc::ServerWriter<agent::v1::DataChunk>& writer) {
    HAKO_TRY(const auto container, guest.container(request.container()));
    HAKO_TRY(auto pipe, make_pipe());
    Launch launch;
    launch.request = {{request::kAction, action::kChanges},
                      {request::kUpper, request.upper()},
                      {request::kLower, request.lower()},
                      {request::kHidden, container->mount_targets()},
                      {request::kList, request.list()}};
    launch.out = pipe.second.get();
    HAKO_TRY(auto launched, guest.launcher().start(launch, nullptr));
    pipe.second.reset();
    HAKO_CHECK(send_all(pipe.first, writer));
    return verdict(launched.conversation);
}

}  // namespace hako::init
