#include "vmm/checkpoint.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <vector>

#include "base/process.h"
#include "base/sha256.h"
#include "base/units.h"
#include "vmm/checkpoint_format.h"
#include "vmm/memory_file.h"
#include "vmm/parked_process.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;
using namespace checkpoint;

// Header and tables; the pages begin behind them.
constexpr std::uint64_t kTablesBytes = 256 * kKiB;
// So many pages that are not needed are kept along, rather than that there are two pieces.
constexpr std::size_t kGap = 16, kFileGap = 2;
constexpr std::size_t kReadBytes = kMiB;
// The main thread's stack grows as it is used: its place is kept free. As much as by default.
constexpr std::uint64_t kStackBytes = 8 * kMiB;

using Buffer = std::vector<std::byte>;

bool is_kernels(const MappedRange& range) {
    return range.name.starts_with("[v");  // [vvar], [vvar_vclock], [vdso], [vsyscall]
}

std::uint32_t protection_of(const MappedRange& range) {
    return (range.rights[0] == 'r' ? PROT_READ : 0U) | (range.rights[1] == 'w' ? PROT_WRITE : 0U) |
           (range.rights[2] == 'x' ? PROT_EXEC : 0U);
}

std::uint32_t advice_of(const MappedRange& range) {
    constexpr std::pair<const char*, Advice> kNames[] = {
        {"mg", kMergeable}, {"hg", kHugePages}, {"nh", kNoHugePages}, {"dd", kNotDumped}};
    std::uint32_t advice = 0;
    for (const auto& [name, bit] : kNames)
        if (range.flags.contains(name)) advice |= bit;
    return advice;
}

template <std::size_t kBytes>
void set_text(char (&field)[kBytes], std::string_view text) {
    std::memcpy(field, text.data(), std::min(text.size(), kBytes - 1));
}
template <std::size_t kBytes>
std::string_view get_text(const char (&field)[kBytes]) {
    return {field, ::strnlen(field, kBytes)};
}

// Of the header without its digest, and of all behind it.
Result<std::string> digest_of(Header header, int file) {
    if (::lseek64(file, sizeof(Header), SEEK_SET) < 0)
        return fail_errno(errno, "cannot read a checkpoint");
    Sha256 digest;
    std::memset(header.sha256, 0, sizeof header.sha256);
    digest.update(std::as_bytes(std::span(&header, 1)));
    Buffer buffer(kReadBytes);
    for (;;) {
        HAKO_TRY(const auto count, read_some(file, buffer));
        if (count == 0) return digest.hex_digest();
        digest.update(std::span(buffer).first(count));
    }
}

class Writer {
public:
    Writer(const CheckpointJob& job, const ParkedProcess& process, int file)
        : job_(job), process_(process), file_(file) {}

    Result<void> write() {
        HAKO_TRY(const auto ranges, process_.ranges());
        for (const auto& range : ranges)
            HAKO_CHECK(is_kernels(range) ? note_vdso(range) : add(range));
        HAKO_TRY(fds_, process_.fds(job_.given, job_.template_file));
        HAKO_TRY(threads_, process_.threads());
        return write_tables();
    }

private:
    Result<void> note_vdso(const MappedRange& range) {
        if (range.name == "[vsyscall]") return {};
        if (header_.vdso_begin == 0) header_.vdso_begin = range.begin;
        if (range.begin != header_.vdso_begin + header_.vdso_bytes)
            return fail(ErrorKind::unimplemented, "this kernel's vdso is in several places");
        header_.vdso_bytes += range.end - range.begin;
        if (range.name == "[vdso]") header_.vdso_code = range.begin;
        return {};
    }

    Result<void> add(const MappedRange& range) {
        if (range.begin < kDeskAddress)
            return fail(ErrorKind::unimplemented, "QEMU can only lie at one address");
        // A file that is only read is as good as one of its own.
        const bool only_reads = range.rights[1] != 'w' && range.name.starts_with('/');
        if (!range.rights.ends_with('p') && !only_reads)
            return fail(ErrorKind::unimplemented, "QEMU shares {} with other processes",
                        range.name.empty() ? "memory" : range.name);
        const bool is_template = range.name == job_.template_file.native();
        const bool of_file = range.name.starts_with('/') && !is_template;
        Piece piece{.begin = range.begin,
                    .bytes = range.end - range.begin,
                    .offset = range.offset,
                    .source = of_file ? Source::file : Source::empty,
                    .file = 0,
                    .protection = protection_of(range),
                    .advice = advice_of(range),
                    .over = 0,
                    .unused = 0};
        if (of_file) {
            HAKO_TRY(piece.file, add_file(range.name));
        } else {
            piece.offset = 0;
        }
        if (range.name == "[stack]") {
            piece.begin = range.end - std::max(kStackBytes, piece.bytes);
            piece.bytes = range.end - piece.begin;
        }
        pieces_.push_back(piece);
        HAKO_TRY(const auto pages, process_.pages(range));
        std::vector<bool> wanted;
        wanted.reserve(pages.size());
        for (const auto& page : pages)
            wanted.push_back(is_template || (of_file ? page.own : page.present));
        return add_pages(range, piece, wanted, of_file ? kFileGap : kGap);
    }

