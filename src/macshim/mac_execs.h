// Commands "in" a macOS machine's container: they are its shim's own (mac_commands.h), and look to
// hakod like the execs of any container.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "runtime/exit_record.h"
#include "runtime/log_file.h"

namespace hako::macshim {

struct CommandAnswer {
    int code = 0;
    std::string out, err;
};

// Any thread may call anything.
class MacExecs {
public:
    using Runner = std::function<CommandAnswer(const std::vector<std::string>& words)>;
    using LogOf = std::function<std::filesystem::path(const std::string& id)>;

    MacExecs(LogOf log_of, Runner runner)
        : log_of_(std::move(log_of)), runner_(std::move(runner)) {}

    // process: the OCI object, of which `args` counts.
    Result<void> create(const std::string& id, const std::string& process);
    Result<WallTime> start(const std::string& id);
    // Nullopt after the time-out.
    Result<std::optional<runtime::ExitRecord>> wait(const std::string& id,
                                                    std::chrono::milliseconds timeout);
    // Of one that has ended, or never started.
    Result<void> remove(const std::string& id);

private:
    struct Exec {
        std::vector<std::string> words;
        std::optional<runtime::ExitRecord> exit;
        std::jthread thread;
    };
    Result<std::shared_ptr<Exec>> find(const std::string& id) const;
    void run(const std::string& id, Exec& exec);

    const LogOf log_of_;
    const Runner runner_;
    std::condition_variable ended_;
    Guarded<std::map<std::string, std::shared_ptr<Exec>>> execs_;  // also guards what is in them
};

}  // namespace hako::macshim
