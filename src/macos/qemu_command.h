// A macOS machine as QEMU's command line.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "macos/host_cpu.h"
#include "macos/identity.h"
#include "macos/settings.h"

namespace hako::macos {

constexpr std::string_view kQmpSocket = "qmp.sock";

struct DiskFile {
    std::filesystem::path path;
    DiskFormat format = DiskFormat::raw;
    bool direct = false;     // the file system takes O_DIRECT
    bool is_device = false;  // a disk of the host
};

struct MacMachine {
    std::filesystem::path qemu;
    MacSettings settings;
    Identity identity;
    HostCpu cpu;
    std::filesystem::path firmware;   // OVMF's code
    std::filesystem::path variables;  // the machine's copy of OVMF's variables
    std::filesystem::path boot_disk;
    std::optional<std::filesystem::path> recovery = {};  // a .dmg
    bool boots_from_devices = false;  // boot_disk and recovery are partitions, no files
    std::vector<DiskFile> disks = {};
    std::optional<std::filesystem::path> share = {};
    std::vector<std::filesystem::path> usb = {};  // device nodes
    std::filesystem::path folder = {};            // of its sockets and its progress
    // It goes on from a snapshot's memory, which it gets as an open descriptor.
    std::optional<int> memory_fd = {};
    // Its link of the LAN, where it has one.
    std::optional<int> lan_fd = {};
};

// As its user starts it: with sockets in its folder.
Command qemu_command(const MacMachine& machine);

// As a process starts it that keeps the other ends: QMP on an open descriptor, and a screen that
// takes its viewers by QMP's add_client.
Command qemu_command(const MacMachine& machine, int qmp_fd);

}  // namespace hako::macos
