// For tests: an engine whose virtual machines are a few variables in memory. The machines outlive
// the engine, as real ones do, so that a test can end one daemon and start the next.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/fd.h"
#include "engine/context.h"
#include "engine/engine.h"
#include "network/fakes.h"
#include "runtime/log_file.h"

namespace hako::engine {

// What one process of a fake machine does and did.
struct FakeProcess {
    bool started = false;
    std::optional<runtime::ExitRecord> exit;
    std::string input;
    bool input_closed = false;
    std::filesystem::path log;
};

// A container in its machine.
class FakeSandbox {
public:
    FakeSandbox(runtime::SandboxSpec sandbox_spec, std::string vm_id)
        : spec(std::move(sandbox_spec)), vm(std::move(vm_id)) {
        EXPECT_TRUE(add("", spec.container.log.file));
    }

    // As everything that writes: nothing more once it is lost, for its folder goes.
    Result<void> add(const std::string& process, const std::filesystem::path& log) {
        const std::lock_guard lock(mutex);
        if (lost) return fail(ErrorKind::unavailable, "the shim is gone");
        processes[process].log = log;
        HAKO_CHECK(runtime::LogWriter::open(log));
        return {};
    }
    void say(const std::string& process, std::string_view text) {
        const std::lock_guard lock(mutex);
        if (lost) return;
        auto writer = runtime::LogWriter::open(processes[process].log);
        EXPECT_TRUE(writer && writer->append(runtime::LogStream::out, as_bytes(text)));
    }
    void finish(const std::string& process, int code, const std::string& reason = "") {
        const std::lock_guard lock(mutex);
        FakeProcess& ended = processes[process];
        if (ended.exit) return;
        ended.exit = runtime::ExitRecord{.code = code, .exited_at = now(), .reason = reason};
        if (!lost)
            if (auto writer = runtime::LogWriter::open(ended.log)) (void)writer->finish();
        if (process.empty())
            (void)runtime::write_exit_record(spec.container.exit_record, *ended.exit);
        changed.notify_all();
    }
    // kill -9 of the shim and its machine.
    void lose() {
        const std::lock_guard lock(mutex);
        lost = true;
        changed.notify_all();
    }

    const runtime::SandboxSpec spec;
    const std::string vm;  // by the container that it was booted for
    std::mutex mutex;
    std::condition_variable_any changed;
    std::map<std::string, FakeProcess> processes;
    std::map<std::string, std::string> files;  // copied in, by path
    std::vector<std::string> listening;        // "80/tcp"
    bool lost = false;
    bool paused = false;
    int freezes = 0;  // for a commit
    std::vector<std::string> updates;
    std::vector<runtime::NetworkSpec> network_changes;
    bool ignores_sigterm = false;
};

// The machines of a host, and what shall go wrong with them.
struct FakeWorld {
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<FakeSandbox>> sandboxes;  // by the container's id
    std::set<std::string> vms;                                      // those that run
    std::function<Result<void>(const runtime::SandboxSpec&)> on_ready;
    std::function<Result<void>(const std::string& process)> on_start;
    std::function<Result<void>(const std::string& vm)> on_add;
    std::function<Result<void>(const std::string& vm)> on_change;  // of its network
    std::map<std::string, std::uint64_t> caches;  // bytes that guests keep for later, by VM
    bool ignores_sigterm = false;
    std::atomic<int> cleanups = 0;
    std::atomic<int> shutdowns = 0;  // of guests that were asked
    std::atomic<int> spawns = 0;

    std::shared_ptr<FakeSandbox> add(const runtime::SandboxSpec& spec, const std::string& vm) {
        const std::lock_guard lock(mutex);
        return sandboxes[spec.container.id] = std::make_shared<FakeSandbox>(spec, vm);
    }
    // A container's, or all of a VM.
    void lose(const std::function<bool(const FakeSandbox&)>& which) {
        std::vector<std::shared_ptr<FakeSandbox>> lost;
        {
            const std::lock_guard lock(mutex);
            for (const auto& [id, sandbox] : sandboxes)
                if (which(*sandbox)) lost.push_back(sandbox);
            for (const auto& sandbox : lost) sandboxes.erase(sandbox->spec.container.id);
        }
        for (const auto& sandbox : lost) sandbox->lose();
    }
    std::shared_ptr<FakeSandbox> find(const std::string& id) {
        const std::lock_guard lock(mutex);
        const auto found = sandboxes.find(id);
        return found == sandboxes.end() ? nullptr : found->second;
    }
};

class FakeInput : public runtime::InputStream {
public:
    FakeInput(std::shared_ptr<FakeSandbox> sandbox, std::string process)
        : sandbox_(std::move(sandbox)), process_(std::move(process)) {}
    Result<void> write(std::span<const std::byte> data, std::stop_token) override {
        const std::lock_guard lock(sandbox_->mutex);
        sandbox_->processes[process_].input += as_text(data);
        return {};
    }
    Result<void> close(std::stop_token) override {
        const std::lock_guard lock(sandbox_->mutex);
        sandbox_->processes[process_].input_closed = true;
        return {};
    }

private:
    std::shared_ptr<FakeSandbox> sandbox_;
    std::string process_;
};

class FakeShim : public runtime::ShimClient {
public:
    FakeShim(FakeWorld& world, std::string vm, std::shared_ptr<FakeSandbox> sandbox)
        : world_(world), vm_(std::move(vm)), sandbox_(std::move(sandbox)) {}

