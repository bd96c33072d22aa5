"""Many containers, many clients, no room: the daemon goes on and nothing leaks. Long forms with HAKO_SOAK."""

from __future__ import annotations

import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults_test import LOOP, kill_quietly, qemu_of, shims_of
from hako import HELLO, SOAK, Daemon, wait_until

CREATED = 1000 if SOAK else 120
LOOP_SECONDS = 600 if SOAK else 25
LOOP_CONTAINERS = 50 if SOAK else 3
KILL_ROUNDS = 200 if SOAK else 6
IDLE = 100 if SOAK else 4


def cgroups() -> set[str]:
    return {str(path) for path in Path("/sys/fs/cgroup").glob("**/hako/*") if path.is_dir()}


def resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    return 0


def test_many_created_containers_are_listed(own: Daemon) -> None:
    own.start()
    for number in range(CREATED):
        status, answer = own.api("POST", f"/containers/create?name=c{number}", {"Image": HELLO, "Cmd": ["true"]})
        assert status == 201, answer
    status, listed = own.api("GET", "/containers/json?all=1")
    assert status == 200 and {name for row in listed for name in row["Names"]} == {f"/c{n}" for n in range(CREATED)}
    own.kill()
    own.start()
    assert len(own.api("GET", "/containers/json?all=1")[1]) == CREATED
    assert own.hako("container", "prune", "-f").returncode == 0
    assert own.hako("ps", "-aq").stdout == ""


def test_several_clients_remove_one_container(clean: Daemon) -> None:
    for _ in range(5):
        clean.hako("run", "-d", "--name", "app", HELLO, "sleep", "1000")
        answers: list[tuple[int, object]] = []
        removers = [threading.Thread(target=lambda: answers.append(clean.api("DELETE", "/containers/app?force=1")))
                    for _ in range(4)]
        for remover in removers:
            remover.start()
        for remover in removers:
            remover.join()
        statuses = sorted(status for status, _ in answers)
        assert statuses.count(204) == 1 and set(statuses) <= {204, 404, 409}, answers
        assert clean.hako("ps", "-aq").stdout == ""


def test_a_client_that_never_reads_its_attach_stream(clean: Daemon) -> None:
    clean.hako("create", "--name", "app", HELLO, "sh", "-c",
               "dd if=/dev/zero bs=64k count=200 | tr '\\0' x; echo; echo last")
    silent = [socket.socket(socket.AF_UNIX) for _ in range(3)]
    for client in silent:
        client.connect(str(clean.socket))
        client.sendall(b"POST /containers/app/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\n"
                       b"Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n")
        assert b" 101 " in client.recv(17)
    reader = clean.popen("start", "-a", "app")
    out, _ = reader.communicate(timeout=300)
    assert len(out) == 64 * 1024 * 200 + len("\nlast\n") and out.endswith(b"\nlast\n"), "another client gets all of it"
    assert clean.hako("wait", "app").stdout.strip() == "0"
    clean.hako("rm", "app")
    for client in silent:
        client.close()


