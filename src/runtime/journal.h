// systemd's journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram for
// each line.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "runtime/log_file.h"

namespace hako::runtime {

inline constexpr std::string_view kJournalSocket = "/run/systemd/journal/socket";

class Journal {
public:
    using Fields = std::map<std::string, std::string>;  // names as the journal has them: A-Z 0-9 _

    // The fields go with every line. The journal need not run yet, or may start again.
    static Result<Journal> open(Fields fields, std::filesystem::path socket = kJournalSocket);

    // Priority 6 (info) for the standard output, 3 (error) for the standard error. Waits for a
    // journal that is busy, up to a second: then ErrorKind::deadline, and the line is lost.
    Result<void> send(const LineSplitter::Line& line);

private:
    Journal(Fields fields, std::filesystem::path socket, Fd fd)
        : fields_(std::move(fields)), socket_(std::move(socket)), fd_(std::move(fd)) {}

    Fields fields_;
    std::filesystem::path socket_;
    Fd fd_;
};

}  // namespace hako::runtime
