"""VMs that wait, loaded, for their containers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import HELLO, Daemon, wait_until


def records(daemon: Daemon) -> dict[str, dict]:
    """Of all shims: those of VMs that wait, too."""
    found = {}
    for folder in (daemon.run_dir / "vm").glob("*"):
        try:
            found[folder.name] = json.loads((folder / "shim.json").read_text())
        except (OSError, ValueError):
            continue
    return found


def runs_in_its_own(daemon: Daemon, name: str) -> bool:
    return daemon.inspect(name)["Id"][:12] in records(daemon)


def fill(daemon: Daemon) -> str:
    """Starts containers until one finds a VM that waited; answers its name."""
    def took_one() -> str | None:
        name = f"try{len(daemon.hako('ps', '-aq').stdout.split())}"
        daemon.hako("run", "-d", "--name", name, HELLO, "sleep", "600")
        if not runs_in_its_own(daemon, name):
            return name
        daemon.hako("rm", "-f", name)
        return None

    return str(wait_until(took_one, 120, f"a VM that waits; {daemon.log()}"))


def waiting(daemon: Daemon) -> dict[str, dict]:
    """Those that no container runs in, once their guests answer."""
    pids = {container["State"]["Pid"] for container in
            (daemon.inspect(name) for name in daemon.hako("ps", "-aq").stdout.split())}
    return {name: record for name, record in records(daemon).items()
            if record.get("qemu") and record["qemu"]["pid"] not in pids
            and "agent answered" in (daemon.run_dir / "vm" / name / "shim.log").read_text()}


@pytest.fixture
def warm(programs: Path) -> Iterator[Daemon]:
    daemon = Daemon(HAKO_WARM_POOL="1")
    daemon.configuration = {}
    daemon.start()
    yield daemon
    names = daemon.hako("ps", "-aq").stdout.split()
    if names:
        daemon.hako("rm", "-f", *names)
    daemon.stop()
    left = daemon.leftovers()
    daemon.kill_strays()
    daemon.destroy()
    assert not left


IDENTITY = "cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; hostname; head -c 16 /dev/urandom | od -An -tx1"


def test_a_container_takes_a_vm_that_waits(warm: Daemon) -> None:
    first = fill(warm)
    assert warm.hako("exec", first, "hostname").stdout.strip() == warm.inspect(first)["Id"][:12]
    assert warm.hako("exec", "-i", first, "sh", "-c", "cat > /f; cat /f", input="kept").stdout == "kept"
    # What it does not fit, it does not get.
    warm.hako("run", "-d", "--name", "small", "-m", "96m", HELLO, "sleep", "600")
    assert runs_in_its_own(warm, "small")
    second = fill(warm)
    seen = [warm.hako("exec", name, "sh", "-c", IDENTITY).stdout.splitlines() for name in (first, second)]
    assert len(seen[0]) == 4
    for lines in zip(*seen):
        assert lines[0] != lines[1], seen
    done = warm.hako("exec", second, "sh", "-c", "exit 7", check=False)
    assert done.returncode == 7
    warm.hako("stop", "-t", "0", first)
    assert warm.inspect(first)["State"]["Status"] == "exited"
    # Its disk is its own, wherever it runs next.
    warm.hako("start", first)
    assert warm.hako("exec", first, "cat", "/f").stdout == "kept"


def test_vms_that_die_while_they_wait_are_replaced(warm: Daemon) -> None:
    warm.hako("rm", "-f", fill(warm))
    for victim in ("qemu", "shim"):
        name, record = next(iter(wait_until(lambda: waiting(warm), 60, warm.log()).items()))
        os.kill(record[victim]["pid"], signal.SIGKILL)
        assert warm.hako("run", "--rm", HELLO, "echo", "up").stdout == "up\n"
        wait_until(lambda: name not in records(warm), 60, f"the end of {name}; {warm.log()}")
    warm.hako("rm", "-f", fill(warm))


def test_a_daemon_that_was_killed_leaves_none_waiting(warm: Daemon) -> None:
    taken = fill(warm)
    orphan = next(iter(wait_until(lambda: waiting(warm), 60, warm.log())))
    warm.kill()
    warm.start()
    assert orphan not in records(warm)
    # The container in its VM goes on.
    assert warm.hako("exec", taken, "echo", "up").stdout == "up\n"
    warm.hako("rm", "-f", fill(warm))
    assert warm.hako("exec", taken, "echo", "up").stdout == "up\n"


def test_a_template_that_is_made_anew_meanwhile_does_no_harm(warm: Daemon) -> None:
    warm.hako("rm", "-f", fill(warm))
    wait_until(lambda: waiting(warm), 60, warm.log())
    warm.hako("template", "build")
    assert warm.hako("run", "--rm", HELLO, "echo", "up").stdout == "up\n"
    warm.hako("rm", "-f", fill(warm))
