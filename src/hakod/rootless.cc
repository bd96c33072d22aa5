#include "hakod/rootless.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>

#include "base/fd.h"
#include "base/fd_message.h"
#include "base/json.h"
#include "base/log.h"
#include "base/paths.h"
#include "base/process.h"
#include "base/program.h"
#include "base/text.h"
#include "hakod/user_network.h"
#include "store/file.h"

namespace hako::hakod {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kDeadline{20};
constexpr std::string_view kPasta = "pasta", kQemu = "qemu";

// Who makes up the namespace.
struct Members {
    ProcessIdentity holder;
    ProcessIdentity way_out;
};

fs::path record_of(const fs::path& run) { return run / "rootless.json"; }

Json to_json(const ProcessIdentity& identity) {
    return {{"pid", identity.pid}, {"start_time", identity.start_time}};
}

Result<ProcessIdentity> identity_from(const Json& record, std::string_view name) {
    HAKO_TRY(const Json fields, json_field_or<Json>(record, name, Json::object()));
    ProcessIdentity identity;
    HAKO_TRY(identity.pid, json_field_or<pid_t>(fields, "pid", -1));
    HAKO_TRY(identity.start_time, json_field_or<std::uint64_t>(fields, "start_time", 0));
    return identity;
}

Result<Members> read_record(const fs::path& run) {
    HAKO_TRY(const std::string text, read_file(record_of(run)));
    HAKO_TRY(const Json record, parse_json(text));
    Members members;
    HAKO_TRY(members.holder, identity_from(record, "namespace"));
    HAKO_TRY(members.way_out, identity_from(record, record.contains(kPasta) ? kPasta : kQemu));
    return members;
}

bool alive(const ProcessIdentity& identity) { return identity.pid > 0 && is_alive(identity); }

void end_members(const fs::path& run, const Members& members) {
    for (const ProcessIdentity& identity : {members.way_out, members.holder})
        if (alive(identity))
            if (const auto killed = kill_process(identity, kDeadline); !killed)
                log_warn("{}", killed.error().message());
    std::error_code ignored;
    fs::remove(record_of(run), ignored);
}

// ready: the socket that it says it by; then the tap comes there, if QEMU is the way out.
Result<Process> start_holder(std::string_view way_out, Fd& ready) {
    HAKO_TRY(const Installation installation, Installation::find());
    HAKO_TRY(FdPair sockets, make_socket_pair());
    HAKO_TRY(Process holder,
             spawn({.argv = {installation.daemon(), rootless_holder, std::string(way_out)},
                    .new_session = true},
                   {{sockets.second.get(), STDOUT_FILENO}, {STDERR_FILENO, STDERR_FILENO}}));
    sockets.second.reset();
    ready = std::move(sockets.first);
    char byte = 0;
    HAKO_TRY(const std::size_t got,
             read_full(ready.get(), std::as_writable_bytes(std::span(&byte, 1))));
    if (got != 1)
        return fail(ErrorKind::forbidden,
                    "this host permits ordinary users no user namespaces (sysctl "
                    "kernel.unprivileged_userns_clone or user.max_user_namespaces); run hakod as "
                    "root");
    return holder;
}

// In the background when it returns: the namespace's interface is configured then.
Result<ProcessIdentity> start_pasta(pid_t holder, const fs::path& run) {
    const fs::path pid_file = run / "pasta.pid";
    const auto started = hako::run(
        {.argv = {"pasta", "--config-net", "--quiet", "--pid", pid_file, std::to_string(holder)}},
        kDeadline);
    if (!started) return fail(started.error());
    if (!started->status.success())
        return fail(ErrorKind::internal, "pasta does not start: {}", trim(started->err));
    HAKO_TRY(const std::string text, read_file(pid_file));
    std::error_code ignored;
    fs::remove(pid_file, ignored);
    pid_t pid = -1;
    std::from_chars(text.data(), text.data() + text.size(), pid);
    return identify_process(pid);
}

Result<ProcessIdentity> start_qemu(const Fd& ready) {
    const auto start = [&]() -> Result<ProcessIdentity> {
        char byte = 0;
        HAKO_TRY(FdMessage message, receive_message(ready.get(), {&byte, 1}));
        if (!message.fd) return fail(ErrorKind::unavailable, "no tap comes");
        return start_user_network(std::move(message.fd));
    };
    log_warn(
        "pasta is missing: QEMU's user network is the way out, and published ports are not open "
        "on the host; install the package passt");
    return with_context(start(),
                        "hakod --rootless needs pasta (install the package passt), and QEMU's user "
                        "network cannot take its place");
}

Result<Members> make_members(const fs::path& run) {
    const bool with_pasta = find_program(kPasta).has_value();
    const auto way_out = with_pasta ? kPasta : kQemu;
    Fd ready;
    HAKO_TRY(Process holder, start_holder(way_out, ready));
    Members members;
    HAKO_TRY(members.holder, identify_process(holder.pid()));
    HAKO_TRY(members.way_out, with_pasta ? start_pasta(holder.pid(), run) : start_qemu(ready));
    const Json record{{"namespace", to_json(members.holder)}, {way_out, to_json(members.way_out)}};
    if (auto written = replace_file(record_of(run), dump_json(record)); !written) {
        end_members(run, members);
        return fail(std::move(written.error()));
    }
    holder.release();
    return members;
}

Result<void> join(pid_t holder) {
    for (const char* name : {"user", "net"}) {
        HAKO_TRY(const Fd space, open_file(fmt::format("/proc/{}/ns/{}", holder, name), O_RDONLY));
        if (::setns(space.get(), 0) != 0)
            return fail_errno(errno, "cannot enter the {} namespace of process {}", name, holder);
    }
    return {};
}

}  // namespace

Result<void> enter_rootless(const fs::path& run) {
    if (::geteuid() == 0)
        return fail(ErrorKind::invalid,
                    "--rootless is for ordinary users; as root run hakod without it");
    HAKO_CHECK(make_folders(run, 0755));
    HAKO_TRY(const auto lock, store::FileLock::acquire(run / "rootless.lock"));
    auto members = read_record(run);
    if (!members || !alive(members->holder) || !alive(members->way_out)) {
        if (members) end_members(run, *members);
        members = make_members(run);
    }
    if (!members) return fail(std::move(members.error()));
    return join(members->holder.pid);
}

void leave_rootless(const fs::path& run) {
    std::error_code none;
    if (!fs::is_empty(run / "vm", none) && !none) return;
    if (const auto members = read_record(run)) end_members(run, *members);
}

int rootless_holder_main(std::string_view way_out) {
    const std::string maps[][2] = {{"setgroups", "deny"},
                                   {"uid_map", fmt::format("0 {} 1", ::geteuid())},
                                   {"gid_map", fmt::format("0 {} 1", ::getegid())}};
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        std::perror("hakod: cannot make a user namespace");
        return EXIT_FAILURE;
    }
    for (const auto& [file, text] : maps)
        if (!write_file("/proc/self/" + file, text)) {
            std::perror("hakod: cannot map the user into a namespace");
            return EXIT_FAILURE;
        }
    if (!write_all(STDOUT_FILENO, "r")) return EXIT_FAILURE;
    if (way_out == kQemu) {
        const auto tap = make_user_network_tap();
        const Result<std::size_t> sent =
            tap ? send_message(STDOUT_FILENO, "t", tap->get()) : fail(tap.error());
        if (!sent) {
            std::fprintf(stderr, "hakod: %s\n", sent.error().message().c_str());
            return EXIT_FAILURE;
        }
    }
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, stream);
    for (;;) ::pause();
}

}  // namespace hako::hakod
