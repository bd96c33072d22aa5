// Preloaded into a QEMU that emulates its guest's processor: SIGURG has it give up the code that it
// translated, which is as much memory as an idle guest itself has. What the guest runs next is
// translated anew. A guest that gave much memory back and then rests does without being told to.
//
// QEMU can throw its translations away (tb_flush), but keeps the memory that they are in. So a
// thread here asks for a moment in which no virtual CPU runs, and has both done in it. The names
// are QEMU's own, of 5.0 to 10.0; where a QEMU does not show them, the signal does nothing, as by
// default.
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <ctime>

#include "qemu-memory/given_back.h"
#include "qemu-memory/parking.h"
#include "vmm/memory_path.h"

namespace {

// include/hw/core/cpu.h
struct Cpu;
union Data {
    void* pointer;
    unsigned long number;
};
using GetCpu = Cpu* (*)(int index);
using FlushTranslations = void (*)(Cpu*);
using RunInExclusion = void (*)(Cpu*, void (*)(Cpu*, Data), Data);

// What comes first in the buffer is not a translation: how they are entered and left.
constexpr std::size_t kProlog = 64 << 10;
// An idle guest's own needs are about half of this.
constexpr std::size_t kLeast = 8 << 20;
constexpr std::size_t kPage = 4096, kPagesAtOnce = 4096;

// Who gives back so much has done something that is over; and the guest rests when for so long it
// gives back little, and hardly runs.
constexpr std::size_t kMuch = 64 << 20, kLittle = 16 << 20;
constexpr timespec kRest{.tv_sec = 2, .tv_nsec = 0};
constexpr long kRestingMilliseconds = 100;

struct {
    char* begin = nullptr;
    std::size_t bytes = 0;
} buffer;

FlushTranslations flush_translations = nullptr;
std::atomic<std::size_t> given_back = 0;

// Code is all over the buffer, and each jump into another small page costs the processor a look for
// it. What stays when the rest is given up has small pages, lest it hold a huge one.
void use_huge_pages() {
    constexpr std::uintptr_t kHuge = 2 << 20;
    const auto begin = reinterpret_cast<std::uintptr_t>(buffer.begin);
    const std::size_t before = (begin + kProlog + kHuge - 1) / kHuge * kHuge - begin;
    if (before < buffer.bytes)
        (void)::syscall(SYS_madvise, buffer.begin + before, buffer.bytes - before, MADV_HUGEPAGE);
}

// Ordinary empty memory instead: where the process is a restored one, it is a mapping of a file
// (vmm/checkpoint.h), which keeps what is in it.
void give_up(Cpu* cpu, Data) {
    flush_translations(cpu);
    constexpr int kCode = PROT_READ | PROT_WRITE | PROT_EXEC;
    constexpr int kEmpty = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    (void)::syscall(SYS_mmap, buffer.begin + kProlog, buffer.bytes - kProlog, kCode, kEmpty, -1, 0);
    use_huge_pages();
}

bool is_worth_it() {
    if (buffer.bytes <= kProlog) return false;
    static unsigned char resident[kPagesAtOnce];
    std::size_t pages = 0;
    for (std::size_t at = 0; at < buffer.bytes; at += sizeof resident * kPage) {
        const std::size_t bytes = std::min(buffer.bytes - at, sizeof resident * kPage);
        if (::mincore(buffer.begin + at, bytes, resident) != 0) return false;
        pages += std::count_if(resident, resident + (bytes + kPage - 1) / kPage,
                               [](unsigned char page) { return (page & 1) != 0; });
    }
    return pages * kPage >= kLeast;
}

long used_milliseconds() {
    timespec used{};
    (void)::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1000 + used.tv_nsec / 1'000'000;
}

// Until the guest rests, or the signal comes.
void await_rest(const sigset_t& signals) {
    while (true) {
        const std::size_t bytes = given_back;
        const long used = used_milliseconds();
        if (::sigtimedwait(&signals, nullptr, &kRest) > 0) return;
        if (given_back - bytes < kLittle && used_milliseconds() - used < kRestingMilliseconds)
            return;
    }
}

void* await_signals(void* which) {
    hako::note_thread_record();
    const sigset_t& signals = *static_cast<sigset_t*>(which);
    const auto get_cpu = reinterpret_cast<GetCpu>(::dlsym(RTLD_DEFAULT, "qemu_get_cpu"));
    const auto run =
        reinterpret_cast<RunInExclusion>(::dlsym(RTLD_DEFAULT, "async_safe_run_on_cpu"));
    flush_translations = reinterpret_cast<FlushTranslations>(::dlsym(RTLD_DEFAULT, "tb_flush"));
    for (int number = 0; ::sigwait(&signals, &number) == 0;) {
        if (given_back >= kMuch) await_rest(signals);
        given_back = 0;
        Cpu* const cpu = get_cpu != nullptr ? get_cpu(0) : nullptr;
        if (cpu == nullptr || run == nullptr || flush_translations == nullptr || !is_worth_it())
            continue;
        run(cpu, give_up, {});
        (void)::malloc_trim(0);
    }
    return nullptr;
}

// Before QEMU's main(), so that each of its threads has the signal blocked.
__attribute__((constructor)) void start() {
    hako::open_desk();
    static sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, hako::vmm::kGiveUpSignal);
    if (::pthread_sigmask(SIG_BLOCK, &signals, nullptr) != 0) return;
    pthread_t thread{};
    if (::pthread_create(&thread, nullptr, await_signals, &signals) == 0) ::pthread_detach(thread);
}

}  // namespace

void hako::note_given_back(std::size_t bytes) {
    const std::size_t before = given_back.fetch_add(bytes);
    if (before < kMuch && before + bytes >= kMuch) (void)::kill(::getpid(), vmm::kGiveUpSignal);
}

// Where translations are: the one piece of memory that can be both written and run.
extern "C" __attribute__((visibility("default"))) int mprotect(void* at, size_t bytes,
                                                               int protection) noexcept {
    const auto result = static_cast<int>(::syscall(SYS_mprotect, at, bytes, protection));
    constexpr int kCode = PROT_READ | PROT_WRITE | PROT_EXEC;
    if (result == 0 && protection == kCode) {
        buffer = {static_cast<char*>(at), bytes};
        use_huge_pages();
    }
    return result;
}