    // Those that are wanted, in as few pieces as are worth it.
    Result<void> add_pages(const MappedRange& range, const Piece& below,
                           const std::vector<bool>& wanted, std::size_t gap) {
        for (std::size_t i = 0; i < wanted.size();) {
            if (!wanted[i]) {
                ++i;
                continue;
            }
            std::size_t end = i + 1;
            for (std::size_t next = end; next < wanted.size() && next <= end + gap; ++next)
                if (wanted[next]) end = next + 1;
            HAKO_CHECK(add_run(range.begin + i * kPageBytes, (end - i) * kPageBytes, below, gap));
            i = end;
        }
        return {};
    }

    // What is zero in it is left to the empty memory below, unless a file is below.
    Result<void> add_run(std::uint64_t begin, std::uint64_t bytes, const Piece& below,
                         std::size_t gap) {
        buffer_.resize(std::min<std::uint64_t>(bytes, kReadBytes));
        for (std::uint64_t done = 0; done < bytes;) {
            const auto part =
                std::span(buffer_).first(std::min<std::uint64_t>(buffer_.size(), bytes - done));
            HAKO_CHECK(process_.read(begin + done, part));
            for (std::size_t at = 0; at < part.size(); at += kPageBytes)
                if (const auto page = part.subspan(at, kPageBytes);
                    below.source == Source::file || !is_zero(page))
                    HAKO_CHECK(add_page(begin + done + at, page, below, gap));
            done += part.size();
        }
        return {};
    }

    Result<void> add_page(std::uint64_t address, std::span<const std::byte> page,
                          const Piece& below, std::size_t gap) {
        Piece* last = &pieces_.back();
        const bool goes_on = last->source == Source::checkpoint && last->begin >= below.begin &&
                             address - (last->begin + last->bytes) <=
                                 (below.source == Source::file ? 0 : gap * kPageBytes);
        if (!goes_on) {
            Piece piece = below;
            piece.begin = address;
            piece.bytes = 0;
            piece.offset = end_;
            piece.source = Source::checkpoint;
            piece.over = 1;
            pieces_.push_back(piece);
            last = &pieces_.back();
        }
        const std::uint64_t offset = last->offset + (address - last->begin);
        last->bytes = address + kPageBytes - last->begin;
        end_ = offset + kPageBytes;
        return put(page, offset);
    }