    Result<vmm::Accelerator> ready(std::stop_token) override {
        if (world_.on_ready) HAKO_CHECK(world_.on_ready(sandbox_->spec));
        return vmm::Accelerator::tcg;
    }
    Result<void> add(const runtime::ContainerSpec& spec,
                     const runtime::NetworkSpec& network) override {
        if (world_.on_add) HAKO_CHECK(world_.on_add(vm_));
        sandbox_ = world_.add({.id = vm_, .network = network, .container = spec}, vm_);
        return {};
    }
    Result<void> remove() override {
        world_.lose([this](const FakeSandbox& other) { return &other == sandbox_.get(); });
        return {};
    }
    Result<runtime::StartedProcess> start(std::string_view process) override {
        const std::string id(process);
        if (world_.on_start) HAKO_CHECK(world_.on_start(id));
        const std::lock_guard lock(sandbox_->mutex);
        sandbox_->processes[id].started = true;
        return runtime::StartedProcess{.pid = 7, .started_at = now()};
    }
    Result<void> exec(const runtime::ExecSpec& exec) override {
        return sandbox_->add(exec.id, sandbox_->spec.exec_log(exec.id));
    }
    Result<void> signal(std::string_view process, int number, bool) override {
        if (number == SIGKILL || (number == SIGTERM && !world_.ignores_sigterm))
            sandbox_->finish(std::string(process), 128 + number);
        return {};
    }
    Result<void> resize(std::string_view, std::uint32_t, std::uint32_t) override { return {}; }
    Result<std::unique_ptr<runtime::InputStream>> open_input(std::string_view process) override {
        return std::make_unique<FakeInput>(sandbox_, std::string(process));
    }
    Result<runtime::ExitRecord> wait(std::string_view process, std::stop_token stop) override {
        std::unique_lock lock(sandbox_->mutex);
        FakeProcess& waited = sandbox_->processes[std::string(process)];
        sandbox_->changed.wait(lock, stop, [&] { return waited.exit || sandbox_->lost; });
        if (waited.exit) return *waited.exit;
        if (sandbox_->lost) return fail(ErrorKind::unavailable, "the shim is gone");
        return fail(ErrorKind::cancelled, "stopped");
    }
    Result<void> pause() override { return set_paused(true); }
    Result<void> resume() override { return set_paused(false); }
    Result<void> update(const std::string& resources) override {
        const std::lock_guard lock(sandbox_->mutex);
        sandbox_->updates.push_back(resources);
        return {};
    }
    Result<void> change_network(const runtime::NetworkSpec& change) override {
        if (world_.on_change) HAKO_CHECK(world_.on_change(vm_));
        const std::lock_guard lock(sandbox_->mutex);
        sandbox_->network_changes.push_back(change);
        return {};
    }
    Result<runtime::SandboxState> state() override {
        if (!sandbox_) return fail(ErrorKind::not_found, "No such container in the VM");
        const std::lock_guard lock(sandbox_->mutex);
        if (sandbox_->lost) return fail(ErrorKind::unavailable, "the shim is gone");
        runtime::SandboxState state{.qemu_pid = 4711, .paused = sandbox_->paused};
        for (const auto& [id, process] : sandbox_->processes)
            state.processes.push_back(
                {.id = id, .started = process.started, .pid = 7, .exit = process.exit});
        return state;
    }
    Result<std::uint64_t> reclaim(std::uint64_t bytes) override {
        const std::lock_guard lock(world_.mutex);
        const std::uint64_t given = std::min(bytes, world_.caches[vm_]);
        world_.caches[vm_] -= given;
        return given;
    }
    Result<guest::Statistics> statistics() override {
        const std::lock_guard lock(sandbox_->mutex);
        guest::Statistics statistics;
        statistics.listening = sandbox_->listening;
        return statistics;
    }
    Result<std::vector<guest::ProcessRow>> list_processes() override {
        guest::ProcessRow row;
        row.pid = 1;
        row.user = "root";
        row.command = "/bin/sleep 5";
        return std::vector{row};
    }
    Result<void> copy_in(const guest::CopyIn& where, Reader& tar, std::stop_token) override {
        TextWriter text;
        HAKO_CHECK(copy_all(tar, text));
        sandbox_->files[where.path] = text.text;
        return {};
    }
    Result<void> copy_out(const std::string& path, Writer& tar, std::stop_token) override {
        return tar.write(as_bytes("a tar of " + path));
    }
    Result<guest::PathStat> stat_path(const std::string& path) override {
        return guest::PathStat{.name = path};
    }
    Result<void> changes(bool list, bool freeze, Writer& out, std::stop_token) override {
        if (freeze) ++sandbox_->freezes;
        using namespace std::string_view_literals;
        return out.write(as_bytes(list ? "C/etc\0A/etc/x\0"sv : "a layer"sv));
    }
    Result<void> delete_exec(std::string_view) override { return {}; }
    Result<void> shutdown(std::chrono::milliseconds) override {
        ++world_.shutdowns;
        world_.lose([this](const FakeSandbox& other) { return other.vm == vm_; });
        return {};
    }

private:
    Result<void> set_paused(bool paused) {
        const std::lock_guard lock(sandbox_->mutex);
        sandbox_->paused = paused;
        return {};
    }

