// Attaching to a container, and learning how it ended: what run, start and attach have in common.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/api.h"
#include "cli/detach_keys.h"
#include "cli/relay.h"

namespace hako::cli {

struct AttachSettings {
    bool tty = false;
    bool input = false;
    bool output = true;
    bool errors = true;
    bool signal_proxy = true;  // of no effect with a tty, as with docker
    std::string detach_keys = std::string(kDefaultDetachKeys);
};

// The end of a container, asked for before it starts so that it cannot be missed.
class ExitWait {
public:
    // condition: "next-exit", "removed" or "not-running".
    static Result<ExitWait> begin(const Api& api, const std::string& id,
                                  std::string_view condition);
    // Blocks until the container has ended; its exit status.
    Result<int> status();

private:
    explicit ExitWait(std::unique_ptr<http::ClientStream> answer) : answer_(std::move(answer)) {}
    std::unique_ptr<http::ClientStream> answer_;
};

// One attached client. open() before the container starts, converse() after it.
class Attachment {
public:
    static Result<Attachment> open(const Api& api, std::string id, const AttachSettings& settings);
    // Joins the streams until the container's side ends or the user leaves. The terminal is in raw
    // mode meanwhile when the container has a tty and our stdin is joined.
    Result<RelayEnd> converse(const Stdio& io);

private:
    Attachment(const Api& api, std::string id, RelayOptions options, http::Upgraded connection,
               SignalWatch signals)
        : api_(&api),
          id_(std::move(id)),
          options_(std::move(options)),
          connection_(std::move(connection)),
          signals_(std::move(signals)) {}

    const Api* api_;
    std::string id_;
    RelayOptions options_;
    http::Upgraded connection_;
    SignalWatch signals_;
};

// relay() with the terminal in raw mode if the stream is a tty; changes of its size are posted to
// `resize_path`.
Result<RelayEnd> relay_terminal(const Stdio& io, const Api& api, const std::string& resize_path,
                                http::Upgraded connection, const SignalWatch& signals,
                                RelayOptions options);

// "the input device is not a TTY", as docker refuses -it without a terminal.
Result<void> check_terminal(const Stdio& io, bool tty, bool input);

// The status with which hako ends: the container's own, 0 when the user detached, 128 + signal.
Result<int> status_after(const RelayEnd& end, ExitWait& wait);

}  // namespace hako::cli
