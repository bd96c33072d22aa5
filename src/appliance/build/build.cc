#include "appliance/build/build.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "appliance/build/image_tree.h"
#include "appliance/build/kernel.h"
#include "appliance/build/loader.h"
#include "appliance/build/network_script.h"
#include "appliance/build/programs.h"
#include "appliance/build/tools.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/sha256.h"
#include "base/units.h"
#include "fsimage/output_file.h"
#include "macos/boot_disk.h"
#include "macos/esp_disk.h"
#include "macos/firmware.h"
#include "macos/udif.h"

namespace hako::appliance {
namespace {

namespace fs = std::filesystem;
using macos::kSector;

constexpr auto kUnpack = std::chrono::minutes(5);
constexpr std::size_t kChunk = 4 * kMiB;
// Of the machine that it will run on nothing is known yet.
constexpr macos::HostSize kAnyMachine{.cpus = 1024, .memory = 1024 * 1024 * kGiB};

// A disk cannot be replaced by a file.
Result<void> check_output(const fs::path& output) {
    struct stat status {};
    if (::stat(output.c_str(), &status) != 0 || S_ISREG(status.st_mode)) return {};
    return fail(ErrorKind::invalid,
                "{} is no file: write the image to one, and copy that to a disk "
                "(dd if=disk.raw of=/dev/sdX bs=4M conv=fsync)",
                output.native());
}

// Where the kernel and its modules are; a .deb is unpacked below the folder.
Result<Kernel> open_kernel(const fs::path& named, const fs::path& folder) {
    std::error_code error;
    if (fs::is_directory(named, error)) return find_kernel(named);
    HAKO_TRY(const auto unpacker, find_tool("dpkg-deb", "dpkg"));
    HAKO_TRY(const auto unpacked,
             hako::run({.argv = {unpacker, "--extract", named, folder}}, kUnpack));
    if (!unpacked.status.success())
        return fail(ErrorKind::invalid, "--kernel {}: {}", named.native(), unpacked.err);
    if (!fs::exists(folder / "lib", error)) fs::create_symlink("usr/lib", folder / "lib", error);
    return find_kernel(folder);
}

Result<macos::FileTree> make_boot_files(const BuildRequest& request,
                                        const Installation& installation, const fs::path& place) {
    HAKO_TRY(const auto kernel, open_kernel(request.kernel, place / "kernel"));
    ImageTree tree;
    HAKO_CHECK(add_programs(tree, installation));
    HAKO_CHECK(add_modules(tree, kernel));
    tree.add_text(kSettingsFile, dump_json(to_json(request.settings)));
    tree.add_text(kNetworkScript, std::string(network_script()), 0755);
    macos::FileTree files;
    HAKO_CHECK(add_efi_loader(files));
    HAKO_TRY(files[std::string(kKernelPath)], read_file(kernel.image()));
    HAKO_TRY(files[std::string(kInitramfsPath)], tree.pack());
    return files;
}

std::uint64_t sectors_of(std::uint64_t bytes) { return (bytes + kSector - 1) / kSector; }

// The disk, partition after partition.
class Disk {
public:
    explicit Disk(fsimage::OutputFile output) : output_(std::move(output)) {}

    Result<void> add_loader() {
        HAKO_TRY(const auto loader, make_bios_loader(macos::kFirstUsableSector));
        const auto sectors = sectors_of(loader.core.size());
        if (macos::kFirstUsableSector + sectors > macos::kFirstAlignedSector)
            return fail(ErrorKind::too_large, "GRUB's core has {} sectors", sectors);
        HAKO_CHECK(fsimage::write_at(output_.fd(), 0, as_bytes(loader.boot_code)));
        HAKO_CHECK(fsimage::write_at(output_.fd(), macos::kFirstUsableSector * kSector,
                                     as_bytes(loader.core)));
        sum_.update(as_bytes(loader.core));
        table_.partitions.push_back({macos::kBiosBootType, std::string(kBiosPartition),
                                     macos::kFirstUsableSector, macos::kFirstAlignedSector - 1});
        return {};
    }

    Result<void> add_boot_files(const macos::FileTree& files) {
        const auto digest = macos::digest_of(files);
        sum_.update(as_bytes(digest));
        const auto& partition = add(macos::kEspType, kBootPartition, macos::esp_bytes(files));
        return macos::write_esp(output_.fd(), partition, files, digest);
    }

