#include "vmm/parked_process.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <sstream>
#include <thread>

#include "base/text.h"
#include "base/units.h"
#include "vmm/memory_path.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;
using namespace checkpoint;
using std::chrono::milliseconds;

constexpr milliseconds kParkDeadline(5000);
constexpr milliseconds kLookAgain(2);
constexpr int kLooks = 10;
// Documentation/admin-guide/mm/pagemap.rst
constexpr std::uint64_t kPresent = 1ULL << 63U, kSwapped = 1ULL << 62U, kOfFile = 1ULL << 61U;

bool is_wait(std::uint64_t call) {
    return call == SYS_futex || call == SYS_ppoll || call == SYS_poll ||
           call == SYS_rt_sigtimedwait;
}

// "key:\tvalue" of fdinfo.
std::string_view field(std::string_view text, std::string_view name) {
    const auto at = text.find(fmt::format("{}:", name));
    if (at == std::string_view::npos) return {};
    const auto begin = at + name.size() + 1;
    return trim(text.substr(begin, text.find('\n', begin) - begin));
}

std::uint64_t number(std::string_view text, int base) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, base);
    return value;
}

// "7fa1-7fa2 rw-p 00001000 fe:00 12   /path with spaces"
MappedRange parse_range(const std::string& line) {
    MappedRange range;
    std::istringstream words(line);
    std::string device, inode;
    char dash = 0;
    words >> std::hex >> range.begin >> dash >> range.end >> range.rights >> range.offset >>
        device >> inode >> std::ws;
    std::getline(words, range.name);
    return range;
}

// Of the tap behind QEMU's descriptor.
Result<std::uint32_t> tap_header(pid_t pid, int fd) {
    const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    const Fd tap(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
    int bytes = 0;
    if (!tap || ::ioctl(tap.get(), TUNGETVNETHDRSZ, &bytes) != 0)
        return fail_errno(errno, "cannot look at QEMU's tap");
    return static_cast<std::uint32_t>(bytes);
}

}  // namespace

fs::path ParkedProcess::proc(std::string_view file) const {
    return fmt::format("/proc/{}/{}", pid_, file);
}

Result<std::set<int>> ParkedProcess::thread_ids() const {
    std::set<int> ids;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(proc("task"), error))
        ids.insert(static_cast<int>(number(entry.path().filename().native(), 10)));
    if (error || ids.empty()) return fail(ErrorKind::unavailable, "QEMU is gone");
    return ids;
}

Result<void> ParkedProcess::read(std::uint64_t address, std::span<std::byte> into) const {
    while (!into.empty()) {
        const ssize_t count =
            ::pread64(memory_.get(), into.data(), into.size(), static_cast<off64_t>(address));
        if (count <= 0) return fail_errno(errno, "cannot read QEMU's memory at {:#x}", address);
        into = into.subspan(static_cast<std::size_t>(count));
        address += static_cast<std::uint64_t>(count);
    }
    return {};
}

Result<void> ParkedProcess::read_desk() {
    const auto there = read(kDeskAddress, std::as_writable_bytes(std::span(desk_.get(), 1)));
    if (!there || desk_->magic != kMagic)
        return fail(ErrorKind::unimplemented, "QEMU's library has no desk");
    return {};
}

// Signals those that do not stand still yet.
Result<bool> ParkedProcess::all_parked() {
    HAKO_CHECK(read_desk());
    HAKO_TRY(const auto running, thread_ids());
    if (running.size() > kMostThreads)
        return fail(ErrorKind::unimplemented, "QEMU has {} threads", running.size());
    const std::span parked(desk_->threads, std::min<std::size_t>(desk_->parked, kMostThreads));
    bool all = true;
    for (const int id : running) {
        if (std::ranges::find(parked, id, &ParkedThread::id) != parked.end()) continue;
        all = false;
        (void)::syscall(SYS_tgkill, pid_, id, kParkSignal);
    }
    return all && parked.size() == running.size();
}

Result<bool> ParkedProcess::all_wait() const {
    HAKO_TRY(const auto ids, thread_ids());
    for (const int id : ids) {
        const auto text = read_file(proc(fmt::format("task/{}/syscall", id)));
        if (!text || !is_wait(number(*text, 10))) return false;
    }
    return true;
}

// What the kernel has put into the registers by which a call goes on that the signal met: it is
// made again, or ends with EINTR.
Result<bool> ParkedProcess::waited(const ParkedThread& thread) const {
    ucontext_t context{};
    HAKO_CHECK(read(thread.frame, std::as_writable_bytes(std::span(&context, 1))));
    const auto at = static_cast<std::uint64_t>(context.uc_mcontext.gregs[REG_RIP]);
    const auto result = context.uc_mcontext.gregs[REG_RAX];
    std::array<std::byte, 4> code{};
    HAKO_CHECK(read(at - 2, code));
    const auto is_call = [&](std::size_t offset) {
        return code.at(offset) == std::byte{0x0f} && code.at(offset + 1) == std::byte{0x05};
    };
    return (is_call(0) && result == -EINTR) ||
           (is_call(2) && is_wait(static_cast<std::uint64_t>(result)));
}

