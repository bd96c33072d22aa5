"""`hako macos appliance build`: the image is made from this host's packages and Debian's cloud kernel, and really booted,
by SeaBIOS and by OVMF, until the QEMU in it shows its firmware. In OpenCore's place stands Debian's GRUB, which reads our
config.plist to a serial port. Everything is emulated here, twice over."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hako import BIN, BUILD, wait_until
from macos_disk_test import FILES, GRUB, OVMF, write_tree
from macos_test import DISK, make_dmg

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
NEEDED = [GRUB, OVMF / "OVMF_CODE_4M.fd", Path("/usr/lib/grub/i386-pc/boot.img")]
pytestmark = pytest.mark.skipif(not all(path.exists() for path in NEEDED) or not shutil.which("qemu-system-x86_64"),
                                reason="grub-pc-bin, grub-efi-amd64-bin, ovmf or QEMU is missing; run scripts/setup.sh test")
TALK = (b"serial --unit=0\nterminal_output serial\nsearch --file --set=disk /EFI/OC/config.plist\n"
        b"cat ($disk)/EFI/OC/config.plist\nsleep 1000\n")
# Nested emulation is slow, and others use the processors, too.
DEADLINE = 240


@pytest.fixture(scope="session")
def kernel() -> Path:
    """Debian's cloud kernel, kept in the build folder."""
    folder = BUILD / "foreign" / "kernel"
    if not (folder / "boot").exists():
        done = subprocess.run([SCRIPTS / "foreign-package.sh", "amd64", "linux-image-cloud-amd64", folder], capture_output=True,
                              text=True, timeout=300)
        if done.returncode != 0:
            pytest.skip(f"the package linux-image-cloud-amd64 could not be downloaded: {done.stderr}")
    return folder


class Builder:
    def __init__(self, folder: Path, kernel: Path) -> None:
        self.folder, self.kernel = folder, kernel
        self.opencore = write_tree(folder / "oc", FILES)
        write_tree(self.opencore, {"EFI/BOOT/BOOTx64.efi": GRUB.read_bytes(), "EFI/debian/grub.cfg": TALK})
        self.identity = folder / "mac.json"
        made = subprocess.run([BIN / "hako", "macos", "identity", "generate", "--format", "json"], capture_output=True,
                              check=True)
        self.identity.write_bytes(made.stdout)
        self.recovery = folder / "recovery.dmg"
        self.recovery.write_bytes(make_dmg(DISK))
        self.more = ("--recovery", self.recovery)
        # QEMU is told to end ten seconds before the time to shut down is over.
        self.settings = {"ARGUMENTS": "-serial /dev/ttyS1", "PASSWORD": "let me in", "ON_FAILURE": "poweroff", "TIMEOUT": "12"}

    def build(self, output: Path, *more: str | Path, environment: dict[str, str] | None = None,
              **variables: str) -> subprocess.CompletedProcess[str]:
        settings = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
        return subprocess.run([BIN / "hako", "macos", "appliance", "build", "-o", output, "--opencore", self.opencore,
                               "--identity", self.identity, "--kernel", self.kernel, *settings, *more],
                              capture_output=True, text=True, timeout=300, env={**os.environ, **(environment or {})})


