// QEMU's machine protocol (QMP, qapi/*.json): one JSON object a line, over a socket.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/json.h"
#include "base/result.h"

namespace hako::vmm {

constexpr std::chrono::milliseconds kQmpDeadline = std::chrono::seconds(5);

struct QmpEvent {
    std::string name;  // "SHUTDOWN", "GUEST_PANICKED" ...
    Json data;
};

// Any thread may call anything; commands run one at a time. There is no thread inside: events are
// read while a command waits for its answer, or by take_events().
class QmpClient {
public:
    // Waits for the greeting and leaves capabilities negotiation mode.
    static Result<std::unique_ptr<QmpClient>> connect(Fd socket,
                                                      std::chrono::milliseconds deadline);

    // Of a QEMU whose other end was negotiated with already (vmm/checkpoint.h).
    static std::unique_ptr<QmpClient> go_on(Fd socket);

    // The command's `return`. A descriptor goes along with the command. QEMU's refusal is
    // ErrorKind::internal with its sentence; a closed socket is ErrorKind::unavailable.
    Result<Json> execute(std::string_view command, const Json& arguments = {},
                         std::chrono::milliseconds deadline = kQmpDeadline, int fd = -1);
    // What came since the last call; the oldest are dropped when more than kMaxEvents wait.
    Result<std::deque<QmpEvent>> take_events();

    Result<void> quit();
    Result<void> system_powerdown();
    Result<void> stop();
    Result<void> cont();
    Result<std::string> query_status();  // "running", "paused", "shutdown" ...

    static constexpr std::size_t kMaxEvents = 256;

private:
    using Deadline = std::chrono::steady_clock::time_point;
    struct State {
        Fd socket;
        std::string buffer;
        std::deque<QmpEvent> events;
        std::uint64_t next_id = 1;
    };
    explicit QmpClient(Fd socket);

    static Result<Json> read_message(State& state, Deadline deadline);
    static Result<void> send(State& state, const Json& message, int fd);
    // Stores an event; false when the message is none.
    static bool take_event(State& state, const Json& message);

    Guarded<State> state_;
};

}  // namespace hako::vmm
