// What vmm/checkpoint_test.cc keeps and restores: no QEMU, but it does what QEMU does. It has
// threads that wait, an eventfd, memory. To each line it answers with all that is to be the same in
// the process that goes on, and with its pid, which is to be another one.
//
//   hako_checkpoint_program [maps FILE | opens FILE | shares]
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kBytes = 64 << 20;

// A thread that counts, when it is asked to.
class Counter {
public:
    int ask() {
        std::unique_lock lock(mutex_);
        asked_ = true;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !asked_; });
        return count_;
    }

private:
    void work() {
        std::unique_lock lock(mutex_);
        for (thread_local int count = 0;; changed_.notify_all()) {
            changed_.wait(lock, [this] { return asked_; });
            count_ = ++count;
            asked_ = false;
        }
    }
    std::mutex mutex_;
    std::condition_variable changed_;
    bool asked_ = false;
    int count_ = 0;
    std::jthread thread_{[this] { work(); }};
};

void prepare(std::string_view what, const char* path) {
    constexpr int kShared = MAP_SHARED | MAP_ANONYMOUS;
    if (what == "maps" && ::dlopen(path, RTLD_NOW) == nullptr) std::abort();
    if (what == "opens") (void)::open(path, O_RDONLY);
    if (what == "shares") (void)::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, kShared, -1, 0);
}

// New threads come, and memory of each kind.
void use_memory() {
    std::thread([] {}).join();
    std::vector<std::vector<char>> pieces;
    for (const std::size_t bytes : {100, 50'000, 120'000, 120'000, 3'000'000})
        pieces.emplace_back(bytes, 'x');
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1) prepare(argv[1], argc > 2 ? argv[2] : "");
    auto* const counter = new Counter;  // its thread never ends
    const int event = ::eventfd(5, EFD_NONBLOCK);
    auto* const memory = static_cast<char*>(
        ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    std::strcpy(memory + kBytes / 2, "there");
    const auto secret =
        reinterpret_cast<std::uintptr_t>(memory) ^ static_cast<unsigned>(::getpid());
    char line[64];
    pollfd input{STDIN_FILENO, POLLIN, 0};
    for (;;) {
        if (::poll(&input, 1, -1) < 0) continue;  // parked
        if (::read(STDIN_FILENO, line, sizeof line) <= 0) break;
        use_memory();
        eventfd_t value = 0;
        ::eventfd_read(event, &value);
        ::eventfd_write(event, value);
        std::printf("%d %lx %lu %s %d\n", counter->ask(), secret, value, memory + kBytes / 2,
                    ::getpid());
        std::fflush(stdout);
    }
    std::_Exit(0);
}
