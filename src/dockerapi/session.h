// Joins a client's hijacked connection and a process' standard streams.
#pragma once

#include <optional>

#include "dockerapi/detach_keys.h"
#include "dockerapi/multiplex.h"
#include "engine/streams.h"
#include "http/message.h"

namespace hako::dockerapi {

struct SessionOptions {
    OutputWriter::Options output;
    std::optional<DetachKeys> detach_keys;  // where the client types at a terminal
};
// Runs until the output ends, the client goes away or types the detach keys. The end of the
// client's input (half-close) ends the process' input only.
Result<void> run_session(http::Hijacked& client, engine::Session session, SessionOptions options);

}  // namespace hako::dockerapi
