"""QEMU, the kernel, the shim, hakod, the disk: each fails, nothing is lost or left, the next command works."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import BIN, HELLO, SHARE, SOAK, Daemon, wait_until
from images_test import busybox_layer, layer, save_archive
from registries import Registry

PROGRAMS = ("hako", "hakod", "hako-shim")
LOOP = ("sh", "-c", "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done")


def qemu_of(daemon: Daemon) -> list[int]:
    """Direct children named qemu of this daemon's shims."""
    found = []
    for shim, line in daemon.machines().items():
        if "hako-shim" not in line:
            continue
        for task in Path(f"/proc/{shim}/task").iterdir():
            try:
                children = (task / "children").read_text().split()
            except OSError:
                continue
            found += [int(child) for child in children]
    return found


def shims_of(daemon: Daemon) -> list[int]:
    return [pid for pid, line in daemon.machines().items() if "hako-shim" in line]


def kill_quietly(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def test_qemu_killed(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "app", HELLO, *LOOP)
    for pid in qemu_of(clean):
        kill_quietly(pid)
    wait_until(lambda: clean.state("app") == "exited")
    state = clean.inspect("app")["State"]
    assert state["ExitCode"] == 137 and state["Error"]
    clean.hako("start", "app")
    assert clean.hako("exec", "app", "echo", "back").stdout == "back\n"


def test_qemu_missing(own: Daemon) -> None:
    own.environment["HAKO_QEMU"] = "/nonexistent/qemu-system-x86_64"
    own.start()
    done = own.hako("run", "--rm", HELLO, "true", check=False)
    assert done.returncode == 125 and "qemu" in done.stderr.lower()
    assert own.hako("ps", "-aq").stdout == ""


@pytest.mark.parametrize(("script", "word"), [
    ("echo 'qemu: boom, no such machine' >&2; exit 1", "boom"),
    ("exec sleep 1000", "answer"),
])
def test_qemu_that_dies_or_hangs_at_start(own: Daemon, tmp_path: Path, script: str, word: str) -> None:
    fake = tmp_path / "qemu-system-x86_64"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o755)
    own.environment |= {"HAKO_QEMU": str(fake), "HAKO_ACCEL": "tcg", "HAKO_START_TIMEOUT": "5s"}
    own.start()
    done = own.hako("run", "--rm", HELLO, "true", check=False, timeout=100)
    assert done.returncode == 125 and word in done.stderr, done.stderr


def installation_with_init(folder: Path, script: str) -> Path:
    """bin/ of a copy of what is built, with a shell script instead of vminitd."""
    for parent in (folder, *folder.parents[:2]):  # QEMU's own user reads the kernel
        parent.chmod(0o755)
    shutil.copytree(BIN, folder / "bin", ignore=lambda _, names: [n for n in names if n not in PROGRAMS])
    (folder / "share").mkdir()
    for name in ("vmlinux", "hello.tar"):
        shutil.copy(SHARE / name, folder / "share" / name)
    tree = folder / "initramfs"
    (tree / "bin").mkdir(parents=True)
    (tree / "dev").mkdir()
    shutil.copy("/bin/busybox", tree / "bin" / "busybox")
    (tree / "init").write_text(f"#!/bin/busybox sh\n{script}\n")
    (tree / "init").chmod(0o755)
    archive = subprocess.run(["sh", "-c", "find . | cpio --quiet -o -H newc"], cwd=tree, check=True, capture_output=True)
    (folder / "share" / "initramfs.cpio").write_bytes(archive.stdout)
    return folder / "bin"


@pytest.mark.parametrize(("script", "word"), [
    ("exit 1", "Attempted to kill init"),  # the agent has ended: the kernel's last words say so
    ("while :; do /bin/busybox sleep 1; done", "does not answer"),
])
def test_the_guest_agent_ends_or_hangs(tmp_path: Path, script: str, word: str) -> None:
    mine = Daemon(bin=installation_with_init(tmp_path, script), HAKO_ACCEL="tcg", HAKO_START_TIMEOUT="20s")
    try:
        mine.start()
        done = mine.hako("run", "--rm", HELLO, "true", check=False, timeout=200)
        assert done.returncode == 125 and word in done.stderr, done.stderr
        assert mine.hako("ps", "-aq").stdout == ""
        wait_until(lambda: not mine.leftovers(), 20, "clean")
    finally:
        mine.destroy()


