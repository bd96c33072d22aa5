#include "vmm/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <sstream>
#include <thread>

#include "base/fd.h"
#include "base/process.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kParent = "hako";
constexpr std::string_view kV1Controllers[] = {"memory", "pids", "cpu"};
constexpr auto kKillDeadline = std::chrono::seconds(5);

// Control files exist already; creating one would mean that this is no cgroup.
Result<void> write_control(const fs::path& path, std::string_view text) {
    HAKO_TRY(const Fd fd, open_file(path, O_WRONLY));
    return with_context(write_all(fd.get(), text), path.native());
}

void set_limit(Cgroup& cgroup, const fs::path& path, std::string_view what, std::uint64_t value) {
    if (auto set = write_control(path, std::to_string(value)); !set)
        cgroup.notes.push_back(fmt::format("{} is not limited: {}", what, set.error().message()));
}

std::vector<pid_t> processes_in(const fs::path& folder) {
    std::vector<pid_t> result;
    const auto text = read_file(folder / "cgroup.procs");
    std::istringstream stream(text ? *text : "");
    for (pid_t pid = 0; stream >> pid;) result.push_back(pid);
    return result;
}

// Kills what is inside until nothing is: a process may fork while we read.
Result<void> kill_all(const fs::path& folder) {
    const auto end = std::chrono::steady_clock::now() + kKillDeadline;
    for (;;) {
        const auto pids = processes_in(folder);
        if (pids.empty()) return {};
        if (std::chrono::steady_clock::now() > end)
            return fail(ErrorKind::deadline, "processes in {} do not die", folder.native());
        for (const pid_t pid : pids) {
            const auto identity = identify_process(pid);
            if (identity) (void)kill_process(*identity, kKillDeadline);
        }
        // Killed children of ours that nobody reaped yet stay listed for a moment.
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

}  // namespace

bool CgroupTree::is_v2() const {
    std::error_code error;
    return fs::exists(mount_ / "cgroup.controllers", error);
}

std::vector<fs::path> CgroupTree::folders(std::string_view id) const {
    if (is_v2()) return {mount_ / kParent / id};
    std::vector<fs::path> result;
    std::error_code error;
    for (const auto controller : kV1Controllers)
        if (fs::exists(mount_ / controller / "cgroup.procs", error))
            result.push_back(mount_ / controller / kParent / id);
    return result;
}

Cgroup CgroupTree::create(std::string_view id, const CgroupLimits& limits) const {
    Cgroup cgroup;
    const bool v2 = is_v2();
    if (v2) {
        std::error_code ignored;
        fs::create_directory(mount_ / kParent, ignored);
        // Each by itself: one that is missing must not cost the others. The limits' notes tell.
        for (const auto& folder : {mount_, mount_ / kParent})
            for (const std::string_view controller : {"+memory", "+pids", "+cpu"})
                (void)write_control(folder / "cgroup.subtree_control", controller);
    }
    const auto all = folders(id);
    if (all.empty()) cgroup.notes.push_back("nothing is limited: this host has no cgroups");
    for (const auto& folder : all) {
        std::error_code error;
        // Again when the last VM's end took hako/ away in between.
        for (int attempt = 0; attempt < 3; ++attempt)
            if (fs::create_directories(folder, error); !error) break;
        if (error) {
            cgroup.notes.push_back(
                fmt::format("nothing is limited in {}: {}", folder.native(), error.message()));
            continue;
        }
        cgroup.procs_files.push_back(folder / "cgroup.procs");
        const auto controller = folder.parent_path().parent_path().filename();
        if (v2) {
            set_limit(cgroup, folder / "memory.max", "memory", limits.memory_bytes);
            set_limit(cgroup, folder / "pids.max", "the number of threads", limits.pids);
        } else if (controller == "memory") {
            set_limit(cgroup, folder / "memory.limit_in_bytes", "memory", limits.memory_bytes);
        } else if (controller == "pids") {
            set_limit(cgroup, folder / "pids.max", "the number of threads", limits.pids);
        }
    }
    return cgroup;
}

Result<void> CgroupTree::remove(std::string_view id) const {
    for (const auto& folder : folders(id)) {
        std::error_code error;
        if (!fs::exists(folder, error)) continue;
        HAKO_CHECK(kill_all(folder));
        const auto end = std::chrono::steady_clock::now() + kKillDeadline;
        while (::rmdir(folder.c_str()) != 0 && errno != ENOENT) {
            if (errno != EBUSY || std::chrono::steady_clock::now() > end)
                return fail_errno(errno, "cannot remove the cgroup {}", folder.native());
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        ::rmdir(folder.parent_path().c_str());  // the last VM takes hako/ with it
    }
    return {};
}

void CgroupTree::remove_empty(std::string_view prefix) const {
    for (const auto& parent : folders("")) {
        std::error_code error;
        std::vector<fs::path> found;
        for (const auto& entry : fs::directory_iterator(parent, error))
            if (entry.path().filename().native().starts_with(prefix)) found.push_back(entry);
        for (const auto& folder : found) ::rmdir(folder.c_str());  // refused when it is in use
    }
}

}  // namespace hako::vmm
