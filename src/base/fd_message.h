// What goes over a unix socket, with a descriptor or without (unix(7), SCM_RIGHTS).
#pragma once

#include <span>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace hako {

// Returns how many of the bytes, of which there is at least one, the socket took; the descriptor,
// unless it is negative, goes with the first of them.
Result<std::size_t> send_message(int socket, std::string_view bytes, int fd = -1);

struct FdMessage {
    std::size_t size = 0;  // bytes that were received; 0: the other side is gone
    Fd fd;                 // that came with them, if one did
};
Result<FdMessage> receive_message(int socket, std::span<char> into);

}  // namespace hako
