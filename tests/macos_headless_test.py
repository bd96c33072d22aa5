"""macOS machines without a person: ssh, disposable machines, disks of machines that are stopped. What answers as Remote Login is
a small server of the test's own (python3-paramiko), at an address that --address names: in the guest there is only GRUB."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import paramiko
import pytest

from hako import wait_until
from macos_container_test import Machines, Viewer, free_port, machines, pytestmark  # noqa: F401 (a fixture)


class RemoteLogin(paramiko.ServerInterface):
    """Takes one key and one password; a command is run by this host's shell."""

    def __init__(self, key: paramiko.PKey) -> None:
        self.key = key
        self.user = ""
        self.begun = threading.Event()
        self.command = b""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.user = username
        return paramiko.AUTH_SUCCESSFUL if key == self.key else paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self.user = username
        return paramiko.AUTH_SUCCESSFUL if password == "a word" else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.command = command
        self.begun.set()
        return True


class SshServer:
    def __init__(self, key: paramiko.PKey) -> None:
        self.key = key
        self.host_key = paramiko.ECDSAKey.generate()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.users: list[str] = []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(self.host_key)
        login = RemoteLogin(self.key)
        try:
            transport.start_server(server=login)
            channel = transport.accept(60)
        except (paramiko.SSHException, EOFError, OSError):
            return
        if channel is None or not login.begun.wait(60):
            return
        self.users.append(login.user)
        done = subprocess.run(["sh", "-c", login.command], input=channel.makefile("rb").read(), capture_output=True, check=False)
        channel.sendall(done.stdout)
        channel.sendall_stderr(done.stderr)
        channel.send_exit_status(done.returncode)
        channel.close()


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[SshServer]:
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(tmp_path / "key"))
    server = SshServer(key)
    yield server
    server.socket.close()


def test_commands_run_by_ssh(machines: Machines, ssh: SshServer, tmp_path: Path) -> None:  # noqa: F811
    daemon = machines.daemon
    daemon.environment["XDG_STATE_HOME"] = str(tmp_path / "state")
    port = free_port()
    machines.run("mac", "-p", f"127.0.0.1:{port}:22", DISPLAY="none")
    machines.says("mac", "macOS is running")
    key = ["--user", "ci", "--identity", str(tmp_path / "key"), "--address", ssh.address]

    daemon.hako("macos", "wait", "--ssh", "--timeout", "60", "--address", ssh.address, "mac")
    done = daemon.hako("macos", "exec", *key, "mac", "sh", "-c", "cat; echo \"$1\" >&2; exit 3", "-", "it's $HOME; `id`",
                       input="words\n", check=False)
    assert done.returncode == 3
    assert done.stdout == "words\n"
    assert done.stderr == "it's $HOME; `id`\n", "what is said arrives as it is"
    assert ssh.users == ["ci"]

    (tmp_path / "password").write_text("a word\n")
    secret = ["--user", "ci", "--password-file", str(tmp_path / "password"), "--address", ssh.address]
    assert daemon.hako("macos", "exec", *secret, "mac", "echo", "in").stdout == "in\n"
    (tmp_path / "password").write_text("another\n")
    assert daemon.hako("macos", "exec", *secret, "mac", "echo", "in", check=False).returncode == 255

    # The machine's key is remembered under its own name: another one at its place is noticed.
    known = (tmp_path / "state/hako/known_hosts").read_text()
    assert known.startswith(f"hako-{daemon.inspect('mac')['Id'][:12]} ")
    ssh.host_key = paramiko.ECDSAKey.generate()
    changed = daemon.hako("macos", "exec", *key, "mac", "true", check=False)
    assert changed.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in changed.stderr

    # By the published port there is QEMU, and in the guest nobody.
    nobody = daemon.hako("macos", "wait", "--ssh", "--timeout", "1", "mac", check=False)
    assert nobody.returncode == 1
    assert f"127.0.0.1:{port}" in nobody.stderr
    assert "Remote Login" in nobody.stderr
    daemon.hako("kill", "mac")
    assert "does not run" in daemon.hako("macos", "exec", *key, "mac", "true", check=False).stderr


def test_without_a_port_it_is_said_how_to_get_one(machines: Machines) -> None:  # noqa: F811
    machines.run("mac", DISPLAY="none")
    refused = machines.daemon.hako("macos", "exec", "mac", "true", check=False)
    assert refused.returncode == 1
    assert "-p 2222:22" in refused.stderr
    assert "say what to wait for" in machines.daemon.hako("macos", "wait", "mac", check=False).stderr


def beginning(disk: Path) -> bytes:
    with disk.open("rb") as file:
        return file.read(5)


