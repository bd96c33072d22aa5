// A checkpoint: the file that a whole QEMU process is kept in, and from which another process
// becomes that QEMU (docs/formats/checkpoint.md). Plain data, as it lies in memory and in the file:
// the library inside QEMU (src/qemu-memory/), what writes the file (vmm/checkpoint.h) and the
// program that reads it (src/qemu-restore/) agree on it, and the last one has no libraries.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hako::vmm::checkpoint {

constexpr std::uint64_t kMagic = 0x746b7063'6f6b6168;  // "hakocpkt"
constexpr std::uint32_t kFormat = 1;
constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kMostThreads = 64;
constexpr std::size_t kMostFilterSteps = 4096;  // BPF_MAXINSNS
constexpr std::size_t kSignals = 64;

// As the kernel has it, which is not as libc has it (arch/x86/include/uapi/asm/signal.h).
struct SignalAction {
    std::uint64_t handler, flags, restorer, mask;
};

// A thread that stands still, in a signal's handler.
struct ParkedThread {
    std::uint64_t frame;           // its ucontext: where rt_sigreturn(2) goes on from
    std::uint64_t thread_pointer;  // FS
    std::int32_t id;
    std::uint32_t unused;
};

struct FilterStep {  // struct sock_filter
    std::uint16_t code;
    std::uint8_t jt, jf;
    std::uint32_t k;
};

// What the library notes of its process, at an address where no program puts anything that can lie
// anywhere.
constexpr std::uintptr_t kDeskAddress = 0x20000000;
struct Desk {
    std::uint64_t magic;
    // From a thread's pointer to where libc keeps its id; 0: not found, there is no checkpoint.
    std::uint32_t id_offset;
    std::uint32_t parked;
    ParkedThread threads[kMostThreads];
    SignalAction actions[kSignals];
    std::uint32_t filters;  // that QEMU has put on itself; more than 1: no checkpoint
    std::uint32_t filter_flags;
    std::uint32_t filter_steps;
    FilterStep filter[kMostFilterSteps];
};
constexpr std::size_t kDeskBytes = (sizeof(Desk) + kPageBytes - 1) / kPageBytes * kPageBytes;

// Where the program that restores a process lies itself, and the file's tables for it.
constexpr std::uintptr_t kRestorerAddress = 0x30000000;
constexpr std::uintptr_t kTablesAddress = 0x38000000;

// Where it finds the file; the other descriptors are QEMU's.
constexpr int kCheckpointFd = 6;

// A piece of the process' memory.
enum class Source : std::uint32_t {
    empty,       // zeros
    checkpoint,  // private, from this file
    file,        // private, from the file with this number
};
enum Advice : std::uint32_t { kMergeable = 1, kHugePages = 2, kNoHugePages = 4, kNotDumped = 8 };
struct Piece {
    std::uint64_t begin, bytes, offset;
    Source source;
    std::uint32_t file;
    std::uint32_t protection;  // PROT_*
    std::uint32_t advice;      // of Advice
    std::uint32_t over;        // it lies over another one
    std::uint32_t unused;
};

// Another one, of the same path, means that the process is of no use.
struct MappedFile {
    std::uint64_t path;  // offset of its text in the tables
    std::uint64_t inode, bytes;
    std::int64_t seconds, nanoseconds;  // of its last change
};

enum class FdKind : std::uint32_t {
    given,     // is there already
    event,     // eventfd(2); value: its count
    signals,   // signalfd(2); value: its mask
    null,      // /dev/null
    unneeded,  // only its number counts
};
struct OpenFd {
    std::int32_t number;
    FdKind kind;
    std::uint32_t flags;   // O_*
    std::uint32_t header;  // a tap's: the length of its virtio-net header
    std::uint64_t value;
};

template <class T>
struct Table {
    std::uint64_t offset;  // in the file
    std::uint64_t count;
};

struct Header {
    std::uint64_t magic;
    std::uint32_t format;
    std::uint32_t id_offset;
    char sha256[64];             // digits; of this header without it, and of all behind it
    char boot_id[40];            // of the host: vdso and clocks are others after a restart
    char key[32];                // of its template
    std::uint64_t tables_bytes;  // with this header; whole pages
    std::uint64_t file_bytes;
    // The kernel's own piece of code in each process: its first address, and the length of all that
    // lies together there ([vvar] and the like, [vdso]).
    std::uint64_t vdso_begin, vdso_bytes, vdso_code;
    char name[16];  // of the process
    Table<Piece> pieces;
    Table<MappedFile> files;
    Table<OpenFd> fds;
    Table<ParkedThread> threads;  // the first is the main one
    Table<SignalAction> actions;
    Table<FilterStep> filter;
    std::uint32_t filter_flags, unused;
};

}  // namespace hako::vmm::checkpoint
