"""macOS machines as containers of the daemon: `docker run dockurr/macos`, with stand-ins for all that is Apple's (see
macos_machine_test.py). Every machine is emulated; GRUB is what boots."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import Daemon, processes_naming, wait_until
from macos_disk_test import FILES, GRUB, OVMF, write_tree
from macos_opencore_test import pack, publish
from macos_test import DISK, RecoveryServer, make_dmg, server  # noqa: F401 (a fixture)

pytestmark = pytest.mark.skipif(
    not (OVMF / "OVMF_VARS_4M.fd").exists() or not GRUB.exists() or not shutil.which("qemu-system-x86_64"),
    reason="ovmf, grub-efi-amd64-bin or QEMU is missing; run scripts/setup.sh test")

WAITS = b"sleep 10000\n"
IMAGE = "dockurr/macos"


class Machines:
    """A daemon, and what a user has beside it: an OpenCore tree and a recovery image."""

    def __init__(self, daemon: Daemon, path: Path) -> None:
        self.daemon = daemon
        self.opencore = write_tree(path / "oc", FILES)
        self.recovery = path / "recovery.dmg"
        self.recovery.write_bytes(make_dmg(DISK))
        self.boots(WAITS)

    def boots(self, program: bytes) -> None:
        write_tree(self.opencore, {"EFI/BOOT/BOOTx64.efi": GRUB.read_bytes(), "EFI/debian/grub.cfg": program})

    def words(self, *flags: str, image: str = IMAGE, **variables: str) -> list[str]:
        settings = {"KVM": "N", "OPENCORE": str(self.opencore), "RECOVERY": str(self.recovery), **variables}
        return [*flags, *(word for name, value in settings.items() if value for word in ("-e", f"{name}={value}")), image]

    def run(self, name: str, *flags: str, image: str = IMAGE, **variables: str) -> str:
        return self.daemon.hako("run", "-d", "--name", name, *self.words(*flags, image=image, **variables)).stdout.strip()

    def logs(self, name: str) -> str:
        done = self.daemon.hako("logs", name)
        return done.stdout + done.stderr

    def says(self, name: str, words: str, seconds: float = 120) -> None:
        wait_until(lambda: words in self.logs(name), seconds, f"{words!r} in the log")

    def qemu(self, name: str) -> tuple[int, list[str]]:
        status, vm = self.daemon.api("GET", f"/hako/v1/containers/{name}/vm")
        assert status == 200, vm
        return vm["Pid"], vm["Command"]  # type: ignore[index,call-overload]

    def folder(self, id: str, version: str = "14") -> Path:
        return self.daemon.root / "containers" / id / "storage" / version


@pytest.fixture
def machines(clean: Daemon, tmp_path: Path) -> Iterator[Machines]:
    yield Machines(clean, tmp_path)


class Viewer:
    """The page of a machine, as its log tells of it; logged in."""

    def __init__(self, log: str) -> None:
        host, port = re.findall(r"The viewer is at http://([0-9.]+):(\d+)/", log)[-1]
        self.host, self.port = host, int(port)
        password = re.findall(r"Its password is (\S+)", log)[-1]
        status, self.cookie = self.request("POST", "/login", json.dumps({"password": password}))
        assert status == 204

    def request(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        connection.request(method, path, body, {"Cookie": getattr(self, "cookie", "")})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, str(response.getheader("Set-Cookie")).split(";")[0] if path == "/login" else text

    def listen(self, seconds: float) -> bytes:
        """What the machine plays, without its silence."""
        with socket.create_connection((self.host, self.port), timeout=240) as connection:
            connection.sendall(f"GET /sound HTTP/1.1\r\nHost: mac\r\nCookie: {self.cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
            stream, heard = connection.makefile("rb"), b""
            assert b" 101 " in stream.readline()
            while stream.readline() != b"\r\n":
                pass
            while len(heard) < seconds * 48000 * 4:
                kind, length = stream.read(2)
                piece = stream.read(struct.unpack(">H", stream.read(2))[0] if length == 126 else length)
                if kind == 0x89:
                    connection.sendall(b"\x8a\x80\0\0\0\0")  # a ping is answered
                elif any(piece):
                    heard += piece
            return heard


def uid_of(pid: int) -> int:
    return int(next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("Uid:")).split()[1])


def test_a_machine_is_a_container(machines: Machines, server: RecoveryServer) -> None:  # noqa: F811
    daemon = machines.daemon
    id = machines.run("mac", "-m", "5g", RECOVERY="", RECOVERY_SERVER=server.url, ALLOW_UNVERIFIED="Y", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    log = machines.logs("mac")
    for words in ("Making a machine for macOS 14 (Sonoma)", "Downloading the recovery system", "100 % of",
                  "warning: the recovery system is not signed by Apple", "Making disks and firmware"):
        assert words in log
    assert IMAGE in daemon.hako("images", "--format", "{{.Repository}}").stdout
    assert "Up" in daemon.hako("ps", "--format", "{{.Names}} {{.Status}}").stdout
    size = daemon.api("GET", "/containers/json?size=1")[1][0]["SizeRw"]  # type: ignore[index]
    assert size > 1_000_000, "its disks count"

    pid, command = machines.qemu("mac")
    assert "q35" in command[command.index("-machine") + 1]
    assert command[command.index("-m") + 1] == "5120M"
    assert uid_of(pid) >= 0x70000000, "QEMU has a uid of its own"
    assert str(daemon.root) not in " ".join(command), "QEMU is given descriptors, no files"

    page = Viewer(log)
    assert page.host == "127.0.0.1"
    assert json.loads(page.request("GET", "/progress")[1])["stage"] == "running"
    viewer = next(pid for pid, line in daemon.machines().items() if "hako-viewer" in line)
    assert uid_of(viewer) >= 0x70000000, "the viewer has a uid of its own, too"
    assert uid_of(viewer) != uid_of(pid)
    vnc = next((daemon.run_dir / "vm").glob("*/viewer/vnc.sock"))
    with socket.socket(socket.AF_UNIX) as screen:
        screen.settimeout(60)
        screen.connect(str(vnc))
        assert screen.recv(12).startswith(b"RFB 003."), "QEMU's screen, by the shim's socket"

    assert daemon.hako("pause", "mac").returncode == 0
    assert daemon.state("mac") == "paused"
    assert daemon.hako("unpause", "mac").returncode == 0
    refused = daemon.hako("exec", "mac", "uname", "-a", check=False)
    assert refused.returncode == 127
    assert "no agent in macOS" in refused.stderr
    assert "screenshot" in refused.stderr, "what there is instead"
    assert "  resize SIZE [DISK]\n" in daemon.hako("exec", "mac", "help").stdout
    assert "qemu-block-extra" not in log and "TCG doesn't" not in log, "what QEMU says that helps nobody"
    assert "no agent in macOS" in daemon.hako("top", "mac", check=False).stderr
    refused = daemon.hako("cp", "mac:/etc/hosts", "/tmp/hako-nothing", check=False)
    assert "scp" in refused.stderr

    # The viewer's button is the container's verb: its policy does not bring it back.
    with contextlib.suppress(ConnectionError):  # it may go before it has answered
        page.request("POST", "/power?action=kill")
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    assert daemon.inspect("mac")["State"]["ExitCode"] == 137
    assert not daemon.machines()

    identity = (machines.folder(id) / "identity.json").read_text()
    daemon.hako("start", "mac")
    wait_until(lambda: machines.logs("mac").count("macOS is running") == 2, 120, "it runs again")
    assert (machines.folder(id) / "identity.json").read_text() == identity
    Viewer(machines.logs("mac"))
    daemon.hako("stop", "-t", "1", "mac")
    assert "macOS is asked to shut down" in machines.logs("mac")
    assert daemon.inspect("mac")["State"]["ExitCode"] == 137
    daemon.hako("rm", "mac")
    assert not machines.folder(id).exists()


def test_it_goes_on_without_a_daemon(own: Daemon, tmp_path: Path) -> None:
    machines = Machines(own.start(), tmp_path)
    machines.run("mac", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    page = Viewer(machines.logs("mac"))
    pid = machines.qemu("mac")[0]
    own.kill()
    own.start()
    assert own.state("mac") == "running"
    assert machines.qemu("mac")[0] == pid
    assert page.request("GET", "/progress")[0] == 200
    own.hako("kill", "mac")
    wait_until(lambda: own.state("mac") == "exited", 60)


def test_a_shim_that_is_killed_takes_all_with_it(machines: Machines) -> None:
    daemon = machines.daemon
    machines.run("mac", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    page = Viewer(machines.logs("mac"))
    shim = next(pid for pid, line in daemon.machines().items() if "hako-macos" in line)
    os.kill(shim, signal.SIGKILL)
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    assert daemon.inspect("mac")["State"]["ExitCode"] == 137
    wait_until(lambda: not daemon.machines(), 30, "QEMU and viewer are gone")
    with pytest.raises(OSError):
        page.request("GET", "/progress")


def test_a_guest_that_shuts_down_ends_its_container(machines: Machines) -> None:
    daemon = machines.daemon
    machines.boots(b"halt\n")
    done = daemon.hako("run", "--rm", "--name", "mac", *machines.words(DISPLAY="none"), timeout=300)
    assert done.stdout.splitlines()[-2:] == ["macOS is running", "macOS has shut down"]
    assert daemon.hako("ps", "-aq").stdout == ""


def test_a_guest_that_does_not_shut_down_was_cut_off(machines: Machines) -> None:
    daemon = machines.daemon
    machines.run("mac", TIMEOUT="12", DISPLAY="none")
    machines.says("mac", "macOS is running")
    daemon.hako("stop", "mac", timeout=120)
    assert daemon.inspect("mac")["State"]["ExitCode"] == 137
    assert re.search(r"macOS did not shut down within \d+ s and was cut off", machines.logs("mac"))
    assert "macOS has shut down" not in machines.logs("mac")


def test_a_force_off_does_not_wait_for_a_shutdown(machines: Machines) -> None:
    daemon = machines.daemon
    machines.run("mac", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    page = Viewer(machines.logs("mac"))
    page.request("POST", "/power?action=stop")
    machines.says("mac", "macOS is asked to shut down")
    with contextlib.suppress(ConnectionError):  # it may go before it has answered
        page.request("POST", "/power?action=kill")
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    assert daemon.inspect("mac")["State"]["ExitCode"] == 137


def test_who_cuts_it_off_is_said(machines: Machines) -> None:
    daemon = machines.daemon
    machines.run("mac", TIMEOUT="3600", DISPLAY="none")
    machines.says("mac", "macOS is running")
    daemon.hako("stop", "-t", "3", "mac", timeout=120)
    assert "macOS did not shut down within 3 s and was cut off" in machines.logs("mac")
    machines.run("other", DISPLAY="none")
    machines.says("other", "macOS is running")
    daemon.hako("kill", "other")
    wait_until(lambda: daemon.state("other") == "exited", 60)
    assert "macOS was killed" in machines.logs("other")
    assert "QEMU ended" not in machines.logs("mac") + machines.logs("other")


def test_a_policy_brings_it_back(machines: Machines) -> None:
    daemon = machines.daemon
    machines.boots(b"halt\n")
    machines.run("mac", "--restart", "on-failure:1", DISPLAY="none", ARGUMENTS="-device no-such-device")
    wait_until(lambda: daemon.state("mac") == "exited" and daemon.inspect("mac")["RestartCount"] == 1, 120,
               "it was tried twice")
    state = daemon.inspect("mac")["State"]
    assert state["ExitCode"] == 1
    assert "QEMU ended at its start" in state["Error"]
    assert machines.logs("mac").count("'no-such-device'") == 2


def test_a_stop_before_it_runs_ends_it_at_once(machines: Machines) -> None:
    daemon = machines.daemon
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # Of a version that no other test has fetched.
        machines.run("mac", VERSION="13", RECOVERY="", RECOVERY_SERVER=f"http://127.0.0.1:{silent.getsockname()[1]}")
        machines.says("mac", "Making a machine")
        daemon.hako("stop", "mac", timeout=60)
    assert daemon.inspect("mac")["State"]["ExitCode"] == 128 + signal.SIGTERM, daemon.inspect("mac")["State"]
    assert "The machine was stopped before macOS ran, while getting the recovery system" in machines.logs("mac")
    assert not daemon.machines()


@pytest.mark.parametrize(("variables", "says"), [
    ({"VERSION": "9"}, "VERSION=9: "),
    ({"RAM_SIZE": "1G"}, "RAM_SIZE=1G: "),
    ({"SN": "C02"}, "SN=C02: "),
    ({"ARGUMENTS": "-name 'a"}, "a quote is not closed"),
    ({"OPENCORE": "/nowhere.zip"}, "there is no /nowhere.zip"),
    ({"OPENCORE_MIRROR": "here"}, "URL of a folder"),
    ({"OPENCORE_SHA256": "12"}, "OPENCORE_SHA256=12: "),
    ({"RECOVERY": "/nowhere.dmg"}, "there is no file /nowhere.dmg"),
])
def test_nonsense_is_refused_before_there_is_a_container(machines: Machines, variables: dict[str, str], says: str) -> None:
    refused = machines.daemon.hako("create", *machines.words(**variables), check=False)
    assert refused.returncode == 1
    assert says in refused.stderr
    assert machines.daemon.hako("ps", "-aq").stdout == ""


def test_what_is_missing_is_said(machines: Machines) -> None:
    daemon = machines.daemon
    machines.run("bare", OPENCORE="", OPENCORE_MIRROR="http://127.0.0.1:1")
    wait_until(lambda: daemon.state("bare") == "exited", 60)
    assert "cannot fetch OpenCore 1.0.8, which macOS boots with: http://127.0.0.1:1/OpenCore-" in machines.logs("bare")
    assert "cannot fetch OpenCore 1.0.8" in daemon.inspect("bare")["State"]["Error"]
    fast = daemon.hako("run", "-d", *machines.words(KVM="Y"), check=False)
    if fast.returncode != 0:
        assert "macOS needs KVM" in fast.stderr
    old = daemon.hako("create", "--name", "old", *machines.words(image="macos:11")).stdout.strip()
    assert "VERSION=11" in daemon.inspect(old)["Config"]["Env"]


def test_opencore_is_downloaded_where_none_is_at_hand(machines: Machines, server: RecoveryServer, tmp_path: Path) -> None:  # noqa: F811
    packed = pack({f"X64/{path.relative_to(machines.opencore)}": path.read_bytes()
                   for path in machines.opencore.rglob("*") if path.is_file()})
    listed = publish(server, {"OpenCore-9.zip": packed}, tmp_path)
    machines.run("mac", OPENCORE="", OPENCORE_LIST=str(listed))
    machines.says("mac", "macOS is running")
    assert re.search(r"Downloading OpenCore-9.zip\n100 % of \d+ [KM]iB\n", machines.logs("mac"))
    # The next one has it at once.
    machines.daemon.hako("kill", "mac")
    server.files = {}
    machines.run("next", OPENCORE="", OPENCORE_LIST=str(listed))
    machines.says("next", "macOS is running")


def test_why_it_failed_is_said_everywhere(machines: Machines, tmp_path: Path) -> None:
    daemon = machines.daemon
    broken = tmp_path / "broken.dmg"
    broken.write_bytes(b"no image")
    machines.run("mac", RECOVERY=str(broken))
    machines.says("mac", "The viewer is at")
    page = Viewer(machines.logs("mac"))
    wait_until(lambda: json.loads(page.request("GET", "/progress")[1])["stage"] == "failed", 30)
    said = json.loads(page.request("GET", "/progress")[1])["message"]
    assert str(broken) in said
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    assert said in machines.logs("mac")
    assert machines.logs("mac").count(said) == 1, "once"
    assert daemon.inspect("mac")["State"]["Error"] == said


def test_docker_runs_it(docker_cli: str, machines: Machines) -> None:
    daemon = machines.daemon
    daemon.docker("pull", IMAGE)
    assert "8006/tcp" in daemon.docker("image", "inspect", "--format", "{{.Config.ExposedPorts}}", IMAGE).stdout
    daemon.docker("run", "-d", "--name", "mac", *machines.words(TIMEOUT="3600"))
    machines.says("mac", "macOS is running")
    daemon.docker("stop", "-t", "1", "mac")
    assert daemon.docker("wait", "mac").stdout.strip() == "137"
    assert not processes_naming(str(machines.opencore))


# ---- hako macos


class Screen:
    """What a machine shows, in the words of `hako macos`."""

    def __init__(self, daemon: Daemon, name: str) -> None:
        self.daemon, self.name = daemon, name

    def macos(self, verb: str, *arguments: str, check: bool = True):  # type: ignore[no-untyped-def]
        return self.daemon.hako("macos", verb, self.name, *arguments, check=check, timeout=300)

    def look(self) -> dict[str, object]:
        return json.loads(self.daemon.hako("exec", self.name, "screen").stdout)

    def settled(self) -> str:
        """Its picture, once that is the same twice."""
        def look() -> str | None:
            first = self.look()["digest"]
            time.sleep(1)
            return str(first) if self.look()["digest"] == first else None
        return str(wait_until(look, 120, "the screen settles"))


    def prompt(self) -> str:
        """Its picture, once what boots reads the keyboard: a letter shows and can be taken back."""
        def reads() -> str | None:
            before = self.settled()
            self.macos("type", "x")
            shown = self.settled()
            self.macos("key", "backspace")
            return before if shown != before and self.settled() == before else None
        return str(wait_until(reads, 240, "the guest reads the keyboard"))


ASKS = b"# nothing: GRUB asks for commands\n"


@pytest.mark.soak
def test_a_person_at_the_machine_and_its_snapshots(machines: Machines, tmp_path: Path) -> None:
    daemon = machines.daemon
    machines.boots(ASKS)
    up = daemon.hako("macos", "run", "--name", "mac", "--version", "sonoma", "--disk", "40G", "--opencore",
                     str(machines.opencore), "--recovery", str(machines.recovery), "-e", "KVM=N", "-e", "TIMEOUT=3600",
                     timeout=300)
    assert up.stdout.endswith("macOS is running\n")
    id = daemon.inspect("mac")["Id"]
    disk = machines.folder(id) / "data.img"
    mac = Screen(daemon, "mac")
    listed = json.loads(daemon.hako("macos", "ls", "--format", "json").stdout)
    assert [(one["name"], one["version"]) for one in listed] == [("mac", "14")]
    assert listed[0]["viewer"] == mac.macos("console").stdout.strip()

    mac.macos("wait", "--screen", "--timeout", "240")
    empty = mac.prompt()
    picture = tmp_path / "screen.png"
    mac.macos("screenshot", "-o", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    mac.macos("type", "Hello\n")
    wait_until(lambda: mac.look()["digest"] != empty, 60, "it is typed")
    said = mac.settled()
    with disk.open("r+b") as file:
        file.write(b"before")
    mac.macos("snapshot", "live", "--memory")
    mac.macos("snapshot", "disks")
    taken = mac.macos("snapshot", "live", check=False)
    assert taken.returncode == 1
    assert "there is a snapshot live already" in taken.stderr
    kept = json.loads(mac.macos("snapshots", "--format", "json").stdout)
    assert {one["name"]: one["memory"] for one in kept} == {"live": True, "disks": False}

    mac.macos("key", "x")
    mac.macos("key", "enter")
    wait_until(lambda: mac.look()["digest"] != said, 60, "it goes on after a snapshot")
    mac.macos("click", "10", "10")
    outside = mac.macos("click", "99999", "1", check=False)
    assert "is not on the screen" in outside.stderr
    assert "American keyboard" in mac.macos("type", "é", check=False).stderr
    assert "No such snapshot: other" in mac.macos("restore", "other", check=False).stderr

    mac.macos("resize", "41G")
    assert disk.stat().st_size == 41 << 30
    assert "only grow" in mac.macos("resize", "40G", check=False).stderr
    with disk.open("r+b") as file:
        file.write(b"after!")

    mac.macos("restore", "live")
    wait_until(lambda: machines.logs("mac").count("macOS is running") == 2, 120, "it runs again")
    with disk.open("rb") as file:
        assert file.read(6) == b"before"
    assert mac.settled() == said, "it goes on where the snapshot was taken"
    assert disk.stat().st_size == 41 << 30, "a disk that was grown stays grown"
    mac.macos("restore", "disks")
    wait_until(lambda: machines.logs("mac").count("macOS is running") == 3, 120, "it runs again")
    assert mac.prompt() == empty, "without memory it boots"
    mac.macos("forget", "live")
    assert [one["name"] for one in json.loads(mac.macos("snapshots", "--format", "json").stdout)] == ["disks"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