def test_the_guest_kernel_panics(clean: Daemon) -> None:
    clean.hako("run", "-d", "--privileged", "--name", "app", HELLO, "sh", "-c",
               "sleep 1; echo c > /proc/sysrq-trigger; sleep 100")
    wait_until(lambda: clean.state("app") == "exited", 60)
    state = clean.inspect("app")["State"]
    assert state["ExitCode"] == 137
    assert "panic" in state["Error"], state


def test_the_guests_memory_runs_out(clean: Daemon) -> None:
    clean.hako("run", "--name", "app", "-m", "64m", HELLO, "awk", 'BEGIN { s = "0123456789"; while (1) s = s s }',
               check=False)
    state = clean.inspect("app")["State"]
    assert state["OOMKilled"] is True and state["ExitCode"] == 137, state


def test_the_shim_killed(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "app", HELLO, *LOOP)
    machines = clean.machines()
    for pid in shims_of(clean):
        kill_quietly(pid)
    wait_until(lambda: clean.state("app") == "exited")
    assert clean.inspect("app")["State"]["ExitCode"] == 137
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in machines), 10, "QEMU goes with its shim")


def test_the_daemon_killed_and_back(own: Daemon) -> None:
    own.start()
    own.hako("run", "-d", "--name", "app", HELLO, "sh", "-c",
             "trap 'exit 6' TERM; i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done")
    own.hako("run", "-d", "--name", "short", HELLO, "sh", "-c", "sleep 3; echo last; exit 4")
    own.hako("create", "--name", "idle", HELLO)
    own.kill()
    assert len(shims_of(own)) == 2
    time.sleep(5)
    own.start()
    assert own.state("app") == "running" and own.state("idle") == "created"
    short = own.inspect("short")["State"]
    assert (short["Status"], short["ExitCode"]) == ("exited", 4)
    assert own.hako("logs", "short").stdout == "last\n"
    assert own.hako("wait", "short").stdout.strip() == "4"
    lines = [int(line) for line in own.hako("logs", "app").stdout.split()]
    assert lines == list(range(len(lines))) and len(lines) > 40
    assert own.hako("exec", "app", "echo", "here").stdout == "here\n"
    follower = own.popen("attach", "--no-stdin", "app")
    assert re.fullmatch(rb"\d+\n", follower.stdout.readline())
    waiter = own.popen("wait", "app")
    own.hako("stop", "app")
    assert waiter.communicate(timeout=30)[0].strip() == b"6"
    follower.communicate(timeout=30)


