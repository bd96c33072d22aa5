"""hako run, exec, logs, ps: the main job, as a user types it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pty
import re
import select
import signal
import struct
import termios
import time

from hako import HELLO, SOAK, Daemon, wait_until


def test_says_hello_from_a_vm_of_its_own(clean: Daemon) -> None:
    out = clean.hako("run", "--rm", HELLO).stdout
    host = os.uname().release
    guest = clean.hako("run", "--rm", HELLO, "uname", "-r").stdout.strip()
    assert guest and guest != host
    assert guest in out


def test_exit_status_is_the_containers(clean: Daemon) -> None:
    assert clean.hako("run", "--rm", HELLO, "true").returncode == 0
    assert clean.hako("run", "--rm", HELLO, "sh", "-c", "exit 42", check=False).returncode == 42
    killed = clean.hako("run", "--rm", HELLO, "sh", "-c", "kill -9 $$", check=False)
    assert killed.returncode in (0, 137)  # PID 1 of a namespace ignores its own SIGKILL


def test_streams_are_kept_apart(clean: Daemon) -> None:
    done = clean.hako("run", "--rm", HELLO, "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_missing_command_is_127_and_not_executable_126(clean: Daemon) -> None:
    missing = clean.hako("run", "--rm", HELLO, "no-such-command", check=False)
    assert missing.returncode == 127
    assert "no-such-command" in missing.stderr
    refused = clean.hako("run", "--rm", HELLO, "/etc/passwd", check=False)
    assert refused.returncode == 126, refused.stderr


def test_process_settings(clean: Daemon) -> None:
    def run(*flags: str, command: str) -> str:
        return clean.hako("run", "--rm", *flags, HELLO, "sh", "-c", command).stdout.strip()

    assert run("-e", "A=1", "-e", "B=two words", command='echo "$A $B"') == "1 two words"
    assert run("-w", "/made/on/demand", command="pwd") == "/made/on/demand"
    assert run("-u", "nobody", command="id -un") == "nobody"
    assert run("-u", "1234:5678", command="id -u; id -g") == "1234\n5678"
    assert run("-h", "box", command="hostname; cat /etc/hostname") == "box\nbox"
    assert run("--cpus", "2", command="nproc") == "2"
    assert run("--cpus", "1", command="nproc") == "1"
    memory = int(run("-m", "300m", command="cat /sys/fs/cgroup/memory.max"))
    assert memory == 300 << 20
    assert "CapEff:\t00000000a80425fb" in run(command="cat /proc/self/status")
    assert run("--cap-drop", "ALL", command="grep CapEff /proc/self/status").endswith("0" * 16)
    assert run("--ulimit", "nofile=123:456", command="ulimit -n; ulimit -Hn") == "123\n456"
    assert run("--read-only", command="touch /x 2>&1; echo $?").endswith("1")
    assert "size=8192k" in run("--tmpfs", "/t:size=8m", command="grep ' /t ' /proc/mounts")
    assert run("--pids-limit", "7", command="cat /sys/fs/cgroup/pids.max") == "7"


def test_isolation_in_the_guest(clean: Daemon) -> None:
    script = ("cat /proc/1/comm; ls -A /proc/acpi /sys/firmware 2>/dev/null | wc -l;"
              "grep Seccomp: /proc/self/status; mount -t tmpfs x /mnt 2>&1; cat /proc/kcore | wc -c")
    out = clean.hako("run", "--rm", HELLO, "sh", "-c", script).stdout
    lines = out.splitlines()
    assert lines[0] == "sh"
    assert "Seccomp:\t2" in out
    assert "not permitted" in out or "denied" in out
    assert lines[-1] == "0"


def test_binary_stdin_arrives_intact(clean: Daemon) -> None:
    data = os.urandom(100 << 20)
    done = clean.hako("run", "-i", "--rm", HELLO, "sha256sum", input=data, timeout=300)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_binary_output_arrives_intact(clean: Daemon) -> None:
    data = os.urandom(8 << 20)
    done = clean.hako("run", "-i", "--rm", HELLO, "cat", input=data, timeout=300)
    assert done.stdout == data


def test_detached_life(clean: Daemon) -> None:
    container = clean.hako("run", "-d", "--name", "app", "-e", "A=1", "-m", "256m", HELLO, "sh", "-c",
                           "echo started $A; trap 'echo bye; exit 7' TERM; while :; do sleep 0.1; done"
                           ).stdout.strip()
    assert re.fullmatch("[0-9a-f]{64}", container)
    wait_until(lambda: "started 1" in clean.hako("logs", "app").stdout)
    row = clean.hako("ps").stdout.splitlines()[1]
    assert row.startswith(container[:12]) and " Up " in row and row.endswith("app")
    assert clean.hako("exec", "app", "sh", "-c", "echo $A; exit 3", check=False).returncode == 3
    assert "sleep" in clean.hako("top", "app").stdout
    clean.hako("stop", "app")
    state = clean.inspect("app")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 7)
    assert clean.hako("logs", "app").stdout == "started 1\nbye\n"
    assert "Exited (7)" in clean.hako("ps", "-a").stdout
    clean.hako("rm", "app")
    assert clean.hako("ps", "-aq").stdout == ""


def test_files_survive_a_restart_and_logs_go_on(clean: Daemon) -> None:
    clean.hako("run", "--name", "again", HELLO, "sh", "-c", "n=$((0$(cat /n 2>/dev/null)+1)); echo $n; echo $n > /n")
    clean.hako("start", "-a", "again")
    assert clean.hako("logs", "again").stdout == "1\n2\n"


def test_what_was_written_last_is_on_the_disk(clean: Daemon) -> None:
    """The guest has megabytes to write back when its container ends, and a stop follows at once."""
    write = "head -c 50000000 /dev/urandom > /big; sha256sum /big; exec sleep 600"
    clean.hako("run", "-d", "--name", "writer", HELLO, "sh", "-c", f"test -e /big && exec sha256sum /big; {write}")
    wait_until(lambda: "/big" in clean.hako("logs", "writer").stdout, 60)
    clean.hako("stop", "-t", "0", "writer")
    clean.hako("start", "-a", "writer")
    before, after = clean.hako("logs", "writer").stdout.splitlines()
    assert before == after


def test_follow_ends_with_the_container(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "app", HELLO, "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.3; done")
    assert clean.hako("logs", "-f", "app", timeout=60).stdout == "1\n2\n3\n"
    stamped = clean.hako("logs", "-t", "--tail", "2", "app").stdout.splitlines()
    assert [line.split()[1] for line in stamped] == ["2", "3"]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", stamped[0])


def test_exec_with_input_and_a_background_child(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "app", HELLO, "sleep", "600")
    data = os.urandom(1 << 20)
    assert clean.hako("exec", "-i", "app", "cat", input=data).stdout == data
    started = time.monotonic()
    clean.hako("exec", "app", "sh", "-c", "sleep 100 & echo done")
    assert time.monotonic() - started < 30
    assert clean.hako("exec", "app", "nothing", check=False).returncode == 127
    assert clean.hako("kill", "app").stdout.strip() == "app"
    wait_until(lambda: clean.state("app") == "exited")
    assert clean.inspect("app")["State"]["ExitCode"] == 137
    refused = clean.hako("exec", "app", "true", check=False)
    assert refused.returncode == 1 and "is not running" in refused.stderr


def test_an_exec_runs_once(clean: Daemon) -> None:
    """compose watch starts some of its own a second time; as with dockerd, the answer is in the stream."""
    clean.hako("run", "-d", "--name", "app", HELLO, "sleep", "600")
    status, made = clean.api("POST", "/containers/app/exec", {"Cmd": ["echo", "once"], "AttachStdout": True})
    start = f"/exec/{made['Id']}/start"  # type: ignore[index,call-overload]
    assert status == 201 and "once" in str(clean.api("POST", start, {"Detach": False})[1])
    status, said = clean.api("POST", start, {"Detach": False})
    assert status == 200 and "has already run" in str(said)
    assert clean.api("POST", start, {"Detach": True})[0] == 409


def test_entropy_and_clock_are_the_hosts(clean: Daemon) -> None:
    out = clean.hako("run", "--rm", HELLO, "date", "+%s").stdout
    assert abs(int(out) - time.time()) < 30


class Terminal:
    """hako in a pseudo terminal."""

    def __init__(self, daemon: Daemon, *arguments: str, columns: int = 100, rows: int = 30) -> None:
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.process = daemon.popen(*arguments, stdin=slave, stdout=slave, stderr=slave,
                                    start_new_session=True)
        os.close(slave)
        self.seen = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def expect(self, pattern: str, seconds: float = 60) -> str:
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < end, f"no {pattern!r} in {self.seen!r}"
            if select.select([self.master], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.master, 65536).decode(errors="replace")
                except OSError:
                    assert re.search(pattern, self.seen), f"closed: {self.seen!r}"
        self.seen = self.seen[found.end():]
        return found.group(0)

    def wait(self) -> int:
        return self.process.wait(60)


def test_a_shell_on_a_terminal(clean: Daemon) -> None:
    shell = Terminal(clean, "run", "--rm", "-it", HELLO, "sh")
    shell.expect("# ")
    shell.type("stty size; tty; echo T=$TERM\n")
    shell.expect("30 100\r\n")
    shell.expect("/dev/(pts/0|console)")
    shell.expect("T=xterm")
    shell.resize(77, 22)
    os.kill(shell.process.pid, signal.SIGWINCH)
    wait_until(lambda: (shell.type("stty size\n"), shell.expect(r"\d+ \d+\r\n"))[1] == "22 77\r\n")
    shell.type("sleep 1000\n")
    time.sleep(0.5)
    shell.type("\x03")  # Ctrl-C ends sleep, not the shell
    shell.expect("# ")
    shell.type("echo alive$((1+1))\n")
    shell.expect("alive2")
    shell.type("exit 5\n")
    assert shell.wait() == 5


def test_ctrl_d_ends_the_shell(clean: Daemon) -> None:
    shell = Terminal(clean, "run", "--rm", "-it", HELLO, "sh")
    shell.expect("# ")
    shell.type("\x04")
    assert shell.wait() == 0


def test_detach_keys_and_attach(clean: Daemon) -> None:
    shell = Terminal(clean, "run", "-it", "--name", "app", HELLO, "sh")
    shell.expect("# ")
    shell.type("X=kept\n")
    shell.expect("# ")
    shell.type("\x10\x11")
    assert shell.wait() == 0
    assert clean.state("app") == "running"
    again = Terminal(clean, "attach", "app")
    time.sleep(0.5)
    again.type("echo $X\n")
    again.expect("kept\r\n")
    again.type("exit 9\n")
    assert again.wait() == 9


def test_signals_reach_the_container(clean: Daemon) -> None:
    process = clean.popen("run", "--rm", "--name", "app", HELLO, "sh", "-c",
                          "trap 'echo got; exit 8' INT; echo ready; while :; do sleep 0.1; done")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == (b"got\n", 8)


def test_a_client_that_goes_away_leaves_the_container_running(clean: Daemon) -> None:
    process = clean.popen("run", "--name", "app", HELLO, "sh", "-c", "while :; do echo x; sleep 0.05; done")
    assert process.stdout.readline() == b"x\n"
    process.kill()
    process.wait()
    follower = clean.popen("logs", "-f", "app")
    assert follower.stdout.readline() == b"x\n"
    follower.kill()
    follower.wait()
    assert clean.state("app") == "running"
    assert clean.hako("exec", "app", "echo", "still").stdout == "still\n"


def test_much_output_is_complete(clean: Daemon) -> None:
    size = (1 << 30) if SOAK else (64 << 20)
    clean.hako("run", "-d", "--name", "app", HELLO, "sh", "-c", f"head -c {size} /dev/zero")
    clean.hako("wait", "app", timeout=900)
    logs = clean.popen("logs", "app")
    count = 0
    while chunk := logs.stdout.read(1 << 20):
        count += len(chunk)
    logs.wait()
    assert count == size


def test_twenty_starts_at_once(clean: Daemon) -> None:
    processes = [clean.popen("run", "--rm", "-m", "64m", HELLO, "echo", str(i)) for i in range(20)]
    outputs = sorted(int(process.communicate(timeout=300)[0]) for process in processes)
    assert outputs == list(range(20))


def test_exec_output_that_is_not_read_takes_no_room(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "app", HELLO, "sleep", "1000")
    size = 48 << 20
    client = clean.popen("exec", "app", "sh", "-c", f"head -c {size} /dev/zero")
    kept = lambda: sum(path.stat().st_blocks * 512 for path in clean.run_dir.rglob("exec-*.log"))
    wait_until(lambda: kept() > 8 << 20, 60)
    time.sleep(2)
    assert kept() <= 20 << 20, "the writer waits for its reader"
    assert len(client.communicate(timeout=120)[0]) == size, "who gets all of it"
    assert clean.hako("exec", "-d", "app", "sh", "-c", f"head -c {size} /dev/zero; touch /done").returncode == 0
    wait_until(lambda: clean.hako("exec", "app", "test", "-e", "/done", check=False).returncode == 0, 60)


def test_a_slow_reader_stops_nobody(clean: Daemon) -> None:
    lazy = clean.popen("run", "--name", "app", HELLO, "sh", "-c",
                       "head -c 20000000 /dev/zero; echo done > /tmp/done; sleep 600")
    wait_until(lambda: clean.hako("exec", "app", "cat", "/tmp/done", check=False).stdout == "done\n", 90)
    lazy.kill()
    lazy.communicate()


def test_a_container_is_found_by_name_and_by_any_unique_prefix(clean: Daemon) -> None:
    clean.hako("create", "--name", "a-b.c_d", HELLO, "true")
    container = clean.inspect("a-b.c_d")["Id"]
    assert clean.inspect(container[:10])["Name"] == "/a-b.c_d"
    unnamed = clean.hako("create", HELLO).stdout.strip()
    assert re.fullmatch(r"/[a-z]+_[a-z]+\d*", clean.inspect(unnamed)["Name"])


def test_space_that_a_container_frees_goes_back_to_the_host(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "box", HELLO, "sleep", "1000")
    disk = clean.root / "containers" / clean.inspect("box")["Id"] / "scratch.ext4"

    def takes() -> int:
        return disk.stat().st_blocks * 512

    before = takes()
    clean.hako("exec", "box", "sh", "-c", "dd if=/dev/urandom of=/file bs=1M count=48 && sync")
    assert takes() > before + (40 << 20)
    clean.hako("exec", "box", "sh", "-c", "rm /file && sync")
    wait_until(lambda: takes() < before + (10 << 20), 60, "the blocks come back")
