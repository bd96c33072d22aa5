#include "macshim/mac_execs.h"

#include "base/json.h"
#include "base/log.h"
#include "base/thread.h"

namespace hako::macshim {
namespace {

Result<void> write_log(const std::filesystem::path& path, const CommandAnswer& answer) {
    HAKO_TRY(auto log, runtime::LogWriter::open(path));
    if (!answer.out.empty()) HAKO_CHECK(log.append(runtime::LogStream::out, as_bytes(answer.out)));
    if (!answer.err.empty())
        HAKO_CHECK(log.append(runtime::LogStream::err, as_bytes(answer.err + "\n")));
    return log.finish();
}

}  // namespace

Result<std::shared_ptr<MacExecs::Exec>> MacExecs::find(const std::string& id) const {
    auto execs = execs_.lock();
    const auto found = execs->find(id);
    if (found == execs->end()) return fail(ErrorKind::not_found, "No such exec instance: {}", id);
    return found->second;
}

Result<void> MacExecs::create(const std::string& id, const std::string& process) {
    HAKO_TRY(const auto json, parse_json(process));
    const auto exec = std::make_shared<Exec>();
    HAKO_TRY(exec->words, json_field_or<std::vector<std::string>>(json, "args", {}));
    HAKO_CHECK(runtime::LogWriter::open(log_of_(id)));  // whoever attaches follows it
    (*execs_.lock())[id] = exec;
    return {};
}

Result<WallTime> MacExecs::start(const std::string& id) {
    HAKO_TRY(const auto exec, find(id));
    auto execs = execs_.lock();
    if (exec->thread.joinable())
        return fail(ErrorKind::conflict, "exec {} was started already", id);
    exec->thread = start_thread(
        "exec", [this, id, exec = exec.get()](const std::stop_token&) { run(id, *exec); });
    return now();
}

void MacExecs::run(const std::string& id, Exec& exec) {
    const auto answer = runner_(exec.words);
    if (auto written = write_log(log_of_(id), answer); !written)
        log_warn("exec {}: {}", id, written.error().message());
    auto execs = execs_.lock();
    exec.exit = runtime::ExitRecord{.code = answer.code, .exited_at = now()};
    ended_.notify_all();
}

Result<std::optional<runtime::ExitRecord>> MacExecs::wait(const std::string& id,
                                                          std::chrono::milliseconds timeout) {
    HAKO_TRY(const auto exec, find(id));
    auto execs = execs_.lock();
    ended_.wait_for(execs.lock(), timeout, [&] { return exec->exit.has_value(); });
    return exec->exit;
}

Result<void> MacExecs::remove(const std::string& id) {
    HAKO_TRY(const auto exec, find(id));
    {
        auto execs = execs_.lock();
        if (exec->thread.joinable() && !exec->exit)
            return fail(ErrorKind::conflict, "exec {} still runs", id);
        execs->erase(id);
    }
    std::error_code error;
    std::filesystem::remove(log_of_(id), error);
    return {};
}

}  // namespace hako::macshim
