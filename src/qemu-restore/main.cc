// hako-qemu-restore: becomes the QEMU that was kept in a checkpoint (vmm/checkpoint.h).
//
// It is executed in QEMU's place, in QEMU's jail, with the descriptors that QEMU would be given,
// and the checkpoint as kCheckpointFd. It maps the kept memory to where it was, opens what was
// open, puts QEMU's seccomp filter on, and goes on in each thread where it stood.
//
// All of its memory is QEMU's afterwards, and so is libc's: it has no library, and does nothing but
// system calls. It lies where QEMU has nothing. Whatever it cannot do ends it with kFailed and a
// sentence on standard error; whoever wanted it then loads the template.
#include <asm/prctl.h>
#include <asm/unistd.h>
#include <elf.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>

#include "vmm/checkpoint_format.h"
#include "vmm/raw_system_call.h"

namespace {

using namespace hako::vmm::checkpoint;
using hako::vmm::is_error;
using hako::vmm::raw_system_call;

constexpr int kFailed = 125;
constexpr int kExists = 17;  // EEXIST
// What lies around a stack pointer is the stack's.
constexpr std::uint64_t kStackAround = 16 << 20;
constexpr int kReadOnly = 0, kReadWrite = 2, kCloseOnExec = 02000000, kNonBlocking = 04000;
constexpr int kGetFlags = 3, kSetFlags = 4;

std::uint64_t address(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

std::size_t length(const char* text) {
    std::size_t count = 0;
    while (text[count] != 0) ++count;
    return count;
}

void say(const char* text) { (void)raw_system_call(__NR_write, 2, address(text), length(text)); }

// error: -errno; 0: none. of: behind what.
[[noreturn]] void end(const char* what, long error, const char* of = "") {
    say("hako-qemu-restore: cannot ");
    say(what);
    say(of);
    if (error != 0) {
        char digits[8] = {};
        int at = sizeof digits - 1;
        for (long rest = -error; at > 0 && rest != 0; rest /= 10)
            digits[--at] = static_cast<char>('0' + rest % 10);
        say(" (error ");
        say(digits + at);
        say(")");
    }
    say("\n");
    while (true) (void)raw_system_call(__NR_exit_group, kFailed);
}

void check(long result, const char* what, const char* of = "") {
    if (is_error(result)) end(what, result, of);
}

// What the kernel has put there: argc, argv, the environment, the auxiliary vector.
const std::uint64_t* beginning = nullptr;

const std::uint64_t* environment() { return beginning + 1 + beginning[0] + 1; }

std::uint64_t auxiliary(std::uint64_t kind) {
    const std::uint64_t* at = environment();
    while (*at != 0) ++at;
    for (++at; at[0] != AT_NULL; at += 2)
        if (at[0] == kind) return at[1];
    return 0;
}

// The kernel puts stack and vdso anywhere, and now and then to where QEMU has something. Another
// attempt has other places; each has a variable less, so that they end.
void try_again() {
    if (*environment() == 0) return;
    (void)raw_system_call(__NR_execve, auxiliary(AT_EXECFN), address(beginning + 1),
                          address(environment() + 1));
}

const Header* header = nullptr;
template <class T>
const T* items(const Table<T>& table) {
    return reinterpret_cast<const T*>(kTablesAddress + table.offset);
}

void map_tables() {
    // How long they are stands in the first page.
    const auto map = [](std::uint64_t bytes, int flags) {
        check(raw_system_call(__NR_mmap, kTablesAddress, bytes, PROT_READ, MAP_PRIVATE | flags,
                              kCheckpointFd, 0),
              "read the checkpoint");
    };
    map(kPageBytes, MAP_FIXED_NOREPLACE);
    header = reinterpret_cast<const Header*>(kTablesAddress);
    if (header->magic != kMagic || header->format != kFormat) end("read this checkpoint", 0);
    map(header->tables_bytes, MAP_FIXED);
}

// The vdso is called by addresses that libc knows; it is where the kernel has put it for us.
void move_vdso(std::uint64_t ours, std::uint64_t stack) {
    const std::uint64_t begin = ours - (header->vdso_code - header->vdso_begin);
    const std::uint64_t end_of_both =
        (begin > header->vdso_begin ? begin : header->vdso_begin) + header->vdso_bytes;
    const std::uint64_t begin_of_both = begin < header->vdso_begin ? begin : header->vdso_begin;
    if (begin == header->vdso_begin) return;
    const bool meets_stack = header->vdso_begin < stack + kStackAround &&
                             stack < header->vdso_begin + header->vdso_bytes + kStackAround;
    if (meets_stack || end_of_both - begin_of_both < 2 * header->vdso_bytes) {
        try_again();
        end("put the vdso to its place, by bad luck", 0);
    }
    // Piece by piece, as the kernel has them; we cannot look, so page by page where it must be.
    for (std::uint64_t done = 0; done < header->vdso_bytes;) {
        long moved = -1;
        std::uint64_t bytes = header->vdso_bytes - done;
        for (; bytes >= kPageBytes; bytes -= kPageBytes) {
            moved = raw_system_call(__NR_mremap, begin + done, bytes, bytes,
                                    MREMAP_MAYMOVE | MREMAP_FIXED, header->vdso_begin + done);
            if (!is_error(moved)) break;
        }
        check(moved, "put the vdso to its place");
        done += bytes;
    }
}

int open_mapped(const MappedFile& file) {
    const auto* path = reinterpret_cast<const char*>(kTablesAddress + file.path);
    const long fd = raw_system_call(__NR_open, address(path), kReadOnly | kCloseOnExec);
    check(fd, "open ", path);
    struct stat status {};
    check(raw_system_call(__NR_fstat, static_cast<std::uint64_t>(fd), address(&status)), "look at ",
          path);
    if (status.st_ino != file.inode || static_cast<std::uint64_t>(status.st_size) != file.bytes ||
        status.st_mtim.tv_sec != file.seconds || status.st_mtim.tv_nsec != file.nanoseconds)
        end("map another file than was there: ", 0, path);
    return static_cast<int>(fd);
}

void advise(const Piece& piece) {
    constexpr struct {
        Advice bit;
        int advice;
    } kAll[] = {{kMergeable, MADV_MERGEABLE},
                {kHugePages, MADV_HUGEPAGE},
                {kNoHugePages, MADV_NOHUGEPAGE},
                {kNotDumped, MADV_DONTDUMP}};
    // Where the kernel knows one of them not, it goes without.
    for (const auto& one : kAll)
        if ((piece.advice & one.bit) != 0)
            (void)raw_system_call(__NR_madvise, piece.begin, piece.bytes,
                                  static_cast<std::uint64_t>(one.advice));
}

void map_piece(const Piece& piece, int file) {
    int flags = MAP_PRIVATE | MAP_NORESERVE;
    flags |= piece.over != 0 ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    if (piece.source == Source::empty) flags |= MAP_ANONYMOUS;
    const long at = raw_system_call(__NR_mmap, piece.begin, piece.bytes, piece.protection,
                                    static_cast<std::uint64_t>(flags),
                                    static_cast<std::uint64_t>(file), piece.offset);
    if (at == -kExists) try_again();
    check(at, "map QEMU's memory");
    // An old kernel takes the address for a wish.
    if (static_cast<std::uint64_t>(at) != piece.begin) end("map QEMU's memory to its place", 0);
    if (piece.advice != 0) advise(piece);
}

// The pieces of one file lie together: one is open at a time.
void map_memory() {
    const Piece* pieces = items(header->pieces);
    const MappedFile* files = items(header->files);
    constexpr std::uint32_t kNone = ~0U;
    std::uint32_t open_number = kNone;
    int open_fd = -1;
    for (std::uint64_t i = 0; i < header->pieces.count; ++i) {
        const Piece& piece = pieces[i];
        if (piece.source == Source::file && piece.file != open_number) {
            if (open_number != kNone)
                (void)raw_system_call(__NR_close, static_cast<std::uint64_t>(open_fd));
            open_fd = open_mapped(files[piece.file]);
            open_number = piece.file;
        }
        map_piece(piece, piece.source == Source::checkpoint ? kCheckpointFd
                         : piece.source == Source::file     ? open_fd
                                                            : -1);
    }
    if (open_number != kNone)
        (void)raw_system_call(__NR_close, static_cast<std::uint64_t>(open_fd));
}

long open_anew(const OpenFd& fd) {
    const std::uint64_t flags = fd.flags & (kNonBlocking | kCloseOnExec);
    switch (fd.kind) {
        case FdKind::event: return raw_system_call(__NR_eventfd2, fd.value, flags);
        case FdKind::signals:
            return raw_system_call(__NR_signalfd4, ~0ULL, address(&fd.value), sizeof fd.value,
                                   flags);
        case FdKind::null:
            return raw_system_call(__NR_open, address("/dev/null"), kReadWrite | kCloseOnExec);
        case FdKind::unneeded: return raw_system_call(__NR_eventfd2, 0, kCloseOnExec);
        case FdKind::given: break;
    }
    return fd.number;
}

// Flags are those of what was opened, not of its number.
void take_given(const OpenFd& fd) {
    const auto number = static_cast<std::uint64_t>(fd.number);
    const long flags = raw_system_call(__NR_fcntl, number, kGetFlags);
    check(flags, "find a descriptor that QEMU needs");
    const auto wanted = (static_cast<std::uint64_t>(flags) & ~std::uint64_t{kNonBlocking}) |
                        (fd.flags & kNonBlocking);
    if (wanted != static_cast<std::uint64_t>(flags))
        check(raw_system_call(__NR_fcntl, number, kSetFlags, wanted), "use a descriptor");
    if (fd.header != 0)
        check(raw_system_call(__NR_ioctl, number, TUNSETVNETHDRSZ, address(&fd.header)),
              "use a tap");
}

// What we open gets the lowest number that is free. They come in the order of their numbers, so
// that one is never another's that is there already.
void open_all() {
    const OpenFd* fds = items(header->fds);
    for (std::uint64_t i = 0; i < header->fds.count; ++i) {
        const OpenFd& fd = fds[i];
        if (fd.kind == FdKind::given) {
            take_given(fd);
            continue;
        }
        const long made = open_anew(fd);
        check(made, "open what QEMU had open");
        if (made == fd.number) continue;
        check(raw_system_call(__NR_dup3, static_cast<std::uint64_t>(made),
                              static_cast<std::uint64_t>(fd.number), fd.flags & kCloseOnExec),
              "open what QEMU had open");
        (void)raw_system_call(__NR_close, static_cast<std::uint64_t>(made));
    }
}

void set_signals() {
    const SignalAction* actions = items(header->actions);
    for (std::uint64_t i = 0; i < header->actions.count; ++i)
        // Two of them cannot be set.
        (void)raw_system_call(__NR_rt_sigaction, i + 1, address(&actions[i]), 0,
                              sizeof(std::uint64_t));
}

void forbid() {
    if (header->filter.count == 0) return;
    const struct {
        unsigned short count;
        const void* steps;
    } program{static_cast<unsigned short>(header->filter.count), items(header->filter)};
    check(raw_system_call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, header->filter_flags,
                          address(&program)),
          "put QEMU's seccomp filter on");
}

// Our break is none that QEMU's libc knows: it stays where it is.
void stop_the_break() {
    const auto end = static_cast<std::uint64_t>(raw_system_call(__NR_brk));
    (void)raw_system_call(__NR_mmap, (end + kPageBytes - 1) / kPageBytes * kPageBytes, kPageBytes,
                          PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, ~0ULL, 0);
}

std::int32_t* id_of(const ParkedThread& thread) {
    return reinterpret_cast<std::int32_t*>(thread.thread_pointer + header->id_offset);
}

// rt_sigreturn(2) finds all of a thread's registers behind its stack pointer.
[[noreturn]] void go_on(const ParkedThread& thread) {
    asm volatile("mov %0, %%rsp\n\tmov %1, %%eax\n\tsyscall\n\thlt"
                 :
                 : "r"(thread.frame), "i"(__NR_rt_sigreturn)
                 : "memory");
    __builtin_unreachable();
}

// A new thread begins on the kept one's stack.
void start(const ParkedThread& thread) {
    constexpr std::uint64_t kFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                     CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    register std::uint64_t id asm("r10") = address(id_of(thread));
    register std::uint64_t pointer asm("r8") = thread.thread_pointer;
    long result = __NR_clone;
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "mov %[go_on], %%eax\n\t"
        "syscall\n\t"
        "hlt\n"
        "1:"
        : "+a"(result)
        : "D"(kFlags), "S"(thread.frame), "d"(id), "r"(id),
          "r"(pointer), [go_on] "i"(__NR_rt_sigreturn)
        : "rcx", "r11", "memory");
    check(result, "start QEMU's threads");
}

void start_threads() {
    const ParkedThread* threads = items(header->threads);
    // We become the first one, whose id is ours from now on.
    const ParkedThread& main = threads[0];
    check(raw_system_call(__NR_arch_prctl, ARCH_SET_FS, main.thread_pointer), "become QEMU");
    *id_of(main) =
        static_cast<std::int32_t>(raw_system_call(__NR_set_tid_address, address(id_of(main))));
    (void)raw_system_call(__NR_prctl, PR_SET_NAME, address(header->name));
    forbid();
    for (std::uint64_t i = 1; i < header->threads.count; ++i) start(threads[i]);
    go_on(main);
}

}  // namespace

extern "C" [[noreturn]] void restore(const std::uint64_t* stack) {
    beginning = stack;
    map_tables();
    move_vdso(auxiliary(AT_SYSINFO_EHDR), address(stack));
    map_memory();
    (void)raw_system_call(__NR_close, kCheckpointFd);
    open_all();
    set_signals();
    stop_the_break();
    start_threads();
    __builtin_unreachable();
}

asm(R"(
    .globl _start
_start:
    xor %ebp, %ebp
    mov %rsp, %rdi
    and $-16, %rsp
    call restore
)");
