// For tests: shell scripts that HAKO_QEMU names, in place of QEMU.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace hako::vmm {

// The beginning of a script that speaks enough QMP to be taken for QEMU; `rest` is what it does
// then.
inline std::string fake_qemu(std::string_view rest) {
    return R"(#!/bin/sh
echo '{"QMP":{}}' >&3
read line <&3
echo '{"return":{},"id":1}' >&3
)" + std::string(rest);
}

// A folder with a kernel and an initramfs that nobody looks into, and the script.
class FakeQemuFolder {
public:
    FakeQemuFolder() {
        ::chmod(path().c_str(), 0755);  // QEMU has a user of its own
        for (const auto& file : {kernel(), initramfs()}) EXPECT_TRUE(write_file(file, "x"));
    }
    FakeQemuFolder(const FakeQemuFolder&) = delete;
    FakeQemuFolder& operator=(const FakeQemuFolder&) = delete;
    ~FakeQemuFolder() { ::unsetenv("HAKO_QEMU"); }

    void use(std::string_view script) {
        const auto qemu = path() / "fake-qemu";
        EXPECT_TRUE(write_file(qemu, script, 0755));
        ::setenv("HAKO_QEMU", qemu.c_str(), 1);
    }
    const std::filesystem::path& path() const { return folder_.path(); }
    std::filesystem::path kernel() const { return path() / "vmlinux"; }
    std::filesystem::path initramfs() const { return path() / "initramfs"; }

private:
    TempDir folder_ = *TempDir::create();
};

}  // namespace hako::vmm