    Result<std::uint32_t> add_file(const std::string& path) {
        const auto [found, is_new] =
            file_numbers_.emplace(path, static_cast<std::uint32_t>(files_.size()));
        if (!is_new) return found->second;
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0)
            return fail_errno(errno, "cannot look at QEMU's file {}", path);
        files_.push_back({.path = texts_.size(),
                          .inode = status.st_ino,
                          .bytes = static_cast<std::uint64_t>(status.st_size),
                          .seconds = status.st_mtim.tv_sec,
                          .nanoseconds = status.st_mtim.tv_nsec});
        texts_ += path;
        texts_ += '\0';
        return found->second;
    }

    Result<void> put(std::span<const std::byte> data, std::uint64_t offset) const {
        while (!data.empty()) {
            const ssize_t count =
                ::pwrite64(file_, data.data(), data.size(), static_cast<off64_t>(offset));
            if (count < 0) return fail_errno(errno, "cannot write {}", job_.path.native());
            data = data.subspan(static_cast<std::size_t>(count));
            offset += static_cast<std::uint64_t>(count);
        }
        return {};
    }

    template <class T>
    Result<Table<T>> put_table(std::span<const T> items) {
        const Table<T> table{.offset = tables_end_, .count = items.size()};
        tables_end_ += (items.size_bytes() + 15) / 16 * 16;
        if (tables_end_ > kTablesBytes)
            return fail(ErrorKind::unimplemented, "QEMU's memory is in {} pieces", pieces_.size());
        HAKO_CHECK(put(std::as_bytes(items), table.offset));
        return table;
    }

    Result<void> write_tables() {
        const auto& desk = process_.desk();
        for (auto& file : files_) file.path += tables_end_;
        HAKO_TRY([[maybe_unused]] const auto texts,
                 put_table(std::span<const char>(texts_.data(), texts_.size())));
        HAKO_TRY(header_.pieces, put_table(std::span<const Piece>(pieces_)));
        HAKO_TRY(header_.files, put_table(std::span<const MappedFile>(files_)));
        HAKO_TRY(header_.fds, put_table(std::span<const OpenFd>(fds_)));
        HAKO_TRY(header_.threads, put_table(std::span<const ParkedThread>(threads_)));
        HAKO_TRY(header_.actions, put_table(std::span<const SignalAction>(desk.actions)));
        HAKO_TRY(header_.filter, put_table(std::span<const FilterStep>(
                                     desk.filter, desk.filters == 0 ? 0 : desk.filter_steps)));
        header_.magic = kMagic;
        header_.format = kFormat;
        header_.id_offset = desk.id_offset;
        header_.filter_flags = desk.filter_flags;
        header_.tables_bytes = kTablesBytes;
        header_.file_bytes = end_;
        set_text(header_.key, job_.key);
        HAKO_TRY(const auto boot, boot_id());
        set_text(header_.boot_id, boot);
        HAKO_TRY(const auto name, process_.name());
        set_text(header_.name, name);
        if (::ftruncate64(file_, static_cast<off64_t>(end_)) != 0)
            return fail_errno(errno, "cannot write {}", job_.path.native());
        HAKO_TRY(const auto digest, digest_of(header_, file_));
        std::memcpy(header_.sha256, digest.data(), sizeof header_.sha256);
        return put(std::as_bytes(std::span(&header_, 1)), 0);
    }

    const CheckpointJob& job_;
    const ParkedProcess& process_;
    const int file_;
    Header header_{};
    std::vector<Piece> pieces_;
    std::vector<MappedFile> files_;
    std::map<std::string, std::uint32_t> file_numbers_;
    std::string texts_;
    std::vector<OpenFd> fds_;
    std::vector<ParkedThread> threads_;
    Buffer buffer_;
    std::uint64_t tables_end_ = sizeof(Header);
    std::uint64_t end_ = kTablesBytes;
};

Result<Header> read_header(int file, const fs::path& path) {
    Header header{};
    HAKO_TRY(const auto count, read_full(file, std::as_writable_bytes(std::span(&header, 1))));
    struct stat status {};
    if (count != sizeof header || header.magic != kMagic || header.format != kFormat ||
        ::fstat(file, &status) != 0 ||
        static_cast<std::uint64_t>(status.st_size) != header.file_bytes)
        return fail(ErrorKind::corrupt, "{} is no checkpoint", path.native());
    return header;
}

}  // namespace

Result<void> write_checkpoint(const CheckpointJob& job) {
    HAKO_TRY(const auto process, ParkedProcess::park(job.qemu));
    fs::path temporary = job.path;
    temporary += "." + random_id().substr(0, 8) + ".tmp";
    HAKO_TRY(const Fd file, open_file(temporary, O_RDWR | O_CREAT | O_EXCL, 0600));
    const auto write = [&]() -> Result<void> {
        HAKO_CHECK(Writer(job, process, file.get()).write());
        std::error_code error;
        fs::rename(temporary, job.path, error);
        if (error) return fail_errno(error.value(), "cannot publish {}", job.path.native());
        return {};
    };
    auto written = write();
    std::error_code ignored;
    if (!written) fs::remove(temporary, ignored);
    return written;
}

Result<Fd> open_checkpoint(const fs::path& path, std::string_view key) {
    HAKO_TRY(Fd file, open_file(path, O_RDONLY));
    HAKO_TRY(const auto header, read_header(file.get(), path));
    HAKO_TRY(const auto boot, boot_id());
    if (get_text(header.boot_id) != boot)
        return fail(ErrorKind::corrupt, "{} was made before this host was started", path.native());
    if (get_text(header.key) != key)
        return fail(ErrorKind::corrupt, "{} is of another template", path.native());
    return file;
}

Result<void> verify_checkpoint(const fs::path& path, std::string_view key) {
    HAKO_TRY(const Fd file, open_checkpoint(path, key));
    if (::lseek64(file.get(), 0, SEEK_SET) < 0)
        return fail_errno(errno, "cannot read {}", path.native());
    HAKO_TRY(const auto header, read_header(file.get(), path));
    HAKO_TRY(const auto digest, digest_of(header, file.get()));
    if (digest != std::string_view(header.sha256, sizeof header.sha256))
        return fail(ErrorKind::corrupt, "the checkpoint {} has been changed", path.native());
    return {};
}

}  // namespace hako::vmm
