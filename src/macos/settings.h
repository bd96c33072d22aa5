// A macOS machine as its user describes it: the variables that users of dockur/macos know, typed
// and checked.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "macos/identity.h"
#include "macos/usb.h"
#include "macos/versions.h"

namespace hako::macos {

enum class DiskFormat { raw, qcow2 };
enum class DiskBus { blk, sata, nvme, usb, scsi };
// lan: a link of the LAN, where the guest asks for an address.
enum class Network { user, lan, none };
enum class Display { web, vnc, none };

// "tcp", 8080 of the host, 80 of the guest.
struct PortForward {
    std::string protocol;
    std::uint16_t host = 0;
    std::uint16_t guest = 0;
    std::string address = "127.0.0.1";  // of the host, where it is open; IPv4 for QEMU
};

constexpr std::uint64_t kLeastMemory = 4 * kGiB;
constexpr std::uint64_t kLeastDisk = 32 * kGiB;
constexpr std::size_t kMostDisks = 6;

struct MacSettings {
    Version version;
    IdentityParts identity;
    unsigned width = 1920;
    unsigned height = 1080;
    bool show_picker = false;
    unsigned cpus = 2;
    std::string cpu_model = {};  // of QEMU; empty: by the host and the release
    std::string cpu_flags = {};  // "+avx,-pcid"
    std::string smp = {};        // of QEMU; empty: powers of two per socket
    std::uint64_t memory = kLeastMemory;
    std::vector<std::optional<std::uint64_t>> disks = {};  // sizes of data, data2 ...
    bool sizes_new_disk =
        true;  // the first one's size is nobody's wish: a disk's that is there stays
    std::map<std::size_t, std::filesystem::path> host_disks = {};  // in the place of disk 0, 1 ...
    DiskFormat disk_format = DiskFormat::raw;
    std::string disk_cache = "none";  // or "writeback"
    std::string disk_io = "native";   // "threads", "io_uring"; native where the file system can
    std::string disk_discard = "unmap";
    unsigned disk_rotation = 1;            // of SATA and SCSI disks; 1: none, as SSDs have it
    std::optional<DiskBus> disk_bus = {};  // none: by the release
    bool allocate = false;
    Network network = Network::user;
    std::vector<PortForward> ports = {};
    std::string adapter = {};  // of QEMU; empty: by the release
    std::optional<std::uint16_t> mtu = {};
    bool use_kvm = true;
    bool balloon = false;
    Display display = Display::web;
    std::uint16_t web_port = 8006;          // of the viewer; 0: a free one
    bool allow_unverified = false;          // a recovery system that Apple did not sign
    std::chrono::seconds stop_budget{105};  // for the guest to shut down
    std::string vga = {};                   // of QEMU; empty: vmware-svga
    std::string osk = {};                   // of the SMC of the user's own Mac
    bool audio = false;
    UsbSettings usb = {};
    std::size_t connections = 4;              // of a download
    std::string recovery_server = {};         // empty: Apple's
    std::vector<std::string> arguments = {};  // for QEMU, behind all others
};

// What `half` and `max` mean, and what there is at most.
struct HostSize {
    unsigned cpus = 1;
    std::uint64_t memory = 0;
};

HostSize host_size();

struct ParsedSettings {
    MacSettings settings;
    std::vector<std::string> warnings;
};

using Variables = std::map<std::string, std::string>;

// ErrorKind::invalid names the variable and says what it may be. Of dockur's variables that mean
// nothing here a warning tells; those of other programs are passed over.
Result<ParsedSettings> parse_settings(const Variables& variables, const HostSize& host);

// "DEVICE" of disk 0, "DEVICE2" of disk 1 ...
std::string device_variable(std::size_t disk);

// Whether it is the key with this sum, which every Mac has.
bool is_osk(std::string_view key, std::string_view sha256);

// As a shell would cut them, with quotes, and nothing else that a shell does.
Result<std::vector<std::string>> split_arguments(std::string_view text);

}  // namespace hako::macos
