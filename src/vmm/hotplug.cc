#include "vmm/hotplug.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <thread>

#include "base/log.h"
#include "vmm/qemu/arguments.h"

namespace hako::vmm {
namespace {

// A device that went is released a moment after QEMU's answer.
constexpr int kReleaseAttempts = 50;
constexpr auto kReleasePause = std::chrono::milliseconds(20);

std::string node_name(const std::string& serial) { return "hot-" + serial; }
std::string device_name(const std::string& serial) { return "disk-" + serial; }

}  // namespace

Result<Fd> text_file(std::string_view text) {
    Fd file(::memfd_create("hako", MFD_CLOEXEC));
    if (!file) return fail_errno(errno, "cannot make an anonymous file");
    HAKO_CHECK(write_all(file.get(), text));
    return open_file(fmt::format("/proc/self/fd/{}", file.get()), O_RDONLY);
}

Result<Fd> open_disk_file(const DiskFile& file) {
    if (file.path.empty()) return text_file(file.text);
    return open_file(file.path, file.read_only ? O_RDONLY : O_RDWR);
}

Result<void> Hotplug::attach(const Disk& disk) {
    auto state = state_.lock();
    if (state->sets.contains(disk.serial))
        return fail(ErrorKind::conflict, "the VM has a disk {} already", disk.serial);
    HAKO_TRY(const auto node, disk_node(disk, node_name(disk.serial), state->next_fd));
    state->next_fd += static_cast<int>(node.files.size());
    std::vector<int> sets;
    for (const auto& file : node.files) sets.push_back(file.fd);
    if (auto added = add(node, disk.serial); !added) {
        take_out(disk.serial, sets);
        return fail(std::move(added).error().context(
            fmt::format("cannot add the disk {} to the VM", disk.serial)));
    }
    state->sets.emplace(disk.serial, std::move(sets));
    return {};
}

Result<void> Hotplug::add(const DiskNode& node, const std::string& serial) {
    for (const auto& file : node.files) {
        HAKO_TRY(const Fd fd, open_disk_file(file));
        HAKO_CHECK(qmp_.execute("add-fd", {{"fdset-id", file.fd}}, kQmpDeadline, fd.get()));
    }
    HAKO_CHECK(qmp_.execute("blockdev-add", node.options));
    HAKO_CHECK(
        qmp_.execute("device_add", {{"driver", "scsi-hd"},
                                    {"bus", kScsiBus},
                                    {"id", device_name(serial)},
                                    {"drive", node_name(serial)},
                                    // A guest that is to scan nothing takes only others than 0.
                                    {"lun", 1},
                                    {"serial", serial},
                                    {"werror", "report"},
                                    {"rerror", "report"}}));
    return {};
}

Result<void> Hotplug::detach(const std::string& serial) {
    auto state = state_.lock();
    const auto found = state->sets.find(serial);
    if (found == state->sets.end()) return {};
    take_out(serial, found->second);
    state->sets.erase(found);
    return {};
}

// Of a disk that is only half there some of this fails.
void Hotplug::take_out(const std::string& serial, const std::vector<int>& sets) {
    const bool plugged = qmp_.execute("device_del", {{"id", device_name(serial)}}).has_value();
    for (int attempt = 0; attempt < kReleaseAttempts; ++attempt) {
        if (qmp_.execute("blockdev-del", {{"node-name", node_name(serial)}}) || !plugged) break;
        std::this_thread::sleep_for(kReleasePause);
    }
    for (const int set : sets)
        if (const auto removed = qmp_.execute("remove-fd", {{"fdset-id", set}}); !removed)
            log_debug("{}", removed.error().message());
}

}  // namespace hako::vmm
