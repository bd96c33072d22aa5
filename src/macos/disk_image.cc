#include "macos/disk_image.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/program.h"
#include "base/text.h"
#include "base/units.h"
#include "macos/disk_place.h"
#include "store/file.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;

constexpr auto kQuick = std::chrono::minutes(1);
constexpr auto kConversion = std::chrono::hours(24);
constexpr std::size_t kQcowHeader = 32;
constexpr std::string_view kQcowMagic = "QFI\xfb";

constexpr DiskFormat other(DiskFormat format) {
    return format == DiskFormat::raw ? DiskFormat::qcow2 : DiskFormat::raw;
}
constexpr const char* name_of(DiskFormat format) {
    return format == DiskFormat::raw ? "raw" : "qcow2";
}

struct Files {
    fs::path folder;
    std::string name;

    fs::path disk(DiskFormat format) const {
        return folder / (name + (format == DiskFormat::raw ? ".img" : ".qcow2"));
    }
    fs::path partial(DiskFormat format) const { return disk(format).native() + ".partial"; }
    // There from before a conversion begins until the old disk is gone.
    fs::path conversion() const { return folder / (name + ".converting"); }
    fs::path growth() const { return folder / (name + ".size"); }
};

Files files_of(const fs::path& folder, const std::string& name) {
    return {disk_folder(folder, name), name};
}

bool is_there(const fs::path& path) {
    std::error_code error;
    return fs::exists(path, error);
}

Result<void> drop(const fs::path& path) {
    std::error_code error;
    fs::remove(path, error);
    if (error) return fail_errno(error.value(), "cannot remove {}", path.native());
    return {};
}

Result<void> qemu_img(std::vector<std::string> arguments, std::chrono::milliseconds deadline) {
    if (!find_program("qemu-img"))
        return fail(ErrorKind::not_found, "qemu-img is missing: install the package qemu-utils");
    arguments.insert(arguments.begin(), "qemu-img");
    // It ends with us: who comes after us begins anew, and two would write one file.
    tie_to_us(arguments);
    HAKO_TRY(const auto output, run({.argv = arguments}, deadline));
    if (!output.status.success())
        return fail(ErrorKind::internal, "qemu-img failed: {}", trim(output.err));
    return {};
}

// Onto the disk, then under its name.
Result<void> publish(const fs::path& partial, const fs::path& disk) {
    {
        HAKO_TRY(const Fd fd, open_file(partial, O_RDWR));
        if (::fsync(fd.get()) != 0) return fail_errno(errno, "cannot save {}", partial.native());
    }
    std::error_code error;
    fs::rename(partial, disk, error);
    if (error) return fail_errno(error.value(), "cannot rename {}", partial.native());
    return store::sync_folder(disk.parent_path());
}

Result<void> make_raw(const fs::path& file, const DiskWish& wish) {
    HAKO_TRY(const Fd fd, open_file(file, O_RDWR | O_CREAT | O_TRUNC, 0600));
    if (::ftruncate(fd.get(), static_cast<off_t>(wish.bytes)) != 0)
        return fail_errno(errno, "cannot make a disk of {} bytes", wish.bytes);
    if (!wish.allocate) return {};
    if (const int error = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(wish.bytes));
        error != 0)
        return fail_errno(error, "there is no room for {} bytes (ALLOCATE=Y)", wish.bytes);
    return {};
}

Result<void> create(const Files& files, const DiskWish& wish) {
    const auto partial = files.partial(wish.format);
    auto made = wish.format == DiskFormat::raw
                    ? make_raw(partial, wish)
                    : qemu_img({"create", "-q", "-f", "qcow2", partial.native(),
                                std::to_string(wish.bytes)},
                               kQuick);
    if (made) made = publish(partial, files.disk(wish.format));
    if (!made) (void)drop(partial);
    return made;
}

Result<void> convert(const Files& files, DiskFormat to) {
    const auto from = other(to);
    HAKO_CHECK(store::write_file_atomic(files.conversion(), name_of(to)));
    auto done = qemu_img({"convert", "-f", name_of(from), "-O", name_of(to),
                          files.disk(from).native(), files.partial(to).native()},
                         kConversion);
    if (done) done = publish(files.partial(to), files.disk(to));
    if (!done) {
        (void)drop(files.partial(to));
        (void)drop(files.conversion());
        return with_context(std::move(done), fmt::format("cannot convert {} (it is as it was)",
                                                         files.disk(from).native()));
    }
    HAKO_CHECK(drop(files.disk(from)));
    return drop(files.conversion());
}

// What a power failure interrupted: the conversion was done (then the old disk goes), or was not.
Result<void> finish_conversion(const Files& files) {
    if (!is_there(files.conversion())) return {};
    HAKO_TRY(const auto text, read_file(files.conversion()));
    const auto to = trim(text) == "raw" ? DiskFormat::raw : DiskFormat::qcow2;
    HAKO_CHECK(drop(files.partial(to)));
    if (is_there(files.disk(to))) HAKO_CHECK(drop(files.disk(other(to))));
    return drop(files.conversion());
}

