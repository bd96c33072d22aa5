"""Whose a storage is: what the second machine on one is told, whether it is a container or the host's own, and what a machine that
was killed leaves."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from hako import BIN, Daemon, wait_until
from macos_container_test import Machines, machines, pytestmark  # noqa: F401 (a fixture, and what all of them need)


def boot(machines: Machines, storage: Path) -> list[str | Path]:  # noqa: F811
    return [BIN / "hako", "macos", "boot", "--storage", storage, "--opencore", machines.opencore, "--recovery", machines.recovery,
            "-e", "KVM=N", "-e", "DISPLAY=none"]


@contextlib.contextmanager
def booted(machines: Machines, storage: Path) -> Iterator[subprocess.Popen[bytes]]:  # noqa: F811
    """A machine of the host's own, without a daemon."""
    machine = subprocess.Popen(boot(machines, storage), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        progress = storage / "14/progress.json"
        wait_until(lambda: progress.exists() and '"running"' in progress.read_text(), 120, "the host's machine runs")
        yield machine
    finally:
        def ends() -> bool:
            machine.send_signal(signal.SIGINT)  # the second one cuts it off
            return machine.poll() is not None
        wait_until(ends, 60, "the host's machine ends")


def refusal(daemon: Daemon, name: str) -> str:
    wait_until(lambda: daemon.state(name) == "exited", 60, f"{name} ends")
    state = daemon.inspect(name)["State"]
    assert state["ExitCode"] == 1
    return str(state["Error"])


def shim(daemon: Daemon) -> int:
    return next(pid for pid, line in daemon.machines().items() if "hako-macos" in line)


def test_the_second_container_is_told_of_the_first(machines: Machines, tmp_path: Path) -> None:  # noqa: F811
    daemon, storage = machines.daemon, tmp_path / "s"
    machines.run("mac", "-v", f"{storage}:/storage", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    holder = shim(daemon)
    machines.run("other", "-v", f"{storage}:/storage", TIMEOUT="3600")
    said = refusal(daemon, "other")
    assert said.startswith(f"container mac uses {storage}"), said
    assert re.search(rf"\(process {holder}\)", said), said
    assert "stop that machine, or give this one a folder of its own" in said
    assert said in machines.logs("other"), "the log says it, too"
    assert daemon.state("mac") == "running"
    daemon.hako("kill", "mac")
    daemon.hako("start", "other")
    machines.says("other", "macOS is running")
    daemon.hako("start", "mac")
    assert refusal(daemon, "mac").startswith(f"container other uses {storage}"), "who holds it now"


def test_a_container_and_a_machine_of_the_host_know_of_each_other(machines: Machines, tmp_path: Path) -> None:  # noqa: F811
    daemon, storage = machines.daemon, tmp_path / "s"
    with booted(machines, storage) as host:
        machines.run("mac", "-v", f"{storage}:/storage", TIMEOUT="3600")
        said = refusal(daemon, "mac")
        assert re.search(rf"hako macos boot uses {storage}.*process {host.pid}\b", said), said
        refused = subprocess.run(boot(machines, storage), capture_output=True, text=True, check=False, timeout=60)
        assert refused.returncode == 1
        assert re.search(rf"hako macos boot uses {storage}.*process {host.pid}\b", refused.stderr), refused.stderr
    daemon.hako("start", "mac")
    machines.says("mac", "macOS is running")
    refused = subprocess.run(boot(machines, storage), capture_output=True, text=True, check=False, timeout=60)
    assert refused.returncode == 1
    assert re.search(rf"container mac uses {storage}.*process {shim(daemon)}\b", refused.stderr), refused.stderr


def test_who_was_killed_holds_nothing(machines: Machines, tmp_path: Path) -> None:  # noqa: F811
    daemon, storage = machines.daemon, tmp_path / "s"
    machines.run("mac", "-v", f"{storage}:/storage", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    os.kill(shim(daemon), signal.SIGKILL)
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    assert (storage / "hako.holder").read_text() == "container mac", "what it left"
    machines.run("other", "-v", f"{storage}:/storage", TIMEOUT="3600")
    machines.says("other", "macOS is running")
    assert (storage / "hako.holder").read_text() == "container other"
    daemon.hako("kill", "other")
    # Of another host, or of a time before this one was booted: a process of that number is somebody else.
    (storage / "hako.lock").write_text(f"{os.getpid()}\n")
    daemon.hako("start", "mac")
    wait_until(lambda: machines.logs("mac").count("macOS is running") == 2, 120, "it runs again")


def test_disks_may_lie_beside_each_other(machines: Machines, tmp_path: Path) -> None:  # noqa: F811
    storage = tmp_path / "s"
    machines.run("mac", "-v", f"{storage}:/storage", "-v", f"{storage}:/storage2", "-v", f"{storage}:/storage3", DISK2_SIZE="1G",
                 TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    assert (storage / "data2.img").exists()
