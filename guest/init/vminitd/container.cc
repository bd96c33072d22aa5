#include "init/vminitd/container.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cctype>

#include "base/log.h"
#include "base/paths.h"
#include "init/common/namespaces.h"
#include "init/common/vmexec_protocol.h"
#include "init/vminitd/lines.h"
#include "init/vminitd/oom_watch.h"
#include "init/vminitd/plugged_devices.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

// Ids become names of files and cgroups.
Result<void> check_id(std::string_view id) {
    const auto fine = [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
    };
    if (id.empty() || id.size() > 128 || id.starts_with('.') || !std::ranges::all_of(id, fine))
        return fail(ErrorKind::invalid, "\"{}\" is no id: letters, digits, _ . - (at most 128)",
                    id);
    return {};
}

// Processes may make cgroups of their own in it.
Result<bool> has_writable_cgroup(const Json& spec) {
    HAKO_TRY(const auto mounts, json_field_or<std::vector<Json>>(spec, "mounts", {}));
    for (const auto& mount : mounts) {
        HAKO_TRY(const auto type, json_field_or<std::string>(mount, "type", ""));
        HAKO_TRY(const auto options, json_field_or<std::vector<std::string>>(mount, "options", {}));
        if (type.starts_with("cgroup") && std::ranges::find(options, "ro") == options.end())
            return true;
    }
    return false;
}

agent::v1::Event exit_event(const std::string& container, const std::string& process,
                            const ProcessEnd& end) {
    agent::v1::Event event;
    event.set_container(container);
    event.mutable_exit()->set_process(process);
    *event.mutable_exit()->mutable_status() = to_message(end);
    return event;
}

}  // namespace

Result<std::shared_ptr<Container>> Container::create(
    const Surroundings& surroundings, std::string id, Json spec,
    const std::map<std::string, std::string>& files,
    const std::vector<agent::v1::Socket>& sockets) {
    HAKO_CHECK(check_id(id));
    HAKO_CHECK(add_plugged_devices(spec));
    HAKO_TRY(auto namespaces, namespaces_of(spec));
    HAKO_TRY(const auto root, json_field_or<Json>(spec, "root", Json::object()));
    HAKO_TRY(auto path, json_field_or<std::string>(root, "path", ""));
    HAKO_TRY(const auto linux_json, json_field_or<Json>(spec, "linux", Json::object()));
    HAKO_TRY(const auto resources, json_field_or<Json>(linux_json, "resources", Json::object()));
    HAKO_TRY(const auto settings, cgroup_settings(resources));
    HAKO_TRY(const auto devices, device_rules(resources));
    HAKO_TRY(const bool writable, has_writable_cgroup(spec));

    HAKO_TRY(auto cgroup, Cgroup::create(surroundings.cgroups, id));
    // From here on the destructor cleans up.
    const std::shared_ptr<Container> container(
        new Container(surroundings, std::move(id), std::move(spec), std::move(path),
                      std::move(namespaces), std::move(cgroup)));
    if (writable) container->cgroup_.add_controllers();
    HAKO_CHECK(container->cgroup_.apply(settings));
    if (devices) {
        const auto applied = surroundings.device_filters.apply(container->cgroup_.fd(), *devices);
        // The border is the VM, with a kernel of one's own as well.
        if (!applied && applied.error().kind() == ErrorKind::unimplemented)
            log_warn("device rules are not applied: {}", applied.error().message());
        else HAKO_CHECK(applied);
    }
    HAKO_CHECK(container->write_files(files));
    HAKO_CHECK(container->make_sockets(sockets));
    return container;
}

Container::~Container() {
    if (const auto removed = remove(); !removed)
        log_error("container {}: {}", id_, removed.error().message());
}

Result<void> Container::write_files(const std::map<std::string, std::string>& files) {
    if (files.empty()) return {};
    HAKO_CHECK(make_folders(files_folder(), 0755));
    for (const auto& [target, content] : files) {
        const auto file = files_folder() / fmt::format("{}", files_.size());
        HAKO_CHECK(write_file(file, content));
        files_.emplace(target, file.string());
    }
    return {};
}

// In place: it is mounted, and somebody may have it open.
Result<void> Container::change_file(const std::string& path, std::span<const std::string> gone,
                                    std::span<const std::string> come) const {
    const auto file = files_.find(path);
    if (file == files_.end() || listeners_.contains(path)) return {};
    HAKO_TRY(const auto text, read_file(file->second));
    return write_file(file->second, change_lines(text, gone, come));
}

Result<void> Container::make_sockets(const std::vector<agent::v1::Socket>& sockets) {
    if (sockets.empty()) return {};
    HAKO_CHECK(make_folders(files_folder(), 0755));
    for (const auto& socket : sockets) {
        const auto file = files_folder() / fmt::format("{}", files_.size());
        HAKO_TRY(listeners_[socket.path()], listen_socket(file, socket));
        files_.insert_or_assign(socket.path(), file.string());
    }
    return {};
}