Result<void> grow(const fs::path& file, const DiskWish& wish) {
    HAKO_TRY(const auto bytes, disk_bytes(file, wish.format));
    if (bytes > wish.bytes)
        return fail(
            ErrorKind::invalid,
            "{} has {} bytes, more than the {} that are asked for: disks only grow, as what "
            "is at the end would be lost",
            file.native(), bytes, wish.bytes);
    if (bytes == wish.bytes) return {};
    if (wish.format == DiskFormat::qcow2)
        return qemu_img({"resize", "-q", "-f", "qcow2", file.native(), std::to_string(wish.bytes)},
                        kQuick);
    HAKO_TRY(const Fd fd, open_file(file, O_RDWR));
    if (::ftruncate(fd.get(), static_cast<off_t>(wish.bytes)) != 0)
        return fail_errno(errno, "cannot grow {}", file.native());
    return {};
}

// It may be grown although whoever grew it had no answer.
bool has_bytes(const Files& files, std::uint64_t bytes) {
    for (const auto format : {DiskFormat::raw, DiskFormat::qcow2})
        if (disk_bytes(files.disk(format), format).value_or(0) >= bytes) return true;
    return false;
}

}  // namespace

std::string disk_name(std::size_t index) {
    return index == 0 ? std::string("data") : fmt::format("data{}", index + 1);
}

Result<fs::path> ensure_disk(const fs::path& folder, const DiskWish& wish) {
    const Files files = files_of(folder, wish.name);
    HAKO_CHECK(finish_conversion(files));
    const auto disk = files.disk(wish.format);
    const auto old = files.disk(other(wish.format));
    if (is_there(disk) && is_there(old))
        return fail(ErrorKind::conflict,
                    "{} and {} are both there: move the one away that is not the machine's",
                    disk.native(), old.native());
    if (is_there(old)) HAKO_CHECK(convert(files, wish.format));
    else if (!is_there(disk)) HAKO_CHECK(create(files, wish));
    auto wanted = wish;
    if (wish.keeps_size) {
        HAKO_TRY(const auto bytes, disk_bytes(disk, wish.format));
        wanted.bytes = std::max(bytes, grown_bytes(folder, wish.name));
    }
    HAKO_CHECK(grow(disk, wanted));
    return disk;
}

Result<void> grow_disk(const fs::path& folder, const DiskWish& wish) {
    const Files files = files_of(folder, wish.name);
    HAKO_CHECK(finish_conversion(files));
    auto there = wish;
    if (is_there(files.disk(other(wish.format)))) there.format = other(wish.format);
    const auto disk = files.disk(there.format);
    if (!is_there(disk))
        return fail(ErrorKind::not_found, "there is no disk {} yet: start the machine once",
                    disk.native());
    HAKO_TRY(const auto bytes, disk_bytes(disk, there.format));
    if (bytes > wish.bytes) return grow(disk, there);  // says why not
    return grow_noted(folder, wish.name, wish.bytes, [&] { return grow(disk, there); });
}

Result<void> grow_noted(const fs::path& folder, const std::string& name, std::uint64_t bytes,
                        const std::function<Result<void>()>& grow) {
    const Files files = files_of(folder, name);
    const auto before = read_file(files.growth());
    HAKO_CHECK(note_growth(folder, name, bytes));
    auto grown = grow();
    if (grown || has_bytes(files, bytes)) return grown;
    if (auto restored =
            before ? store::write_file_atomic(files.growth(), *before) : drop(files.growth());
        !restored)
        log_warn("{}", restored.error().message());
    return grown;
}

Result<void> note_growth(const fs::path& folder, const std::string& name, std::uint64_t bytes) {
    return store::write_file_atomic(files_of(folder, name).growth(), std::to_string(bytes));
}

std::uint64_t grown_bytes(const fs::path& folder, const std::string& name) {
    const auto text = read_file(files_of(folder, name).growth());
    const auto bytes = text ? parse_bytes(trim(*text)) : Result<std::uint64_t>(0);
    return bytes.value_or(0);
}

Result<std::uint64_t> disk_bytes(const fs::path& file, DiskFormat format) {
    if (format == DiskFormat::raw) {
        std::error_code error;
        const auto bytes = fs::file_size(file, error);
        if (error) return fail_errno(error.value(), "cannot read {}", file.native());
        return bytes;
    }
    HAKO_TRY(const Fd fd, open_file(file, O_RDONLY));
    std::string header(kQcowHeader, '\0');
    HAKO_TRY(const auto count, read_full(fd.get(), std::as_writable_bytes(std::span(header))));
    if (count != header.size() || !header.starts_with(kQcowMagic))
        return fail(ErrorKind::corrupt, "{} is no qcow2 disk", file.native());
    std::uint64_t bytes = 0;
    for (std::size_t i = 24; i < kQcowHeader; ++i)
        bytes = bytes << 8U | static_cast<unsigned char>(header[i]);
    return bytes;
}

bool takes_direct(const fs::path& file) { return open_file(file, O_RDONLY | O_DIRECT).has_value(); }

}  // namespace hako::macos
