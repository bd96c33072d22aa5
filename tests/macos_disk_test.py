"""The boot disk of a macOS machine: checked by the tools that others check such disks with, and booted by OVMF. In
OpenCore's place stand files of the tests' own making, and Debian's GRUB where something must run."""

from __future__ import annotations

import hashlib
import json
import plistlib
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from hako import BIN, wait_until

TOOLS = ("fsck.vfat", "mcopy", "sgdisk")
pytestmark = pytest.mark.skipif(not all(map(shutil.which, TOOLS)),
                                reason="dosfstools, mtools or gdisk is missing; run scripts/setup.sh test")

GRUB = Path("/usr/lib/grub/x86_64-efi/monolithic/grubx64.efi")
OVMF = Path("/usr/share/OVMF")
FIRST_BYTE = 2048 * 512  # of the partition

FILES = {
    "EFI/BOOT/BOOTx64.efi": b"boot",
    "EFI/OC/OpenCore.efi": bytes(range(256)) * 4000,
    "EFI/OC/Drivers/OpenCanopy.efi": b"canopy",
    "EFI/OC/Drivers/OpenHfsPlus.efi": b"hfs",
    "EFI/OC/Drivers/OpenRuntime.efi": b"runtime",
    "EFI/OC/Drivers/Unwanted.efi": b"unwanted",
    "EFI/OC/Resources/Image/Acidanthera/GoldenGate/a picture with a long name.icns": b"",
    "EFI/OC/Resources/Image/Acidanthera/GoldenGate/a picture with a longer name.icns": b"other",
}
KEXTS = {
    "Lilu.kext/Contents/Info.plist": b"<plist/>",
    "Lilu.kext/Contents/MacOS/Lilu": b"lilu",
    "Kexts/VirtualSMC.kext/Contents/Info.plist": b"<plist/>",
    "Kexts/VirtualSMC.kext/Contents/MacOS/VirtualSMC": b"smc",
    "AppleMCEReporterDisabler.kext/Contents/Info.plist": b"<plist/>",
    "Zebra.kext/Contents/Info.plist": b"<plist/>",
}
SAMPLE = {"Docs/AcpiSamples/Binaries/SSDT-EC.aml": b"ec", "Docs/AcpiSamples/Binaries/SSDT-OTHER.aml": b"other"}


