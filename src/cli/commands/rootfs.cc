// hako rootfs: an image's files as one disk, and what lies on such a disk
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/stream.h"
#include "base/units.h"
#include "cli/commands/commands.h"
#include "cli/output/text.h"
#include "cli/session.h"
#include "fsimage/export.h"
#include "fsimage/ext4/writer.h"
#include "fsimage/inode_mode.h"
#include "fsimage/output_file.h"

namespace hako::cli {
namespace {

struct CreateRootfsOptions {
    std::string output, label, size, journal;
    std::string format = "ext4";
};

Result<std::uint64_t> header_number(const http::ClientStream& stream, std::string_view name) {
    const std::string text(stream.headers().find(name).value_or(""));
    std::uint64_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc())
        return fail(ErrorKind::unimplemented, "the daemon does not say {}: update it", name);
    return value;
}

// Zeros become holes.
Result<void> write_sparsely(Reader& source, int file) {
    std::vector<std::byte> buffer(kMiB);
    const std::vector<std::byte> zeros(4 * kKiB);
    std::uint64_t end = 0;
    for (;;) {
        HAKO_TRY(const std::size_t count, source.read(buffer));
        if (count == 0) break;
        for (std::size_t at = 0; at < count; at += zeros.size()) {
            const auto piece = std::span(buffer).subspan(at, std::min(zeros.size(), count - at));
            if (std::memcmp(piece.data(), zeros.data(), piece.size()) != 0)
                HAKO_CHECK(fsimage::write_at(file, end + at, piece));
        }
        end += count;
    }
    if (::ftruncate(file, static_cast<off_t>(end)) != 0)
        return fail_errno(errno, "cannot make a disk of {} bytes", end);
    return {};
}

Result<void> save_erofs(Reader& source, const std::filesystem::path& path) {
    std::error_code error;
    if (std::filesystem::exists(path, error))
        return fail(ErrorKind::conflict, "{} exists already: name another file", path.string());
    HAKO_TRY(auto file, fsimage::OutputFile::create(path));
    HAKO_CHECK(write_sparsely(source, file.fd()));
    return file.commit();
}

Result<void> save_ext4(http::ClientStream& source, const CreateRootfsOptions& options) {
    fsimage::Ext4Options disk{.label = options.label};
    HAKO_TRY(disk.inodes, header_number(source, "X-Hako-Inodes"));
    HAKO_TRY(const auto content, header_number(source, "X-Hako-Disk-Bytes"));
    disk.size = fsimage::ext4_size_for(disk.inodes, content);
    if (!options.size.empty()) {
        HAKO_TRY(disk.size, parse_bytes(options.size));
    }
    if (!options.journal.empty()) {
        HAKO_TRY(disk.journal, parse_bytes(options.journal));
    }
    return fsimage::write_ext4(source, options.output, disk);
}

Result<int> create_rootfs(Session& session, const CreateRootfsOptions& options,
                          const std::string& image) {
    if (options.output.empty())
        return fail(ErrorKind::invalid, "name the disk to write with --output");
    const bool ext4 = options.format == "ext4";
    if (!ext4 && options.format != "erofs")
        return fail(ErrorKind::invalid, "format {} is not known: use ext4 or erofs",
                    options.format);
    if (!ext4 && !(options.size + options.journal + options.label).empty())
        return fail(ErrorKind::invalid,
                    "an EROFS is as large as its image and read-only: leave --size, --journal and "
                    "--label to ext4");
    HAKO_TRY(const auto* api, session.api());
    HAKO_TRY(const auto stream, api->hako_download(fmt::format("/images/{}/rootfs", image),
                                                   {{"format", ext4 ? "tar" : "erofs"}}));
    HAKO_CHECK(ext4 ? save_ext4(*stream, options) : save_erofs(*stream, options.output));
    session.io.print_line(options.output);
    return 0;
}

// A file on a disk.
struct OnDisk {
    std::unique_ptr<fsimage::Filesystem> filesystem;
    fsimage::FileId file;
};

Result<OnDisk> find_on_disk(const std::vector<std::string>& arguments) {
    const std::filesystem::path disk = arguments[0];
    HAKO_TRY(auto filesystem, fsimage::open_filesystem(std::span(&disk, 1)));
    HAKO_TRY(const auto file,
             fsimage::find_file(*filesystem, arguments.size() > 1 ? arguments[1] : "/"));
    return OnDisk{std::move(filesystem), file};
}

std::string mode_text(const fsimage::TarEntry& entry) {
    constexpr std::string_view kTypes = "-dl-cbp";
    std::string text(1, kTypes[static_cast<std::size_t>(entry.type)]);
    constexpr std::string_view kBits = "rwxrwxrwx";
    for (unsigned i = 0; i < kBits.size(); ++i)
        text += (entry.mode >> (8 - i) & 1U) != 0 ? kBits[i] : '-';
    const auto special = [&](std::uint32_t bit, std::size_t at, char with, char without) {
        if ((entry.mode & bit) != 0) text[at] = text[at] == 'x' ? with : without;
    };
    special(04000, 3, 's', 'S');
    special(02000, 6, 's', 'S');
    special(01000, 9, 't', 'T');
    return text;
}

std::string long_line(const fsimage::FileInfo& info, const std::string& name) {
    const auto& entry = info.entry;
    const bool device = entry.type == fsimage::EntryType::character_device ||
                        entry.type == fsimage::EntryType::block_device;
    const WallTime time{std::chrono::seconds(entry.mtime.seconds) +
                        std::chrono::nanoseconds(entry.mtime.nanoseconds)};
    return fmt::format(
        "{} {:>3} {:>5} {:>5} {:>10} {} {}{}\n", mode_text(entry), info.links, entry.uid, entry.gid,
        device ? fmt::format("{},{}", entry.major, entry.minor) : std::to_string(entry.size),
        format_time(time).substr(0, 19), name, entry.link.empty() ? "" : " -> " + entry.link);
}

Result<int> list_files(Session& session, bool long_form,
                       const std::vector<std::string>& arguments) {
    HAKO_TRY(const auto found, find_on_disk(arguments));
    HAKO_TRY(const auto self, found.filesystem->describe(found.file));
    std::vector<fsimage::DirectoryItem> items{{arguments.back(), found.file}};
    if (self.entry.type == fsimage::EntryType::directory) {
        HAKO_TRY(items, found.filesystem->list(found.file));
    }
    std::string text;
    for (const auto& item : items) {
        if (long_form) {
            HAKO_TRY(const auto info, found.filesystem->describe(item.id));
            text += long_line(info, item.name);
        } else {
            text += item.name + "\n";
        }
    }
    session.io.print(text);
    return 0;
}

Result<int> cat(Session& session, const std::vector<std::string>& arguments) {
    HAKO_TRY(const auto found, find_on_disk(arguments));
    std::vector<std::byte> buffer(kMiB);
    for (std::uint64_t offset = 0;;) {
        HAKO_TRY(const auto count, found.filesystem->read(found.file, offset, buffer));
        if (count == 0) return 0;
        HAKO_CHECK(write_all(session.io.out, std::span(buffer).first(count)));
        offset += count;
    }
}

Result<int> export_files(Session& session, const std::string& output,
                         const std::vector<std::string>& arguments) {
    if (output.empty() && session.io.out_is_terminal())
        return fail(ErrorKind::invalid,
                    "refusing to write a tar to a terminal: name a file with -o or pipe it");
    HAKO_TRY(const auto found, find_on_disk(arguments));
    if (output.empty()) {
        FdWriter out(session.io.out);
        HAKO_CHECK(fsimage::export_tar(*found.filesystem, found.file, out));
        return 0;
    }
    HAKO_TRY(auto file, fsimage::OutputFile::create(output));
    FdWriter out(file.fd());
    HAKO_CHECK(fsimage::export_tar(*found.filesystem, found.file, out));
    HAKO_CHECK(file.commit());
    return 0;
}

Command create_disk_command() {
    auto options = std::make_shared<CreateRootfsOptions>();
    Command command("create", "Write an image's files to a disk: ext4, or the read-only EROFS");
    command.option("-o,--output", options->output, "The disk to write; it must not exist")
        .completes(Completes::files);
    command.option("--format", options->format, "ext4 or erofs (default ext4)");
    command.option("--size", options->size,
                   "Size of the ext4 (default what it takes, and a quarter)");
    command.option("--journal", options->journal,
                   "Size of its journal, 0 for none (default a 64th of the disk)");
    command.option("--label", options->label, "Label of the ext4");
    command.arguments("IMAGE", 1, 1, Completes::images);
    command.action([options](Session& session, const auto& images) {
        return create_rootfs(session, *options, images.front());
    });
    return command;
}

}  // namespace

Command rootfs_command() {
    Command group("rootfs", "Disks with the files of an image");
    group.add(create_disk_command());
    {
        auto long_form = std::make_shared<bool>(false);
        Command command("ls", "List a folder of a disk");
        command.flag("-l,--long", *long_form, "Show modes, links, owners, sizes and times");
        command.arguments("DISK [PATH]", 1, 2, Completes::files);
        command.action([long_form](Session& session, const auto& arguments) {
            return list_files(session, *long_form, arguments);
        });
        group.add(std::move(command));
    }
    {
        Command command("cat", "Print a file of a disk");
        command.arguments("DISK PATH", 2, 2, Completes::files);
        command.action(
            [](Session& session, const auto& arguments) { return cat(session, arguments); });
        group.add(std::move(command));
    }
    {
        auto output = std::make_shared<std::string>();
        Command command("export", "Write a disk's files as a tar archive");
        command.option("-o,--output", *output, "Write to a file, instead of STDOUT")
            .completes(Completes::files);
        command.arguments("DISK [PATH]", 1, 2, Completes::files);
        command.action([output](Session& session, const auto& arguments) {
            return export_files(session, *output, arguments);
        });
        group.add(std::move(command));
    }
    return group;
}

}  // namespace hako::cli