    FakeWorld& world_;
    std::string vm_;
    std::shared_ptr<FakeSandbox> sandbox_;
};

class FakeDriver : public SandboxDriver {
public:
    FakeDriver(FakeWorld& world, Layout layout) : world_(world), layout_(std::move(layout)) {}

    Result<ProcessIdentity> spawn(const runtime::SandboxSpec& spec) override {
        HAKO_CHECK(make_folders(spec.folder));
        HAKO_CHECK(replace_file(spec.spec_file(), dump_json(to_json(spec))));
        world_.add(spec, spec.id);
        const std::lock_guard lock(world_.mutex);
        world_.vms.insert(spec.id);
        ++world_.spawns;
        return ProcessIdentity{1, 1};
    }
    Result<std::unique_ptr<runtime::ShimClient>> connect(std::string_view vm,
                                                         std::string_view container) override {
        const std::string id(vm);
        auto sandbox = world_.find(std::string(container));
        if (sandbox && sandbox->vm != id) sandbox = nullptr;
        const std::lock_guard lock(world_.mutex);
        if (!world_.vms.contains(id)) return fail(ErrorKind::unavailable, "no shim");
        return std::make_unique<FakeShim>(world_, id, std::move(sandbox));
    }
    Result<void> cleanup(std::string_view vm, const std::filesystem::path&) override {
        const std::string id(vm);
        world_.lose([&](const FakeSandbox& other) { return other.vm == id; });
        const std::lock_guard lock(world_.mutex);
        ++world_.cleanups;
        world_.vms.erase(id);
        std::filesystem::remove_all(layout_.sandbox(id));
        return {};
    }

private:
    FakeWorld& world_;
    Layout layout_;
};

class FakeImages : public ImageSource {
public:
    // "busybox" is for every processor, "foreign/arm64" for that one.
    Result<images::Image> find(std::string_view name,
                               const std::optional<oci::Platform>& wanted) override {
        const bool foreign = name.starts_with(kForeign);
        if (name != "busybox" && !foreign)
            return fail(ErrorKind::not_found, "No such image: {}", name);
        images::Image image;
        image.id = "sha256:" + std::string(64, 'a');
        image.os = "linux";
        image.architecture = wanted.value_or(oci::Platform::host()).architecture;
        if (foreign) image.architecture = name.substr(kForeign.size());
        image.config.cmd = {"sh"};
        image.config.env = {"A=image", "B=image"};
        image.config.labels = {{"from", "image"}};
        image.config.exposed_ports = {"7/udp"};
        return image;
    }
    Result<images::Rootfs> rootfs(std::string_view) override {
        return images::Rootfs{{"/images/view", "/images/layer"}};
    }

private:
    static constexpr std::string_view kForeign = "foreign/";
};

constexpr std::string_view kPluggedIn = "/dev/bus/usb/001/004";  // the only device of the host
constexpr std::string_view kEmulated = "s390x";  // the only processor that machines emulate

class FakeMachines : public MachineSource {
public:
    Result<vmm::ProbeResult> accelerator() override {
        return vmm::ProbeResult{vmm::Accelerator::tcg, "there is no KVM in a test"};
    }
    Result<vmm::Kernel> kernel(std::string_view name) override {
        if (!name.empty() && name != "own")
            return fail(ErrorKind::not_found, "No such kernel: {}", name);
        return vmm::Kernel{.name = "builtin", .vmlinux = "/share/vmlinux"};
    }
    std::filesystem::path initramfs() override { return "/share/initramfs.cpio"; }
    Result<std::vector<vmm::HostDevice>> devices(const std::vector<std::string>& names) override {
        std::vector<vmm::HostDevice> found;
        for (const auto& name : names) {
            if (name != kPluggedIn) return fail(ErrorKind::not_found, "no {} is plugged in", name);
            found.push_back({vmm::HostDevice::Bus::usb, name});
        }
        return found;
    }
    Result<std::filesystem::path> emulator(std::string_view architecture) override {
        if (architecture != kEmulated)
            return fail(ErrorKind::unimplemented, "install an emulator for {}", architecture);
        return "/usr/bin/emulator";
    }
};

// The host's network, which outlives the daemon.
struct FakeHost {
    network::FakeHostNetwork links;
    network::FakeFirewall firewall;
    network::FakeNames names;
    std::string resolv_conf = "nameserver 192.0.2.1\nsearch example.org\n";
};

class FakeNetworks : public NetworkSource {
public:
    explicit FakeNetworks(FakeHost& host) : host_(host) {}
    Result<network::HostNetwork*> links() override { return &host_.links; }
    Result<network::Firewall*> firewall() override { return &host_.firewall; }
    Result<network::Names*> names() override { return &host_.names; }
    // Sockets go with the daemon.
    Result<network::Ports*> ports() override { return &ports_; }
    std::string resolv_conf() override { return host_.resolv_conf; }
    bool permitted() override { return true; }

