// What serves a machine's shares to its guest: one virtiofsd, which sees a file system of its own
// with nothing but the shares in it, and whose mounts go with it. It gets the guest's owners and
// rights right because it is root; it cannot leave its root, whatever the guest asks.
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

// HAKO_VIRTIOFSD, else where QEMU's package has it. ErrorKind::not_found names the package.
Result<std::filesystem::path> find_virtiofsd();

class ShareServer {
public:
    // stage: the program that makes that file system and becomes virtiofsd, with its first
    // arguments: {"<bin>/hako-shim", "shares"}. It joins the cgroups. An error names the share that
    // cannot be used.
    static Result<ShareServer> start(const std::vector<Share>& shares,
                                     const std::vector<std::string>& stage,
                                     const std::vector<std::filesystem::path>& cgroup_procs);
    ShareServer(ShareServer&&) = default;
    ShareServer& operator=(ShareServer&&) = delete;
    // Waits a moment for the end that QEMU's brings, then kills.
    ~ShareServer();

    // Readable once it has ended, for poll(2). A guest that uses its shares hangs then.
    int end_fd() const { return process_.pidfd(); }
    // For QEMU: the connected vhost-user socket.
    Fd take_connection() { return std::move(connection_); }

private:
    ShareServer(Process process, Fd connection)
        : process_(std::move(process)), connection_(std::move(connection)) {}

    Process process_;
    Fd connection_;
};

// The child's side: reads what start() wrote from standard input and becomes virtiofsd. Returns the
// exit status when that failed; the reason went to its starter.
int share_stage_main();

}  // namespace hako::vmm
