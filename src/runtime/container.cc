#include "runtime/container.h"

#include <algorithm>
#include <cctype>
#include <csignal>

#include "base/log.h"
#include "runtime/guest_mounts.h"

namespace hako::runtime {
namespace {

constexpr auto kKilled = std::chrono::seconds(5);  // for the end of processes that are killed
constexpr auto kSocketsEnd = std::chrono::seconds(5);

}  // namespace

Result<std::shared_ptr<Container>> Container::create(ContainerSpec spec, Host host) {
    const std::shared_ptr<Container> container(new Container(std::move(spec), std::move(host)));
    if (auto prepared = container->prepare(); !prepared) {
        // In a VM that others use nothing of it may stay.
        if (const auto removed = container->remove(); !removed)
            log_debug("{}", removed.error().message());
        return fail(prepared.error());
    }
    return container;
}

Result<void> Container::prepare() {
    HAKO_TRY(auto process, first_process(spec_));
    auto timer = std::make_optional<Trace::Timer>(host_.trace, "mount its disks");
    HAKO_CHECK(host_.agent->mount(container_mounts(spec_)));
    timer.emplace(host_.trace, "create its namespaces");
    if (!spec_.sockets.empty() || !spec_.published_sockets.empty())
        relays_ = std::make_unique<SocketRelays>(host_.agent, host_.slots, spec_.id,
                                                 host_.published_sockets);
    if (relays_) HAKO_CHECK(relays_->publish(spec_.published_sockets));
    HAKO_TRY(auto sockets, guest_sockets(spec_.sockets));
    HAKO_CHECK(host_.agent->create_container({.id = spec_.id,
                                              .config = spec_.oci_spec,
                                              .files = spec_.files,
                                              .sockets = std::move(sockets)}));
    timer.emplace(host_.trace, "prepare its process");
    HAKO_CHECK(create_process(spec_.id, std::move(process), spec_.open_stdin, spec_.seccomp));
    if (relays_) relays_->start(spec_.sockets);
    return {};
}

Result<void> Container::create_process(const std::string& id, std::string process, bool open_stdin,
                                       const std::string& seccomp) {
    const bool is_first = id == spec_.id;
    HAKO_TRY(auto filter, host_.filters.find(seccomp, process));
    ContainerProcess::Setup setup{
        .spec = {.id = {.container = spec_.id, .process = id},
                 .process = std::move(process),
                 .seccomp_bpf = std::move(filter),
                 .open_stdin = open_stdin},
        .log = is_first ? spec_.log : OutputLog::Setup{.file = exec_log(id)},
        .read_once = !is_first,
        .explain_loss = host_.explain_loss,
    };
    if (is_first) {
        // Who learns of the end may end the VM.
        setup.before_exit = [this] { finish_sockets(kSocketsEnd); };
        setup.on_exit = [this](const ExitRecord& record) {
            if (const auto kept = write_exit_record(spec_.exit_record, record); !kept)
                log_error("the exit record is lost: {}", kept.error().message());
            ended_ = true;
            host_.on_change();
        };
    }
    HAKO_TRY(ProcessRef made, ContainerProcess::create(*host_.agent, std::move(setup)));
    (*processes_.lock())[id] = std::move(made);
    return {};
}

std::filesystem::path Container::exec_log(std::string_view exec) const {
    return host_.folder / fmt::format("exec-{}.log", exec);
}

std::string Container::process_id(std::string_view process) const {
    return process.empty() ? spec_.id : std::string(process);
}

Result<Container::ProcessRef> Container::process(std::string_view id) const {
    auto processes = processes_.lock();
    const auto found = processes->find(process_id(id));
    if (found == processes->end())
        return fail(ErrorKind::not_found, "No such process in the VM: {}", process_id(id));
    return found->second;
}

Result<void> Container::exec(const std::string& id, std::string process, bool open_stdin,
                             bool privileged) {
    // The id names a file.
    if (id.empty() || !std::ranges::all_of(id, [](unsigned char c) { return std::isalnum(c); }))
        return fail(ErrorKind::invalid, "'{}' cannot name an exec", id);
    if (ended_) return fail(ErrorKind::conflict, "the container is not running");
    if (processes_.lock()->contains(id))
        return fail(ErrorKind::conflict, "the exec '{}' exists already", id);
    host_.on_change();
    return create_process(id, std::move(process), open_stdin,
                          privileged ? std::string(kNoSeccomp) : spec_.seccomp);
}

Result<void> Container::delete_exec(const std::string& id) {
    HAKO_TRY(const auto found, process(id));
    if (found->id().process == spec_.id)
        return fail(ErrorKind::invalid, "the container's first process is no exec");
    if (found->started() && !found->exit())
        return fail(ErrorKind::conflict, "the exec {} is running", id);
    processes_.lock()->erase(id);
    std::error_code ignored;
    std::filesystem::remove(found->log_path(), ignored);
    return host_.agent->delete_process(found->id());
}

Result<void> Container::signal(std::string_view process, int number, bool all) {
    HAKO_TRY(const auto found, this->process(process));
    return host_.agent->signal(found->id(), number, all);
}

Result<void> Container::resize(std::string_view process, unsigned columns, unsigned rows) {
    HAKO_TRY(const auto found, this->process(process));
    return host_.agent->resize(found->id(), columns, rows);
}

Result<std::string> Container::statistics() { return host_.agent->statistics(spec_.id); }

Result<std::string> Container::list_processes() { return host_.agent->list_processes(spec_.id); }

Result<void> Container::update(const std::string& resources) {
    return host_.agent->update_container(spec_.id, resources);
}

Result<void> Container::change_network(const NetworkSpec& change) {
    return host_.agent->configure_network(change);
}

Result<void> Container::freeze(bool frozen) {
    HAKO_CHECK(update(dump_json({{"unified", {{"cgroup.freeze", frozen ? "1" : "0"}}}})));
    frozen_ = frozen;
    return {};
}

Result<void> Container::copy_in(guest::CopyIn where, Reader& tar) {
    where.container = spec_.id;
    HAKO_CHECK(host_.agent->copy_in(where, tar));
    // A VM that runs nothing is killed when it is not needed any more.
    HAKO_TRY(const auto first, process(""));
    return first->started() ? Result<void>() : host_.agent->sync();
}

Result<void> Container::copy_out(const std::string& path, Writer& tar) {
    const auto ignore = [](const guest::PathStat&) { return Result<void>(); };
    return host_.agent->copy_out(spec_.id, path, ignore, tar);
}

Result<guest::PathStat> Container::stat_path(const std::string& path) {
    return host_.agent->stat_path(spec_.id, path);
}

Result<void> Container::changes(bool list, Writer& out) {
    const GuestPaths paths(spec_.id);
    return host_.agent->changes(
        {.container = spec_.id, .upper = paths.upper, .lower = paths.image, .list = list}, out);
}

void Container::finish_sockets(std::chrono::milliseconds timeout) {
    if (relays_) relays_->finish(timeout);
}

Result<void> Container::remove() {
    Result<void> result;
    const auto note = [&](const Result<void>& done) {
        if (!done && result) result = done;
    };
    // So that the ends of all are known before the guest forgets them.
    (void)signal("", SIGKILL, true);
    for (const auto& [id, process] : processes())
        if (process->started()) (void)process->wait(kKilled);
    finish_sockets(kSocketsEnd);
    note(host_.agent->delete_container(spec_.id));
    note(host_.agent->sync());
    const auto mounts = container_mounts(spec_);
    for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount)
        note(host_.agent->unmount(mount->target));
    return result;
}

}  // namespace hako::runtime
