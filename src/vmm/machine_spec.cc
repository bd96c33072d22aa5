#include "vmm/machine_spec.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <random>
#include <thread>

namespace hako::vmm {
namespace {

constexpr std::size_t kMaxSerial = 20;  // VIRTIO_BLK_ID_BYTES
constexpr unsigned kMaxCpus = 255;
constexpr std::size_t kMaxLinkName = 15;
constexpr std::uint32_t kFirstCid = 3;  // below are the hypervisor, loopback and the host

Result<void> validate(const Nic& nic) {
    if (nic.tap.empty() || nic.tap.size() > kMaxLinkName || nic.tap.find('/') != std::string::npos)
        return fail(ErrorKind::invalid, "'{}' cannot be the name of a tap", nic.tap);
    // These go into QEMU's command line.
    if (nic.mac.size() != 17 || nic.mac.find_first_not_of("0123456789abcdef:") != std::string::npos)
        return fail(ErrorKind::invalid, "'{}' is no MAC address", nic.mac);
    return {};
}

Json to_json(const Nic& nic) { return {{"tap", nic.tap}, {"mac", nic.mac}, {"spare", nic.spare}}; }

Result<Nic> nic_from_json(const Json& json) {
    Nic nic;
    HAKO_TRY(nic.tap, json_field_or<std::string>(json, "tap", {}));
    HAKO_TRY(nic.mac, json_field_or<std::string>(json, "mac", {}));
    HAKO_TRY(nic.spare, json_field_or(json, "spare", false));
    return nic;
}

template <typename Enum>
Result<Enum> parse_name(std::string_view text, std::initializer_list<Enum> values) {
    for (const Enum value : values)
        if (to_string(value) == text) return value;
    return fail(ErrorKind::invalid, "'{}' is not known here", text);
}

}  // namespace

std::string_view to_string(Accelerator accelerator) {
    return accelerator == Accelerator::kvm ? "kvm" : "tcg";
}

std::string_view to_string(AgentChannel channel) {
    return channel == AgentChannel::vsock ? "vsock" : "serial";
}

Result<void> validate(const Disk& disk) {
    if (disk.serial.empty() || disk.serial.size() > kMaxSerial ||
        !std::ranges::all_of(disk.serial, [](unsigned char c) { return std::isalnum(c) != 0; }))
        return fail(ErrorKind::invalid,
                    "the disk serial '{}' is not made of 1 to {} letters and digits", disk.serial,
                    kMaxSerial);
    if (disk.extents.empty() && !disk.bay)
        return fail(ErrorKind::invalid, "disk {} has no file", disk.serial);
    if (!disk.extents.empty() && disk.bay)
        return fail(ErrorKind::invalid, "disk {} is a bay, and has a file", disk.serial);
    if (disk.extents.size() > 1 && !disk.read_only)
        return fail(ErrorKind::invalid, "disk {} is joined from {} files and must be read-only",
                    disk.serial, disk.extents.size());
    return {};
}

bool fits_bay(const Disk& disk) {
    std::uintmax_t bytes = 0;
    for (const auto& extent : disk.extents) {
        std::error_code error;
        bytes += std::filesystem::file_size(extent, error);
        if (error) return false;
    }
    return bytes <= kBayBytes;
}

Result<void> validate(const MachineSpec& spec) {
    if (spec.id.empty() || spec.id.find('/') != std::string::npos || spec.id.starts_with('.'))
        return fail(ErrorKind::invalid, "'{}' cannot name a machine", spec.id);
    if (spec.memory_bytes < kMinimumMemory)
        return fail(ErrorKind::invalid,
                    "{} bytes of memory are too few: a VM needs at least {} MiB", spec.memory_bytes,
                    kMinimumMemory / kMiB);
    if (spec.cpus == 0 || spec.cpus > kMaxCpus)
        return fail(ErrorKind::invalid, "a VM has 1 to {} CPUs, not {}", kMaxCpus, spec.cpus);
    if (spec.channel == AgentChannel::vsock && spec.vsock_cid < kFirstCid)
        return fail(ErrorKind::invalid, "vsock CID {} is reserved", spec.vsock_cid);
    for (const auto& disk : spec.disks) HAKO_CHECK(validate(disk));
    for (const auto& nic : spec.nics) HAKO_CHECK(validate(nic));
    if (!std::ranges::is_partitioned(spec.nics, [](const Nic& nic) { return !nic.spare; }))
        return fail(ErrorKind::invalid, "spare network cards come behind the others");
    for (const auto& device : spec.devices) HAKO_CHECK(validate(device));
    if (!spec.devices.empty() && !spec.state.empty())
        return fail(ErrorKind::invalid, "a VM with devices of the host is booted, not loaded");
    return validate(spec.shares);
}

Json to_json(const Disk& disk) {
    Json extents = Json::array();
    for (const auto& extent : disk.extents) extents.push_back(extent.native());
    return {{"serial", disk.serial},
            {"extents", extents},
            {"read_only", disk.read_only},
            {"bay", disk.bay}};
}

Result<Disk> disk_from_json(const Json& json) {
    Disk disk;
    HAKO_TRY(disk.serial, json_field_or<std::string>(json, "serial", {}));
    HAKO_TRY(disk.read_only, json_field_or(json, "read_only", false));
    HAKO_TRY(disk.bay, json_field_or(json, "bay", false));
    HAKO_TRY(const auto extents, json_field_or<std::vector<std::string>>(json, "extents", {}));
    disk.extents.assign(extents.begin(), extents.end());
    return disk;
}

Json to_json(const MachineSpec& spec) {
    Json disks = Json::array();
    for (const auto& disk : spec.disks) disks.push_back(to_json(disk));
    Json nics = Json::array();
    for (const auto& nic : spec.nics) nics.push_back(to_json(nic));
    return {{"id", spec.id},
            {"kernel", spec.kernel.native()},
            {"initramfs", spec.initramfs.native()},
            {"kernel_arguments", spec.kernel_arguments},
            {"memory_bytes", spec.memory_bytes},
            {"cpus", spec.cpus},
            {"accelerator", to_string(spec.accelerator)},
            {"channel", to_string(spec.channel)},
            {"vsock_cid", spec.vsock_cid},
            {"tsc_khz", spec.tsc_khz},
            {"disks", disks},
            {"nics", nics},
            {"shares", to_json(spec.shares)},
            {"takes_shares", spec.takes_shares},
            {"devices", to_json(spec.devices)},
            {"state", spec.state.native()},
            {"checkpoint", spec.checkpoint.native()}};
}

Result<MachineSpec> machine_spec_from_json(const Json& json) {
    MachineSpec spec;
    HAKO_TRY(spec.id, json_field_or<std::string>(json, "id", {}));
    HAKO_TRY(spec.kernel, json_field_or<std::string>(json, "kernel", {}));
    HAKO_TRY(spec.initramfs, json_field_or<std::string>(json, "initramfs", {}));
    HAKO_TRY(spec.kernel_arguments,
             json_field_or<std::vector<std::string>>(json, "kernel_arguments", {}));
    HAKO_TRY(spec.memory_bytes, json_field_or(json, "memory_bytes", spec.memory_bytes));
    HAKO_TRY(spec.cpus, json_field_or(json, "cpus", spec.cpus));
    HAKO_TRY(const auto accelerator, json_field_or<std::string>(json, "accelerator", "tcg"));
    HAKO_TRY(spec.accelerator, parse_name(accelerator, {Accelerator::kvm, Accelerator::tcg}));
    HAKO_TRY(const auto channel, json_field_or<std::string>(json, "channel", "serial"));
    HAKO_TRY(spec.channel, parse_name(channel, {AgentChannel::serial, AgentChannel::vsock}));
    HAKO_TRY(spec.vsock_cid, json_field_or(json, "vsock_cid", spec.vsock_cid));
    HAKO_TRY(spec.tsc_khz, json_field_or(json, "tsc_khz", spec.tsc_khz));
    HAKO_TRY(const auto disks, json_field_or(json, "disks", Json::array()));
    for (const auto& item : disks) {
        HAKO_TRY(auto disk, disk_from_json(item));
        spec.disks.push_back(std::move(disk));
    }
    HAKO_TRY(const auto nics, json_field_or(json, "nics", Json::array()));
    for (const auto& item : nics) {
        HAKO_TRY(auto nic, nic_from_json(item));
        spec.nics.push_back(std::move(nic));
    }
    HAKO_TRY(const auto shares, json_field_or(json, "shares", Json::array()));
    HAKO_TRY(spec.shares, shares_from_json(shares));
    HAKO_TRY(spec.takes_shares, json_field_or(json, "takes_shares", false));
    HAKO_TRY(const auto devices, json_field_or(json, "devices", Json::array()));
    HAKO_TRY(spec.devices, host_devices_from_json(devices));
    HAKO_TRY(spec.state, json_field_or<std::string>(json, "state", {}));
    HAKO_TRY(spec.checkpoint, json_field_or<std::string>(json, "checkpoint", {}));
    HAKO_CHECK(validate(spec));
    return spec;
}

void choose_agent_channel(MachineSpec& spec) {
    std::error_code error;
    if (!std::filesystem::exists("/dev/vhost-vsock", error)) return;
    spec.channel = AgentChannel::vsock;
    // The host's kernel refuses a CID that is taken; among four thousand million that is rare.
    std::random_device device;
    spec.vsock_cid =
        std::uniform_int_distribution<std::uint32_t>(kFirstCid, UINT32_MAX - 1)(device);
}

namespace {

struct TscSample {
    std::uint64_t ticks = 0;
    std::int64_t nanoseconds = 0;
};

// The tightest of some attempts: one that was interrupted in the middle would be wrong.
TscSample sample_tsc() {
    TscSample best;
    std::uint64_t shortest = UINT64_MAX;
    for (int attempt = 0; attempt < 16; ++attempt) {
        timespec time{};
        const std::uint64_t before = __builtin_ia32_rdtsc();
        ::clock_gettime(CLOCK_MONOTONIC_RAW, &time);
        const std::uint64_t taken = __builtin_ia32_rdtsc() - before;
        if (taken >= shortest) continue;
        shortest = taken;
        best = {before + taken / 2, time.tv_sec * 1'000'000'000 + time.tv_nsec};
    }
    return best;
}

}  // namespace

std::uint32_t measure_tsc_khz() {
    const auto start = sample_tsc();
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const auto end = sample_tsc();
    const auto ticks = static_cast<double>(end.ticks - start.ticks);
    return static_cast<std::uint32_t>(
        std::lround(ticks * 1e6 / static_cast<double>(end.nanoseconds - start.nanoseconds)));
}

}  // namespace hako::vmm
