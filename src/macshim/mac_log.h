// What a macOS machine says in its container's log.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <thread>

#include "base/fd.h"
#include "base/guarded.h"
#include "base/result.h"
#include "macos/progress.h"
#include "runtime/output_log.h"

namespace hako::macshim {

// Any thread may call anything.
class MacLog {
public:
    static Result<std::unique_ptr<MacLog>> open(runtime::OutputLog::Setup setup);
    ~MacLog();
    MacLog(const MacLog&) = delete;
    MacLog& operator=(const MacLog&) = delete;

    void say(std::string_view line) { write(runtime::LogStream::out, line); }
    void complain(std::string_view line) { write(runtime::LogStream::err, line); }
    // A line for a new stage or message, for each tenth of a large download, and for the end of
    // any.
    void tell(const macos::Progress& progress);
    // Why the machine ended, unless its last stage has told it.
    void end(std::string_view why);
    // Where helpers write: each of their lines is one of the log.
    int errors() const { return errors_.get(); }
    // All that helpers wrote, and the END record. They have ended.
    Result<void> finish();

private:
    struct Told {
        std::optional<macos::Stage> stage;
        std::string message;
        std::uint64_t tenth = 0;
    };
    MacLog(runtime::OutputLog writer, FdPair pipe);
    void write(runtime::LogStream stream, std::string_view line);

    runtime::OutputLog writer_;
    Guarded<Told> told_;
    Fd errors_;
    std::jthread reader_;
};

}  // namespace hako::macshim
