// What a VM says: the guest's serial console, and QEMU's standard error. Both are read all the time
// (a full pipe would stop the guest), and both are bounded, however much comes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/result.h"

namespace hako::vmm {

// The last bytes of a stream.
class Tail {
public:
    explicit Tail(std::size_t limit) : limit_(limit) {}
    void append(std::string_view text);
    std::string_view text() const { return text_; }

private:
    std::size_t limit_;
    std::string text_;
};

// The panic's sentence: what follows "Kernel panic - not syncing: " on its line.
std::optional<std::string> find_panic(std::string_view console);
// The last non-empty lines, without control characters, joined by `separator`.
std::string last_lines(std::string_view text, std::size_t count, std::string_view separator);

// Any thread may call anything.
class Console {
public:
    static constexpr std::size_t kTailBytes = 64U << 10U;
    // The log has two files: `log` and, when that grew beyond this, `log`.1 with what was before.
    static constexpr std::size_t kLogBytes = 512U << 10U;

    // serial: a socket; errors: a pipe. log may be empty: then nothing is written.
    static Result<std::unique_ptr<Console>> start(Fd serial, Fd errors, std::filesystem::path log);
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;
    ~Console();

    std::string tail() const;    // of the serial console
    std::string errors() const;  // of QEMU's standard error
    // Waits until both streams have ended, so that their last words are in, or for the time-out.
    void drain(std::chrono::milliseconds timeout) const;

private:
    struct State {
        Tail serial{kTailBytes};
        Tail errors{8U << 10U};
        bool ended = false;
    };
    Console() = default;
    void read_streams(const Fd& wake, Fd serial, Fd errors, const std::filesystem::path& log);

    Guarded<State> state_;
    mutable std::condition_variable ended_;
    Fd stop_;  // closing it wakes the reader
    std::jthread reader_;
};

}  // namespace hako::vmm
