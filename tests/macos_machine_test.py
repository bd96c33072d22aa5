"""`hako macos prepare`: a machine in a folder, and QEMU with the whole command line that it prints. macOS itself is not
here: Debian's GRUB stands in OpenCore's place, a disk of the test's own in the recovery system's."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from hako import BIN, processes_naming, wait_until
from macos_disk_test import FILES, GRUB, OVMF, write_tree
from macos_opencore_test import pack, publish
from macos_test import DISK, RecoveryServer, make_dmg, server  # noqa: F401 (a fixture)

pytestmark = pytest.mark.skipif(not (OVMF / "OVMF_VARS_4M.fd").exists() or not shutil.which("qemu-system-x86_64"),
                                reason="ovmf or QEMU is missing; run scripts/setup.sh test")


class Folder:
    """What a user has: a storage folder, an OpenCore tree, a recovery image."""

    def __init__(self, path: Path) -> None:
        self.storage = path / "s"
        self.opencore = write_tree(path / "oc", FILES)
        self.recovery = path / "recovery.dmg"
        self.recovery.write_bytes(make_dmg(DISK))

    def command(self, verb: str, *arguments: str, **variables: str) -> list[str | Path]:
        settings = [word for name, value in {"KVM": "N", "DISPLAY": "vnc", **variables}.items() for word in ("-e", f"{name}={value}")]
        return [BIN / "hako", "macos", verb, "--storage", self.storage, "--opencore", self.opencore, "--recovery",
                self.recovery, *settings, *arguments]

    def prepare(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command("prepare", *arguments, **variables), capture_output=True, text=True,
                              check=False, timeout=120)

    def boot(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command("boot", *arguments, **variables), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def progress(self) -> dict[str, object]:
        file = self.storage / "14/progress.json"
        return json.loads(file.read_text()) if file.exists() else {"stage": ""}

    def add_grub(self, program: bytes) -> None:
        """As what OpenCore would be: speaks on the serial port, then runs the program."""
        start = b"serial --unit=0\nterminal_output serial\nsearch --file --set=disk /EFI/OC/config.plist\n"
        write_tree(self.opencore, {"EFI/BOOT/BOOTx64.efi": GRUB.read_bytes(), "EFI/debian/grub.cfg": start + program})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_machine_keeps_what_it_is(folder: Folder) -> None:
    first = folder.prepare(VERSION="Sonoma", MODEL="iMac20,1")
    assert first.returncode == 0, first.stderr
    machine = folder.storage / "14"
    assert sorted(path.name for path in machine.iterdir()) == ["boot.img", "boot.img.inputs", "data.img", "identity.json",
                                                              "vars.fd"]
    assert (machine / "data.img").stat().st_size == 64 << 30
    assert (machine / "data.img").stat().st_blocks == 0
    identity = json.loads((machine / "identity.json").read_text())
    assert identity["product"] == "iMac20,1"
    assert f"mac={identity['mac']}" in first.stdout
    (machine / "vars.fd").write_bytes(b"what the guest set")
    again = folder.prepare(MODEL="iMac20,1", DISK_SIZE="65G", DISK2_SIZE="1G")
    assert again.returncode == 0, again.stderr
    assert json.loads((machine / "identity.json").read_text()) == identity
    assert (machine / "vars.fd").read_bytes() == b"what the guest set"
    assert (machine / "data.img").stat().st_size == 65 << 30
    assert (machine / "data2.img").exists()


@pytest.mark.parametrize(("variables", "says"), [
    ({"VERSION": "9"}, "VERSION=9: "),
    ({"RAM_SIZE": "1G"}, "RAM_SIZE=1G: "),
    ({"CPU_CORES": "0"}, "CPU_CORES=0: "),
    ({"WIDTH": "-1"}, "WIDTH=-1: "),
    ({"WEB_PORT": "http"}, "WEB_PORT=http: "),
    ({"SN": "C02"}, "SN=C02: "),
    ({"MLB": "C0274000000000001"}, "checksum"),
    ({"MAC": "01:16:CB:01:02:03"}, "multicast"),
])
def test_nonsense_names_the_variable_and_makes_nothing(folder: Folder, variables: dict[str, str], says: str) -> None:
    refused = folder.prepare(**variables)
    assert refused.returncode == 1
    assert says in refused.stderr
    assert not folder.storage.exists()


def test_a_smaller_disk_is_refused_and_kept(folder: Folder) -> None:
    assert folder.prepare(DISK_SIZE="40G").returncode == 0
    refused = folder.prepare(DISK_SIZE="33G")
    assert refused.returncode == 1
    assert "DISK_SIZE" in refused.stderr
    assert "only grow" in refused.stderr
    assert (folder.storage / "14/data.img").stat().st_size == 40 << 30


def test_a_storage_has_one_user(folder: Folder) -> None:
    folder.storage.mkdir()
    with (folder.storage / "hako.lock").open("w") as lock:
        lock.write(str(os.getpid()))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = folder.prepare()
    assert refused.returncode == 1
    assert "another machine uses" in refused.stderr
    assert str(os.getpid()) in refused.stderr
    assert folder.prepare().returncode == 0


def test_arguments_never_meet_a_shell(folder: Folder) -> None:
    made = folder.prepare(ARGUMENTS="-name \"a b\" ; touch /tmp/hako-was-here `id` $(id)")
    assert made.returncode == 0, made.stderr
    assert shlex.split(made.stdout)[-7:] == ["-name", "a b", ";", "touch", "/tmp/hako-was-here", "`id`", "$(id)"]


def test_a_broken_recovery_system_is_refused(folder: Folder) -> None:
    folder.recovery.write_bytes(folder.recovery.read_bytes()[:-100])
    refused = folder.prepare()
    assert refused.returncode == 1
    assert "is it whole" in refused.stderr


class Qmp:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self.run("qmp_capabilities")

    def run(self, command: str, **arguments: object) -> object:
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "event" not in answer:
                assert "return" in answer, answer
                return answer["return"]


@pytest.mark.skipif(not GRUB.exists(), reason="grub-efi-amd64-bin is missing; run scripts/setup.sh test")
def test_qemu_starts_with_all_of_it_and_boots_what_stands_for_opencore(folder: Folder, tmp_path: Path) -> None:
    folder.add_grub(b"cat ($disk)/EFI/OC/config.plist\nls\necho the end\nsleep 1000\n")
    serial = tmp_path / "serial"
    (tmp_path / "shared").mkdir()
    made = folder.prepare("--share", str(tmp_path / "shared"), BALLOONING="Y", DISK2_SIZE="1G", DISK_FMT="qcow2",
                          ARGUMENTS=f"-serial file:{serial}")
    assert made.returncode == 0, made.stderr
    with subprocess.Popen(shlex.split(made.stdout), stderr=subprocess.PIPE, text=True) as qemu:
        try:
            wait_until(lambda: qemu.poll() is not None or (serial.exists() and b"the end" in serial.read_bytes()), 300,
                       "GRUB speaks")
            assert qemu.poll() is None, qemu.stderr.read() if qemu.stderr else ""
            qmp = Qmp(folder.storage / "14/qmp.sock")
            assert qmp.run("query-status")["status"] == "running"  # type: ignore[index]
            disks = {disk["inserted"]["node-name"]: disk["inserted"]["image"]["virtual-size"]
                     for disk in qmp.run("query-block") if "inserted" in disk}  # type: ignore[attr-defined]
            assert disks["data"] == 64 << 30
            assert disks["data2"] == 1 << 30
            assert disks["recovery"] == len(DISK)
            viewer = socket.socket(socket.AF_UNIX)
            viewer.connect(str(folder.storage / "14/vnc.sock"))
            assert viewer.recv(12).startswith(b"RFB 003.")
            viewer.close()
        finally:
            qemu.kill()
    said = serial.read_text(errors="replace")
    identity = json.loads((folder.storage / "14/identity.json").read_text())
    assert identity["serial"] in said
    assert identity["uuid"] in said


needs_grub = pytest.mark.skipif(not GRUB.exists(), reason="grub-efi-amd64-bin is missing; run scripts/setup.sh test")


@needs_grub
def test_a_machine_runs_until_it_shuts_down(folder: Folder, tmp_path: Path) -> None:
    folder.add_grub(b"echo hello\nhalt\n")
    machine = folder.boot(ARGUMENTS=f"-serial file:{tmp_path}/serial")
    out, err = machine.communicate(timeout=300)
    assert machine.returncode == 0, err
    assert out.strip() == str(folder.storage / "14/vnc.sock")
    assert b"hello" in (tmp_path / "serial").read_bytes()
    assert folder.progress()["stage"] == "stopped"
    assert folder.progress()["title"] == "macOS 14 (Sonoma)"
    assert not list(folder.storage.rglob("*.sock"))


@needs_grub
def test_a_guest_that_does_not_shut_down_is_ended_within_the_budget(folder: Folder) -> None:
    folder.add_grub(b"sleep 10000\n")
    machine = folder.boot(TIMEOUT="12")
    try:
        wait_until(lambda: machine.poll() is not None or folder.progress()["stage"] == "running", 120, "QEMU runs")
        refused = folder.prepare()
        assert refused.returncode == 1
        assert "hako macos boot uses" in refused.stderr
        assert str(machine.pid) in refused.stderr
        machine.send_signal(signal.SIGTERM)
        wait_until(lambda: folder.progress()["stage"] in ("stopping", "failed"), 60, "it is asked to stop")
        machine.communicate(timeout=120)
    finally:
        machine.kill()
    assert machine.returncode == 128 + signal.SIGKILL, "QEMU's own end is no shutdown of macOS"
    assert folder.progress()["stage"] == "failed"
    assert re.search(r"did not shut down within \d+ s and was cut off", str(folder.progress()["message"]))
    assert not processes_naming(str(folder.storage))


def test_a_machine_ends_with_who_booted_it(folder: Folder) -> None:
    """However that ends; nothing of it goes on, and the storage is free."""
    machine = folder.boot()
    try:
        wait_until(lambda: machine.poll() is not None or folder.progress()["stage"] == "running", 120, "QEMU runs")
        assert processes_naming(str(folder.storage))
    finally:
        machine.kill()
    wait_until(lambda: not processes_naming(str(folder.storage)), 20, "QEMU and the viewer end, too")
    assert folder.prepare().returncode == 0


def test_a_second_signal_kills_at_once(folder: Folder) -> None:
    machine = folder.boot(TIMEOUT="3600")
    try:
        wait_until(lambda: machine.poll() is not None or folder.progress()["stage"] == "running", 120, "QEMU runs")
        machine.send_signal(signal.SIGINT)
        wait_until(lambda: folder.progress()["stage"] == "stopping", 60, "it is asked to stop")
        machine.send_signal(signal.SIGINT)
        machine.communicate(timeout=120)
    finally:
        machine.kill()
    assert machine.returncode == 128 + signal.SIGKILL
    assert folder.progress()["stage"] == "failed"
    assert not processes_naming(str(folder.storage))


class Page:
    """What the viewer of a booted machine says; logged in."""

    def __init__(self, machine: subprocess.Popen[str]) -> None:
        assert machine.stdout and machine.stderr
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\n", machine.stdout.readline())
        assert found
        self.port = int(found[1])
        password = next(word[1] for line in machine.stderr if (word := re.search(r"the viewer's password is (\S+)", line)))
        self.cookie = ""
        response, _ = self.request("POST", "/login", json.dumps({"password": password}))
        assert response.status == 204
        self.cookie = str(response.getheader("Set-Cookie")).split(";")[0]

    def request(self, method: str, path: str, body: str | None = None) -> tuple[http.client.HTTPResponse, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {"Cookie": self.cookie})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response, text

    def stage(self) -> str:
        return json.loads(self.request("GET", "/progress")[1])["stage"]

    def press(self, action: str) -> tuple[int, str]:
        response, text = self.request("POST", f"/power?action={action}")
        return response.status, text


def test_the_viewer_shows_the_machine_and_ends_with_it(folder: Folder) -> None:
    machine = folder.boot(DISPLAY="web", WEB_PORT="0", TIMEOUT="3600")
    try:
        page = Page(machine)
        wait_until(lambda: page.stage() == "running", 120, "QEMU runs")
        status, text = page.press("restart")
        assert status == 501
        assert "hako macos boot" in text
        assert page.press("stop")[0] == 204
        wait_until(lambda: page.stage() == "stopping", 60, "it is asked to stop")
        assert page.press("stop")[0] == 204
        assert machine.poll() is None, "asking twice ends no guest"
        assert page.press("kill")[0] == 204
        machine.communicate(timeout=120)
    finally:
        machine.kill()
    assert machine.returncode == 128 + signal.SIGKILL
    wait_until(lambda: not processes_naming(str(folder.storage)), 30, "nothing is left")


def test_the_viewer_forces_a_machine_off(folder: Folder) -> None:
    machine = folder.boot(DISPLAY="web", WEB_PORT="0", TIMEOUT="3600")
    try:
        page = Page(machine)
        wait_until(lambda: page.stage() == "running", 120, "QEMU runs")
        assert page.press("kill")[0] == 204
        machine.communicate(timeout=120)
    finally:
        machine.kill()
    assert machine.returncode == 128 + signal.SIGKILL


def test_the_viewer_does_not_outlive_who_started_it(folder: Folder) -> None:
    machine = folder.boot("--web-address", "127.0.0.1", DISPLAY="web", WEB_PORT="0")
    try:
        page = Page(machine)
        wait_until(lambda: page.stage() == "running", 120, "QEMU runs")
        machine.kill()
        machine.wait(60)
        wait_until(lambda: not any("hako-viewer" in line for line in processes_naming(str(folder.storage)).values()), 30,
                   "the viewer has ended")
    finally:
        machine.kill()
        for pid in processes_naming(str(folder.storage)):
            os.kill(pid, signal.SIGKILL)


def test_a_taken_port_is_named(folder: Folder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        machine = folder.boot(DISPLAY="web", WEB_PORT=str(other.getsockname()[1]))
        _, err = machine.communicate(timeout=120)
    assert machine.returncode == 1
    assert "WEB_PORT" in err
    assert "DISPLAY=vnc" in err
    assert not processes_naming(str(folder.storage))


def test_what_keeps_a_machine_from_starting_is_its_last_word(folder: Folder) -> None:
    machine = folder.boot(ARGUMENTS="-device no-such-device")
    _, err = machine.communicate(timeout=120)
    assert machine.returncode == 1
    assert "no-such-device" in err
    assert "QEMU ended at its start" in err
    assert folder.progress()["stage"] == "failed"
    assert "QEMU ended at its start" in str(folder.progress()["message"])


def test_variables_name_opencore_and_the_recovery_system_too(folder: Folder, server: RecoveryServer, tmp_path: Path) -> None:  # noqa: F811
    """As they do for containers; flags win."""
    packed = pack({f"X64/{name}": content for name, content in FILES.items()})
    listed = publish(server, {"OpenCore-9.zip": packed}, tmp_path)

    def prepare(*flags: str, **variables: str) -> subprocess.CompletedProcess[str]:
        settings = [word for name, value in {"KVM": "N", "DISPLAY": "none", **variables}.items() for word in ("-e", f"{name}={value}")]
        return subprocess.run([BIN / "hako", "macos", "prepare", "--storage", folder.storage, *settings, *flags], check=False,
                              capture_output=True, text=True, timeout=120, env={**os.environ, "HAKO_ROOT": str(tmp_path / "root")})

    recovery = str(folder.recovery)
    done = prepare(RECOVERY=recovery, OPENCORE=str(folder.opencore))
    assert done.returncode == 0, done.stderr
    assert recovery in done.stdout
    refused = prepare(RECOVERY=recovery, OPENCORE="/nowhere.zip")
    assert "there is no /nowhere.zip" in refused.stderr
    assert prepare("--opencore", str(folder.opencore), RECOVERY=recovery, OPENCORE="/nowhere.zip").returncode == 0
    refused = prepare(RECOVERY=recovery, OPENCORE=str(folder.opencore), OPENCORE_SHA256="12")
    assert "OPENCORE_SHA256=12: " in refused.stderr
    assert "there is no file /nowhere.dmg" in prepare(RECOVERY="/nowhere.dmg").stderr
    downloaded = prepare(RECOVERY=recovery, OPENCORE_LIST=str(listed), OPENCORE_MIRROR=f"{server.url}/oc")
    assert downloaded.returncode == 0, downloaded.stderr
    assert "hako: downloading OpenCore-9.zip" in downloaded.stderr


def test_what_boot_downloads_is_its_progress(folder: Folder, server: RecoveryServer, tmp_path: Path) -> None:  # noqa: F811
    packed = pack({"X64/EFI/OC/OpenCore.efi": b"no loader of macOS"})
    listed = publish(server, {"OpenCore-9.zip": packed}, tmp_path)
    told = []

    class Watched(dict[str, bytes]):
        def __getitem__(self, path: str) -> bytes:
            told.append(folder.progress())
            return super().__getitem__(path)

    server.files = Watched({"/oc/OpenCore-9.zip": b"another file"})
    done = subprocess.run([BIN / "hako", "macos", "boot", "--storage", folder.storage, "-e", "KVM=N", "-e", "DISPLAY=none", "-e",
                           f"OPENCORE_LIST={listed}"], capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "HAKO_ROOT": str(tmp_path / "root")})
    assert done.returncode == 1
    assert [(each["stage"], each["message"]) for each in told] == [("downloading", "Downloading OpenCore-9.zip")]
    assert folder.progress()["stage"] == "failed"
    assert "it is not OpenCore-9.zip 1.0" in str(folder.progress()["message"])

    # Of the recovery system, too, by the variable of a mirror.
    server.files["/oc/OpenCore-9.zip"] = packed
    asked = subprocess.run([BIN / "hako", "macos", "boot", "--storage", folder.storage, "-e", "KVM=N", "-e", "DISPLAY=none", "-e",
                            f"OPENCORE_LIST={listed}", "-e", f"RECOVERY_SERVER={server.url}", "-e", "ALLOW_UNVERIFIED=Y"],
                           capture_output=True, text=True, check=False, timeout=120,
                           env={**os.environ, "HAKO_ROOT": str(tmp_path / "root")})
    assert asked.returncode == 1
    assert "there is no EFI/BOOT/BOOTx64.efi" in asked.stderr
    assert "/dmg" in server.seen
