// Preloaded into a QEMU whose guest is loaded (LD_PRELOAD): its memory is a private mapping of the
// template's file, so that VMs share what they only read. QEMU 7.2 alone cannot do that safely: it
// opens the file for writing, and punches holes into it, for all VMs, when a guest gives memory
// back.
//
// The file is open for reading only, so nothing in this process can change it. Here
// - open() of kMemoryPath with a number gives that descriptor
// - what is a hole in the file is ordinary empty memory
// - memory that the guest gives back becomes ordinary empty memory
// - empty memory is in huge pages; where a guest boots none is
//
// Where another process uses that memory, too (virtiofsd), open() of kMemoryCopyPath gives a copy
// of it: a file in memory, which is QEMU's own, so that it needs no more help with it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "qemu-memory/given_back.h"
#include "qemu-memory/saved_devices.h"
#include "vmm/memory_path.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

namespace {

using hako::vmm::kMemoryCopyPath;
using hako::vmm::kMemoryPath;
using hako::vmm::kTemplateHeaderBytes;

// Smaller ones stay a part of the file's mapping: each mapping costs the kernel something.
constexpr off64_t kSmallestHole = 1 << 20;
constexpr off64_t kPage = 4096;

// The template; QEMU opens one, before it has more than one thread.
int template_file = -1;
off64_t state_offset = 0;  // where its devices' state begins: QEMU looks for the file's end, and
                           // then reads on from where the descriptor stands
int memory_copy = -1;      // or a copy of its memory
char* memory = nullptr;
std::size_t memory_bytes = 0;

void* map(void* at, std::size_t bytes, int protection, int flags, int file, off64_t offset) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): what mmap(2) returns
    return reinterpret_cast<void*>(::syscall(SYS_mmap, at, bytes, protection, flags, file, offset));
}

bool make_empty(char* at, std::size_t bytes) {
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    return map(at, bytes, PROT_READ | PROT_WRITE, kFlags, -1, 0) != MAP_FAILED;
}

int open_memory(int number) {
    template_file = ::fcntl(number, F_DUPFD_CLOEXEC, 0);
    state_offset = ::lseek64(template_file, 0, SEEK_CUR);
    return template_file;
}

bool copy_piece(int from, off64_t begin, off64_t end, int to) {
    constexpr auto kBegin = static_cast<off64_t>(kTemplateHeaderBytes);
    if (::lseek64(to, begin - kBegin, SEEK_SET) < 0) return false;
    while (begin < end)
        if (::sendfile64(to, from, &begin, static_cast<std::size_t>(end - begin)) <= 0)
            return false;
    return true;
}

// What is a hole stays one.
bool copy_memory(int from, off64_t end, int to) {
    for (auto hole = static_cast<off64_t>(kTemplateHeaderBytes); hole < end;) {
        const off64_t data = ::lseek64(from, hole, SEEK_DATA);
        if (data < 0) return errno == ENXIO;
        if (data >= end) break;
        hole = ::lseek64(from, data, SEEK_HOLE);
        if (hole < 0 || !copy_piece(from, data, hole < end ? hole : end, to)) return false;
    }
    return true;
}

int open_copy(int number) {
    const off64_t state = ::lseek64(number, 0, SEEK_CUR);  // behind the memory
    const int copy = ::memfd_create("guest-memory", MFD_CLOEXEC);
    if (copy < 0 || state < 0) return -1;
    bool made = ::ftruncate64(copy, state - static_cast<off64_t>(kTemplateHeaderBytes)) == 0;
    hako::load_beside_shared_folders(copy);
    made = made && copy_memory(number, state, copy);
    const int error = errno;
    (void)::lseek64(number, state, SEEK_SET);
    if (made) return memory_copy = copy;
    ::close(copy);
    errno = error;
    return -1;
}

