// vminitd's ends of a process' standard streams: pipes, or the master of its terminal.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace hako::init {

// One thread may read while another one writes. process_ended() may come from anywhere.
class Streams {
public:
    struct Output {
        bool err = false;
        std::string data;
    };
    // The process' ends, for the time of its start.
    struct ProcessEnds {
        Fd in, out, err;
    };

    // Pipes; without input, standard input of the process is to be /dev/null.
    static Result<Streams> with_pipes(bool input, ProcessEnds& ends);
    static Result<Streams> with_terminal();
    // The terminal's master, as soon as it is there.
    Result<void> set_terminal(Fd master);

    // The next bytes, at most 64 KiB: waits for them while the process runs. After its end only
    // what is in the pipes already counts - a child of it may hold them open for ever. Nullopt: the
    // end.
    Result<std::optional<Output>> read();
    // Waits while the process does not read. Once it ended or closed its input, bytes are dropped.
    Result<void> write(std::span<const std::byte> data);
    void close_input();  // a terminal has no end of input: nothing happens
    void process_ended();

    bool terminal() const { return terminal_; }
    Result<void> resize(unsigned columns, unsigned rows);

private:
    Streams(bool terminal, Fd ended) : terminal_(terminal), ended_(std::move(ended)) {}

    bool terminal_;
    Fd ended_;  // eventfd, readable for ever once the process ended
    Fd in_, out_, err_;
    Fd master_;                  // of a terminal, for resizing; never closed before the end
    std::size_t after_end_ = 0;  // bytes read since the process ended
    // What read() reads into. Not zeroed before, so that a short output is no 64 KiB of page
    // faults.
    std::unique_ptr<char[]> buffer_;
};

}  // namespace hako::init