Result<ParkedProcess> ParkedProcess::park(pid_t pid) {
    ParkedProcess process(pid);
    HAKO_TRY(process.memory_, open_file(process.proc("mem"), O_RDONLY));
    HAKO_TRY(process.page_map_, open_file(process.proc("pagemap"), O_RDONLY));
    process.desk_ = std::make_unique<Desk>();
    const auto end = std::chrono::steady_clock::now() + kParkDeadline;
    const auto until = [&](int times, const auto& condition) -> Result<void> {
        for (int seen = 0; seen < times;) {
            HAKO_TRY(const bool met, condition());
            seen = met ? seen + 1 : 0;
            if (std::chrono::steady_clock::now() > end)
                return fail(ErrorKind::deadline, "QEMU's threads do not stand still");
            if (seen < times) std::this_thread::sleep_for(kLookAgain);
        }
        return {};
    };
    HAKO_CHECK(until(kLooks, [&] { return process.all_wait(); }));
    HAKO_CHECK(until(1, [&] { return process.all_parked(); }));
    for (const auto& thread : std::span(process.desk().threads, process.desk().parked)) {
        HAKO_TRY(const bool waited, process.waited(thread));
        if (!waited) return fail(ErrorKind::unavailable, "QEMU was not at rest");
    }
    if (process.desk().id_offset == 0)
        return fail(ErrorKind::unimplemented, "this libc's records of threads are not known");
    if (process.desk().filters > 1)
        return fail(ErrorKind::unimplemented, "QEMU has more than one seccomp filter");
    return process;
}

Result<std::vector<ParkedThread>> ParkedProcess::threads() const {
    std::vector<ParkedThread> threads(desk_->threads, desk_->threads + desk_->parked);
    const auto main = std::ranges::find(threads, pid_, &ParkedThread::id);
    if (main == threads.end()) return fail(ErrorKind::internal, "QEMU's first thread is gone");
    std::iter_swap(main, threads.begin());
    return threads;
}

Result<std::string> ParkedProcess::name() const {
    HAKO_TRY(const auto text, read_file(proc("comm")));
    return std::string(trim(text));
}

Result<std::vector<MappedRange>> ParkedProcess::ranges() const {
    HAKO_TRY(const auto text, read_file(proc("smaps")));
    std::vector<MappedRange> ranges;
    for (const auto line : split(text, '\n')) {
        constexpr std::string_view kFlags = "VmFlags:";
        const auto word = line.substr(0, line.find(' '));
        if (word.find('-') != std::string_view::npos && !word.ends_with(':')) {
            ranges.push_back(parse_range(std::string(line)));
        } else if (line.starts_with(kFlags)) {
            std::istringstream words{std::string(line.substr(kFlags.size()))};
            for (std::string flag; words >> flag;) ranges.back().flags.insert(flag);
        }
    }
    return ranges;
}

Result<std::vector<ParkedProcess::Page>> ParkedProcess::pages(const MappedRange& range) const {
    std::vector<std::uint64_t> words((range.end - range.begin) / kPageBytes);
    const auto bytes = words.size() * sizeof words[0];
    const auto at = static_cast<off64_t>(range.begin / kPageBytes * sizeof words[0]);
    if (::pread64(page_map_.get(), words.data(), bytes, at) != static_cast<ssize_t>(bytes))
        return fail_errno(errno, "cannot look at QEMU's pages");
    std::vector<Page> pages;
    pages.reserve(words.size());
    for (const auto word : words)
        pages.push_back({.present = (word & (kPresent | kSwapped)) != 0,
                         .own = (word & (kPresent | kSwapped)) != 0 && (word & kOfFile) == 0});
    return pages;
}

Result<OpenFd> ParkedProcess::describe(int number_of_it, const std::set<int>& given,
                                       const fs::path& unneeded) const {
    HAKO_TRY(const auto info, read_file(proc(fmt::format("fdinfo/{}", number_of_it))));
    std::error_code error;
    const auto target = fs::read_symlink(proc(fmt::format("fd/{}", number_of_it)), error).native();
    OpenFd fd{.number = number_of_it,
              .kind = FdKind::given,
              .flags = static_cast<std::uint32_t>(number(field(info, "flags"), 8)),
              .header = 0,
              .value = 0};
    if (given.contains(number_of_it)) {
        if (!field(info, "iff").empty()) {
            HAKO_TRY(fd.header, tap_header(pid_, number_of_it));
        }
    } else if (target == "anon_inode:[eventfd]") {
        fd.kind = FdKind::event;
        fd.value = number(field(info, "eventfd-count"), 16);
    } else if (target == "anon_inode:[signalfd]") {
        fd.kind = FdKind::signals;
        fd.value = number(field(info, "sigmask"), 16);
    } else if (target == "/dev/null") {
        fd.kind = FdKind::null;
    } else if (target == unneeded) {
        fd.kind = FdKind::unneeded;
    } else {
        return fail(ErrorKind::unimplemented, "QEMU has {} open, which cannot be kept", target);
    }
    return fd;
}

Result<std::vector<OpenFd>> ParkedProcess::fds(const std::set<int>& given,
                                               const fs::path& unneeded) const {
    std::vector<OpenFd> fds;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(proc("fd"), error)) {
        HAKO_TRY(const auto fd,
                 describe(static_cast<int>(number(entry.path().filename().native(), 10)), given,
                          unneeded));
        fds.push_back(fd);
    }
    if (error) return fail_errno(error.value(), "cannot look at QEMU's descriptors");
    std::ranges::sort(fds, {}, &OpenFd::number);
    return fds;
}

}  // namespace hako::vmm
