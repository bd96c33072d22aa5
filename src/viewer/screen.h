// Internal: joins a browser's WebSocket and the machine's screen.
#pragma once

#include "base/fd.h"
#include "http/message.h"

namespace hako::viewer {

// Copies both ways until either side ends.
void join(http::Hijacked& browser, const Fd& screen);

}  // namespace hako::viewer
