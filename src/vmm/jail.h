// Where QEMU runs. A process of ours (hako-shim jail) locks itself in and then becomes QEMU, so
// there is one process, and what was mounted goes with it:
// - a root of its own: a tmpfs with /usr, the libraries and the given files, read-only
// - device nodes of its own for the given devices only; network, IPC and host name namespaces
// - an own uid without capabilities, no_new_privs, resource limits, the VM's cgroup
// - it dies with the thread that started it
//
// Without root, or where the host forbids a step, the step is skipped with a note on stderr.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace hako::vmm {

struct JailSpec {
    std::vector<std::string> argv;             // argv[0]: an absolute path
    std::filesystem::path program = {};        // another one than argv[0]; is to be in `files`, too
    std::filesystem::path preload = {};        // a library; is to be in `files`, too
    std::vector<std::filesystem::path> files;  // appear at the same path, read-only
    std::vector<std::filesystem::path> folders;  // likewise, to write into as its uid may
    std::vector<std::filesystem::path> devices;  // character devices, for its uid alone
    std::vector<std::filesystem::path> cgroup_procs;
    // Without the library that keeps them from an emulated guest's memory (src/qemu-memory/) they
    // would cost it a quarter of its boot, and make it larger.
    bool huge_pages = true;
    bool vfio = false;        // with sysfs, read-only, and the right to lock its memory
    bool own_network = true;  // without: the host's, for QEMU's user network
    uid_t uid = 0;            // and gid
    pid_t parent = 0;         // with which it dies
};

Json to_json(const JailSpec& spec);
Result<JailSpec> jail_spec_from_json(const Json& json);

// The uid of a VM: 24 bits of the id's hash above 0x70000000, a range that no distribution assigns
// (systemd: UIDs-GIDs.md) and that needs no entry in /etc/passwd.
uid_t jail_uid(std::string_view machine_id);

// The uid that a jail for this one has: another, or our own, where a user namespace around us does
// not know it.
uid_t usable_uid(uid_t wanted);

// Reads a JailSpec from standard input, locks this process in and executes the program. For
// single-threaded processes. Returns the exit status (125) when that failed; stderr tells why.
int jail_main();

}  // namespace hako::vmm
