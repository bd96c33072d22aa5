// Runs vminitd as an ordinary program, PID 1 of its own namespaces, and talks to it as the host
// does. The container's root is Debian's static busybox. Needs root; skipped without.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/json.h"
#include "base/process.h"
#include "guest/agent_client.h"

namespace hako::init {

class AgentTest : public testing::Test {
protected:
    struct Finished {
        guest::ProcessExit exit;
        std::string out, err;
    };

    void SetUp() override;
    void TearDown() override;

    guest::AgentClient& agent() { return *agent_; }
    std::filesystem::path rootfs() const { return folder_->path() / "rootfs"; }
    std::filesystem::path second_rootfs() const { return folder_->path() / "second"; }
    std::filesystem::path state() const { return folder_->path() / "state"; }
    // vminitd's pid as the host sees it.
    pid_t agent_pid() const;

    // What the engine writes for a plain container.
    Json container_spec() const;
    static Json process_spec(std::vector<std::string> args);
    // Shorthand for {"/bin/sh", "-c", script}.
    static Json script(const std::string& text) { return process_spec({"/bin/sh", "-c", text}); }

    void create_container(const Json& spec, std::map<std::string, std::string> files = {});
    // A container whose first process sleeps.
    void run_sleeper();
    // Creates, starts, feeds and waits; process is "box" for the first one.
    Result<Finished> run(const Json& process, const std::string& id, const std::string& input = {},
                         const std::string& seccomp = {});
    Result<Finished> run_first(const Json& process, const std::string& input = {}) {
        return run(process, "box", input);
    }
    // run() and its output, or "error: ...".
    std::string output_of(const Json& process, const std::string& id);
    // Reads to the end.
    static Result<Finished> collect(guest::Stdio& stdio);

    static constexpr const char* kContainer = "box";

private:
    std::optional<TempDir> folder_;
    std::optional<Process> vminitd_;
    std::unique_ptr<guest::AgentClient> agent_;
};

}  // namespace hako::init
