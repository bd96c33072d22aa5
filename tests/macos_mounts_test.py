"""What a macOS machine has mounted, in dockur/macos's words; its disks outlive all that can happen. Stand-ins as in
macos_container_test.py."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hako import Daemon, wait_until
from macos_container_test import Machines, free_port, machines, pytestmark, uid_of  # noqa: F401 (a fixture)
from macos_disk_test import write_tree
from macos_test import PIECE, RecoveryHandler, RecoveryServer, server  # noqa: F401 (a fixture)


def error_of(daemon: Daemon, name: str) -> str:
    wait_until(lambda: daemon.state(name) == "exited", 60, f"{name} ends")
    return str(daemon.inspect(name)["State"]["Error"])


def test_storage_ports_and_shares_are_dockurs(machines: Machines, tmp_path: Path) -> None:  # noqa: F811
    daemon = machines.daemon
    storage, shared = tmp_path / "s", tmp_path / "shared"
    releases = tmp_path / "releases"
    for folder in (shared, releases):
        folder.mkdir()
    os.chown(shared, 1234, 1234)
    (releases / "OpenCore").symlink_to(machines.opencore)
    web, ssh = free_port(), free_port()
    flags = ["-v", f"{storage}:/storage", "-v", f"{shared}:/shared", "-v", f"{machines.recovery}:/boot.dmg",
             "-v", f"{releases}:/opencore", "-p", f"127.0.0.1:{web}:8006", "-p", f"127.0.0.1:{ssh}:22"]
    machines.run("mac", *flags, RECOVERY="", OPENCORE="", PASSWORD="a word", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    log = machines.logs("mac")
    assert f"The viewer is at http://127.0.0.1:{web}/" in log
    assert "a word" not in log
    with socket.create_connection(("127.0.0.1", ssh), timeout=10):
        pass
    pid, command = machines.qemu("mac")
    assert f"path={shared}" in " ".join(command)
    assert uid_of(pid) == 1234, "QEMU is the owner of what it shares"
    ports = daemon.hako("ps", "--format", "{{.Ports}}").stdout
    assert f"127.0.0.1:{web}->8006/tcp" in ports
    assert f"127.0.0.1:{ssh}->22/tcp" in ports
    stats = daemon.hako("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}", "mac").stdout
    assert stats.startswith("mac ")
    assert "/ 4GiB" in stats

    # Another one does not get at the same disks, and is told whose they are.
    machines.run("other", "-v", f"{storage}:/storage")
    said = error_of(daemon, "other")
    assert f"container mac uses {storage}" in said
    assert str(next(p for p, line in daemon.machines().items() if "hako-macos" in line)) in said

    daemon.hako("rm", "-f", "mac")
    assert (storage / "14/data.img").exists(), "the user's folder stays"
    daemon.hako("start", "other")
    machines.says("other", "macOS is running")


def test_a_volume_keeps_the_disks(machines: Machines) -> None:  # noqa: F811
    daemon = machines.daemon
    machines.run("mac", "-v", "disks:/storage", DISPLAY="none")
    machines.says("mac", "macOS is running")
    daemon.hako("rm", "-f", "-v", "mac")
    data = Path(daemon.hako("volume", "inspect", "--format", "{{.Mountpoint}}", "disks").stdout.strip())
    assert (data / "14/data.img").stat().st_size == 64 << 30
    daemon.hako("volume", "rm", "disks")


@pytest.mark.parametrize(("flags", "says"), [
    (["-v", "{file}:/storage"], "is no folder"),
    (["-v", "{folder}:/boot.dmg"], "is a folder"),
    (["-v", "{folder}:/storage:ro"], "mount it without ro"),
    (["--mount", "type=tmpfs,target=/storage"], "no tmpfs"),
])
def test_a_mount_that_cannot_be_is_refused(machines: Machines, tmp_path: Path, flags: list[str], says: str) -> None:  # noqa: F811
    (tmp_path / "file").write_text("")
    words = [flag.format(file=tmp_path / "file", folder=tmp_path) for flag in flags]
    refused = machines.daemon.hako("create", *machines.words(*words), check=False)
    assert refused.returncode == 1
    assert says in refused.stderr
    assert machines.daemon.hako("ps", "-aq").stdout == ""


def test_what_means_nothing_to_macos_is_said(machines: Machines, tmp_path: Path) -> None:  # noqa: F811
    made = machines.daemon.hako("create", *machines.words("-v", f"{tmp_path}:/data"))
    assert "/data: macOS sees nothing of it" in made.stderr


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "hako-test", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_storage_in_memory_full_or_read_only_is_named(machines: Machines, tmp_path: Path) -> None:  # noqa: F811
    daemon = machines.daemon
    with mounted(tmp_path / "memory", "size=400m") as memory:
        machines.run("mac", "-v", f"{memory}:/storage", DISPLAY="none")
        machines.says("mac", "macOS is running")
        assert f"{memory} lies in memory" in machines.logs("mac")
        assert "its disk will be full" in machines.logs("mac")
        daemon.hako("rm", "-f", "mac")
    with mounted(tmp_path / "full", "size=1m") as full:
        machines.run("mac", "-v", f"{full}:/storage")
        said = error_of(daemon, "mac")
        assert str(full) in said
        assert "no space left on the disk: free some space" in said
        assert not (full / "14/boot.img").exists(), "nothing is left half made"
        daemon.hako("rm", "mac")
    with mounted(tmp_path / "fixed", "ro") as fixed:
        machines.run("mac", "-v", f"{fixed}:/storage")
        assert f"{fixed}, which cannot be written" in error_of(daemon, "mac")


def test_more_disks_lie_in_storages_of_their_own(machines: Machines, tmp_path: Path) -> None:  # noqa: F811
    daemon = machines.daemon
    first, second = tmp_path / "s", tmp_path / "fast"
    folders = ["-v", f"{first}:/storage", "-v", f"{second}:/storage2"]
    settings = {"DISK2_SIZE": "1G", "DISPLAY": "none", "TIMEOUT": "3600"}
    machines.run("mac", *folders, **settings)
    machines.says("mac", "macOS is running")
    disk = second / "data2.img"
    assert disk.stat().st_size == 1 << 30
    assert not (first / "14/data2.img").exists()

    # Another machine on the same folder is told whose it is.
    machines.run("other", "-v", f"{tmp_path / 'o'}:/storage", folders[2], folders[3], **settings)
    assert f"container mac uses {second}" in error_of(daemon, "other")
    daemon.hako("rm", "other")

    with disk.open("r+b") as file:
        file.write(b"first")
    daemon.hako("macos", "snapshot", "mac", "one")
    daemon.hako("macos", "resize", "--disk", "2", "mac", "2G")
    daemon.hako("rm", "-f", "mac")
    with disk.open("r+b") as file:
        file.write(b"other")
    machines.run("mac", *folders, **settings)
    machines.says("mac", "macOS is running")
    daemon.hako("macos", "restore", "mac", "one")
    wait_until(lambda: disk.read_bytes()[:5] == b"first", 60, "the disk is as it was")
    wait_until(lambda: machines.logs("mac").count("macOS is running") == 2, 120, "it runs again")
    assert disk.stat().st_size == 2 << 30, "it stays as large as it was made"
    daemon.hako("rm", "-f", "mac")

    # A disk is not replaced by an empty one where its folder is forgotten.
    machines.run("mac", *folders[:2], **settings)
    assert f"DISK2_SIZE: data2 lies in {second}, not in {first}/14: mount {second} at /storage2" in error_of(daemon, "mac")


@pytest.mark.skipif(not all(map(shutil.which, ("mkfs.vfat", "mcopy", "fallocate"))),
                    reason="dosfstools or mtools is missing; run scripts/setup.sh test")
def test_a_disk_that_fills_is_waited_for(machines: Machines, tmp_path: Path) -> None:  # noqa: F811
    """GRUB saves a variable in a file of 8 MiB, of which the host has stored next to nothing yet. The firmware leaves that disk alone:
    GRUB has a driver of its own for SATA."""
    daemon = machines.daemon
    write_tree(machines.opencore, {f"EFI/debian/x86_64-efi/{name}.mod": Path(f"/usr/lib/grub/x86_64-efi/{name}.mod").read_bytes()
                                   for name in ("ahci", "ata", "boot", "scsi")})
    machines.boots(b"insmod ahci\nsearch --file --set=data /large.env\nset told=yes\nsave_env --file ($data)/large.env told\nsleep 10000\n")
    made = tmp_path / "data2.img"
    subprocess.run(["mkfs.vfat", "-C", "-F", "16", "-s", "32", made, str(1 << 20)], check=True, capture_output=True)
    variables = tmp_path / "large.env"
    variables.write_bytes(b"# GRUB Environment Block\n".ljust((8 << 20) - 4097, b"\0") + b"\n" + b"#" * 4096)
    subprocess.run(["mcopy", "-i", made, variables, "::large.env"], check=True)
    subprocess.run(["fallocate", "-d", made], check=True)
    with mounted(tmp_path / "small", "size=100m") as small:
        subprocess.run(["cp", "--sparse=always", made, small], check=True)
        fill = small / "fill"
        free = os.statvfs(small).f_bavail * os.statvfs(small).f_bsize
        fill.write_bytes(bytes(free - (2 << 20)))
        machines.run("mac", "-v", f"{small}:/storage2", DISK2_SIZE="1G", DISK_TYPE="sata", DISPLAY="none", TIMEOUT="3600")
        told = f"macOS is paused: the host's disk with {small}/data2.img is full. Free 64 MiB there"
        machines.says("mac", told, 240)
        assert told in daemon.hako("macos", "ls").stdout
        assert told in daemon.hako("macos", "inspect", "--format", "{{.Machine.stage}}: {{.Machine.message}}", "mac").stdout
        assert "stands still already" in daemon.hako("pause", "mac", check=False).stderr
        assert machines.logs("mac").count(told) == 1, "said once"
        fill.unlink()
        wait_until(lambda: (small / "data2.img").stat().st_blocks * 512 > 8 << 20, 120, "GRUB has written on")
        wait_until(lambda: machines.logs("mac").count("macOS is running") == 2, 60, "that is said")
        assert "paused" not in daemon.hako("macos", "ls").stdout
        daemon.hako("rm", "-f", "mac")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """The recovery server sends an image's first piece at once, and the others when they are let go."""
    let_go = threading.Event()
    reply = RecoveryHandler.reply

    def reply_slowly(self: RecoveryHandler, status: int, body: bytes, **headers: str) -> None:
        if status != 206 or let_go.is_set():
            return reply(self, status, body, **headers)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:PIECE + 500])
        self.wfile.flush()
        let_go.wait(120)
        return None

    monkeypatch.setattr(RecoveryHandler, "reply", reply_slowly)
    yield let_go
    let_go.set()


