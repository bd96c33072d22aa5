"""What benchmarks compare hako's VMs with: a guest of hako's kernel on the same machine, with nothing of hako in it; and the
same files as an image, for containers.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from oci_image import Layer, OciImage  # noqa: E402


def make_root(root: Path, applets: str, program: str, package: str, scripts: dict[str, str]) -> Path:
    """busybox with some names, one program of the host with its libraries, scripts."""
    for name in ("bin", "proc", "sys", "dev", "tmp"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin")
    for applet in applets.split():
        (root / "bin" / applet).symlink_to("busybox")
    path = shutil.which(program) or sys.exit(f"{program} is not installed; run scripts/setup.sh {package}")
    shutil.copy(path, root / "bin")
    listed = subprocess.run(["ldd", path], check=True, capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+) \(0x", listed):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    for name, text in scripts.items():
        (root / name).write_text(text)
        (root / name).chmod(0o755)
    return root


def make_initramfs(root: Path, target: Path) -> Path:
    """In cpio's format newc."""
    with target.open("wb") as out:
        def add(name: str, mode: int, data: bytes = b"", number: int = 0) -> None:
            fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
            out.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0")
            out.write(bytes(-out.tell() % 4) + data)
            out.write(bytes(-out.tell() % 4))

        for number, path in enumerate(sorted(root.rglob("*")), 1):
            mode = path.lstat().st_mode
            data = os.readlink(path).encode() if stat.S_ISLNK(mode) else path.read_bytes() if stat.S_ISREG(mode) else b""
            add(str(path.relative_to(root)), mode, data, number)
        add("TRAILER!!!", 0)
    return target


def make_image(root: Path, folder: Path) -> Path:
    """An archive that hako and podman load."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as layer:
        layer.add(root, arcname="")
    return OciImage(folder / "image", [Layer(tar.getvalue(), "")]).archive(folder / "image.tar")


@dataclass
class Machine:
    """What the plain guest has in common with hako's."""

    kernel: Path
    accelerator: str  # kvm or tcg
    clock: str  # what an emulated guest is told of the host's time stamp counter: without it, its time is wrong

    @staticmethod
    def like(hako: Callable[..., str], build: Path, image: str) -> Machine:
        told = re.search(r"tsc_early_khz=\d+", hako("run", "--rm", image, "cat", "/proc/cmdline"))
        return Machine(build / "share" / "vmlinux", "kvm" if "Accelerator: kvm" in hako("info") else "tcg",
                       told.group() if told else "")


def command(machine: Machine, initramfs: Path, mebibytes: int, arguments: str) -> list[object]:
    """QEMU as hako runs it, its console on stdin and stdout; devices are to be added."""
    words: list[object] = [os.environ.get("HAKO_QEMU", "qemu-system-x86_64"), "-nodefaults", "-no-user-config", "-nographic", "-no-reboot", "-machine",
                           "microvm,acpi=off,x-option-roms=off,isa-serial=on,rtc=on,pit=on,pic=on,usb=off,graphics=off,"
                           "memory-backend=ram",
                           "-global", "virtio-mmio.force-legacy=false", "-object",
                           f"memory-backend-memfd,id=ram,size={mebibytes}M,share=on", "-m", f"{mebibytes}M", "-smp", "1",
                           "-serial", "stdio", "-kernel", machine.kernel, "-initrd", initramfs, "-append",
                           "console=ttyS0 quiet panic=-1 reboot=t no_timer_check tsc=reliable psi=0 acpi=off noreplace-smp "
                           f"{machine.clock} {arguments}"]
    return words + (["-accel", "kvm", "-cpu", "host"] if machine.accelerator == "kvm" else
                    ["-accel", "tcg,thread=single,tb-size=64", "-cpu", "max,-erms,-fsrm"])