Result<Fd> Container::accept_socket(const std::string& path,
                                    const guest::Cancelled& cancelled) const {
    const auto found = listeners_.find(path);
    if (found == listeners_.end())
        return fail(ErrorKind::not_found, "container {} has no socket of the host at {}", id_,
                    path);
    const auto first = process(id_);
    if (!first) return fail(first.error());
    return guest::accept_relayed(found->second.get(), (*first)->pidfd(), cancelled);
}

Result<Fd> Container::connect_socket(const std::string& path,
                                     const guest::Cancelled& cancelled) const {
    const auto first = first_process();
    if (!first) return fail(ErrorKind::conflict, "container {} is not running", id_);
    // Through its mounts.
    HAKO_TRY(const Fd root,
             open_file(fmt::format("/proc/{}/root", first->pid()), O_PATH | O_DIRECTORY));
    return init::connect_socket(root, path, cancelled);
}

Launch Container::describe(const ProcessRequest& request, bool first,
                           const ContainerProcess* joined) const {
    Launch launch;
    launch.request = {{request::kAction, first ? action::kFirst : action::kExec},
                      {request::kContainer, spec_},
                      {request::kProcess, request.process},
                      {request::kFiles, files_},
                      {request::kSeccomp, !request.seccomp.empty()}};
    launch.seccomp = request.seccomp;
    launch.cgroup = cgroup_.fd();
    if (first) launch.namespaces = namespaces_.own & ~static_cast<unsigned>(CLONE_NEWCGROUP);
    if (joined != nullptr) launch.container = joined->pidfd();
    // Only a child is in a pid namespace that is joined.
    launch.forks = !first || (namespaces_.joined & CLONE_NEWPID) != 0;
    return launch;
}

Result<std::shared_ptr<ContainerProcess>> Container::launch_process(const ProcessRequest& request) {
    const bool first = request.id == id_;
    std::shared_ptr<ContainerProcess> joined;
    if (!first) {
        joined = first_process();
        if (!joined) return fail(ErrorKind::conflict, "container {} is not running", id_);
    } else if (namespaces_.joined != 0) {
        HAKO_TRY(joined, surroundings_.first_process_of(namespaces_.container));
    }
    ContainerProcess::Options options;
    options.id = request.id;
    options.input = request.input;
    HAKO_TRY(options.terminal, json_field_or<bool>(request.process, "terminal", false));
    options.on_end = [weak = weak_from_this(), id = request.id,
                      before = oom_kills()](ProcessEnd& end) {
        const auto self = weak.lock();
        if (!self) return;
        end.oom_killed = self->oom_kills() > before;
        self->surroundings_.events.publish(exit_event(self->id_, id, end));
    };
    return ContainerProcess::create(surroundings_.launcher, describe(request, first, joined.get()),
                                    std::move(options));
}

Result<std::shared_ptr<ContainerProcess>> Container::create_process(const ProcessRequest& request) {
    HAKO_CHECK(check_id(request.id));
    if (!processes_.lock()->emplace(request.id, nullptr).second)
        return fail(ErrorKind::conflict, "container {} has a process {} already", id_, request.id);
    auto process = launch_process(request);
    auto processes = processes_.lock();
    if (process) processes->insert_or_assign(request.id, *process);
    else processes->erase(request.id);
    return process;
}

Result<std::shared_ptr<ContainerProcess>> Container::process(const std::string& id) const {
    auto processes = processes_.lock();
    const auto found = processes->find(id);
    if (found == processes->end() || !found->second)
        return fail(ErrorKind::not_found, "container {} has no process {}", id_, id);
    return found->second;
}

Result<void> Container::delete_process(const std::string& id) {
    HAKO_TRY(const auto process, this->process(id));
    if (process->started() && !process->ended())
        return fail(ErrorKind::conflict, "process {} still runs", id);
    if (id == id_ && !process->ended()) HAKO_CHECK(cgroup_.signal_all(SIGKILL));
    else if (!process->ended()) (void)process->signal(SIGKILL);
    processes_.lock()->erase(id);
    return {};
}

std::shared_ptr<ContainerProcess> Container::first_process() const {
    auto first = process(id_);
    return first && !(*first)->ended() ? *first : nullptr;
}

std::uint64_t Container::oom_kills() const {
    return count_oom_kills(cgroup_.path() / "memory.events");
}

std::vector<std::string> Container::mount_targets() const {
    // A VM for the files of one that does not run has nothing at these.
    std::vector<std::string> targets = {"/.dockerenv", "/etc/hostname", "/etc/hosts", "/etc/mtab",
                                        "/etc/resolv.conf"};
    for (const auto& mount : spec_.value("mounts", Json::array()))
        targets.push_back(mount.value("destination", ""));
    for (const auto& [target, file] : files_) targets.push_back(target);
    return targets;
}

Result<void> Container::remove() {
    HAKO_CHECK(cgroup_.remove());
    processes_.lock()->clear();
    std::error_code error;
    fs::remove_all(files_folder(), error);
    if (error) return fail_errno(error.value(), "cannot remove {}", files_folder().string());
    return {};
}

}  // namespace hako::init