def kill_all(daemon: Daemon, name: str) -> None:
    for pid in daemon.machines():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: daemon.state(name) == "exited", 60, f"{name} is gone")


def test_kill_9_at_any_time_loses_no_disk(machines: Machines, server: RecoveryServer, held: threading.Event,  # noqa: F811
                                          tmp_path: Path) -> None:
    """In the download, while disks are made, and while the machine runs: the next start goes on."""
    daemon = machines.daemon
    folder = tmp_path / "s/15"
    machines.run("mac", "-v", f"{folder.parent}:/storage", VERSION="15", RECOVERY="", RECOVERY_SERVER=server.url,
                 ALLOW_UNVERIFIED="Y", DISPLAY="none", TIMEOUT="3600")
    machines.says("mac", "Downloading")
    kill_all(daemon, "mac")
    assert not (daemon.root / "macos/15/BaseSystem.dmg").exists()
    held.set()
    seen = len(server.seen)

    # What a cut left of disks that were being made.
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.img.partial").write_bytes(b"half")
    (folder / "boot.img").write_bytes(b"half")
    daemon.hako("start", "mac")
    machines.says("mac", "macOS is running")
    assert len(server.seen) > seen
    assert (folder / "data.img").stat().st_size == 64 << 30
    assert (folder / "boot.img").stat().st_size > 1 << 20

    with (folder / "data.img").open("r+b") as disk:
        disk.write(b"guest")
    kill_all(daemon, "mac")
    daemon.hako("start", "mac")
    wait_until(lambda: machines.logs("mac").count("macOS is running") == 2, 120, "it runs again")
    with (folder / "data.img").open("rb") as disk:
        assert disk.read(5) == b"guest"


def test_the_usb_is_dockurs(machines: Machines) -> None:  # noqa: F811
    machines.run("mac", USB="qemu-xhci,id=xhci,p2=7,p3=7", DISK_TYPE="usb", CONNECTIONS="2", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    command = machines.qemu("mac")[1]
    assert "qemu-xhci,id=xhci,p2=7,p3=7" in command
    assert "usb-tablet,bus=xhci.0" in command
    machines.daemon.hako("rm", "-f", "mac")
    machines.run("mac", USB="no", BALLOONING_KP="0.5", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    assert "usb" not in " ".join(machines.qemu("mac")[1])
    assert "BALLOONING_KP=0.5 is passed over" in machines.logs("mac")
    refused = machines.daemon.hako("create", *machines.words(USB="N", AUDIO="Y"), check=False)
    assert "USB=N: the sound card of AUDIO=Y is on the USB" in refused.stderr
