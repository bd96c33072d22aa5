"""A macOS machine with an address of the LAN, in a network namespace that stands for the host; another one is the LAN."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import Daemon, wait_until
from macos_container_test import GRUB, OVMF, Machines

HOST, LAN = f"hkm{os.getpid()}", f"hkl{os.getpid()}"

pytestmark = pytest.mark.skipif(
    not (OVMF / "OVMF_VARS_4M.fd").exists() or not GRUB.exists() or not shutil.which("qemu-system-x86_64") or not shutil.which("ip"),
    reason="ovmf, grub-efi-amd64-bin, iproute2 or QEMU is missing; run scripts/setup.sh test")


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture
def host(programs: Path, tmp_path: Path) -> Iterator[Machines]:
    for name in (HOST, LAN):
        ip("netns", "add", name)
    ip("-n", HOST, "link", "add", "out", "type", "veth", "peer", "name", "in", "netns", LAN)
    for name, link in ((HOST, "out"), (LAN, "in"), (HOST, "lo")):
        ip("-n", name, "link", "set", link, "up")
    daemon = Daemon()
    daemon.prefix = ["nsenter", f"--net=/run/netns/{HOST}"]
    try:
        yield Machines(daemon.start(), tmp_path)
        daemon.destroy()
    finally:
        daemon.stop()
        daemon.kill_strays()
        for name in (HOST, LAN):
            ip("netns", "del", name)


def macvtaps() -> list[dict[str, str]]:
    return json.loads(ip("-n", HOST, "-d", "-j", "link", "show", "type", "macvtap") or "[]")


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
