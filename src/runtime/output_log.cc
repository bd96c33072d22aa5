#include "runtime/output_log.h"

#include <utility>

#include "base/log.h"

namespace hako::runtime {

Result<OutputLog> OutputLog::open(Setup setup) {
    HAKO_TRY(auto file, LogWriter::open(setup.file, setup.limits));
    OutputLog log(std::move(file));
    if (!setup.journal.empty()) {
        HAKO_TRY(auto journal,
                 Journal::open(std::move(setup.journal), std::move(setup.journal_socket)));
        log.tee_ = std::make_unique<Guarded<Tee>>(Tee{.journal = std::move(journal)});
    }
    return log;
}

Result<void> OutputLog::append(LogStream stream, std::span<const std::byte> data) {
    if (tee_) tee_->lock()->feed({.stream = stream, .data = std::string(as_text(data))});
    return file_.append(stream, data);
}

Result<void> OutputLog::finish() {
    if (tee_) tee_->lock()->feed({.end = true});
    return file_.finish();
}

void OutputLog::Tee::feed(const LogRecord& record) {
    for (const auto& line : lines.feed(record))
        if (const auto sent = journal.send(line); !sent && !std::exchange(complained, true))
            log_error("{}: lines are missing in it", sent.error().message());
}

}  // namespace hako::runtime
