#include "vmm/hotplug.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
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

Hotplug::Hotplug(QmpClient& qmp, const std::vector<Disk>& disks) : qmp_(qmp) {
    for (std::size_t i = 0; i < disks.size(); ++i)
        if (disks[i].bay) bays_.push_back({disks[i].serial, disk_name(i), disks[i].read_only});
}

const Hotplug::Bay* Hotplug::free_bay(const State& state, const Disk& disk) const {
    for (const Bay& bay : bays_)
        if (bay.read_only == disk.read_only && !state.disks.contains(bay.serial) && fits_bay(disk))
            return &bay;
    return nullptr;
}

Result<void> Hotplug::attach(const Disk& disk) {
    auto state = state_.lock();
    HAKO_TRY([[maybe_unused]] const auto serial, take_in(*state, disk, nullptr));
    return {};
}

Result<std::string> Hotplug::insert(const Disk& disk) {
    auto state = state_.lock();
    return take_in(*state, disk, free_bay(*state, disk));
}

Result<std::string> Hotplug::take_in(State& state, const Disk& disk, const Bay* bay) {
    if (disk.bay) return fail(ErrorKind::invalid, "disk {} has no file", disk.serial);
    Plugged plugged{.node = node_name(disk.serial), .bay = bay};
    for (const auto& [serial, other] : state.disks)
        if (other.node == plugged.node)
            return fail(ErrorKind::conflict, "the VM has a disk {} already", disk.serial);
    HAKO_TRY(const auto node, disk_node(disk, plugged.node, state.next_fd));
    state.next_fd += static_cast<int>(node.files.size());
    for (const auto& file : node.files) plugged.sets.push_back(file.fd);
    const std::string serial = bay == nullptr ? disk.serial : bay->serial;
    if (auto added = add(node, plugged, serial); !added) {
        take_out(plugged, serial);
        return fail(std::move(added).error().context(
            fmt::format("cannot add the disk {} to the VM", disk.serial)));
    }
    state.disks.emplace(serial, std::move(plugged));
    return serial;
}

// The guest's reads and writes go to this node from now on. The guest learns of no new size: it is
// the file system on the disk that knows its end.
Result<void> Hotplug::put_in(const Bay& bay, const std::string& node) {
    HAKO_CHECK(qmp_.execute(
        "qom-set",
        {{"path", "/machine/peripheral/" + bay.name}, {"property", "drive"}, {"value", node}}));
    return {};
}

Result<void> Hotplug::add(const DiskNode& node, const Plugged& plugged, const std::string& serial) {
    for (const auto& file : node.files) {
        HAKO_TRY(const Fd fd, open_disk_file(file));
        HAKO_CHECK(qmp_.execute("add-fd", {{"fdset-id", file.fd}}, kQmpDeadline, fd.get()));
    }
    HAKO_CHECK(qmp_.execute("blockdev-add", node.options));
    if (plugged.bay != nullptr) return put_in(*plugged.bay, plugged.node);
    HAKO_CHECK(
        qmp_.execute("device_add", {{"driver", "scsi-hd"},
                                    {"bus", kScsiBus},
                                    {"id", device_name(serial)},
                                    {"drive", plugged.node},
                                    // A guest that is to scan nothing takes only others than 0.
                                    {"lun", 1},
                                    {"serial", serial},
                                    {"werror", "report"},
                                    {"rerror", "report"}}));
    return {};
}

Result<void> Hotplug::detach(const std::string& serial) {
    auto state = state_.lock();
    const auto found = state->disks.find(serial);
    if (found == state->disks.end()) return {};
    take_out(found->second, serial);
    state->disks.erase(found);
    return {};
}

// Of a disk that is only half there some of this fails.
void Hotplug::take_out(const Plugged& plugged, const std::string& serial) {
    const bool went = plugged.bay != nullptr
                          ? put_in(*plugged.bay, plugged.bay->name).has_value()
                          : qmp_.execute("device_del", {{"id", device_name(serial)}}).has_value();
    for (int attempt = 0; attempt < kReleaseAttempts; ++attempt) {
        if (qmp_.execute("blockdev-del", {{"node-name", plugged.node}}) || !went) break;
        std::this_thread::sleep_for(kReleasePause);
    }
    for (const int set : plugged.sets)
        if (const auto removed = qmp_.execute("remove-fd", {{"fdset-id", set}}); !removed)
            log_debug("{}", removed.error().message());
}

}  // namespace hako::vmm
