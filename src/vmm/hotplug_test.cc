// What QEMU is told for a disk that comes and goes, by a QMP server in this process.
#include "vmm/hotplug.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/fd_message.h"
#include "base/thread.h"

namespace hako::vmm {
namespace {

class HotplugTest : public testing::Test {
protected:
    HotplugTest() {
        auto pair = make_socket_pair();
        server_ = std::move(pair->second);
        thread_ = start_thread("fake-qmp", [this](auto) { serve(); });
        qmp_ = *QmpClient::connect(std::move(pair->first), std::chrono::milliseconds(5000));
        hotplug_.emplace(*qmp_, disks_);
        EXPECT_TRUE(write_file(file_, std::string(4096, 'x')));
    }
    ~HotplugTest() override {
        hotplug_.reset();
        qmp_.reset();
    }

    void serve() {
        (void)write_all(server_.get(), std::string("{\"QMP\":{}}\r\n"));
        std::string line;
        for (char c = 0; receive(c);) {
            if (c != '\n') {
                line += c;
                continue;
            }
            const auto command = *parse_json(line);
            line.clear();
            const std::string name = command["execute"];
            Json answer{{"id", command["id"]}};
            if (refused_ == name) answer["error"] = {{"desc", "no room"}};
            else answer["return"] = Json::object();
            auto told = told_.lock();
            if (name != "qmp_capabilities")
                told->push_back(name + " " + dump_json(command.value("arguments", Json())));
            (void)write_all(server_.get(), dump_json(answer) + "\r\n");
        }
    }
    bool receive(char& c) {
        const auto message = receive_message(server_.get(), {&c, 1});
        if (!message || message->size == 0) return false;
        if (message->fd) ++descriptors_;
        return true;
    }

    TempDir folder_ = *TempDir::create();
    std::filesystem::path file_ = folder_.path() / "disk";
    const std::vector<Disk> disks_ = {
        {"own", {file_}, true}, {"readbay", {}, true, true}, {"writebay", {}, false, true}};
    Fd server_;
    std::string refused_;
    Guarded<std::vector<std::string>> told_;
    std::atomic<int> descriptors_ = 0;
    std::jthread thread_;
    std::unique_ptr<QmpClient> qmp_;
    std::optional<Hotplug> hotplug_;
};

TEST_F(HotplugTest, ADiskComesWithItsDescriptorAndGoes) {
    ASSERT_TRUE(hotplug_->attach({"s1", {file_}, false}));
    EXPECT_EQ(descriptors_, 1);
    EXPECT_EQ(hotplug_->attach({"s1", {file_}, false}).error().kind(), ErrorKind::conflict);
    ASSERT_TRUE(hotplug_->detach("s1"));
    ASSERT_TRUE(hotplug_->detach("s1"));
    EXPECT_EQ(*told_.lock(),
              (std::vector<std::string>{
                  R"(add-fd {"fdset-id":1000})",
                  R"(blockdev-add {"discard":"unmap","driver":"raw","file":{"discard":"unmap",)"
                  R"("driver":"file","filename":"/dev/fdset/1000"},"node-name":"hot-s1",)"
                  R"("read-only":false})",
                  R"(device_add {"bus":"scsi.0","drive":"hot-s1","driver":"scsi-hd",)"
                  R"("id":"disk-s1","lun":1,"rerror":"report","serial":"s1","werror":"report"})",
                  R"(device_del {"id":"disk-s1"})",
                  R"(blockdev-del {"node-name":"hot-s1"})",
                  R"(remove-fd {"fdset-id":1000})",
              }));
}

TEST_F(HotplugTest, AJoinedDiskHasADescriptorForEachFileAndOneMore) {
    ASSERT_TRUE(hotplug_->attach({"r1", {file_, file_}, true}));
    EXPECT_EQ(descriptors_, 3);
    const auto told = *told_.lock();
    EXPECT_EQ(told[3], R"(blockdev-add {"driver":"vmdk","file":{"driver":"file",)"
                       R"("filename":"/dev/fdset/1002"},"node-name":"hot-r1","read-only":true})");
}

TEST_F(HotplugTest, ADiskThatSuitsGoesIntoABay) {
    EXPECT_EQ(*hotplug_->insert({"s1", {file_}, false}), "writebay");
    EXPECT_EQ(
        told_.lock()->back(),
        R"(qom-set {"path":"/machine/peripheral/disk2","property":"drive","value":"hot-s1"})");
    EXPECT_EQ(*hotplug_->insert({"s2", {file_}, false}), "s2") << "the bay is taken";
    EXPECT_EQ(*hotplug_->insert({"r1", {file_}, true}), "readbay");
    EXPECT_EQ(hotplug_->insert({"s1", {file_}, false}).error().kind(), ErrorKind::conflict);
    told_.lock()->clear();
    ASSERT_TRUE(hotplug_->detach("writebay"));
    EXPECT_EQ(
        *told_.lock(),
        (std::vector<std::string>{
            R"(qom-set {"path":"/machine/peripheral/disk2","property":"drive","value":"disk2"})",
            R"(blockdev-del {"node-name":"hot-s1"})",
            R"(remove-fd {"fdset-id":1000})",
        }));
    EXPECT_EQ(*hotplug_->insert({"s3", {file_}, false}), "writebay") << "it is free again";
}

TEST_F(HotplugTest, ADiskLargerThanABayIsPluggedIn) {
    ASSERT_EQ(::truncate(file_.c_str(), static_cast<off_t>(kBayBytes + 4096)), 0);
    EXPECT_EQ(*hotplug_->insert({"s1", {file_}, false}), "s1");
    EXPECT_EQ(hotplug_->insert({"s2", {}, false, true}).error().kind(), ErrorKind::invalid);
}

TEST_F(HotplugTest, NothingIsLeftOfADiskThatABayRefuses) {
    refused_ = "qom-set";
    EXPECT_FALSE(hotplug_->insert({"s1", {file_}, false}));
    EXPECT_EQ(told_.lock()->back(), R"(remove-fd {"fdset-id":1000})");
    refused_.clear();
    EXPECT_EQ(*hotplug_->insert({"s1", {file_}, false}), "writebay");
}

TEST_F(HotplugTest, NothingIsLeftOfADiskThatQemuRefuses) {
    refused_ = "device_add";
    const auto attached = hotplug_->attach({"s1", {file_}, false});
    ASSERT_FALSE(attached);
    EXPECT_NE(attached.error().message().find("no room"), std::string::npos);
    const auto told = *told_.lock();
    EXPECT_EQ(told.back(), R"(remove-fd {"fdset-id":1000})");
    EXPECT_EQ(told[told.size() - 2], R"(blockdev-del {"node-name":"hot-s1"})");
    refused_.clear();
    EXPECT_TRUE(hotplug_->attach({"s1", {file_}, false}));
}

}  // namespace
}  // namespace hako::vmm
