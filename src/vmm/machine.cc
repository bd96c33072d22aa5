#include "vmm/machine.h"

#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <set>
#include <thread>

#include "base/guarded.h"
#include "base/log.h"
#include "base/paths.h"
#include "vmm/cgroup.h"
#include "vmm/checkpoint.h"
#include "vmm/checkpoint_format.h"
#include "vmm/console.h"
#include "vmm/hotplug.h"
#include "vmm/jail.h"
#include "vmm/memory_file.h"
#include "vmm/memory_path.h"
#include "vmm/migration.h"
#include "vmm/qemu/arguments.h"
#include "vmm/qemu/binary.h"
#include "vmm/qemu/qmp.h"
#include "vmm/share_server.h"
#include "vmm/template_file.h"

namespace hako::vmm {
namespace {

using std::chrono::milliseconds;

static_assert(checkpoint::kCheckpointFd == kStateFd);

constexpr auto kQuitAnswer = milliseconds(500);
constexpr auto kLastWords = milliseconds(500);
// What QEMU needs besides the guest's memory: its own heap, threads, and TCG's translated code.
constexpr std::uint64_t kQemuMemory = 384 * kMiB;
constexpr unsigned kQemuThreads = 128;

// Our ends of the sockets, and what the child inherits.
struct Wiring {
    Fd qmp, console, agent, errors;
    std::vector<Fd> theirs;
    std::vector<FdMapping> mappings;

