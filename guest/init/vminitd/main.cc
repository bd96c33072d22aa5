// vminitd: PID 1 of every VM of hako, and the server of proto/agent.proto.
//
//   /init                                                   in a VM, as the kernel starts it
//   vminitd --serve-fd N --state DIR --vmexec PATH          for tests: serves one connection, as
//                                                           PID 1 of its own namespaces
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>
#include <string_view>

#include "base/fd.h"
#include "base/log.h"
#include "base/paths.h"
#include "init/vminitd/boot.h"
#include "init/vminitd/channel.h"
#include "init/vminitd/guest.h"
#include "init/vminitd/server.h"
#include "init/vminitd/wake.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;

Result<void> serve_port(Guest& guest, Server& server, bool waits) {
    HAKO_TRY(const auto device, find_serial_port("hako.agent"));
    HAKO_TRY(const Fd port, open_file(device, O_RDWR));
    for (;; waits = true) {
        // A guest that is saved has set its side of the connection up by then. Nothing is heard or
        // said before it was woken.
        HAKO_TRY(auto bridge, SerialBridge::make());
        HAKO_CHECK(server.serve(bridge.take_socket()));
        if (waits) {
            HAKO_TRY(const auto wake, wait_for_wake(port.get(), true));
            HAKO_CHECK(wake_up(*wake));
        }
        guest.may_doze() = false;
        HAKO_CHECK(bridge.carry(port.get(), guest.may_doze()));
    }
}

Result<void> serve_vsock(Server& server, bool waits) {
    return accept_vsock(kAgentVsockPort, [&](Fd connection) -> Result<void> {
        if (waits) {
            HAKO_TRY(const auto wake, wait_for_wake(connection.get(), false));
            if (!wake) return {};
            HAKO_CHECK(wake_up(*wake));
            waits = false;
        }
        return server.serve(std::move(connection));
    });
}

// Returns only with an error.
Result<void> serve_vm() {
    log_to_console();
    HAKO_CHECK(set_up_guest());
    init_log("vminitd", LogLevel::info);
    HAKO_CHECK(make_folders("/run/hako", 0755));
    Guest guest({"/sbin/vmexec", "/run/hako", "/sys/fs/cgroup"});
    HAKO_TRY(const auto server, Server::start(guest));

    HAKO_TRY(const auto command_line, read_file("/proc/cmdline"));
    const bool waits = kernel_argument(command_line, "hako.wake") == "1";
    const auto channel = kernel_argument(command_line, "hako.agent");
    if (channel == "vsock") return serve_vsock(*server, waits);
    if (channel != "serial" && !channel.empty())
        return fail(ErrorKind::invalid, "hako.agent={} is neither serial nor vsock", channel);
    return serve_port(guest, *server, waits);
}

struct TestOptions {
    int fd = -1;
    fs::path state, vmexec;
};

// As PID 1 of its namespaces, until the other end of the connection is closed.
Result<void> serve_connection(const TestOptions& options, const fs::path& cgroups) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) != 0 ||
        ::mount("proc", "/proc", "proc", 0, nullptr) != 0)
        return fail_errno(errno, "cannot mount /proc");
    Guest guest({options.vmexec, options.state, cgroups});
    HAKO_TRY(const auto server, Server::start(guest));
    Fd connection(options.fd);
    HAKO_TRY(const auto watched, connection.duplicate());
    HAKO_CHECK(server->serve(std::move(connection)));
    pollfd state{watched.get(), POLLRDHUP, 0};
    while (::poll(&state, 1, -1) < 0 && errno == EINTR) {
    }
    ::_exit(0);  // the kernel kills what else runs in our pid namespace
}

Result<int> serve_test(const TestOptions& options) {
    HAKO_TRY(const auto root, find_cgroup2());
    const auto folder = root / fmt::format("hako-test-{}", ::getpid());
    if (::mkdir(folder.c_str(), 0755) != 0)
        return fail_errno(errno, "cannot make the cgroup {}", folder.string());
    if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0)
        return fail_errno(errno, "cannot make namespaces; run this as root");
    // Single-threaded up to here: fork is safe.
    const auto child = ::fork();
    if (child == 0) {
        const auto served = serve_connection(options, folder);
        log_error("{}", served.error().message());
        ::_exit(1);
    }
    ::close(options.fd);
    int status = 0;
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    HAKO_CHECK(remove_cgroup(folder));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

std::optional<TestOptions> parse_options(int argc, char** argv) {
    TestOptions options;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view name = argv[i], value = argv[i + 1];
        if (name == "--serve-fd")
            std::from_chars(value.data(), value.data() + value.size(), options.fd);
        else if (name == "--state") options.state = value;
        else if (name == "--vmexec") options.vmexec = value;
        else return std::nullopt;
    }
    if (argc % 2 == 0 || options.fd < 0 || options.state.empty() || options.vmexec.empty())
        return std::nullopt;
    return options;
}

}  // namespace
}  // namespace hako::init

int main(int argc, char** argv) {
    using namespace hako;
    ::signal(SIGPIPE, SIG_IGN);
    if (::getpid() == 1) {
        const auto served = init::serve_vm();
        log_error("the guest cannot work: {}", served.error().message());
        ::sync();
        ::reboot(RB_AUTOBOOT);
        return 1;
    }
    const auto options = init::parse_options(argc, argv);
    if (!options) {
        std::fputs("usage: vminitd --serve-fd N --state DIR --vmexec PATH\n", stderr);
        return 2;
    }
    const auto served = init::serve_test(*options);
    if (!served) log_error("{}", served.error().message());
    return served.value_or(1);
}