    network::FakePorts ports_;

private:
    FakeHost& host_;
};

class EngineTest : public ::testing::Test {
protected:
    EngineTest() : layout_(folder_.path() / "root", folder_.path() / "run") { start_daemon(); }

    void start_daemon() {
        ASSERT_TRUE(make_folders(layout_.root()));
        auto database = store::Database::open(layout_.database());
        ASSERT_TRUE(database) << database.error().message();
        auto containers = ContainerStore::open(**database);
        ASSERT_TRUE(containers) << containers.error().message();
        auto networks = std::make_unique<FakeNetworks>(host_);
        ports_ = &networks->ports_;
        auto context = std::make_unique<Context>(
            layout_, *std::move(database), *std::move(containers),
            Surroundings{std::make_unique<FakeDriver>(world_, layout_),
                         std::make_unique<FakeImages>(), std::make_unique<FakeMachines>(),
                         std::move(networks)});
        ASSERT_TRUE(context->open_networks(true));
        if (prepare_) prepare_(*context);
        auto opened = Engine::open(std::move(context));
        ASSERT_TRUE(opened) << opened.error().message();
        engine_ = *std::move(opened);
    }
    // As after kill -9, or a restart: machines go on.
    void stop_daemon() { engine_.reset(); }

    static CreateRequest request(const std::string& name = "") {
        CreateRequest request;
        request.name = name;
        request.config.image = "busybox";
        request.host_config.network_mode = "none";  // see networks_test.cc
        request.host_config.storage_opt = {{"size", "16m"}};
        return request;
    }
    std::string create(const CreateRequest& request) {
        auto created = engine_->create(request);
        EXPECT_TRUE(created) << created.error().message();
        return created ? created->id : "";
    }
    std::string create(const std::string& name = "") { return create(request(name)); }
    std::string run(const std::string& name = "") {
        const std::string id = create(name);
        auto started = engine_->start(id);
        EXPECT_TRUE(started) << started.error().message();
        return id;
    }
    ContainerState state(const std::string& id) {
        auto container = engine_->inspect(id);
        EXPECT_TRUE(container) << container.error().message();
        return container ? container->state : ContainerState{};
    }
    // For what another thread brings about.
    template <typename Condition>
    void wait_for(Condition condition) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition()) {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline);
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    WaitResult wait(const std::string& id, WaitCondition condition = WaitCondition::not_running) {
        auto wait = engine_->wait(id, condition);
        EXPECT_TRUE(wait) << wait.error().message();
        auto result = (*wait)->wait({});
        EXPECT_TRUE(result) << result.error().message();
        return result.value_or(WaitResult{-1, ""});
    }

    TempDir folder_ = *TempDir::create();
    Layout layout_;
    FakeWorld world_;
    FakeHost host_;
    network::FakePorts* ports_ = nullptr;    // of the daemon that runs
    std::function<void(Context&)> prepare_;  // of the next one
    std::unique_ptr<Engine> engine_;
};

}  // namespace hako::engine
