"""VMs that wait, loaded, for their containers."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hako import HELLO, Daemon, wait_until
from namespaces import inside, namespaces, needs_namespaces
from network_test import comes_and_goes


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


def fill(daemon: Daemon, *flags: str) -> str:
    """Starts containers until one finds a VM that waited; answers its name."""
    def took_one() -> str | None:
        name = f"try{len(daemon.hako('ps', '-aq').stdout.split())}"
        daemon.hako("run", "-d", "--name", name, *flags, HELLO, "sleep", "600")
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


@contextmanager
def started(daemon: Daemon) -> Iterator[Daemon]:
    """With templates; nothing is left of it, nor of the VMs that waited."""
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


@pytest.fixture
def warm(programs: Path) -> Iterator[Daemon]:
    """A daemon as it comes: one VM waits."""
    daemon = Daemon()
    del daemon.environment["HAKO_WARM_POOL"]
    with started(daemon):
        yield daemon


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


def test_folders_come_into_a_vm_that_waits(warm: Daemon, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the host\n")
    name = fill(warm, "-v", f"{tmp_path}:/data", "-v", f"{tmp_path}/file:/one:ro")
    assert warm.hako("exec", name, "sh", "-c", "cat /data/file /one; echo back > /data/new").stdout == "of the host\n" * 2
    assert (tmp_path / "new").read_text() == "back\n"
    refused = warm.hako("exec", name, "sh", "-c", "echo no > /one", check=False)
    assert refused.returncode != 0 and "Read-only" in refused.stderr
    # One that is asked for without folders has none, and the host's are there for nobody else.
    other = fill(warm)
    assert warm.hako("exec", other, "sh", "-c", "ls /data /one", check=False).returncode != 0
    warm.hako("rm", "-f", name)
    (tmp_path / "file").unlink()
    assert [entry.name for entry in tmp_path.iterdir()] == ["new"]


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


HOST = f"hkw{os.getpid()}"


@pytest.fixture
def networked(programs: Path) -> Iterator[Daemon]:
    """In a namespace of its own, with a VM that waits with a network card."""
    with namespaces(HOST):
        own = Daemon(HAKO_WARM_POOL="1", HAKO_BRIDGE="bridge")
        own.prefix = ["nsenter", f"--net=/run/netns/{HOST}"]
        with started(own) as daemon:
            yield daemon
        assert "hkt" not in inside(HOST, "ip -o link")


def address_of(daemon: Daemon, name: str) -> str:
    return next(iter(daemon.inspect(name)["NetworkSettings"]["Networks"].values()))["IPAddress"]


@needs_namespaces
def test_a_container_on_a_network_takes_one_with_a_card(networked: Daemon) -> None:
    first = fill(networked)
    # Its address, MAC and way out are its own.
    link = networked.hako("exec", first, "ip", "-o", "link", "show", "eth0").stdout
    assert networked.inspect(first)["NetworkSettings"]["Networks"]["bridge"]["MacAddress"] in link
    assert "default" in networked.hako("exec", first, "ip", "route").stdout
    second = fill(networked)
    assert networked.hako("exec", second, "ping", "-c", "1", "-W", "5", address_of(networked, first)).returncode == 0
    # It comes to other networks as any.
    networked.hako("network", "create", "app")
    networked.hako("run", "-d", "--name", "peer", "--network", "app", HELLO, "sleep", "600")
    comes_and_goes(networked, second, "app", "peer")
    comes_and_goes(networked, "peer", "bridge", first)
    # One without a network has no card.
    alone = fill(networked, "--network", "none")
    assert networked.hako("exec", alone, "ls", "/sys/class/net").stdout.split() == ["lo"]
    # The guest sends by no address but its own.
    liar = fill(networked, "--cap-add", "NET_ADMIN")
    reach = ("exec", liar, "ping", "-c", "1", "-W", "3", address_of(networked, first))
    assert networked.hako(*reach).returncode == 0
    networked.hako("exec", liar, "ip", "link", "set", "eth0", "address", "02:42:ac:11:00:77")
    assert networked.hako(*reach, check=False).returncode != 0
    # The next daemon finds the network as it is.
    networked.kill()
    networked.start()
    assert networked.hako("exec", second, "ping", "-c", "1", "-W", "5", address_of(networked, first)).returncode == 0
    networked.hako("stop", "-t", "0", first)
    networked.hako("start", first)
    assert networked.hako("exec", second, "ping", "-c", "1", "-W", "5", address_of(networked, first)).returncode == 0
