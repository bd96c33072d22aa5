// A process that is to be kept in a file: it is made to stand still, and looked at from outside
// (proc(5)). It has the library of src/qemu-memory/ inside.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "vmm/checkpoint_format.h"

namespace hako::vmm {

struct MappedRange {
    std::uint64_t begin = 0, end = 0, offset = 0;
    std::string rights;           // "rw-p"
    std::string name;             // a path, "[heap]", or empty
    std::set<std::string> flags;  // of smaps' VmFlags
};

class ParkedProcess {
public:
    // Parks all of its threads, for ever, once each waits for something: libc knows who holds a
    // lock by the thread's id, which will be another one. ErrorKind::unavailable: one woke up just
    // then.
    static Result<ParkedProcess> park(pid_t pid);

    const checkpoint::Desk& desk() const { return *desk_; }
    // The main thread is the first.
    Result<std::vector<checkpoint::ParkedThread>> threads() const;
    Result<std::string> name() const;
    Result<std::vector<MappedRange>> ranges() const;
    Result<void> read(std::uint64_t address, std::span<std::byte> into) const;
    // Of each page: whether there is one, and whether it is the process' own, no file's.
    struct Page {
        bool present, own;
    };
    Result<std::vector<Page>> pages(const MappedRange& range) const;
    // given: those that whoever restores it brings along.
    Result<std::vector<checkpoint::OpenFd>> fds(const std::set<int>& given,
                                                const std::filesystem::path& unneeded) const;

private:
    explicit ParkedProcess(pid_t pid) : pid_(pid) {}
    Result<void> read_desk();
    Result<bool> all_parked();
    Result<bool> all_wait() const;
    Result<bool> waited(const checkpoint::ParkedThread& thread) const;
    Result<std::set<int>> thread_ids() const;
    Result<checkpoint::OpenFd> describe(int number, const std::set<int>& given,
                                        const std::filesystem::path& unneeded) const;
    std::filesystem::path proc(std::string_view file) const;

    pid_t pid_;
    Fd memory_, page_map_;
    std::unique_ptr<checkpoint::Desk> desk_;
};

}  // namespace hako::vmm