void empty_the_holes() {
    constexpr auto kBegin = static_cast<off64_t>(kTemplateHeaderBytes);
    const off64_t end = kBegin + static_cast<off64_t>(memory_bytes);
    for (off64_t hole = kBegin; hole < end;) {
        hole = ::lseek64(template_file, hole, SEEK_HOLE);
        if (hole < 0 || hole >= end) break;
        off64_t data = ::lseek64(template_file, hole, SEEK_DATA);
        if (data < 0 || data > end) data = end;
        const off64_t from = (hole + kPage - 1) / kPage * kPage;
        const off64_t to = data / kPage * kPage;
        if (to - from >= kSmallestHole)
            (void)make_empty(memory + (from - kBegin), static_cast<std::size_t>(to - from));
        hole = data;
    }
}

// -1: it is none of that prefix.
int number_behind(const char* prefix, const char* path) {
    const std::size_t length = std::strlen(prefix);
    if (std::strncmp(path, prefix, length) != 0) return -1;
    int number = 0;
    for (path += length; *path >= '0' && *path <= '9'; ++path) number = number * 10 + (*path - '0');
    return number;
}

int open_file(const char* path, int flags, mode_t mode) {
    if (const int number = number_behind(kMemoryPath, path); number >= 0)
        return open_memory(number);
    if (const int number = number_behind(kMemoryCopyPath, path); number >= 0)
        return open_copy(number);
    return ::openat64(AT_FDCWD, path, flags, mode);
}

}  // namespace

EXPORTED int open64(const char* path, int flags, ...) {
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {
        va_list rest;
        va_start(rest, flags);
        mode = va_arg(rest, mode_t);
        va_end(rest);
    }
    return open_file(path, flags, mode);
}

EXPORTED int __open64_2(const char* path, int flags) { return open_file(path, flags, 0); }

EXPORTED void* mmap64(void* at, size_t bytes, int protection, int flags, int file,
                      off64_t offset) noexcept {
    if (file < 0 || file != template_file) return map(at, bytes, protection, flags, file, offset);
    void* mapped = map(at, bytes, protection, flags, file,
                       offset + static_cast<off64_t>(kTemplateHeaderBytes));
    if (mapped == MAP_FAILED) return mapped;
    memory = static_cast<char*>(mapped);
    memory_bytes = bytes;
    empty_the_holes();
    (void)::lseek64(template_file, state_offset, SEEK_SET);
    return mapped;
}

EXPORTED int fallocate64(int file, int mode, off64_t offset, off64_t bytes) {
    if (file < 0 || file != template_file) {
        if (file >= 0 && file == memory_copy)
            hako::note_given_back(static_cast<std::size_t>(bytes));
        return static_cast<int>(::syscall(SYS_fallocate, file, mode, offset, bytes));
    }
    const bool discards = (mode & FALLOC_FL_PUNCH_HOLE) != 0 && offset >= 0 && bytes > 0 &&
                          static_cast<std::uint64_t>(offset) <= memory_bytes &&
                          static_cast<std::uint64_t>(bytes) <= memory_bytes - offset;
    if (!discards) {
        errno = EBADF;
        return -1;
    }
    if (!make_empty(memory + offset, static_cast<std::size_t>(bytes))) return -1;
    // As all of the memory, before: a host that runs KSM may merge equal pages.
    for (const int advice : {MADV_MERGEABLE, MADV_HUGEPAGE})
        (void)::madvise(memory + offset, static_cast<std::size_t>(bytes), advice);
    hako::note_given_back(static_cast<std::size_t>(bytes));
    return 0;
}

// QEMU asks for huge pages for its guest's memory. A guest that boots touches all of it sparsely:
// to clear them would cost it a quarter of its boot, and make it larger. One that is loaded has
// behind it what it needs at first, and a fault for each small page is a large part of what new
// memory costs (docs/decisions/0037).
EXPORTED int madvise(void* at, size_t bytes, int advice) noexcept {
    if (advice == MADV_HUGEPAGE && template_file < 0) advice = MADV_NOHUGEPAGE;
    return static_cast<int>(::syscall(SYS_madvise, at, bytes, advice));
}
