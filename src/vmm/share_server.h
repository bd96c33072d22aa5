// What serves a machine's shares to its guest: one virtiofsd, which sees a file system of its own
// with nothing but the shares in it, and whose mounts go with it. It gets the guest's owners and
// rights right because it is root; it cannot leave its root, whatever the guest asks.
// Shares may come and go while it serves.
//
// It ends when QEMU closes the connection, when the thread that started it ends, or here.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/process.h"
#include "base/result.h"
#include "vmm/share.h"

namespace hako::vmm {

struct StageSpec;

// HAKO_VIRTIOFSD, else where QEMU's package has it. ErrorKind::not_found names the package.
Result<std::filesystem::path> find_virtiofsd();

class ShareServer {
public:
    // stage: the program that makes that file system and becomes virtiofsd, with its first
    // arguments: {"<bin>/hako-shim", "shares"}. It joins the cgroups. An error names the share that
    // cannot be used. is_trial: nobody wants to read what it says, which it does when it ends.
    static Result<ShareServer> start(const std::vector<Share>& shares,
                                     const std::vector<std::string>& stage,
                                     const std::vector<std::filesystem::path>& cgroup_procs,
                                     bool is_trial = false);
    ShareServer(ShareServer&&) = default;
    ShareServer& operator=(ShareServer&&) = delete;
    // Waits a moment for the end that QEMU's brings, then kills.
    ~ShareServer();

    // Any thread may call these. The guest sees what was added from then on, and what was removed
    // no more; what it had opened stays open to it. What is there to read only and is added to
    // write becomes writable, until it is removed; ErrorKind::invalid where others are mounted
    // below.
    Result<void> add(const std::vector<Share>& shares);
    Result<void> remove(const std::vector<std::string>& names);

    // How many files it may hold open (RLIMIT_NOFILE; it raises its own as it starts), which is how
    // many the guest may know of; 0: cannot be told.
    std::size_t max_files() const;
    // Readable once it has ended, for poll(2). A guest that uses its shares hangs then.
    int end_fd() const { return process_.pidfd(); }
    // For QEMU: the connected vhost-user socket.
    Fd take_connection() { return std::move(connection_); }

private:
    Result<void> change(const StageSpec& spec);
    ShareServer(Process process, Fd connection, std::vector<std::string> stage)
        : process_(std::move(process)),
          connection_(std::move(connection)),
          stage_(std::move(stage)) {}

    Process process_;
    Fd connection_;
    std::vector<std::string> stage_;
};

// The child's side: reads from standard input what is wanted, and becomes virtiofsd, or adds shares
// to one that serves or removes them. Returns the exit status; the reason of a failure went to its
// starter.
int share_stage_main();

}  // namespace hako::vmm