def test_a_second_daemon_on_the_same_root_is_refused(own: Daemon) -> None:
    own.start()
    second = subprocess.run([BIN / "hakod", "--root", own.root, "--run", own.run_dir],
                            capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode != 0 and str(own.process.pid) in second.stderr
    assert own.answers()


def test_a_stale_socket_and_pid_file(own: Daemon) -> None:
    own.start()
    own.kill()
    assert own.socket.exists()
    own.start()
    assert own.hako("run", "--rm", HELLO, "echo", "ok").stdout == "ok\n"


@pytest.mark.parametrize("victim", ["hakod", "shim"])
def test_killed_at_every_step_of_start_and_stop(own: Daemon, victim: str) -> None:
    """kill -9 at spread moments: the state shown is the truth afterwards, and all of it can be removed."""
    own.start()
    rounds = 100 if SOAK else 6
    generator = random.Random(7)
    for number in range(rounds):
        name = f"c{number}"
        runner = own.popen("run", "-d", "--name", name, HELLO, "sh", "-c", "trap 'exit 0' TERM; sleep 2 & wait")
        time.sleep(generator.uniform(0, 4.0) if number % 2 else 4.0 * number / rounds)
        stopper = own.popen("stop", "-t", "1", name) if number % 3 == 2 else None
        if victim == "hakod":
            own.kill()
            runner.communicate(timeout=60)
            own.start()
        else:
            for pid in shims_of(own):
                kill_quietly(pid)
            runner.communicate(timeout=60)

        def settled(name: str = name) -> bool:
            status, body = own.api("GET", f"/containers/{name}/json")
            if status == 404:
                return True
            assert status == 200 and isinstance(body, dict)
            state = body["State"]["Status"]
            return state != "running" or bool(shims_of(own))

        if stopper:
            stopper.communicate(timeout=60)
        wait_until(settled, 20)
        own.hako("rm", "-f", name, check=False)
        wait_until(lambda: not own.leftovers(), 20, f"round {number}: {own.leftovers()}")
    assert own.hako("run", "--rm", HELLO, "echo", "fine").stdout == "fine\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = Path(f"/tmp/hk-full-{os.getpid()}")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "hako-test", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


def test_a_disk_that_fills_while_unpacking(programs: Path, small_disk: Path, tmp_path: Path) -> None:
    archive = tmp_path / "big.tar"
    save_archive(archive, "big:1", [busybox_layer(), layer(("blob", os.urandom(48 << 20)))])
    daemon = Daemon(small_disk / "d")
    daemon.folder.mkdir()
    daemon.start()
    try:
        before = sum(path.stat().st_blocks for path in daemon.root.rglob("*"))
        done = daemon.hako("load", "-i", str(archive), check=False)
        assert done.returncode == 1 and "space" in done.stderr.lower(), done.stderr
        after = sum(path.stat().st_blocks for path in daemon.root.rglob("*"))
        assert after - before < 4096, "what was half unpacked is gone"
        assert daemon.hako("run", "--rm", HELLO, "echo", "fine").stdout == "fine\n"
    finally:
        daemon.destroy()


def test_a_disk_that_fills_during_a_pull(programs: Path, small_disk: Path, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    archive = tmp_path / "image.tar"
    save_archive(archive, "big:1", [busybox_layer(), layer(("blob", os.urandom(48 << 20)))])
    big = registry.push(archive, "big:1")
    save_archive(archive, "small:1", [busybox_layer(), layer(("blob", b"small\n"))],
                 command=["/bin/busybox", "cat", "/blob"])
    small = registry.push(archive, "small:1")
    daemon = Daemon(small_disk / "d")
    daemon.folder.mkdir()
    daemon.start()
    try:
        before = sum(path.stat().st_blocks for path in daemon.root.rglob("*"))
        done = daemon.hako("pull", big, check=False)
        assert done.returncode == 1 and "no space left" in done.stderr.lower(), done.stderr
        after = sum(path.stat().st_blocks for path in daemon.root.rglob("*"))
        assert after - before < 4096, "what was half downloaded is gone"
        assert daemon.hako("run", "--rm", small).stdout == "small\n"
    finally:
        daemon.destroy()
        registry.stop()


@pytest.mark.parametrize(("limit", "value"), [("max-layer-size", "4m"), ("max-layer-files", 3), ("min-free-space", "1000t")])
def test_limits_of_layers(own: Daemon, tmp_path: Path, limit: str, value: object) -> None:
    archive = tmp_path / "big.tar"
    save_archive(archive, "big:1", [layer(("a", bytes(8 << 20)), *((name, b"") for name in "bcdef"))])
    own.configuration = {limit: value}
    own.start()

    def kept() -> list[Path]:
        return sorted(path for part in ("content", "layers", "views") for path in (own.root / part).rglob("*"))

    before = kept()
    done = own.hako("load", "-i", str(archive), check=False)
    assert done.returncode == 1 and limit in done.stderr
    assert kept() == before


def test_many_clients_start_one_daemon(own: Daemon) -> None:
    """`hako` starts the daemon when none runs; of several at once, all find the one that won."""
    clients = [own.popen("ps", "-q") for _ in range(5)]
    for client in clients:
        out, err = client.communicate(timeout=120)
        assert (client.returncode, out) == (0, b""), err
    own.hako("system", "stop")
    assert own.hako("system", "status", check=False).returncode == 3