@pytest.fixture(scope="module")
def builder(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Builder:
    return Builder(tmp_path_factory.mktemp("appliance"), kernel)


@pytest.fixture(scope="module")
def image(builder: Builder) -> Path:
    """macOS's serial port is the machine's second one."""
    output = builder.folder / "disk.raw"
    made = builder.build(output, *builder.more, **builder.settings)
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == str(output)
    return output


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_the_disk_is_sound_and_the_same_every_time(builder: Builder, image: Path) -> None:
    if not all(map(shutil.which, ("sgdisk", "fsck.vfat", "mdir"))):
        pytest.skip("gdisk, dosfstools or mtools is missing; run scripts/setup.sh test")
    checked = subprocess.run(["sgdisk", "-v", image], capture_output=True, text=True, check=True)
    assert "No problems found" in checked.stdout
    listed = subprocess.run(["sgdisk", "-p", image], capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^ +\d+ +(\d+) +(\d+) .* ([0-9A-F]{4}) +(\S+)$", listed, re.MULTILINE)
    assert [(kind, name) for _, _, kind, name in rows] == [("EF02", "hako-bios"), ("EF00", "hako-boot"), ("8300", "hako-variables"),
                                                          ("8300", "hako-opencore"), ("8300", "hako-recovery")]
    boot, variables, recovery = (int(rows[at][0]) * 512 for at in (1, 2, 4))
    with image.open("rb") as disk:
        disk.seek(variables)
        assert disk.read((OVMF / "OVMF_VARS_4M.fd").stat().st_size) == (OVMF / "OVMF_VARS_4M.fd").read_bytes()
        disk.seek(recovery)
        assert disk.read(builder.recovery.stat().st_size) == builder.recovery.read_bytes()
    esp = builder.folder / "esp"
    subprocess.run(["dd", f"if={image}", f"of={esp}", "bs=512", f"skip={boot // 512}", f"count={int(rows[1][1]) - boot // 512 + 1}",
                    "conv=sparse"], check=True, capture_output=True)
    subprocess.run(["fsck.vfat", "-n", esp], check=True, capture_output=True)
    esp.unlink()
    again = builder.folder / "again.raw"
    made = builder.build(again, *builder.more, **builder.settings)
    assert made.returncode == 0, made.stderr
    same = sha256(again) == sha256(image)
    again.unlink()
    assert same


class Machine:
    """One that boots the image and has, or has not, another disk."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process, self.folder = process, folder

    def said(self, port: int = 0) -> str:
        file = self.folder / f"serial{port}"
        return file.read_text(errors="replace") if file.exists() else ""

    def says(self, text: str, port: int = 0) -> None:
        wait_until(lambda: text in self.said(port) or self.process.poll() is not None, DEADLINE, f"{text!r}: {self.said()[-2000:]}")
        assert text in self.said(port), self.said()[-3000:]

    def types(self, line: str) -> None:
        with socket.socket(socket.AF_UNIX) as keyboard:
            keyboard.connect(str(self.folder / "typed"))
            keyboard.sendall(line.encode() + b"\r")
            # Read what comes: a port that nobody reads from stops taking what is typed.
            keyboard.settimeout(2)
            try:
                while keyboard.recv(4096):
                    pass
            except TimeoutError:
                pass

    def press_power(self) -> None:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(60)
            monitor.connect(str(self.folder / "monitor"))
            # What is not read when the connection ends is lost: the next prompt says that it was.
            for command in (b"", b"system_powerdown\n"):
                monitor.sendall(command)
                heard = b""
                while not heard.endswith(b"(qemu) "):
                    heard += monitor.recv(4096) or pytest.fail(f"the monitor ended: {heard}")

    def ends(self) -> None:
        assert self.process.wait(DEADLINE) == 0


@contextmanager
def machine(image: Path, folder: Path, *more: str, memory: str = "5G", disks: int = 1, uefi: bool = False,
            cpu: str = "Haswell-noTSX") -> Iterator[Machine]:
    command = ["qemu-system-x86_64", "-nodefaults", "-machine", "q35", "-accel", "tcg,thread=single", "-cpu", cpu, "-smp", "2", "-m", memory,
               "-display", "none", "-drive", f"file={image},format=raw,if=virtio,snapshot=on", *more]
    command += ["-monitor", f"unix:{folder}/monitor,server=on,wait=off"]
    # The first port can be typed at, too; what it says is kept as the second one's is.
    command += ["-chardev", f"socket,id=first,path={folder}/typed,server=on,wait=off,logfile={folder}/serial0",
                "-serial", "chardev:first", "-serial", f"file:{folder}/serial1"]
    for number in range(disks):
        disk = folder / f"mac{number}.raw"
        with disk.open("wb") as file:
            file.truncate((number + 1) << 30)
        command += ["-drive", f"file={disk},format=raw,if=virtio"]
    if uefi:
        shutil.copy(OVMF / "OVMF_VARS_4M.fd", folder / "vars.fd")
        command += ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd",
                    "-drive", f"if=pflash,unit=1,format=raw,file={folder}/vars.fd"]
    with subprocess.Popen(command, text=True) as process:
        try:
            yield Machine(process, folder)
        finally:
            process.kill()


@pytest.mark.parametrize("uefi", [False, pytest.param(True, marks=pytest.mark.soak)], ids=["bios", "uefi"])
def test_it_boots_macos_on_the_second_disk(builder: Builder, image: Path, tmp_path: Path, uefi: bool) -> None:
    identity = json.loads(builder.identity.read_text())
    with machine(image, tmp_path, "-nic", "user,model=virtio-net-pci", uefi=uefi) as it:
        it.says("hako: this is a macOS appliance")
        it.says("macOS gets the disk vdb (1.074GB)")
        it.says("WARNING: there is no KVM")
        it.says("starting macOS 14 with 2 processors and 4")
        it.says("macOS is running")
        it.says("has the address 10.0.2.15")
        # OVMF in it says what it boots, and what it boots finds the configuration.
        it.says("BdsDxe: starting Boot", port=1)
        it.says(identity["serial"], port=1)
        it.press_power()
        it.says("macOS is asked to shut down")
        it.says("powering off")
        it.ends()
        assert "macOS cannot be run" not in it.said()


def test_without_a_second_disk_it_says_so_and_powers_off(image: Path, tmp_path: Path) -> None:
    with machine(image, tmp_path, disks=0) as it:
        it.ends()
        assert "macOS cannot be run: this machine has no second disk" in it.said()
        assert "powering off" in it.said()


def test_there_is_a_shell_when_macos_cannot_be_run(builder: Builder, tmp_path: Path) -> None:
    image = tmp_path / "disk.raw"
    made = builder.build(image, *builder.more)
    assert made.returncode == 0, made.stderr
    with machine(image, tmp_path, disks=0) as it:
        it.says("macOS cannot be run: this machine has no second disk")
        it.says("this is a shell to look into it; poweroff and reboot end it")
        it.says("hako# ")
        it.types("echo $((6 * 7)), $(nproc) processors")
        it.says("42, 2 processors")
        it.types("poweroff")
        it.ends()


def test_too_little_memory_is_said(image: Path, tmp_path: Path) -> None:
    with machine(image, tmp_path, memory="2G") as it:
        it.ends()
        assert re.search(r"macOS cannot be run: this machine has 1\d+ MiB of memory, but macOS needs 4096", it.said())


@pytest.mark.parametrize(("variables", "says"), [
    ({"VERSION": "9"}, "VERSION=9: "),
    ({"DHCP": "Y"}, "DHCP=Y: an appliance puts macOS behind NAT only"),
    ({"ON_FAILURE": "cry"}, "ON_FAILURE=cry: use shell or poweroff"),
])
def test_nonsense_names_the_variable_and_makes_nothing(builder: Builder, tmp_path: Path, variables: dict[str, str],
                                                       says: str) -> None:
    refused = builder.build(tmp_path / "disk.raw", **variables)
    assert refused.returncode == 1
    assert says in refused.stderr
    assert not list(tmp_path.iterdir())


def test_what_is_missing_is_named_with_its_package(builder: Builder, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    without = builder.build(tmp_path / "disk.raw", "--kernel", tmp_path / "empty")
    assert without.returncode == 1
    assert "apt-get install linux-image-amd64" in without.stderr
    # A PATH with nothing in it: QEMU is what is asked for first.
    without = builder.build(tmp_path / "disk.raw", environment={"PATH": str(tmp_path / "empty")})
    assert without.returncode == 1
    assert "apt-get install qemu-system-x86" in without.stderr
    broken = tmp_path / "kernel.deb"
    broken.write_text("no package")
    without = builder.build(tmp_path / "disk.raw", "--kernel", broken)
    assert without.returncode == 1
    assert str(broken) in without.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "kernel.deb"]


def test_an_output_that_cannot_be_written_is_refused(builder: Builder, tmp_path: Path) -> None:
    refused = builder.build(Path("/dev/null"))
    assert refused.returncode == 1
    assert "/dev/null is no file: write the image to one" in refused.stderr
    assert "dd if=" in refused.stderr
    refused = builder.build(tmp_path / "no/such/folder/disk.raw")
    assert refused.returncode == 1
    assert "cannot write" in refused.stderr
    refused = subprocess.run([BIN / "hako", "macos", "appliance", "build"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "--output" in refused.stderr


def test_a_full_disk_leaves_nothing(builder: Builder, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root mounts a small file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", tmp_path], check=True)
    try:
        refused = builder.build(tmp_path / "disk.raw")
        assert refused.returncode == 1
        assert "no space left on the disk" in refused.stderr
        assert not list(tmp_path.iterdir())
    finally:
        subprocess.run(["umount", tmp_path], check=True)
