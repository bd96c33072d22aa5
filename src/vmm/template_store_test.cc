#include "vmm/template_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "base/units.h"
#include "vmm/template_devices.h"
#include "vmm/template_key.h"
#include "vmm/template_writer.h"

namespace hako::vmm {
namespace {

namespace fs = std::filesystem;

class TemplateStoreTest : public testing::Test {
protected:
    void write(const std::string& key, std::string_view state = "saved guest") {
        auto writer = TemplateWriter::create(store_.path(key));
        ASSERT_TRUE(writer) << writer.error().message();
        ASSERT_TRUE(write_all(writer->state(), state));
        ASSERT_TRUE(writer->finish({.key = key, .shape = {{"cpus", 1}}, .created = now()}));
        EXPECT_FALSE(fs::exists(store_.path(key)));
        ASSERT_TRUE(writer->publish());
    }
    std::vector<std::string> keys() const {
        std::vector<std::string> list;
        for (const auto& one : store_.list()) list.push_back(one.header.key);
        return list;
    }

    TempDir folder_ = *TempDir::create();
    TemplateStore store_{folder_.path(), 3 * 8192};  // two blocks each
};

TEST_F(TemplateStoreTest, GivesTheStateBack) {
    write("a1");
    const auto found = store_.find("a1");
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->header.shape["cpus"], 1);
    EXPECT_EQ(found->header.state_bytes, 11U);
    EXPECT_TRUE(verify_template(found->path));
    const auto state = open_template_state(found->path);
    ASSERT_TRUE(state);
    std::array<std::byte, 11> bytes{};
    ASSERT_EQ(*read_full(state->file.get(), bytes), bytes.size());
    EXPECT_EQ(as_text(bytes), "saved guest");
}

TEST_F(TemplateStoreTest, RefusesWhatIsCutOffChangedOrNone) {
    write("a1");
    const auto path = store_.path("a1");
    ASSERT_EQ(::truncate(path.c_str(), kTemplateHeaderBytes + 10), 0);
    EXPECT_EQ(open_template_state(path).error().kind(), ErrorKind::corrupt);
    ASSERT_EQ(::truncate(path.c_str(), 100), 0);
    EXPECT_EQ(read_template(path).error().kind(), ErrorKind::corrupt);
    fs::remove(path);
    write("a1");
    std::fstream(path, std::ios::in | std::ios::out).seekp(kTemplateHeaderBytes + 3).put('X');
    EXPECT_TRUE(read_template(path));
    EXPECT_EQ(verify_template(path).error().kind(), ErrorKind::corrupt);
    ASSERT_TRUE(write_file(path, std::string(kTemplateHeaderBytes, 'x')));
    EXPECT_EQ(read_template(path).error().kind(), ErrorKind::corrupt);
    EXPECT_TRUE(store_.list().empty());
    EXPECT_EQ(store_.find("../a1").error().kind(), ErrorKind::not_found);
}

TEST_F(TemplateStoreTest, HoldsTheMemoryToo) {
    constexpr std::uint64_t kMemory = 4 * kMiB;
    const auto memory = open_file(folder_.path() / "memory", O_RDWR | O_CREAT, 0600);
    ASSERT_TRUE(memory);
    ASSERT_EQ(::ftruncate(memory->get(), kMemory), 0);
    ASSERT_EQ(::pwrite(memory->get(), "guest", 5, kMiB), 5);
    {
        auto writer = TemplateWriter::create(store_.path("a1"), kMemory);
        ASSERT_TRUE(writer) << writer.error().message();
        ASSERT_TRUE(write_all(writer->state(), "devices"));
        ASSERT_TRUE(writer->write_memory(memory->get()));
        ASSERT_TRUE(writer->finish({.key = "a1", .created = now()}));
        ASSERT_TRUE(writer->publish());
    }
    const auto found = store_.find("a1");
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(found->header.memory_bytes, kMemory);
    EXPECT_EQ(found->header.state_bytes, 7U);
    EXPECT_LT(found->bytes, kMiB);
    EXPECT_TRUE(verify_template(found->path));
    const auto state = open_template_state(found->path);
    ASSERT_TRUE(state);
    std::array<std::byte, 7> bytes{};
    ASSERT_EQ(*read_full(state->file.get(), bytes), bytes.size());
    EXPECT_EQ(as_text(bytes), "devices");
    ASSERT_EQ(::pread(state->file.get(), bytes.data(), 5, kTemplateHeaderBytes + kMiB), 5);
    EXPECT_EQ(as_text(bytes).substr(0, 5), "guest");

    // One bit of the memory.
    std::fstream(found->path, std::ios::in | std::ios::out)
        .seekp(kTemplateHeaderBytes + kMiB)
        .put('G');
    EXPECT_EQ(verify_template(found->path).error().kind(), ErrorKind::corrupt);
}

TEST_F(TemplateStoreTest, WhatIsNotPublishedLeavesNothing) {
    {
        auto writer = TemplateWriter::create(store_.path("a1"));
        ASSERT_TRUE(writer);
        EXPECT_TRUE(fs::exists(writer->temporary()));
    }
    EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(TemplateStoreTest, TheLongestUnusedGoes) {
    for (const auto* key : {"a1", "a2", "a3", "a4"}) {
        write(key);
        ::usleep(10'000);
    }
    store_.touch("a1");
    store_.shrink("a4");
    EXPECT_EQ(keys(), (std::vector<std::string>{"a1", "a4", "a3"}));
    EXPECT_TRUE(store_.remove("a3"));
    EXPECT_EQ(store_.remove("a3").error().kind(), ErrorKind::not_found);
}

class TemplateKeyTest : public testing::Test {
protected:
    TemplateKeyTest() {
        for (const auto& file : {spec_.kernel, spec_.initramfs}) EXPECT_TRUE(write_file(file, "x"));
        use_qemu("1");
    }
    ~TemplateKeyTest() override { ::unsetenv("HAKO_QEMU"); }
    void use_qemu(const std::string& version) {
        const auto qemu = folder_.path() / "qemu";
        EXPECT_TRUE(replace_file(qemu, "#!/bin/sh\necho QEMU " + version + "\n", 0755));
        ::setenv("HAKO_QEMU", qemu.c_str(), 1);
    }
    std::string key(const MachineSpec& spec) {
        const auto shape = shapes_.shape(spec);
        return shape ? shape->key : shape.error().message();
    }

    TempDir folder_ = *TempDir::create();
    MachineSpec spec_{.id = "x",
                      .kernel = folder_.path() / "vmlinux",
                      .initramfs = folder_.path() / "initramfs",
                      .tsc_khz = 2'500'000};
    TemplateShapes shapes_;
};

TEST_F(TemplateKeyTest, HangsOnAllThatTheStateHangsOn) {
    const auto first = key(spec_);
    EXPECT_EQ(first.size(), 16U);
    auto other = spec_;
    other.id = "y";
    other.disks = {{.serial = "d", .extents = {"/d"}}};
    other.nics = {{.tap = "hkt0", .mac = "02:42:ac:11:00:02"}};
    other.tsc_khz += 3;
    EXPECT_EQ(key(other), first);
    const auto differs = [&](auto change) {
        auto changed = spec_;
        change(changed);
        EXPECT_NE(key(changed), first);
    };
    differs([](auto& s) { s.memory_bytes *= 2; });
    differs([](auto& s) { s.cpus = 2; });
    differs([](auto& s) { s.accelerator = Accelerator::kvm; });
    differs([](auto& s) { s.channel = AgentChannel::vsock; });
    differs([](auto& s) { s.kernel_arguments = {"x"}; });
    differs([](auto& s) { s.tsc_khz *= 2; });
    for (const auto& file : {spec_.kernel, spec_.initramfs}) {
        ASSERT_TRUE(write_file(file, "another one"));
        EXPECT_NE(key(spec_), first);
        ASSERT_TRUE(write_file(file, "x"));
    }
    EXPECT_EQ(key(spec_), first);
    use_qemu("2");
    EXPECT_NE(key(spec_), first);
}

TEST_F(TemplateKeyTest, HangsOnWhatTheGuestKnowsOfItsDevices) {
    auto machine = spec_;
    machine.disks = container_bays();
    const auto without_card = key(machine);
    EXPECT_NE(without_card, key(spec_));
    machine.nics = {{.tap = "hkt0", .mac = std::string(kFirstCardMac)}};
    const auto usual = key(machine);
    EXPECT_NE(usual, without_card);
    // A container's own files and other networks change nothing.
    const auto scratch = folder_.path() / "scratch", image = folder_.path() / "image";
    ASSERT_TRUE(write_file(image, std::string(4096, 'i')));
    ASSERT_TRUE(write_file(scratch, "s"));
    machine.disks = {{.serial = "rootfs", .extents = {image}, .read_only = true},
                     {.serial = "scratch", .extents = {scratch}}};
    EXPECT_EQ(key(machine), usual);
    machine.nics.push_back({.tap = "hkt1", .mac = "02:42:ac:12:00:02"});
    machine.takes_shares = true;
    machine.disks.push_back({.serial = "volume", .extents = {scratch}});
    EXPECT_EQ(key(machine), usual);
    machine.disks.pop_back();
    machine.takes_shares = false;
    // Both disks find no slot any more.
    machine.nics.resize(4);
    EXPECT_EQ(key(machine), key(spec_));
    machine.nics.resize(1);
    // Nor does a bay's guest reach the end of this one.
    ASSERT_EQ(::truncate(scratch.c_str(), static_cast<off_t>(kBayBytes + 4096)), 0);
    EXPECT_EQ(key(machine), key(spec_));
}

TEST_F(TemplateKeyTest, ATemplatesMachineHasWhatItsGuestIsToKnow) {
    auto spec = spec_;
    spec.disks = container_bays();
    spec.nics = {{.tap = "hkt0", .mac = std::string(kFirstCardMac)},
                 {.tap = "hkt1", .mac = "02:42:ac:12:00:02", .spare = true}};
    spec.takes_shares = true;
    spec.state = "/templates/x";
    const auto machine = template_machine(spec, "template-1", "hkt9");
    EXPECT_EQ(machine.id, "template-1");
    ASSERT_EQ(machine.disks.size(), 2U);
    EXPECT_TRUE(machine.disks[0].bay && machine.disks[1].bay);
    ASSERT_EQ(machine.nics.size(), 1U);
    EXPECT_EQ(machine.nics.front().tap, "hkt9");
    EXPECT_TRUE(machine.state.empty());
    EXPECT_FALSE(has_share_device(machine));
    EXPECT_EQ(key(machine), key(spec)) << "what is made is what is looked for";
}

TEST_F(TemplateKeyTest, AStartReadsNothing) {
    EXPECT_FALSE(shapes_.known(spec_));
    const auto first = key(spec_);
    ASSERT_TRUE(shapes_.known(spec_));
    EXPECT_EQ(shapes_.known(spec_)->key, first);
    ASSERT_TRUE(write_file(spec_.kernel, "another one"));
    EXPECT_FALSE(shapes_.known(spec_));
}

}  // namespace
}  // namespace hako::vmm