    void give(Fd fd, int target) {
        mappings.push_back({.source = fd.get(), .target = target});
        theirs.push_back(std::move(fd));
    }
    Result<Fd> give_socket(int target) {
        HAKO_TRY(FdPair pair, make_socket_pair());
        give(std::move(pair.second), target);
        return std::move(pair.first);
    }
};

Result<Wiring> wire(const MachineSpec& spec, const QemuLaunch& launch, const JailSpec& jail,
                    const MachineOptions& options) {
    Wiring wiring;
    HAKO_TRY(wiring.qmp, wiring.give_socket(kQmpFd));
    HAKO_TRY(wiring.console, wiring.give_socket(kConsoleFd));
    if (spec.channel == AgentChannel::serial) {
        HAKO_TRY(wiring.agent, wiring.give_socket(kAgentFd));
    }
    if (!spec.checkpoint.empty()) {
        HAKO_TRY(Fd file, open_checkpoint(spec.checkpoint, spec.state.stem().native()));
        wiring.give(std::move(file), kStateFd);
    } else if (!spec.state.empty()) {
        HAKO_TRY(TemplateState state, open_template_state(spec.state));
        if (state.memory_bytes != memory_bytes_of(spec))
            return fail(ErrorKind::corrupt, "the template is for {} bytes of memory, not for {}",
                        state.memory_bytes, memory_bytes_of(spec));
        wiring.give(std::move(state.file), kStateFd);
    }
    for (const auto& file : launch.files) {
        HAKO_TRY(Fd fd, open_disk_file(file));
        wiring.give(std::move(fd), file.fd);
    }
    for (const auto& tap : launch.taps) {
        HAKO_TRY(Fd fd, options.open_tap(tap.nic));
        wiring.give(std::move(fd), tap.fd);
    }
    HAKO_TRY(Fd input, text_file(dump_json(to_json(jail))));
    wiring.give(std::move(input), STDIN_FILENO);
    HAKO_TRY(FdPair errors, make_pipe());
    wiring.errors = std::move(errors.first);
    wiring.give(std::move(errors.second), STDERR_FILENO);
    return wiring;
}

Result<JailSpec> describe_jail(const MachineSpec& spec, const QemuLaunch& launch,
                               const Cgroup& cgroup) {
    JailSpec jail{.argv = launch.command.argv,
                  .files = {launch.command.argv.front()},
                  .devices = {"/dev/null", "/dev/urandom"},
                  .cgroup_procs = cgroup.procs_files,
                  .uid = jail_uid(spec.id),
                  .parent = ::getpid()};
    if (spec.state.empty()) {
        jail.files.push_back(spec.kernel);
        jail.files.push_back(spec.initramfs);
    }
    if (!spec.state.empty() || spec.accelerator == Accelerator::tcg) {
        HAKO_TRY(const auto installation, Installation::find());
        auto library = installation.share / kMemoryLibrary;
        // One that boots only gives nothing up without it.
        if (std::error_code none; !spec.state.empty() || std::filesystem::exists(library, none)) {
            jail.files.push_back(library);
            jail.preload = std::move(library);
        }
        if (!spec.checkpoint.empty()) {
            jail.program = installation.bin / kRestorer;
            jail.files.push_back(jail.program);
        }
    }
    // The library keeps them from the guest's memory (src/qemu-memory/).
    jail.huge_pages = spec.accelerator == Accelerator::kvm || !jail.preload.empty();
    if (spec.accelerator == Accelerator::kvm) jail.devices.emplace_back("/dev/kvm");
    if (spec.channel == AgentChannel::vsock) jail.devices.emplace_back("/dev/vhost-vsock");
    // Devices of one group share its node.
    std::set<std::filesystem::path> groups;
    for (const auto& device : spec.devices)
        if (device.bus == HostDevice::Bus::pci) groups.insert(device.node);
    jail.vfio = !groups.empty();
    if (jail.vfio) groups.insert("/dev/vfio/vfio");
    jail.devices.insert(jail.devices.end(), groups.begin(), groups.end());
    return jail;
}

Result<Fd> connect_vsock(std::uint32_t cid, milliseconds deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = cid;
    address.svm_port = kAgentVsockPort;
    for (;;) {
        Fd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (!fd) return fail_errno(errno, "cannot make a vsock socket");
        if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
            return fd;
        // The guest is still booting: nobody listens there.
        if (std::chrono::steady_clock::now() > end)
            return fail_errno(errno, "cannot reach the guest agent by vsock");
        std::this_thread::sleep_for(milliseconds(20));
    }
}

bool has_ended(int pidfd) { return wait_readable(pidfd, milliseconds(0)).value_or(false); }

Result<void> check_files(const MachineSpec& spec) {
    if (!spec.state.empty()) return {};
    for (const auto& path : {spec.kernel, spec.initramfs})
        if (::access(path.c_str(), R_OK) != 0)
            return fail_errno(errno, "the VM's file {} cannot be read", path.native());
    return {};
}

}  // namespace

milliseconds agent_deadline(const MachineSpec& spec) {
    // A boot is still to come where loading is in vain.
    if (!spec.state.empty()) return std::chrono::seconds(20);
    return spec.accelerator == Accelerator::kvm ? std::chrono::seconds(20)
                                                : std::chrono::seconds(60);
}

class Machine::Impl {
public:
    explicit Impl(const MachineSpec& spec)
        : id_(spec.id),
          emulated_(spec.accelerator == Accelerator::tcg),
          vsock_cid_(spec.vsock_cid) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() {
        process_.lock()->reset();  // kills and reaps
        shares_.reset();
        if (auto removed = CgroupTree().remove(id_); !removed)
            log_warn("{}", removed.error().message());
    }

    Result<void> launch(const MachineSpec& spec, const MachineOptions& options) {
        HAKO_TRY(const auto qemu, find_qemu());
        HAKO_CHECK(check_files(spec));
        HAKO_TRY(const auto launch, qemu_launch(spec, qemu, options.saves));
        const auto cgroup = CgroupTree().create(
            id_,
            {.memory_bytes = spec.memory_bytes + kQemuMemory, .pids = kQemuThreads + spec.cpus});
        for (const auto& text : cgroup.notes) log_warn("VM {}: {}", id_.substr(0, 12), text);
        HAKO_TRY(const auto jail, describe_jail(spec, launch, cgroup));
        HAKO_TRY(Wiring wiring, wire(spec, launch, jail, options));
        for (const auto& mapping : wiring.mappings) inherited_.insert(mapping.target);
        inherited_.erase(kStateFd);  // it is read once
        if (has_share_device(spec)) {
            HAKO_TRY(auto server, ShareServer::start(spec.shares, options.share_stage,
                                                     cgroup.procs_files, options.is_trial));
            wiring.give(server.take_connection(), kShareFd);
            shares_.emplace(std::move(server));
        }
        HAKO_TRY(Process process,
                 spawn({.argv = options.jail, .new_session = true}, wiring.mappings));
        pid_ = process.pid();
        pidfd_ = Fd(::fcntl(process.pidfd(), F_DUPFD_CLOEXEC, 0));
        if (!pidfd_) return fail_errno(errno, "cannot watch QEMU");
        process_.lock()->emplace(std::move(process));
        wiring.theirs.clear();
        agent_ = std::move(wiring.agent);
        HAKO_TRY(console_, Console::start(std::move(wiring.console), std::move(wiring.errors),
                                          options.console_log));
        if (!spec.checkpoint.empty()) {
            HAKO_CHECK(go_on(std::move(wiring.qmp), options.start_deadline));
            hotplug_.emplace(*qmp_, spec.disks);
            return {};
        }
        auto qmp = QmpClient::connect(std::move(wiring.qmp), options.start_deadline);
        if (!qmp) return fail(explain_start(qmp.error()));
        qmp_ = *std::move(qmp);
        hotplug_.emplace(*qmp_, spec.disks);
        if (spec.state.empty()) return {};
        HAKO_CHECK(leave_out_shared_memory(*qmp_));
        return load_state(*qmp_, kStateFd);
    }