    Result<void> add_text(std::string_view name, std::string_view text) {
        sum_.update(as_bytes(text));
        const auto& partition = add(macos::kLinuxDataType, name, text.size());
        return fsimage::write_at(output_.fd(), partition.first * kSector, as_bytes(text));
    }

    // What is zero in the file is a hole on the disk.
    Result<void> add_file(std::string_view name, const fs::path& file) {
        HAKO_TRY(const Fd from, open_file(file, O_RDONLY));
        struct stat status {};
        if (::fstat(from.get(), &status) != 0)
            return fail_errno(errno, "cannot read {}", file.native());
        auto at =
            add(macos::kLinuxDataType, name, static_cast<std::uint64_t>(status.st_size)).first *
            kSector;
        std::string chunk(kChunk, '\0');
        for (;;) {
            HAKO_TRY(const auto count,
                     read_full(from.get(), std::as_writable_bytes(std::span(chunk))));
            if (count == 0) return {};
            const auto data = as_bytes(std::string_view(chunk).substr(0, count));
            sum_.update(data);
            if (chunk.find_first_not_of('\0') < count)
                HAKO_CHECK(fsimage::write_at(output_.fd(), at, data));
            at += count;
        }
    }

    Result<void> finish() {
        table_.sectors = next_ + macos::kTableSectors + 1;
        table_.digest = sum_.hex_digest();
        if (::ftruncate(output_.fd(), static_cast<off_t>(table_.sectors * kSector)) != 0)
            return fail_errno(errno, "cannot make a disk of {} bytes", table_.sectors * kSector);
        HAKO_CHECK(macos::write_partition_table(output_.fd(), table_));
        return output_.commit();
    }

private:
    const macos::Partition& add(std::string_view type, std::string_view name, std::uint64_t bytes) {
        const auto last = next_ + sectors_of(bytes) - 1;
        table_.partitions.push_back({type, std::string(name), next_, last});
        next_ = (last / macos::kFirstAlignedSector + 1) * macos::kFirstAlignedSector;
        return table_.partitions.back();
    }

    fsimage::OutputFile output_;
    Sha256 sum_;
    macos::PartitionTable table_{};
    std::uint64_t next_ = macos::kFirstAlignedSector;
};

Result<void> write_disk(Disk disk, const BuildRequest& request, const macos::FileTree& boot_files,
                        const fs::path& opencore) {
    HAKO_TRY(const auto variables, macos::new_firmware_variables());
    HAKO_CHECK(disk.add_loader());
    HAKO_CHECK(disk.add_boot_files(boot_files));
    HAKO_CHECK(disk.add_text(kVariablesPartition, variables));
    HAKO_CHECK(disk.add_file(kOpenCorePartition, opencore));
    if (request.recovery) HAKO_CHECK(disk.add_file(kRecoveryPartition, *request.recovery));
    return disk.finish();
}

}  // namespace

Result<std::vector<std::string>> build_appliance(const BuildRequest& request,
                                                 const Installation& installation,
                                                 const fs::path& output) {
    HAKO_CHECK(check_output(output));
    HAKO_TRY(const auto machine, read_variables(request.settings.variables, kAnyMachine));
    if (request.recovery) HAKO_CHECK(macos::check_udif(*request.recovery));
    const auto writing = fmt::format("cannot write {}", output.native());
    HAKO_TRY(auto file, with_context(fsimage::OutputFile::create(output), writing));
    HAKO_TRY(const auto place, TempDir::create());
    const auto opencore = place.path() / "opencore.img";
    HAKO_TRY(auto boot_disk,
             macos::make_boot_disk({.settings = {.identity = request.settings.identity,
                                                 .width = machine.settings.width,
                                                 .height = machine.settings.height,
                                                 .show_picker = machine.settings.show_picker},
                                    .sources = request.opencore,
                                    .custom_config = request.custom_config},
                                   opencore));
    HAKO_TRY(const auto files, make_boot_files(request, installation, place.path()));
    HAKO_CHECK(with_context(write_disk(Disk(std::move(file)), request, files, opencore), writing));
    return std::move(boot_disk.warnings);
}

}  // namespace hako::appliance
