// Internal: the machine's sound, by a connection of its own to the server of the screen.
#pragma once

#include "base/fd.h"
#include "http/message.h"

namespace hako::viewer {

// Sends what the machine plays until either side ends: messages of whole frames, 48000 a second,
// each of two signed samples of 16 bits, little-endian. The server speaks RFB with QEMU's messages
// for sound. QEMU drops what a slow listener does not take.
void play(http::Hijacked& browser, const Fd& server);

}  // namespace hako::viewer