    // A QEMU that was kept.
    Result<void> go_on(Fd qmp, milliseconds deadline) {
        qmp_ = QmpClient::go_on(std::move(qmp));
        const auto running = qmp_->execute("cont", {}, deadline);
        if (!running) return fail(explain_start(running.error()));
        return {};
    }

    // stop() kills it.
    Result<void> keep(const MachineSpec& spec, const std::filesystem::path& path) {
        HAKO_CHECK(qmp_->stop());
        return write_checkpoint({.qemu = pid_,
                                 .key = spec.state.stem(),
                                 .given = inherited_,
                                 .template_file = spec.state,
                                 .path = path});
    }

    Result<std::optional<MachineEnd>> wait(std::optional<milliseconds> timeout) {
        HAKO_TRY(const bool ended, wait_readable(pidfd_.get(), timeout));
        if (!ended) return std::nullopt;
        HAKO_TRY(const auto status, (*process_.lock())->wait());
        console_->drain(kLastWords);
        return MachineEnd{.status = *status, .reason = describe_end(*status)};
    }

    Result<void> stop(milliseconds grace) {
        // The other way round, it ends with QEMU.
        if (shares_ && !has_ended(pidfd_.get())) lost_shares_ = has_ended(shares_->end_fd());
        // QEMU may be hanging: then it is asked in vain, and killed.
        if (qmp_) (void)qmp_->execute("quit", {}, std::min(grace, kQuitAnswer));
        HAKO_TRY(const bool ended, wait_readable(pidfd_.get(), grace));
        if (!ended) HAKO_CHECK((*process_.lock())->signal(SIGKILL));
        HAKO_TRY([[maybe_unused]] const auto end, wait({}));
        return {};
    }

    void give_up_translations() {
        if (!emulated_) return;
        auto process = process_.lock();
        if (*process) (void)(*process)->signal(kGiveUpSignal);
    }

    Error explain(ErrorKind kind, std::string_view sentence) const {
        std::string text(sentence);
        const auto tail = console_->tail();
        const auto errors = last_lines(console_->errors(), 3, "; ");
        if (const auto panic = find_panic(tail))
            text += fmt::format(": the guest kernel panicked: {}", *panic);
        if (!errors.empty()) text += fmt::format(": QEMU said: {}", errors);
        if (const auto lines = last_lines(tail, 5, " | "); !lines.empty())
            text += fmt::format(" (end of the console: {})", lines);
        return {kind, std::move(text)};
    }

    std::string id_;
    bool emulated_;
    std::uint32_t vsock_cid_;
    pid_t pid_ = -1;
    Fd pidfd_;
    Fd agent_;
    std::unique_ptr<Console> console_;
    std::unique_ptr<QmpClient> qmp_;
    std::set<int> inherited_{0, 1, 2};  // QEMU's descriptors
    std::optional<Hotplug> hotplug_;
    Guarded<std::optional<Process>> process_;
    std::optional<ShareServer> shares_;
    std::atomic<bool> lost_shares_ = false;  // it ended before the VM was stopped

private:
    Error explain_start(const Error& error) {
        // QEMU may just be saying why it ends.
        const auto ended = wait(kLastWords);
        if (ended && *ended)
            return explain(ErrorKind::unavailable,
                           fmt::format("QEMU ended at start ({})", to_string((*ended)->status)));
        return explain(error.kind(), fmt::format("QEMU does not start: {}", error.message()));
    }

