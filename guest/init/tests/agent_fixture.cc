#include "init/tests/agent_fixture.h"

#include <unistd.h>

#include <sstream>
#include <thread>

#include "base/paths.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "web:x:1001:1002:web:/home/web:/bin/sh\n";
constexpr const char* kGroup =
    "root:x:0:\n"
    "web:x:1002:\n"
    "media:x:1003:web\n"
    "extra:x:1004:root,web\n";

void make_rootfs(const fs::path& root) {
    for (const char* folder : {"bin", "etc", "proc", "sys", "dev", "tmp", "home/web"})
        fs::create_directories(root / folder);
    fs::copy_file("/bin/busybox", root / "bin/busybox");
    for (const char* applet :
         {"sh",       "true", "false", "cat",      "dd",    "sleep", "stty", "tty",  "id",  "ps",
          "hostname", "grep", "ls",    "mkdir",    "touch", "head",  "tail", "kill", "pwd", "wc",
          "env",      "echo", "mount", "readlink", "stat",  "ln",    "rm",   "tr"})
        fs::create_symlink("busybox", root / "bin" / applet);
    ASSERT_TRUE(write_file(root / "etc/passwd", kPasswd));
    ASSERT_TRUE(write_file(root / "etc/group", kGroup));
}

}  // namespace

void AgentTest::SetUp() {
    if (::geteuid() != 0) GTEST_SKIP() << "namespaces and mounts need root";
    if (!fs::exists("/bin/busybox")) GTEST_SKIP() << "the package busybox-static is missing";
    auto folder = TempDir::create();
    ASSERT_TRUE(folder) << folder.error().message();
    folder_.emplace(std::move(*folder));
    fs::create_directories(state());
    make_rootfs(rootfs());
    make_rootfs(second_rootfs());

    auto sockets = make_socket_pair();
    ASSERT_TRUE(sockets);
    auto vminitd =
        spawn({{HAKO_VMINITD, "--serve-fd", "3", "--state", state(), "--vmexec", HAKO_VMEXEC}},
              {{sockets->second.get(), 3}, {2, 2}});
    ASSERT_TRUE(vminitd) << vminitd.error().message();
    vminitd_.emplace(std::move(*vminitd));
    auto agent = guest::AgentClient::connect(std::move(sockets->first));
    ASSERT_TRUE(agent) << agent.error().message();
    agent_ = std::move(*agent);
    const auto info = agent_->info(30s);
    ASSERT_TRUE(info) << info.error().message();
}

void AgentTest::TearDown() {
    agent_.reset();
    // It ends, and takes its cgroup away, when the connection is closed.
    if (!vminitd_) return;
    const auto ended = vminitd_->wait(20s);
    EXPECT_TRUE(ended && *ended && (*ended)->success());
}

pid_t AgentTest::agent_pid() const {
    const auto path = fmt::format("/proc/{0}/task/{0}/children", vminitd_->pid());
    return std::stoi(read_file(path).value_or("-1"));
}

Json AgentTest::container_spec() const {
    const auto mount = [](const char* target, const char* type, std::vector<std::string> options) {
        return Json{
            {"destination", target}, {"type", type}, {"source", type}, {"options", options}};
    };
    return {{"ociVersion", "1.1.0"},
            {"root", {{"path", rootfs().string()}}},
            {"hostname", "box"},
            {"mounts",
             {mount("/proc", "proc", {"nosuid", "noexec", "nodev"}),
              mount("/dev", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
              mount("/dev/pts", "devpts",
                    {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
              mount("/sys/fs/cgroup", "cgroup2", {"nosuid", "noexec", "nodev", "ro"}),
              mount("/dev/mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
              mount("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", "size=1m"})}},
            {"linux",
             {{"namespaces",
               {{{"type", "pid"}},
                {{"type", "mount"}},
                {{"type", "ipc"}},
                {{"type", "uts"}},
                {{"type", "cgroup"}}}},
              {"sysctl", {{"kernel.shm_rmid_forced", "1"}}},
              {"maskedPaths", {"/proc/cmdline", "/proc/bus", "/proc/no-such-file"}},
              {"readonlyPaths", {"/proc/sys", "/proc/no-such-file"}}}}};
}

Json AgentTest::process_spec(std::vector<std::string> args) {
    const Json capabilities = {
        "CAP_AUDIT_WRITE", "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",    "CAP_FSETID",
        "CAP_KILL",        "CAP_MKNOD",   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",   "CAP_SETFCAP",
        "CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT"};
    return {
        {"args", std::move(args)},
        {"env", {"PATH=/usr/bin:/bin"}},
        {"cwd", "/"},
        {"user", {{"uid", 0}, {"gid", 0}}},
        {"capabilities",
         {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}}};
}

void AgentTest::create_container(const Json& spec, std::map<std::string, std::string> files) {
    const auto created = agent().create_container({kContainer, dump_json(spec), std::move(files)});
    ASSERT_TRUE(created) << created.error().message();
}

void AgentTest::run_sleeper() {
    create_container(container_spec());
    const guest::ProcessId id{kContainer, kContainer};
    const auto created = agent().create_process({id, dump_json(process_spec({"sleep", "1000"}))});
    ASSERT_TRUE(created) << created.error().message();
    const auto started = agent().start_process(id);
    ASSERT_TRUE(started) << started.error().message();
}

Result<AgentTest::Finished> AgentTest::collect(guest::Stdio& stdio) {
    Finished finished;
    while (true) {
        HAKO_TRY(const auto output, stdio.read());
        if (!output) break;
        (output->stream == guest::Stdio::Stream::err ? finished.err : finished.out) += output->data;
    }
    const auto exit = stdio.exit();
    if (!exit) return fail(ErrorKind::corrupt, "the output's end tells no exit");
    finished.exit = *exit;
    return finished;
}

Result<AgentTest::Finished> AgentTest::run(const Json& process, const std::string& id,
                                           const std::string& input, const std::string& seccomp) {
    const guest::ProcessId name{kContainer, id};
    HAKO_TRY(auto stdio,
             agent().create_process({name, dump_json(process), seccomp, !input.empty()}));
    HAKO_TRY(const auto pid, agent().start_process(name));
    EXPECT_GT(pid, 1);
    std::jthread writer([&] {
        if (!input.empty()) (void)stdio.write(as_bytes(input));
        (void)stdio.close_input();
    });
    HAKO_TRY(auto finished, collect(stdio));
    writer.join();
    HAKO_TRY(const auto exit, agent().wait(name));
    EXPECT_EQ(exit.code, finished.exit.code);
    EXPECT_EQ(exit.exited_at, finished.exit.exited_at);
    HAKO_CHECK(agent().delete_process(name));
    return finished;
}

std::string AgentTest::output_of(const Json& process, const std::string& id) {
    const auto finished = run(process, id);
    return finished ? finished->out + finished->err : "error: " + finished.error().message();
}

}  // namespace hako::init
