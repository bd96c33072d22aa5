#include "macos/prepare.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>

#include "base/fd.h"
#include "base/paths.h"
#include "base/text.h"
#include "macos/boot_disk.h"
#include "macos/disk_image.h"
#include "macos/firmware.h"
#include "macos/snapshots.h"
#include "macos/udif.h"
#include "macos/usb.h"

namespace hako::macos {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kRoomToInstall = 25 * kGiB;

// The machine's own copy, once.
Result<void> copy_variables(const fs::path& to) {
    std::error_code error;
    if (fs::exists(to, error)) return {};
    HAKO_TRY(const auto text, new_firmware_variables());
    return store::write_file_atomic(to, text);
}

void look_at_storage(const fs::path& storage, std::vector<std::string>& warnings) {
    struct statfs status {};
    if (::statfs(storage.c_str(), &status) != 0) return;
    if (status.f_type == TMPFS_MAGIC)
        warnings.push_back(
            fmt::format("{} lies in memory (tmpfs): the disks are lost with it and "
                        "take the guest's memory away",
                        storage.native()));
    const auto free =
        static_cast<std::uint64_t>(status.f_bavail) * static_cast<std::uint64_t>(status.f_bsize);
    if (free < kRoomToInstall)
        warnings.push_back(
            fmt::format("{} has {} MiB left, macOS takes {} GiB: its disk will be "
                        "full before it is installed",
                        storage.native(), free / kMiB, kRoomToInstall / kGiB));
}

// A disk of the host, or an image of one, as it is. What the host has mounted is not taken from it.
Result<DiskFile> host_disk(const fs::path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
        return fail_errno(errno, "there is no disk {}", path.native());
    const bool is_device = S_ISBLK(status.st_mode);
    if (!is_device && !S_ISREG(status.st_mode))
        return fail(ErrorKind::invalid, "{} is neither a disk nor an image of one", path.native());
    if (is_device)
        HAKO_CHECK(with_context(open_file(path, O_RDWR | O_EXCL),
                                "the host uses the disk (unmount it first)"));
    return DiskFile{path, DiskFormat::raw, takes_direct(path), is_device};
}

Result<void> make_disks(const MacSettings& settings, const fs::path& folder, MacMachine& machine) {
    for (std::size_t i = 0; i < settings.disks.size(); ++i) {
        if (const auto given = settings.host_disks.find(i); given != settings.host_disks.end()) {
            HAKO_TRY(auto disk, with_context(host_disk(given->second), device_variable(i)));
            machine.disks.push_back(std::move(disk));
            continue;
        }
        if (!settings.disks[i]) continue;
        const auto name = disk_name(i);
        const auto bytes = std::max(*settings.disks[i], grown_bytes(folder, name));
        HAKO_TRY(
            auto file,
            with_context(ensure_disk(folder, {.name = name,
                                              .format = settings.disk_format,
                                              .bytes = bytes,
                                              .allocate = settings.allocate,
                                              .keeps_size = i == 0 && settings.sizes_new_disk}),
                         i == 0 ? std::string("DISK_SIZE") : fmt::format("DISK{}_SIZE", i + 1)));
        const bool direct = takes_direct(file);
        machine.disks.push_back({std::move(file), settings.disk_format, direct});
    }
    return {};
}

}  // namespace

Result<store::FileLock> lock_storage(const fs::path& storage, std::string_view holder) {
    constexpr std::string_view kHolder = "hako.holder";
    const auto writable = [&](Result<void> done) {
        return with_context(std::move(done), fmt::format("the machine's disks are to lie in {}, "
                                                         "which cannot be written",
                                                         storage.native()));
    };
    HAKO_CHECK(writable(make_folders(storage, 0700)));
    const auto file = storage / "hako.lock";
    auto lock = store::FileLock::acquire(file, {});
    if (lock) {
        HAKO_CHECK(writable(replace_file(storage / kHolder, holder, 0600)));
        return lock;
    }
    if (lock.error().kind() != ErrorKind::conflict) HAKO_CHECK(writable(fail(lock.error())));
    const auto other = read_file(storage / kHolder);
    const auto process = read_file(file);  // it writes down which it is
    return fail(ErrorKind::conflict,
                "{} uses {} (process {}): stop that machine, or give this one a folder of its own",
                other && !other->empty() ? *other : "another machine", storage.native(),
                process && !trim(*process).empty() ? trim(*process) : "unknown");
}

Result<StorageLocks> lock_storages(const fs::path& storage, const DiskFolders& more,
                                   std::string_view holder) {
    StorageLocks locks;
    HAKO_TRY(auto first, lock_storage(storage, holder));
    locks.push_back(std::move(first));
    std::vector<fs::path> held{storage};
    for (const auto& [disk, folder] : more) {
        std::error_code error;
        if (std::ranges::any_of(
                held, [&](const fs::path& other) { return fs::equivalent(folder, other, error); }))
            continue;
        held.push_back(folder);
        HAKO_TRY(auto lock, lock_storage(folder, holder));
        locks.push_back(std::move(lock));
    }
    return locks;
}

Result<PreparedMachine> prepare_machine(const PrepareRequest& request) {
    const auto& settings = request.settings;
    if (settings.use_kvm) HAKO_CHECK(check_cpu(request.cpu, settings.version));
    const auto folder = request.storage / settings.version.number;
    HAKO_CHECK(make_folders(folder, 0700));
    HAKO_CHECK(finish_restore(folder));
    HAKO_TRY(auto identity, keep_identity(folder / kIdentity, settings.identity, system_draw()));
    HAKO_CHECK(check_udif(request.recovery));
    HAKO_CHECK(copy_variables(folder / "vars.fd"));
    HAKO_TRY(auto boot, make_boot_disk({.settings = {.identity = identity,
                                                     .width = settings.width,
                                                     .height = settings.height,
                                                     .show_picker = settings.show_picker},
                                        .sources = request.opencore,
                                        .custom_config = request.custom_config},
                                       folder / "boot.img"));
    PreparedMachine prepared{.machine = {.qemu = request.qemu,
                                         .settings = settings,
                                         .identity = std::move(identity),
                                         .cpu = request.cpu,
                                         .firmware = kFirmwareCode,
                                         .variables = folder / "vars.fd",
                                         .boot_disk = folder / "boot.img",
                                         .recovery = request.recovery,
                                         .share = request.share,
                                         .folder = folder},
                             .warnings = std::move(boot.warnings)};
    look_at_storage(request.storage, prepared.warnings);
    HAKO_CHECK(make_disks(settings, folder, prepared.machine));
    for (const vmm::UsbName& wish : settings.usb.devices) {
        HAKO_TRY(auto device, with_context(vmm::find_usb(wish), "USB"));
        prepared.machine.usb.push_back(std::move(device));
    }
    if (settings.use_kvm)
        for (auto& warning : host_warnings(request.cpu, "/sys"))
            prepared.warnings.push_back(std::move(warning));
    return prepared;
}

}  // namespace hako::macos