def test_disks_of_a_stopped_machine_and_machines_made_of_them(machines: Machines) -> None:  # noqa: F811
    daemon = machines.daemon
    mac = machines.run("mac", DISPLAY="none", RAM_SIZE="5G", DISK_SIZE="40G")
    machines.says("mac", "macOS is running")
    daemon.hako("kill", "mac")
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    disk = machines.folder(mac) / "data.img"

    def mark(text: bytes) -> None:
        with disk.open("r+b") as file:
            file.write(text)

    mark(b"clean")
    daemon.hako("macos", "snapshot", "mac", "clean")
    mark(b"dirty")
    daemon.hako("macos", "resize", "mac", "41G")
    assert disk.stat().st_size == 41 << 30
    assert "only grow" in daemon.hako("macos", "resize", "mac", "40G", check=False).stderr
    assert "start it" in daemon.hako("macos", "snapshot", "--memory", "mac", "live", check=False).stderr
    assert [one["name"] for one in json.loads(daemon.hako("exec", "mac", "snapshots").stdout)] == ["clean"]
    for words in (["exec", "mac", "uname"], ["exec", "mac", "screenshot"], ["macos", "type", "mac", "x"]):
        assert "is not running" in daemon.hako(*words, check=False).stderr
    daemon.hako("macos", "restore", "mac", "clean")
    assert beginning(disk) == b"clean"
    assert daemon.state("mac") == "exited"

    # A disposable one: its settings are the other's, its disks a copy that goes with it.
    up = daemon.hako("macos", "run", "--rm", "--name", "job", "--from", "mac:clean", "-e", "TIMEOUT=3600", timeout=300)
    assert "Copying the snapshot" in up.stdout
    job = daemon.inspect("job")["Id"]
    assert machines.qemu("job")[1][machines.qemu("job")[1].index("-m") + 1] == "5120M"
    copy = machines.folder(job)
    assert (copy / "data.img").stat().st_size == 41 << 30, "as the other's disk is now"
    assert beginning(copy / "data.img") == b"clean"
    assert (copy / "identity.json").read_bytes() == (machines.folder(mac) / "identity.json").read_bytes()
    with (copy / "data.img").open("r+b") as file:
        file.write(b"job's")
    daemon.hako("kill", "job")
    wait_until(lambda: not copy.exists(), 60, "it is removed with its disks")
    assert beginning(disk) == b"clean"
    daemon.hako("start", "mac")
    wait_until(lambda: machines.logs("mac").count("macOS is running") == 2, 120, "the other one runs as before")

    for wrong, says in (("mac:other", "No such snapshot: other"), ("nobody:clean", "No such container: nobody"),
                        ("mac", "MACHINE:SNAPSHOT")):
        refused = daemon.hako("macos", "run", "--from", wrong, check=False)
        assert says in refused.stderr, refused.stderr
    daemon.hako("macos", "forget", "mac", "clean")
    assert json.loads(daemon.hako("macos", "snapshots", "--format", "json", "mac").stdout) == []


def test_what_the_machine_plays_is_heard_in_the_viewer(machines: Machines) -> None:  # noqa: F811
    """GRUB has no driver for the sound card: it beeps."""
    machines.boots(b"play 60 1000 6000\n")
    machines.run("mac", AUDIO="Y", ARGUMENTS="-machine pcspk-audiodev=sound", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    assert "usb-audio,bus=usb.0,audiodev=sound" in machines.qemu("mac")[1]
    page = Viewer(machines.logs("mac"))
    assert json.loads(page.request("GET", "/progress")[1])["sound"] is True
    left = struct.unpack("<" + "hxx" * 24000, page.listen(0.5)[:96000])
    rises = sum(before < 0 <= after for before, after in pairwise(left))
    assert 450 < rises < 550, "a tone of 1000 Hz"


def test_a_disk_of_the_host_is_a_disk_of_the_guest(machines: Machines, tmp_path: Path) -> None:  # noqa: F811
    daemon = machines.daemon
    image = tmp_path / "an image"
    with image.open("wb") as file:
        file.truncate(1 << 20)
    mac = machines.run("mac", DISPLAY="none", DEVICE=str(image), DISK2_SIZE="1G")
    machines.says("mac", "macOS is running")
    assert sorted(path.name for path in machines.folder(mac).glob("data*")) == ["data2.img"]
    daemon.hako("rm", "-f", "mac")
    assert image.stat().st_size == 1 << 20

    machines.run("mac", DEVICE=str(tmp_path))
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    assert "neither a disk nor an image" in daemon.inspect("mac")["State"]["Error"]
    daemon.hako("rm", "mac")
    machines.run("mac", USB="1234:5678")
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    assert "no USB device 1234:5678 is plugged in" in daemon.inspect("mac")["State"]["Error"]
    daemon.hako("rm", "mac")
    # In Docker's words.
    machines.run("mac", "--device", f"{image}:/disk1", "--device", "/dev/bus/usb/009/123", "--device", "/dev/kvm")
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    assert "no USB device 009/123 is plugged in" in daemon.inspect("mac")["State"]["Error"]
    assert not list(machines.folder(daemon.inspect("mac")["Id"]).glob("data*")), "the first disk is the host's"