    std::string describe_end(const ExitStatus& status) const {
        if (const auto panic = find_panic(console_->tail()))
            return fmt::format("the guest kernel panicked: {}", *panic);
        if (lost_shares_) return "virtiofsd, which served the VM's folders, ended";
        const auto errors = last_lines(console_->errors(), 3, "; ");
        if (!errors.empty()) return fmt::format("QEMU ended ({}): {}", to_string(status), errors);
        if (!status.success()) return fmt::format("QEMU ended ({})", to_string(status));
        return "the VM powered off";
    }
};

Machine::Machine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Machine::~Machine() = default;

Result<std::unique_ptr<Machine>> Machine::start(const MachineSpec& spec,
                                                const MachineOptions& options) {
    HAKO_CHECK(validate(spec));
    MachineSpec complete = spec;
    if (complete.tsc_khz == 0) complete.tsc_khz = measure_tsc_khz();
    auto impl = std::make_unique<Impl>(spec);
    HAKO_CHECK(with_context(impl->launch(complete, options), "cannot start the VM"));
    return std::unique_ptr<Machine>(new Machine(std::move(impl)));
}

Result<Fd> Machine::take_agent_channel(milliseconds deadline) {
    if (impl_->vsock_cid_ != 0) return connect_vsock(impl_->vsock_cid_, deadline);
    if (!impl_->agent_) return fail(ErrorKind::conflict, "the agent channel is taken already");
    return std::move(impl_->agent_);
}

pid_t Machine::pid() const { return impl_->pid_; }
int Machine::end_fd() const { return impl_->pidfd_.get(); }
int Machine::share_end_fd() const { return impl_->shares_ ? impl_->shares_->end_fd() : -1; }

std::size_t Machine::max_shared_files() const {
    return impl_->shares_ ? impl_->shares_->max_files() : 0;
}

Result<std::optional<MachineEnd>> Machine::wait(std::optional<milliseconds> timeout) {
    return impl_->wait(timeout);
}

Result<void> Machine::stop(milliseconds grace) { return impl_->stop(grace); }

Result<void> Machine::pause() { return impl_->qmp_->stop(); }
Result<void> Machine::resume() { return impl_->qmp_->cont(); }

void Machine::give_up_translations() { impl_->give_up_translations(); }

Result<void> Machine::attach_disk(const Disk& disk) {
    HAKO_CHECK(validate(disk));
    return impl_->hotplug_->attach(disk);
}
Result<std::string> Machine::insert_disk(const Disk& disk) {
    HAKO_CHECK(validate(disk));
    return impl_->hotplug_->insert(disk);
}
Result<void> Machine::detach_disk(const std::string& serial) {
    return impl_->hotplug_->detach(serial);
}

Result<void> Machine::add_shares(const std::vector<Share>& shares) {
    HAKO_CHECK(validate(shares));
    if (!impl_->shares_)
        return fail(ErrorKind::invalid, "the VM was started without a place for folders");
    return impl_->shares_->add(shares);
}
Result<void> Machine::remove_shares(const std::vector<std::string>& names) {
    return impl_->shares_ ? impl_->shares_->remove(names) : Result<void>();
}

Result<Fd> Machine::save_state(int file, milliseconds deadline) {
    HAKO_CHECK(leave_out_shared_memory(*impl_->qmp_));
    HAKO_CHECK(vmm::save_state(*impl_->qmp_, file, deadline));
    return open_memory_of(impl_->pid_);
}

Result<void> Machine::keep(const MachineSpec& spec, const std::filesystem::path& path) {
    return impl_->keep(spec, path);
}

std::string Machine::console_tail() const { return impl_->console_->tail(); }

Error Machine::explain(ErrorKind kind, std::string_view sentence) const {
    return impl_->explain(kind, sentence);
}

Result<void> cleanup_machine(std::string_view id) { return CgroupTree().remove(id); }

}  // namespace hako::vmm
