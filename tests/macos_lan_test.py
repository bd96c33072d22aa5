"""A macOS machine with an address of the LAN, in a network namespace that stands for the host; another one is the LAN."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import wait_until
from macos_container_test import Machines
from macos_container_test import pytestmark as needs_machine
from namespaces import daemon_in, namespaces, needs_namespaces, sh

HOST, LAN = f"hkm{os.getpid()}", f"hkl{os.getpid()}"

pytestmark = [needs_namespaces, needs_machine]


@pytest.fixture
def host(programs: Path, tmp_path: Path) -> Iterator[Machines]:
    with namespaces(HOST, LAN), daemon_in(HOST) as daemon:
        sh(f"ip -n {HOST} link add out type veth peer name in netns {LAN}")
        sh(f"ip -n {HOST} link set out up && ip -n {LAN} link set in up")
        yield Machines(daemon, tmp_path)


def macvtaps() -> list[dict[str, str]]:
    return json.loads(sh(f"ip -n {HOST} -d -j link show type macvtap") or "[]")


def has_macvtap(pid: int) -> bool:
    """Whether the process holds a macvtap open: a character device of that driver."""
    major = next(int(line.split()[0]) for line in Path("/proc/devices").read_text().splitlines() if line.endswith(" macvtap"))
    files = [file.stat() for file in Path(f"/proc/{pid}/fd").iterdir() if file.exists()]
    return any(stat.S_ISCHR(file.st_mode) and os.major(file.st_rdev) == major for file in files)


def test_a_machine_is_on_the_lan(host: Machines) -> None:
    daemon = host.daemon
    refused = daemon.hako("run", "-d", *host.words(DHCP="Y"), check=False)
    assert "network create -d macvlan" in refused.stderr
    daemon.hako("network", "create", "-d", "macvlan", "-o", "parent=out", "--subnet", "192.0.2.0/24", "lan")
    id = host.run("mac", "--network", "lan", DHCP="Y", TIMEOUT="3600")
    host.says("mac", "macOS is running")
    identity = json.loads((host.folder(id) / "identity.json").read_text())
    mac = identity["mac"].lower()
    assert [link["address"] for link in macvtaps()] == [mac]
    pid, command = host.qemu("mac")
    assert any(word.startswith("tap,id=net,fd=") for word in command)
    assert not any("hostfwd" in word for word in command)
    assert has_macvtap(pid)

    daemon.hako("kill", "mac")
    wait_until(lambda: daemon.state("mac") == "exited" and not macvtaps(), 60, "its link goes with it")
    daemon.hako("start", "mac")
    wait_until(lambda: host.logs("mac").count("macOS is running") == 2, 120, "it runs again")
    assert [link["address"] for link in macvtaps()] == [mac], "the LAN knows it again"
    daemon.hako("rm", "-f", "mac")
    assert not macvtaps()
