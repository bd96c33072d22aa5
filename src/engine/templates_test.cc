#include "engine/templates.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "vmm/template_devices.h"
#include "vmm/template_writer.h"

namespace hako::engine {
namespace {

namespace fs = std::filesystem;

class TemplatesTest : public testing::Test {
protected:
    TemplatesTest() {
        for (const auto& file : {spec_.kernel, spec_.initramfs}) EXPECT_TRUE(write_file(file, "x"));
        const auto qemu = folder_.path() / "qemu";
        EXPECT_TRUE(write_file(qemu, "#!/bin/sh\necho QEMU 1\n", 0755));
        ::setenv("HAKO_QEMU", qemu.c_str(), 1);
    }
    ~TemplatesTest() override {
        tasks_.stop_all();
        ::unsetenv("HAKO_QEMU");
    }

    Result<void> make(const runtime::TemplateJob& job) {
        ++built_;
        for (int i = 0; i < 1000 && fs::exists(folder_.path() / "image"); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        known_disks_ = vmm::template_devices(job.spec).disks;
        if (broken_) return fail(ErrorKind::exhausted, "no space left");
        HAKO_TRY(auto writer, vmm::TemplateWriter::create(job.path));
        HAKO_CHECK(write_all(writer.state(), "state"));
        HAKO_CHECK(writer.finish({.key = job.shape.key, .created = now()}));
        return writer.publish();
    }
    // One is none, but lies where it would.
    Result<void> keep(const runtime::TemplateJob&, const fs::path& path) {
        ++kept_;
        if (cannot_keep_) return fail(*cannot_keep_, "it cannot be kept");
        return write_file(path, "kept");
    }
    std::unique_ptr<Templates> open(bool enabled = true) {
        return std::make_unique<Templates>(
            TemplateOptions{.enabled = enabled,
                            .folder = folder_.path() / "templates",
                            .checkpoints = checkpoints_},
            TemplateMaker{
                [this](const auto& job, const auto&) { return make(job); },
                [this](const auto& job, const auto&) -> Result<void> {
                    ++checked_;
                    return vmm::verify_template(job.path);
                },
                [this](const auto&, const auto&) -> Result<void> {
                    if (takes_shares_) return {};
                    return fail(ErrorKind::unavailable, "State blocked");
                },
                [this](const auto& job, const auto& path, const auto&) { return keep(job, path); },
                std::chrono::milliseconds(first_pause_)},
            vmm::MachineOptions{}, tasks_);
    }
    static fs::path wait_for(Templates& templates, const vmm::MachineSpec& spec) {
        for (int i = 0; i < 2000 && templates.find(spec).empty(); ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        return templates.find(spec);
    }
    fs::path wait_for(Templates& templates) { return wait_for(templates, spec_); }

    TempDir folder_ = *TempDir::create();
    Tasks tasks_;
    std::atomic<int> built_ = 0;
    std::atomic<int> checked_ = 0;
    std::atomic<int> kept_ = 0;
    std::optional<ErrorKind> cannot_keep_;
    bool checkpoints_ = true;
    std::atomic<std::size_t> known_disks_ = 0;  // by the guest of the one that was made last
    std::atomic<bool> broken_ = false;
    std::atomic<bool> takes_shares_ = true;
    int first_pause_ = 10'000;  // ms
    vmm::MachineSpec spec_{
        .id = "x", .kernel = folder_.path() / "vmlinux", .initramfs = folder_.path() / "initramfs"};
};

TEST_F(TemplatesTest, IsMadeInTheBackgroundAndThenFound) {
    const auto templates = open();
    EXPECT_EQ(templates->find(spec_), "");
    templates->want(spec_);
    EXPECT_TRUE(fs::exists(wait_for(*templates)));
    EXPECT_EQ(built_, 1);
}

// The container that wanted it may be gone, with its files, when it is made.
TEST_F(TemplatesTest, IsMadeForTheDevicesThatWereThereWhenItWasWanted) {
    const auto image = folder_.path() / "image", scratch = folder_.path() / "scratch";
    spec_.disks = {{.serial = "rootfs", .extents = {image}, .read_only = true},
                   {.serial = "scratch", .extents = {scratch}}};
    const auto make_files = [&] {
        for (const auto& file : {image, scratch}) ASSERT_TRUE(write_file(file, "x"));
    };
    make_files();
    const auto templates = open();
    templates->want(spec_);
    for (const auto& file : {image, scratch}) fs::remove(file);
    for (int i = 0; i < 2000 && known_disks_ == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(known_disks_, 2U);
    make_files();
    EXPECT_NE(wait_for(*templates), "");
}

fs::path wait_for_checkpoint(Templates& templates, const vmm::MachineSpec& spec) {
    for (int i = 0; i < 400 && templates.find_checkpoint(spec).empty(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return templates.find_checkpoint(spec);
}

TEST_F(TemplatesTest, AQemuThatLoadedItIsKept) {
    const auto templates = open();
    EXPECT_EQ(templates->find_checkpoint(spec_), "");
    templates->want(spec_);
    const auto path = wait_for_checkpoint(*templates, spec_);
    ASSERT_NE(path, "");
    EXPECT_EQ(kept_, 1);
    // Another one than was found good is made anew, when it is looked for.
    first_pause_ = 0;
    ASSERT_TRUE(write_file(path, "changed"));
    EXPECT_EQ(templates->find_checkpoint(spec_), "");
    EXPECT_EQ(wait_for_checkpoint(*templates, spec_), path);
    EXPECT_EQ(kept_, 2);
    const auto key = templates->key(spec_);
    ASSERT_TRUE(templates->store().remove(*key));
    EXPECT_FALSE(fs::exists(path));
    EXPECT_EQ(templates->find_checkpoint(spec_), "");
}

TEST_F(TemplatesTest, NoQemuIsKeptThatCannotBe) {
    auto with_folder = spec_, with_kvm = spec_, with_vsock = spec_;
    with_folder.takes_shares = true;
    with_kvm.accelerator = vmm::Accelerator::kvm;
    with_vsock.channel = vmm::AgentChannel::vsock;
    const auto templates = open();
    for (const auto& spec : {with_folder, with_kvm, with_vsock}) {
        templates->want(spec);
        ASSERT_NE(wait_for(*templates, spec), "");
        EXPECT_EQ(templates->find_checkpoint(spec), "");
    }
    tasks_.stop_all();
    EXPECT_EQ(kept_, 0);
}

TEST_F(TemplatesTest, SwitchedOffNoQemuIsKept) {
    checkpoints_ = false;
    const auto templates = open();
    templates->want(spec_);
    ASSERT_NE(wait_for(*templates), "");
    EXPECT_EQ(templates->find_checkpoint(spec_), "");
    tasks_.stop_all();
    EXPECT_EQ(kept_, 0);
}

// What cannot be made is tried again later; what only lacks something, at the next need.
TEST_F(TemplatesTest, AQemuThatIsNotKeptIsTriedAgain) {
    const auto templates = open();
    const auto tries = [&](ErrorKind kind) {
        cannot_keep_ = kind;
        kept_ = 0;
        templates->want(spec_);
        for (int i = 0; i < 200 && kept_ == 0; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        for (int i = 0; i < 20; ++i) {
            EXPECT_EQ(templates->find_checkpoint(spec_), "");
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return kept_.load();
    };
    EXPECT_GT(tries(ErrorKind::not_found), 1);
    EXPECT_EQ(tries(ErrorKind::unimplemented), 1);
    EXPECT_EQ(tries(ErrorKind::unimplemented), 0);
}

TEST_F(TemplatesTest, TheNextDaemonChecksItFirst) {
    ASSERT_TRUE(open()->build(spec_, {}));
    const auto templates = open();
    EXPECT_EQ(templates->find(spec_), "");
    templates->want(spec_);
    EXPECT_NE(wait_for(*templates), "");
    EXPECT_EQ(checked_, 1);
    EXPECT_EQ(built_, 1);
}

TEST_F(TemplatesTest, OneThatDoesNotPassItsCheckIsMadeAnew) {
    const auto made = open()->build(spec_, {});
    ASSERT_TRUE(made);
    ASSERT_TRUE(write_file(made->path, "garbage"));
    const auto templates = open();
    templates->want(spec_);
    EXPECT_NE(wait_for(*templates), "");
    EXPECT_EQ(built_, 2);
}

TEST_F(TemplatesTest, WhatWasChangedOrRemovedIsNotTaken) {
    const auto templates = open();
    const auto made = templates->build(spec_, {});
    ASSERT_TRUE(made);
    ASSERT_EQ(templates->find(spec_), made->path);
    ASSERT_TRUE(write_file(made->path, "garbage"));
    EXPECT_EQ(templates->find(spec_), "");
    EXPECT_FALSE(templates->is_ready(made->header.key));
    fs::remove(made->path);
    EXPECT_EQ(templates->find(spec_), "");
}

TEST_F(TemplatesTest, IsNotTakenForAnotherKernelOrShape) {
    const auto templates = open();
    ASSERT_TRUE(templates->build(spec_, {}));
    auto other = spec_;
    other.memory_bytes *= 2;
    EXPECT_EQ(templates->find(other), "");
    ASSERT_TRUE(write_file(spec_.kernel, "another"));
    EXPECT_EQ(templates->find(spec_), "");
}

TEST_F(TemplatesTest, IsTakenForSharesWhereQemuLoadsItBesideThem) {
    auto shared = spec_;
    shared.shares = {{.name = "m0", .source = "/srv"}};
    for (const bool takes : {false, true}) {
        takes_shares_ = takes;
        const auto templates = open();
        ASSERT_TRUE(templates->build(spec_, {}));
        EXPECT_NE(templates->find(spec_), "");
        EXPECT_EQ(templates->find(shared) != "", takes);
        EXPECT_EQ(templates->key(shared), templates->key(spec_));
    }
}

// As on a host that was too busy for the trial.
TEST_F(TemplatesTest, IsTriedWithSharesAgain) {
    auto shared = spec_;
    shared.shares = {{.name = "m0", .source = "/srv"}};
    std::unique_ptr<Templates> templates;
    for (const int pause : {0, 10'000}) {
        first_pause_ = pause;
        takes_shares_ = false;
        templates = open();
        ASSERT_TRUE(templates->build(spec_, {}));
        takes_shares_ = true;
        templates->want(shared);
        if (pause == 0) {
            EXPECT_NE(wait_for(*templates, shared), "");
        }
    }
    tasks_.stop_all();
    EXPECT_EQ(templates->find(shared), "");
}

TEST_F(TemplatesTest, AFailureIsNotTriedAgainAtOnce) {
    const auto templates = open();
    broken_ = true;
    EXPECT_EQ(templates->build(spec_, {}).error().kind(), ErrorKind::exhausted);
    templates->want(spec_);
    tasks_.stop_all();
    EXPECT_EQ(built_, 1);
    EXPECT_EQ(templates->find(spec_), "");
}

TEST_F(TemplatesTest, OneThatWasOfNoUseIsMadeAgainAtOnceButNotAgainAndAgain) {
    const auto templates = open();
    templates->want(spec_);
    for (const int builds : {1, 2}) {
        const auto path = wait_for(*templates);
        ASSERT_NE(path, "");
        EXPECT_EQ(built_, builds);
        fs::remove(path);
        templates->want(spec_);
    }
    tasks_.stop_all();
    EXPECT_EQ(built_, 2);
}

TEST_F(TemplatesTest, OneThatCannotBeMadeAnewStaysInUse) {
    const auto templates = open();
    const auto made = templates->build(spec_, {});
    ASSERT_TRUE(made);
    broken_ = true;
    EXPECT_FALSE(templates->build(spec_, {}));
    EXPECT_EQ(templates->find(spec_), made->path);
}

TEST_F(TemplatesTest, CanBeSwitchedOff) {
    const auto templates = open(false);
    templates->want(spec_);
    EXPECT_EQ(templates->build(spec_, {}).error().kind(), ErrorKind::conflict);
    EXPECT_FALSE(fs::exists(folder_.path() / "templates"));
}

}  // namespace
}  // namespace hako::engine
