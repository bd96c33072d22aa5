// Where a container's output goes: its log file, and the journal when that is asked for.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "base/guarded.h"
#include "runtime/journal.h"
#include "runtime/log_file.h"

namespace hako::runtime {

class OutputLog {
public:
    struct Setup {
        std::filesystem::path file;
        LogLimits limits = {};
        Journal::Fields journal = {};  // empty: not to the journal
        std::filesystem::path journal_socket = kJournalSocket;
    };
    static Result<OutputLog> open(Setup setup);

    // As LogWriter's. Lines that the journal does not take are lost for it, which is told once.
    Result<void> append(LogStream stream, std::span<const std::byte> data);
    Result<void> finish();
    bool wait_for_reader(std::uint64_t most, const std::stop_token& stop) const {
        return file_.wait_for_reader(most, stop);
    }

private:
    struct Tee {
        Journal journal;
        LineSplitter lines;
        bool complained = false;

        void feed(const LogRecord& record);
    };
    explicit OutputLog(LogWriter file) : file_(std::move(file)) {}

    LogWriter file_;
    std::unique_ptr<Guarded<Tee>> tee_;
};

}  // namespace hako::runtime