def test_a_loop_of_starts_and_stops_leaks_nothing(own: Daemon) -> None:
    own.start()
    assert own.process
    pid = own.process.pid

    def count() -> tuple[int, int, int]:
        return (len(list(Path(f"/proc/{pid}/fd").iterdir())), len(list(Path(f"/proc/{pid}/task").iterdir())),
                len([path for part in (own.root, own.run_dir) for path in part.rglob("*")]))

    def one_round(number: int) -> None:
        name = f"c{number}"
        own.hako("run", "-d", "--name", name, HELLO, "sh", "-c", "trap 'exit 0' TERM; sleep 100 & wait")
        own.hako("exec", name, "true")
        own.hako("stop", "-t", "20", name)
        own.hako("rm", name)

    def settled() -> tuple[int, int, int]:
        wait_until(lambda: not own.leftovers(), 60, "clean")
        time.sleep(7)  # idle threads and connections end
        return count()

    for number in range(2):
        one_round(number)
    before, groups, memory = settled(), cgroups(), resident(pid)
    end = time.monotonic() + LOOP_SECONDS
    rounds = 0
    while time.monotonic() < end:
        workers = [threading.Thread(target=one_round, args=(number,)) for number in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        rounds += 2
    assert rounds >= LOOP_CONTAINERS // 2
    after = settled()
    # A few of each are pools that fill on demand; a leak of one a round is more.
    slack = max(4, rounds // 4)
    assert all(now <= then + slack for now, then in zip(after, before)), f"{before} became {after} in {rounds} rounds"
    assert cgroups() - groups == set() or all(own.folder.name not in group for group in cgroups() - groups)
    assert resident(pid) < memory + (16 << 20), f"{memory} became {resident(pid)}"


@pytest.mark.parametrize("victim", ["hakod", "shim", "qemu", "vminitd"])
def test_what_is_shown_is_true_after_a_kill(own: Daemon, victim: str) -> None:
    own.start()
    generator = random.Random(victim)
    for number in range(max(1, KILL_ROUNDS // 4)):
        name = f"c{number}"
        own.hako("run", "-d", "--privileged", "--name", name, HELLO, *LOOP)
        time.sleep(generator.uniform(0, 1))
        if victim == "hakod":
            own.kill()
            own.start()
            assert own.state(name) == "running"
            assert own.hako("exec", name, "echo", "here").stdout == "here\n"
            own.hako("kill", name)
        elif victim == "vminitd":
            # PID 1 of a VM cannot be killed, only crashed with its kernel.
            own.hako("exec", "--privileged", name, "sh", "-c", "echo c > /proc/sysrq-trigger", check=False)
        else:
            for pid in shims_of(own) if victim == "shim" else qemu_of(own):
                kill_quietly(pid)
        wait_until(lambda: own.state(name) == "exited", 60, f"{victim}: {name} has ended")
        state = own.inspect(name)["State"]
        assert state["ExitCode"] == 137 and state["Running"] is False and state["Pid"] == 0, state
        assert victim == "hakod" or state["Error"], "the reason is told"
        own.hako("rm", name)
        wait_until(lambda: not own.leftovers(), 30, f"{own.leftovers()}")


@pytest.fixture
def full_disk(programs: Path) -> Iterator[Daemon]:
    """A daemon whose root is a small file system of its own."""
    daemon = Daemon()
    daemon.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "hako-test", daemon.root], check=True)
    daemon.start()
    yield daemon
    for path in daemon.root.glob("filler"):
        path.unlink()
    for name in daemon.hako("ps", "-aq", check=False).stdout.split():
        daemon.hako("rm", "-f", name, check=False)
    daemon.stop()
    daemon.kill_strays()
    subprocess.run(["umount", "-l", daemon.root], check=True)
    daemon.destroy()


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb") as filler:
        try:
            while True:
                filler.write(bytes(1 << 16))
                filler.flush()
        except OSError:
            pass


def test_a_full_disk_under_log_scratch_and_database(full_disk: Daemon) -> None:
    own = full_disk
    own.hako("run", "-d", "--name", "app", HELLO, *LOOP)
    fill(own.root)
    # The log: output is lost, the container goes on.
    time.sleep(2)
    assert own.state("app") == "running"
    assert own.hako("exec", "app", "echo", "here").stdout == "here\n"
    # The database: the client is told what is full.
    status, answer = own.api("POST", "/containers/create?name=next", {"Image": HELLO})
    assert status >= 400 and any(word in str(answer).lower() for word in ("full", "space")), answer
    assert own.hako("ps", "-q").stdout.count("\n") == 1
    # The scratch disk: the writer gets an error, nobody else.
    own.hako("exec", "app", "sh", "-c", "dd if=/dev/zero of=/big bs=1M count=8; sync", check=False)
    assert own.state("app") == "running"
    (own.root / "filler").unlink()
    wait_until(lambda: own.hako("run", "--rm", HELLO, "echo", "fine", check=False).stdout == "fine\n", 60, "room again")
    lines = own.hako("logs", "app").stdout.split()
    assert lines, "what came before and after is there"
    own.hako("stop", "-t", "1", "app")
    assert own.state("app") == "exited"


def test_many_idle_containers_all_answer(own: Daemon) -> None:
    own.start()
    for number in range(IDLE):
        own.hako("run", "-d", "--name", f"c{number}", HELLO, "sleep", "100000", timeout=300)
    for number in range(IDLE):
        assert own.hako("exec", f"c{number}", "echo", str(number), timeout=300).stdout == f"{number}\n"
    own.hako("kill", *(f"c{number}" for number in range(IDLE)), timeout=600)
