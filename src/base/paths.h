// Where things lie. One place knows the layout; nobody else joins names of our folders.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hako {

// What hako installs, found from the running executable: <prefix>/bin/hako and <prefix>/share/hako,
// or in a build tree bin/ and share/ side by side.
struct Installation {
    std::filesystem::path bin;    // hako, hakod, and the others below
    std::filesystem::path share;  // vmlinux, initramfs.cpio, hello image

    static Result<Installation> find();

    std::filesystem::path shim() const { return bin / "hako-shim"; }
    std::filesystem::path daemon() const { return bin / "hakod"; }
    std::filesystem::path kernel() const { return share / "vmlinux"; }
    std::filesystem::path initramfs() const { return share / "initramfs.cpio"; }
    std::filesystem::path web() const { return share / "web"; }  // the viewer's page
    std::filesystem::path viewer() const { return bin / "hako-viewer"; }
    std::filesystem::path mac_shim() const { return bin / "hako-macos"; }
    std::filesystem::path appliance() const { return bin / "hako-appliance"; }
    std::filesystem::path hello_image() const { return share / "hello.tar"; }
};

// The folders of one daemon. root survives a reboot, run need not.
class Layout {
public:
    Layout(std::filesystem::path root, std::filesystem::path run)
        : root_(std::move(root)), run_(std::move(run)) {}

    const std::filesystem::path& root() const { return root_; }
    const std::filesystem::path& run() const { return run_; }

    std::filesystem::path database() const { return root_ / "hako.db"; }
    std::filesystem::path lock() const { return root_ / "lock"; }
    std::filesystem::path content() const { return root_ / "content"; }
    std::filesystem::path layers() const { return root_ / "layers"; }
    std::filesystem::path views() const { return root_ / "views"; }
    std::filesystem::path unsettled() const { return root_ / "unsettled"; }
    std::filesystem::path kernels() const { return root_ / "kernels"; }
    std::filesystem::path volumes() const { return root_ / "volumes"; }
    // Recovery systems and OpenCore releases.
    std::filesystem::path macos() const { return root_ / "macos"; }
    std::filesystem::path probe_verdict() const { return run_ / "accelerator.json"; }
    std::filesystem::path socket() const { return run_ / "docker.sock"; }
    std::filesystem::path containers() const { return root_ / "containers"; }
    // What a container keeps: scratch disk, logs, exit record. id: 64 hexadecimal digits.
    std::filesystem::path container(std::string_view id) const { return containers() / id; }
    std::filesystem::path container_scratch(std::string_view id) const {
        return container(id) / "scratch.ext4";
    }
    std::filesystem::path container_log(std::string_view id) const { return container(id) / "log"; }
    std::filesystem::path container_exit(std::string_view id) const {
        return container(id) / "exit.json";
    }
    std::filesystem::path sandboxes() const { return run_ / "vm"; }
    // What a running VM needs: sockets, the shim's record. Short, for sun_path.
    std::filesystem::path sandbox(std::string_view id) const {
        return sandboxes() / id.substr(0, 12);
    }

private:
    std::filesystem::path root_;
    std::filesystem::path run_;
};

// mkdir -p; the last folder gets the mode.
Result<void> make_folders(const std::filesystem::path& path, mode_t mode = 0700);

}  // namespace hako
