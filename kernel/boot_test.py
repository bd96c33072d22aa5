"""The built kernel boots in QEMU and has the devices, file systems and controllers that hako uses.

Skipped where the kernel is not in the cache: nothing is built here.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CONTROLLERS = {"cpu", "cpuset", "hugetlb", "io", "memory", "misc", "pids", "rdma"}

INIT = """#!/bin/busybox sh
export PATH=/bin
fact() { echo "fact:$1=$2" > /dev/kmsg; } # printk needs no interrupt of the serial port
busybox mount -t proc proc /proc && busybox --install -s /bin
mount -t devtmpfs dev /dev && mount -t sysfs sys /sys
mkdir -p /lower /upper /root /cg
case $(cat /proc/cmdline) in *want=panic*) echo c > /proc/sysrq-trigger ;; esac
for disk in /sys/block/vd*; do
    name=${disk##*/}
    case $(cat $disk/serial) in image) image=$name ;; scratch) scratch=$name ;; esac
done
mount -t erofs -o ro /dev/$image /lower && mount -t ext4 /dev/$scratch /upper
mkdir /upper/data /upper/work
layers=lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work
mount -t overlay -o $layers,metacopy=on overlay /root
fact file "$(cat /root/file)"
echo changed > /root/file
fact upper "$(cat /upper/data/file)"
mount -t cgroup2 cgroup /cg
fact controllers "$(cat /cg/cgroup.controllers)"
fact port "$(cat /sys/class/virtio-ports/vport*/name)"
fact random "$(head -c 16 /dev/hwrng | wc -c)"
fact balloon "$(ls /sys/bus/virtio/drivers/virtio_balloon | grep -c ^virtio)"
fact links "$(ls /sys/class/net | tr '\\n' ' ')"
fact cpus "$(nproc)"
fact modules "$(wc -l < /proc/modules)"
fact config "$(zcat /proc/config.gz | grep -c CONFIG_IKCONFIG_PROC=y)"
sync
reboot -f
"""


@pytest.fixture(scope="module")
def kernel():
    path = subprocess.run(
        [HERE / "build.sh", "--print"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not os.path.exists(path):
        pytest.skip("the kernel is not built")
    for program in ("qemu-system-x86_64", "mkfs.erofs", "mkfs.ext4", "cpio"):
        if not shutil.which(program):
            pytest.skip(f"{program} is missing; run scripts/setup.sh test")
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A directory with initrd, image (erofs) and scratch (ext4)."""
    where = tmp_path_factory.mktemp("boot")
    root = where / "initrd.d"
    for folder in ("bin", "dev", "proc", "sys"):
        (root / folder).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), root / "bin/busybox")
    (root / "init").write_text(INIT)
    (root / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(root)) for path in root.rglob("*"))
    archive = subprocess.run(
        ["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"],
        cwd=root, input=names.encode(), capture_output=True, check=True,
    )
    (where / "initrd").write_bytes(archive.stdout)
    (where / "tree").mkdir()
    (where / "tree/file").write_text("original")
    subprocess.run(["mkfs.erofs", where / "image", where / "tree"], check=True, capture_output=True)
    (where / "scratch").touch()
    os.truncate(where / "scratch", 16 << 20)
    subprocess.run(["mkfs.ext4", "-q", where / "scratch"], check=True)
    return where


def host_clock_khz():
    """Nearly the rate of the host's time stamp counter, which a guest under TCG reads directly."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("cpu MHz"):
            return int(float(line.split(":")[1]) * 1000)
    return 2_000_000


MICROVM = "microvm,x-option-roms=off,auto-kernel-cmdline=on,acpi="
MACHINES = {
    "microvm": (f"{MICROVM}off", "device", ""),
    # By ACPI this machine has no timer chip at all: the guest must be told how fast its TSC is.
    "microvm with ACPI": (f"{MICROVM}on", "device", f"tsc_early_khz={host_clock_khz()}"),
    "q35": ("q35", "pci", ""),
}


def boot(kernel, files, machine, bus, append):
    """Runs the machine until it ends by itself; returns the serial console's text."""
    disks = [
        argument
        for name, more in (("image", ",readonly=on"), ("scratch", ",snapshot=on"))
        for argument in (
            "-drive", f"id={name},file={files / name},format=raw,if=none{more}",
            "-device", f"virtio-blk-{bus},drive={name},serial={name}",
        )
    ]
    command = [
        # One thread, as hako's own machines have: with more, QEMU 7.2 falls now and then.
        "qemu-system-x86_64", "-M", machine, "-accel", "tcg,thread=single", "-cpu", "max",
        "-smp", "2", "-m", "256", "-nodefaults", "-no-user-config", "-nographic", "-no-reboot",
        "-serial", "stdio",
        "-global", "virtio-mmio.force-legacy=false", "-kernel", kernel, "-initrd", files / "initrd",
        *disks,
        "-device", f"virtio-rng-{bus}", "-device", f"virtio-balloon-{bus},free-page-reporting=on",
        "-device", f"virtio-serial-{bus}", "-chardev", "null,id=agent",
        "-device", "virtserialport,chardev=agent,name=hako.agent",
        "-append", "console=ttyS0 panic=-1 reboot=t no_timer_check tsc=reliable "
        f"printk.devkmsg=on {append}",
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("machine", MACHINES)
def test_boots_with_all_that_hako_uses(kernel, files, machine):
    console = boot(kernel, files, *MACHINES[machine])
    facts = dict(
        line.strip().split("fact:")[1].split("=", 1)
        for line in console.splitlines()
        if "fact:" in line
    )
    assert facts.get("file") == "original", console
    assert facts["upper"] == "changed"
    assert set(facts["controllers"].split()) >= CONTROLLERS
    assert facts["port"] == "hako.agent"
    assert facts["random"] == "16"
    assert facts["balloon"] == "1"
    assert facts["links"].split() == ["lo"]
    assert facts["cpus"] == "2"
    assert facts["modules"] == "0"
    assert facts["config"] == "1"


def test_a_panic_ends_the_machine_and_is_on_the_console(kernel, files):
    machine, bus, append = MACHINES["microvm"]
    assert "Kernel panic" in boot(kernel, files, machine, bus, f"{append} want=panic")
