// Preloaded into a QEMU that emulates its guest's processor: what it takes to keep the whole
// process in a file (vmm/checkpoint.h). Who keeps it reads all from outside, but for what only the
// process itself knows, and that is noted on a desk (vmm/checkpoint_format.h):
// - where each thread stands: SIGFPE parks it, for ever, in a handler. The signal is one that QEMU
//   leaves unblocked in all of its threads, and has no other use for
// - what signals do
// - the system calls that QEMU has forbidden itself
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "qemu-memory/parking.h"
#include "vmm/checkpoint_format.h"
#include "vmm/memory_path.h"
#include "vmm/raw_system_call.h"

namespace {

using namespace hako::vmm::checkpoint;
using hako::vmm::is_error;
using hako::vmm::raw_system_call;

// Of libc's record of a thread, behind the thread's pointer.
constexpr std::size_t kRecordBytes = 2048;

Desk* desk = nullptr;

void note_signals() {
    for (std::size_t i = 0; i < kSignals; ++i)
        (void)raw_system_call(SYS_rt_sigaction, i + 1, 0,
                              reinterpret_cast<std::uint64_t>(&desk->actions[i]),
                              sizeof(std::uint64_t));
}

void park(int, siginfo_t*, void* frame) {
    const unsigned place = __atomic_fetch_add(&desk->parked, 1, __ATOMIC_SEQ_CST);
    if (place == 0) note_signals();
    if (place < kMostThreads) {
        ParkedThread& thread = desk->threads[place];
        thread.frame = reinterpret_cast<std::uint64_t>(frame);
        thread.thread_pointer = reinterpret_cast<std::uint64_t>(__builtin_thread_pointer());
        // The last one: who looks knows then that all is there.
        __atomic_store_n(&thread.id, static_cast<int>(raw_system_call(SYS_gettid)),
                         __ATOMIC_SEQ_CST);
    }
    while (true) (void)raw_system_call(SYS_pause);
}

int number_at(const void* thread, std::size_t offset) {
    int number = 0;
    std::memcpy(&number, static_cast<const char*>(thread) + offset, sizeof number);
    return number;
}

// Where the first thread's record holds its id; more than one place may do so by chance.
struct {
    std::uint32_t offsets[8];
    std::size_t count = 0;
} places;

void find_places() {
    const int id = ::gettid();
    for (std::size_t at = 0; at < kRecordBytes && places.count < 8; at += sizeof(int))
        if (number_at(__builtin_thread_pointer(), at) == id)
            places.offsets[places.count++] = static_cast<std::uint32_t>(at);
}

void note_filter(const sock_fprog& program, unsigned flags) {
    ++desk->filters;
    desk->filter_flags = flags;
    desk->filter_steps = program.len;
    if (program.len > kMostFilterSteps) desk->filters = 2;
    else std::memcpy(desk->filter, program.filter, program.len * sizeof(FilterStep));
}

// A process that is restored has another break, which malloc would take for its own: so malloc has
// its memory by mmap(2) alone. What it has got by the break it no longer has on top afterwards,
// where it would give it back.
void stop_the_break() {
    const auto end =
        (reinterpret_cast<std::uintptr_t>(::sbrk(0)) + kPageBytes - 1) / kPageBytes * kPageBytes;
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    (void)::mmap(reinterpret_cast<void*>(end), kPageBytes, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    // Two do not fit into what malloc takes at first; of more than that each would be a mapping.
    constexpr std::size_t kBytes = 120 << 10;
    void* volatile pieces[] = {std::malloc(kBytes), std::malloc(kBytes)};
    for (void* piece : pieces) std::free(piece);
}

}  // namespace

namespace hako {

void open_desk() {
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    void* const at =
        ::mmap(reinterpret_cast<void*>(kDeskAddress), kDeskBytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at == MAP_FAILED) return;
    desk = static_cast<Desk*>(at);
    stop_the_break();
    find_places();
    struct sigaction action {};
    action.sa_sigaction = park;
    action.sa_flags = SA_SIGINFO | SA_RESTART;
    ::sigfillset(&action.sa_mask);
    ::sigaction(vmm::kParkSignal, &action, nullptr);
    desk->magic = kMagic;
}

void note_thread_record() {
    if (desk == nullptr) return;
    const int id = ::gettid();
    unsigned found = 0;
    std::uint32_t offset = 0;
    for (std::size_t i = 0; i < places.count; ++i) {
        if (number_at(__builtin_thread_pointer(), places.offsets[i]) != id) continue;
        offset = places.offsets[i];
        ++found;
    }
    if (found == 1) desk->id_offset = offset;
}

}  // namespace hako

// libseccomp's filter comes by this.
extern "C" __attribute__((visibility("default"))) long syscall(long number, ...) noexcept {
    va_list rest;
    va_start(rest, number);
    std::uint64_t words[6];
    for (auto& word : words) word = va_arg(rest, std::uint64_t);
    va_end(rest);
    const long result =
        raw_system_call(number, words[0], words[1], words[2], words[3], words[4], words[5]);
    if (is_error(result)) {
        errno = static_cast<int>(-result);
        return -1;
    }
    if (desk != nullptr && number == SYS_seccomp && words[0] == SECCOMP_SET_MODE_FILTER)
        // NOLINTNEXTLINE(performance-no-int-to-ptr)
        note_filter(*reinterpret_cast<const sock_fprog*>(words[2]),
                    static_cast<unsigned>(words[1]));
    return result;
}
