// The inside of a container: namespaces, users, privileges, file system, limits, and its end.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <thread>

#include "base/guarded.h"
#include "init/tests/agent_fixture.h"

namespace hako::init {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class ContainerTest : public AgentTest {};

TEST_F(ContainerTest, AnExecIsInTheSameNamespaces) {
    run_sleeper();
    EXPECT_EQ(output_of(process_spec({"hostname"}), "p1"), "box\n");
    EXPECT_EQ(output_of(script("cat /proc/1/cmdline | tr '\\0' ' '; echo"), "p2"), "sleep 1000 \n");
    for (const char* kind : {"pid", "mnt", "ipc", "uts", "cgroup"}) {
        const auto path = fmt::format("/proc/self/ns/{}", kind);
        const auto inside = output_of(process_spec({"readlink", path}), kind);
        std::error_code error;
        const auto ours = fs::read_symlink(fmt::format("/proc/{}/ns/{}", agent_pid(), kind), error);
        EXPECT_NE(inside, ours.string() + "\n") << kind;
        EXPECT_EQ(inside, output_of(process_spec({"readlink", fmt::format("/proc/1/ns/{}", kind)}),
                                    std::string(kind) + "1"));
    }
    // The container's cgroup is the root of what it sees.
    EXPECT_NE(output_of(process_spec({"cat", "/proc/self/cgroup"}), "cg").find("0::/\n"),
              std::string::npos);
}

TEST_F(ContainerTest, AContainerSharesTheNamespacesThatItJoins) {
    run_sleeper();
    ASSERT_EQ(output_of(script("echo text > /dev/shm/file"), "p1"), "");
    auto spec = container_spec();
    spec.erase("hostname");
    spec["linux"].erase("sysctl");
    spec["root"]["path"] = second_rootfs().string();
    const auto path = fmt::format("container:{}", kContainer);
    spec["linux"]["namespaces"] = {{{"type", "pid"}, {"path", path}},
                                   {{"type", "ipc"}, {"path", path}},
                                   {{"type", "uts"}, {"path", path}},
                                   {{"type", "network"}},
                                   {{"type", "mount"}},
                                   {{"type", "cgroup"}}};
    ASSERT_TRUE(agent().create_container({"second", dump_json(spec), {}}));
    const auto in_second = [&](const Json& process, const std::string& id) {
        const guest::ProcessId name{"second", id};
        auto stdio = agent().create_process({name, dump_json(process)});
        EXPECT_TRUE(agent().start_process(name));
        const auto finished = collect(*stdio);
        return finished->out + finished->err;
    };
    const auto look =
        "hostname; cat /proc/1/cmdline | tr '\\0' ' '; echo; cat /dev/shm/file; cat /proc/net/dev "
        "| "
        "wc -l; for kind in pid mnt ipc uts net; do readlink /proc/self/ns/$kind; done; ";
    const auto first = in_second(script(std::string(look) + ""), "second");
    const auto theirs = output_of(script(look), "p2");
    const auto lines = [](const std::string& text) {
        std::istringstream stream(text);
        std::vector<std::string> all;
        for (std::string line; std::getline(stream, line);) all.push_back(line);
        return all;
    };
    const auto mine = lines(first), other = lines(theirs);
    ASSERT_EQ(mine.size(), 9U) << first;
    ASSERT_EQ(other.size(), 9U) << theirs;
    EXPECT_EQ(mine[0], "box");
    EXPECT_EQ(mine[1], "sleep 1000 ");
    EXPECT_EQ(mine[2], "text");
    EXPECT_EQ(mine[3], "3") << "lo only";
    for (const int shared : {4, 6, 7}) EXPECT_EQ(mine[shared], other[shared]);
    for (const int own : {5, 8}) EXPECT_NE(mine[own], other[own]);
    ASSERT_TRUE(agent().delete_container("second"));
    EXPECT_EQ(output_of(process_spec({"cat", "/dev/shm/file"}), "p3"), "text\n");

    spec["linux"]["namespaces"] = {{{"type", "pid"}, {"path", "container:nobody"}}};
    ASSERT_TRUE(agent().create_container({"third", dump_json(spec), {}}));
    const auto lonely =
        agent().create_process({{"third", "third"}, dump_json(process_spec({"true"}))});
    ASSERT_FALSE(lonely);
    EXPECT_EQ(lonely.error().kind(), ErrorKind::not_found);
}

TEST_F(ContainerTest, UsersAreLookedUpInTheContainer) {
    run_sleeper();
    const auto id_of = [&](const std::string& user, const std::string& name) {
        auto process = script("echo $(id -u) $(id -g) $(id -G) $HOME");
        process["user"] = {{"username", user}};
        return output_of(process, name);
    };
    EXPECT_EQ(id_of("web", "p1"), "1001 1002 1002 1003 1004 /home/web\n");
    EXPECT_EQ(id_of("1001", "p2"), "1001 1002 1002 1003 1004 /home/web\n");
    EXPECT_EQ(id_of("web:media", "p3"), "1001 1003 1003 /home/web\n");
    EXPECT_EQ(id_of("4711:42", "p4"), "4711 42 42 /\n");
    EXPECT_EQ(id_of("", "p5"), "0 0 0 /root\n");
    EXPECT_EQ(id_of("nobody", "p6"),
              "error: unable to find user nobody: no matching entries in passwd file");
    EXPECT_EQ(id_of("web:none", "p7"),
              "error: unable to find group none: no matching entries in group file");
}

TEST_F(ContainerTest, CapabilitiesAreExactlyThoseAskedFor) {
    run_sleeper();
    const auto process = script("grep -E '^(Cap|NoNew)' /proc/self/status");
    EXPECT_EQ(output_of(process, "root"),
              "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n"
              "CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t0\n");
    auto user = process;
    user["user"] = {{"uid", 1001}, {"gid", 1002}};
    user["noNewPrivileges"] = true;
    user["capabilities"] = {{"bounding", {"CAP_NET_BIND_SERVICE"}},
                            {"permitted", {"CAP_NET_BIND_SERVICE"}},
                            {"inheritable", {"CAP_NET_BIND_SERVICE"}},
                            {"effective", {"CAP_NET_BIND_SERVICE"}},
                            {"ambient", {"CAP_NET_BIND_SERVICE"}}};
    EXPECT_EQ(output_of(user, "user"),
              "CapInh:\t0000000000000400\nCapPrm:\t0000000000000400\nCapEff:\t0000000000000400\n"
              "CapBnd:\t0000000000000400\nCapAmb:\t0000000000000400\nNoNewPrivs:\t1\n");
    user["capabilities"]["bounding"] = {"CAP_FLY"};
    EXPECT_EQ(output_of(user, "wrong"), "error: unknown capability CAP_FLY");
}

TEST_F(ContainerTest, LimitsUmaskAndScoreAreSet) {
    run_sleeper();
    auto process = script("ulimit -n; umask; cat /proc/self/oom_score_adj");
    process["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 123}, {"hard", 456}}};
    process["user"]["umask"] = 027;
    process["oomScoreAdj"] = 321;
    EXPECT_EQ(output_of(process, "p"), "123\n0027\n321\n");
}

TEST_F(ContainerTest, ASeccompFilterIsInForce) {
    run_sleeper();
    const sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const std::string filter(reinterpret_cast<const char*>(program), sizeof(program));
    for (const bool no_new_privileges : {false, true}) {
        auto process = process_spec({"mkdir", "/tmp/x"});
        process["noNewPrivileges"] = no_new_privileges;
        const auto finished = run(process, fmt::format("p{}", no_new_privileges), "", filter);
        ASSERT_TRUE(finished) << finished.error().message();
        EXPECT_NE(finished->err.find("cross-device"), std::string::npos) << finished->err;
    }
    EXPECT_EQ(run(process_spec({"mkdir", "/tmp/x"}), "free")->exit.code, 0);
    EXPECT_FALSE(run(process_spec({"true"}), "bad", "", "odd"));
}

TEST_F(ContainerTest, MaskedAndReadOnlyPathsAre) {
    run_sleeper();
    EXPECT_EQ(output_of(process_spec({"wc", "-c", "/proc/cmdline"}), "p1"), "0 /proc/cmdline\n");
    EXPECT_NE(run(script("echo x > /proc/sys/kernel/hostname"), "p2")->exit.code, 0);
    EXPECT_EQ(output_of(process_spec({"cat", "/proc/sys/kernel/shm_rmid_forced"}), "p3"), "1\n");
}

TEST_F(ContainerTest, DevAndInjectedFilesAreThere) {
    create_container(container_spec(), {{"/etc/hostname", "box\n"}, {"/new/folder/file", "new"}});
    const auto finished =
        run_first(script("cat /etc/hostname /new/folder/file; echo; echo x > /dev/null; head -c 3 "
                         "/dev/zero | wc -c; "
                         "readlink /dev/ptmx; readlink /dev/stdout; stat -c %t:%T:%a /dev/full; "
                         "echo err > /dev/stderr; "
                         "stat -c %a /dev/shm; ls /proc/self/fd | wc -l"));
    ASSERT_TRUE(finished) << finished.error().message();
    // 0 1 2 and the listing's own directory: nothing leaked.
    EXPECT_EQ(finished->out, "box\nnew\n3\npts/ptmx\n/proc/self/fd/1\n1:7:666\n1777\n4\n");
    EXPECT_EQ(finished->err, "err\n");
    EXPECT_TRUE(fs::exists(rootfs() / "new/folder/file"));
}

TEST_F(ContainerTest, SymbolicLinksDoNotLeadMountsOutside) {
    const auto outside = state() / "outside";
    fs::create_directories(outside);
    fs::create_directory_symlink(outside, rootfs() / "trap");
    fs::create_directory_symlink("/home", rootfs() / "inside");
    auto spec = container_spec();
    spec["mounts"].push_back(
        {{"destination", "/inside/mount"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
    create_container(spec, {{"/inside/file", "content"}});
    const auto finished = run_first(script("cat /home/file; grep -c ' /home/mount ' /proc/mounts"));
    ASSERT_TRUE(finished) << finished.error().message();
    EXPECT_EQ(finished->out, "content1\n");
    ASSERT_TRUE(agent().delete_container(kContainer));

    create_container(container_spec(), {{"/trap/file", "content"}});
    EXPECT_FALSE(run_first(process_spec({"true"})));
    EXPECT_TRUE(fs::is_empty(outside)) << "something was made outside of the container";
}

TEST_F(ContainerTest, ProcIsNotMountedWhereALinkLeads) {
    fs::remove(rootfs() / "proc");
    fs::create_directory_symlink("/home", rootfs() / "proc");
    create_container(container_spec());
    const auto finished = run_first(process_spec({"true"}));
    ASSERT_FALSE(finished);
    EXPECT_EQ(finished.error().kind(), ErrorKind::invalid) << finished.error().message();
}

TEST_F(ContainerTest, AReadOnlyRootIsReadOnly) {
    auto spec = container_spec();
    spec["root"]["readonly"] = true;
    create_container(spec);
    const auto finished =
        run_first(script("touch /file || echo refused; touch /dev/shm/file && echo fine"));
    ASSERT_TRUE(finished) << finished.error().message();
    EXPECT_EQ(finished->out, "refused\nfine\n");
}

TEST_F(ContainerTest, TheWorkingDirectoryIsCreated) {
    create_container(container_spec());
    auto process = process_spec({"pwd"});
    process["cwd"] = "/home/web/new/place";
    const auto finished = run_first(process);
    ASSERT_TRUE(finished) << finished.error().message();
    EXPECT_EQ(finished->out, "/home/web/new/place\n");
}

TEST_F(ContainerTest, AnExecsWorkingDirectoryMustBeThere) {
    run_sleeper();
    auto process = process_spec({"pwd"});
    process["cwd"] = "/home/web/none";
    const auto refused = run(process, "p1");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::exec_not_found);
    EXPECT_NE(refused.error().message().find("chdir to cwd (\"/home/web/none\")"),
              std::string::npos)
        << refused.error().message();
    EXPECT_FALSE(fs::exists(rootfs() / "home/web/none"));
    process["cwd"] = "relative";
    EXPECT_EQ(run(process, "p2").error().kind(), ErrorKind::invalid);
}

TEST_F(ContainerTest, AFolderOnAFileAndAFileOnAFolderAreNamed) {
    const auto refusal = [&](const Json& mount) {
        auto spec = container_spec();
        spec["mounts"].push_back(mount);
        create_container(spec);
        const auto finished = run_first(process_spec({"true"}));
        EXPECT_FALSE(finished);
        EXPECT_TRUE(agent().delete_container(kContainer));
        return finished ? std::string() : finished.error().message();
    };
    const auto bind = [&](const fs::path& source, const char* target) {
        return Json{{"destination", target}, {"type", "bind"}, {"source", source.string()}};
    };
    EXPECT_NE(refusal(bind(state(), "/etc/passwd")).find("/etc/passwd is a file in the container"),
              std::string::npos);
    EXPECT_NE(refusal(bind(rootfs() / "etc/passwd", "/etc")).find("/etc is a folder in the"),
              std::string::npos);
    const auto tmpfs = refusal({{"destination", "/tmp"},
                                {"type", "tmpfs"},
                                {"source", "tmpfs"},
                                {"options", {"colour=red"}}});
    EXPECT_NE(tmpfs.find("at /tmp with options \"colour=red\""), std::string::npos) << tmpfs;
}

TEST_F(ContainerTest, ProcessesAndStatisticsAreTold) {
    run_sleeper();
    const auto listed = agent().list_processes(kContainer);
    ASSERT_TRUE(listed);
    const auto rows = guest::parse_processes(*listed);
    ASSERT_TRUE(rows);
    ASSERT_EQ(rows->size(), 1U);
    EXPECT_EQ(rows->front().command, "sleep 1000");
    EXPECT_EQ(rows->front().user, "root");
    EXPECT_EQ(rows->front().tty, "?");
    EXPECT_LT(now().time_since_epoch() - rows->front().started_at, 300s);
    const auto statistics = agent().statistics(kContainer);
    ASSERT_TRUE(statistics);
    EXPECT_GT(guest::parse_statistics(*statistics)->system_cpu_us, 0U);
    EXPECT_FALSE(guest::parse_statistics("\xff\xff\xff"));
}

TEST_F(ContainerTest, EventsTellOfEveryEnd) {
    run_sleeper();
    Guarded<std::vector<guest::Event>> seen;
    std::stop_source stop;
    std::jthread listener([&] {
        (void)agent().events([&](const guest::Event& event) { seen.lock()->push_back(event); },
                             stop.get_token());
    });
    // The subscription takes its time; an event from before it is none of ours.
    for (int attempt = 0; attempt < 100 && seen.lock()->empty(); ++attempt) {
        EXPECT_EQ(run(script("exit 3"), "p")->exit.code, 3);
        std::this_thread::sleep_for(50ms);
    }
    stop.request_stop();
    listener.join();
    ASSERT_FALSE(seen.lock()->empty());
    EXPECT_EQ(seen.lock()->front().container, kContainer);
    EXPECT_EQ(seen.lock()->front().process, "p");
    EXPECT_EQ(seen.lock()->front().exit.code, 3);
}

TEST_F(ContainerTest, DeletingLeavesNothing) {
    const auto lines_of = [&](const char* file) {
        return read_file(fmt::format("/proc/{}/{}", agent_pid(), file)).value_or("?");
    };
    const auto mounts = lines_of("mountinfo");
    create_container(container_spec(), {{"/etc/hosts", "127.0.0.1 localhost\n"}});
    const guest::ProcessId id{kContainer, kContainer};
    // It ignores the polite signals.
    ASSERT_TRUE(agent().create_process(
        {id, dump_json(script("trap '' TERM; sleep 1000 & while true; do sleep 1000; done"))}));
    ASSERT_TRUE(agent().start_process(id));
    EXPECT_EQ(agent().delete_process(id).error().kind(), ErrorKind::conflict);
    EXPECT_TRUE(agent().signal(id, SIGUSR1, true));
    const auto deleted = agent().delete_container(kContainer);
    ASSERT_TRUE(deleted) << deleted.error().message();

    EXPECT_EQ(lines_of("mountinfo"), mounts);
    EXPECT_TRUE(fs::is_empty(state() / "files"));
    const auto children = fmt::format("/proc/{0}/task/{0}/children", agent_pid());
    for (int attempt = 0; attempt < 100 && read_file(children).value_or("?") != ""; ++attempt)
        std::this_thread::sleep_for(20ms);
    EXPECT_EQ(read_file(children).value_or("?"), "");
    EXPECT_EQ(agent().delete_container(kContainer).error().kind(), ErrorKind::not_found);
    // The same name is free again.
    create_container(container_spec());
    EXPECT_EQ(run_first(process_spec({"true"}))->exit.code, 0);
}

TEST_F(ContainerTest, WrongSpecificationsAreErrors) {
    const auto create = [&](const Json& spec) {
        return agent().create_container({kContainer, dump_json(spec), {}}).error().kind();
    };
    auto spec = container_spec();
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    EXPECT_EQ(create(spec), ErrorKind::unimplemented);
    spec = container_spec();
    spec["linux"]["resources"]["memory"]["limit"] = "much";
    EXPECT_EQ(create(spec), ErrorKind::invalid);
    EXPECT_EQ(agent().create_container({"../up", dump_json(container_spec()), {}}).error().kind(),
              ErrorKind::invalid);
    EXPECT_EQ(agent().create_container({kContainer, "[", {}}).error().kind(), ErrorKind::invalid);
    // The name is not taken by what failed.
    create_container(container_spec());
}

}  // namespace
}  // namespace hako::init