def boot_code() -> dict[str, bytes]:
    """In OpenDuet's place: the disk's code says A and starts the partition's, which says B and stops."""
    disk = bytes.fromhex("31c08ed888d3baf803b041ee88dabe1f7cb442cd137205ea007e0000f4ebfd")
    disk += struct.pack("<BBHHHQ", 16, 0, 1, 0x7E00, 0, FIRST_BYTE // 512)
    partition = bytes.fromhex("eb5890").ljust(90, b"\xff") + bytes.fromhex("baf803b042eef4ebfd")
    return {"Utilities/LegacyBoot/boot0": disk.ljust(512, b"\0"), "Utilities/LegacyBoot/bootX64": b"duet",
            "Utilities/LegacyBoot/boot1f32": partition.ljust(510, b"\0") + b"\x55\xaa"}


def write_tree(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def write_release(path: Path) -> Path:
    """As a release of OpenCore is packed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr("X64/" + name, content)
            archive.writestr("IA32/" + name, b"wrong processor")
        for name, content in SAMPLE.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    made = subprocess.run([BIN / "hako", "macos", "identity", "generate", "--format", "json"], capture_output=True,
                          check=True)
    (tmp_path / "identity.json").write_bytes(made.stdout)
    return tmp_path / "identity.json"


def make(output: Path, identity: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / "hako", "macos", "disk", "-o", output, "--identity", identity, *arguments],
                          capture_output=True, text=True, check=False, timeout=120)


def read(disk: Path, path: str) -> bytes:
    return subprocess.run(["mtype", "-i", f"{disk}@@{FIRST_BYTE}", "::/" + path], capture_output=True, check=True).stdout


def test_the_disk_is_what_other_tools_take_it_for(tmp_path: Path, identity: Path) -> None:
    disk = tmp_path / "boot.img"
    made = make(disk, identity, "--opencore", write_release(tmp_path / "oc.zip"), "--opencore",
                write_tree(tmp_path / "kexts", KEXTS))
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""

    table = subprocess.run(["sgdisk", "-v", "-p", disk], capture_output=True, text=True, check=True).stdout
    assert "No problems found" in table
    assert "EF00" in table
    assert "2 FATs, 32 bit entries" in check_partition(disk, tmp_path / "partition")

    for name, content in FILES.items():
        assert read(disk, name) == content, name
    for name, content in KEXTS.items():
        assert read(disk, "EFI/OC/Kexts/" + name.removeprefix("Kexts/")) == content
    assert read(disk, "EFI/OC/ACPI/SSDT-EC.aml") == b"ec"
    listed = subprocess.run(["mdir", "-/", "-b", "-i", f"{disk}@@{FIRST_BYTE}", "::/"], capture_output=True, text=True,
                            check=True).stdout
    assert "SSDT-OTHER" not in listed
    assert "IA32" not in listed


def test_the_configuration_says_who_the_mac_is_and_names_what_is_there(tmp_path: Path, identity: Path) -> None:
    disk = tmp_path / "boot.img"
    sources = ("--opencore", write_release(tmp_path / "oc.zip"), "--opencore", write_tree(tmp_path / "kexts", KEXTS))
    assert make(disk, identity, *sources, "--resolution", "1280x720", "--boot-args", "-v <&>").returncode == 0
    config = plistlib.loads(read(disk, "EFI/OC/config.plist"))
    mac = json.loads(identity.read_text())
    generic = config["PlatformInfo"]["Generic"]
    assert (generic["SystemProductName"], generic["SystemSerialNumber"], generic["MLB"], generic["SystemUUID"],
            generic["ROM"]) == (mac["product"], mac["serial"], mac["mlb"], mac["uuid"], bytes.fromhex(mac["rom"]))
    assert config["UEFI"]["Output"]["Resolution"] == "1280x720@32"
    nvram = config["NVRAM"]["Add"]["7C436110-AB2A-4BBB-A880-FE41995C9F82"]
    assert nvram["boot-args"] == "-v <&>"
    assert nvram["csr-active-config"] == bytes(4)
    assert config["Kernel"]["Quirks"]["SetApfsTrimTimeout"] == -1
    assert [driver["Path"] for driver in config["UEFI"]["Drivers"]] == ["OpenRuntime.efi", "OpenHfsPlus.efi",
                                                                        "OpenCanopy.efi"]
    kexts = [(kext["BundlePath"], kext["ExecutablePath"], kext["MinKernel"]) for kext in config["Kernel"]["Add"]]
    assert kexts == [("Lilu.kext", "Contents/MacOS/Lilu", ""), ("VirtualSMC.kext", "Contents/MacOS/VirtualSMC", ""),
                     ("AppleMCEReporterDisabler.kext", "", "21.0.0"), ("Zebra.kext", "", "")]
    assert [table["Path"] for table in config["ACPI"]["Add"]] == ["SSDT-EC.aml"]
    boot = config["Misc"]["Boot"]
    assert (boot["ShowPicker"], boot["Timeout"], boot["PickerMode"]) == (False, 2, "External")
    assert make(disk, identity, *sources, "--picker").returncode == 0
    boot = plistlib.loads(read(disk, "EFI/OC/config.plist"))["Misc"]["Boot"]
    assert (boot["ShowPicker"], boot["Timeout"]) == (True, 60)


def test_the_same_makes_the_same_and_is_not_written_again(tmp_path: Path, identity: Path) -> None:
    tree = write_tree(tmp_path / "tree", FILES)
    first, second = tmp_path / "1.img", tmp_path / "2.img"
    for disk in (first, second):
        assert make(disk, identity, "--opencore", tree).returncode == 0
    assert first.read_bytes() == second.read_bytes()
    written = first.stat().st_ino
    assert make(first, identity, "--opencore", tree).returncode == 0
    assert first.stat().st_ino == written
    (tree / "EFI/OC/OpenCore.efi").write_bytes(b"newer")
    assert make(first, identity, "--opencore", tree).returncode == 0
    assert read(first, "EFI/OC/OpenCore.efi") == b"newer"


def test_an_own_configuration_is_taken_as_it_is(tmp_path: Path, identity: Path) -> None:
    own = tmp_path / "custom.plist"
    own.write_bytes(plistlib.dumps({"PlatformInfo": {"Automatic": True}}))
    disk = tmp_path / "boot.img"
    assert make(disk, identity, "--opencore", write_tree(tmp_path / "tree", FILES), "--config", own).returncode == 0
    assert read(disk, "EFI/OC/config.plist") == own.read_bytes()
    own.write_text("nonsense")
    refused = make(disk, identity, "--opencore", tmp_path / "tree", "--config", own)
    assert refused.returncode == 1
    assert "no config.plist" in refused.stderr


def test_what_is_missing_is_said(tmp_path: Path, identity: Path) -> None:
    made = make(tmp_path / "boot.img", identity, "--opencore", write_release(tmp_path / "oc.zip"))
    assert made.returncode == 0
    assert "Lilu.kext" in made.stderr
    assert "VirtualSMC.kext" in made.stderr


def test_a_release_must_have_the_sum_that_is_named(tmp_path: Path, identity: Path) -> None:
    release = write_release(tmp_path / "oc.zip")
    disk = tmp_path / "boot.img"
    good = hashlib.sha256(release.read_bytes()).hexdigest()
    refused = make(disk, identity, "--opencore", release, "--opencore-sha256", good[::-1])
    assert refused.returncode == 1
    assert good in refused.stderr
    assert not disk.exists()
    assert make(disk, identity, "--opencore", release, "--opencore-sha256", good.upper()).returncode == 0


@pytest.mark.parametrize(("files", "arguments", "says"), [
    ({"readme.txt": b""}, [], "nothing of OpenCore is in"),
    ({"EFI/readme.txt": b""}, [], "EFI/BOOT/BOOTx64.efi"),
    (FILES, ["--resolution", "-1x5"], "write it as 1920x1080"),
    (FILES, ["--resolution", "100000x500"], "480 to 8192"),
    (FILES, ["--boot-args", "a\nb"], "one line"),
    (FILES, ["--opencore", "/nonexistent.zip"], "there is no /nonexistent.zip"),
    ({**FILES, "EFI/OC/opencore.EFI": b""}, [], "is there twice"),
    ({**FILES, "EFI/OC/caf\u00e9": b""}, [], "rename it"),
    ({**FILES, **boot_code(), "Utilities/LegacyBoot/boot0": b"x"}, [], "it is no boot code"),
    ({**FILES, **boot_code(), "Utilities/LegacyBoot/boot1f32": b"x" * 512}, [], "no boot sector"),
])
def test_bad_input_leaves_no_disk(files: dict[str, bytes], arguments: list[str], says: str, tmp_path: Path,
                                  identity: Path) -> None:
    refused = make(tmp_path / "boot.img", identity, "--opencore", write_tree(tmp_path / "tree", files), *arguments)
    assert refused.returncode == 1
    assert says in refused.stderr
    assert not list(tmp_path.glob("boot.img*"))


def check_partition(disk: Path, partition: Path) -> str:
    """What fsck.vfat says of it: it is sound."""
    partition.write_bytes(disk.read_bytes()[FIRST_BYTE:-33 * 512])
    checked = subprocess.run(["fsck.vfat", "-n", "-v", partition], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    return checked.stdout


@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="QEMU is missing")
def test_a_bios_boots_it_too(tmp_path: Path, identity: Path) -> None:
    disk = tmp_path / "boot.img"
    tree = write_tree(tmp_path / "tree", {**FILES, **boot_code()})
    assert make(disk, identity, "--opencore", tree).returncode == 0
    assert "No problems found" in subprocess.run(["sgdisk", "-v", disk], capture_output=True, text=True, check=True).stdout
    assert "differences" not in check_partition(disk, tmp_path / "partition")
    assert read(disk, "boot") == b"duet"
    serial = tmp_path / "serial"
    with subprocess.Popen(["qemu-system-x86_64", "-accel", "tcg", "-machine", "q35", "-m", "64", "-nodefaults", "-display", "none",
                           "-drive", f"file={disk},format=raw,readonly=on,if=virtio", "-serial", f"file:{serial}"]) as qemu:
        try:
            wait_until(lambda: serial.exists() and b"AB" in serial.read_bytes(), 120, "the partition's code runs")
        finally:
            qemu.kill()
    (tree / "Utilities/LegacyBoot/boot0").unlink()
    assert make(disk, identity, "--opencore", tree).returncode == 0
    assert disk.read_bytes()[:440] == bytes(440), "without code it is for UEFI alone"


@pytest.mark.skipif(not GRUB.exists() or not (OVMF / "OVMF_CODE_4M.fd").exists() or
                    not shutil.which("qemu-system-x86_64"), reason="grub-efi-amd64-bin, ovmf or QEMU is missing")
def test_firmware_boots_the_disk_and_what_it_boots_reads_the_files(tmp_path: Path, identity: Path) -> None:
    program = (b"serial --unit=0\nterminal_output serial\nsearch --file --set=disk /EFI/OC/config.plist\n"
               b"echo booted\ncat ($disk)/EFI/OC/config.plist\necho the end\nhalt\n")
    tree = write_tree(tmp_path / "tree", {**FILES, "EFI/BOOT/BOOTx64.efi": GRUB.read_bytes(),
                                          "EFI/debian/grub.cfg": program})
    disk = tmp_path / "boot.img"
    assert make(disk, identity, "--opencore", tree).returncode == 0
    shutil.copy(OVMF / "OVMF_VARS_4M.fd", tmp_path / "vars.fd")
    serial = tmp_path / "serial"
    with subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-machine", "q35", "-m", "256", "-nodefaults", "-display", "none",
             "-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd",
             "-drive", f"if=pflash,format=raw,file={tmp_path}/vars.fd", "-serial", f"file:{serial}",
             "-blockdev", f"driver=raw,read-only=on,node-name=boot,file.driver=file,file.filename={disk}",
             "-device", "virtio-blk-pci,drive=boot,bootindex=0"]) as qemu:
        try:
            wait_until(lambda: serial.exists() and b"the end" in serial.read_bytes(), 240, "GRUB speaks")
        finally:
            qemu.kill()
    said = serial.read_text(errors="replace")
    assert "booted" in said
    assert json.loads(identity.read_text())["serial"] in said
