#!/usr/bin/env python3
"""Benchmarks of files: a container's own, a shared volume's, a block volume's; beside a plain QEMU guest with the same
devices, and podman on the host. Prints a Markdown table.

    bench/volumes.py --build build [--rounds 3] [--megabytes 64] [--files 20000] [--places scratch shared block]

The same script runs in all of them: fio (128 KiB pieces one after the other, 4 KiB pieces at random, past the caches), and the
unpacking of many small files. The plain guest has hako's kernel, the same machine, memory, disks and virtiofsd, and an
initramfs of the same files; nothing of hako is in it, and its kernel sleeps until a share's server answers, as others do. Medians
of the rounds, in turns: each side is the first in one of them, and begins when the host's disk has what the one before wrote.
Needs root, fio and busybox-static.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import resource
import shutil
import statistics
import subprocess
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import plain_guest
from peers import Hako, Podman, peers

IMAGE = "bench/files:1"
PLACES = ("scratch", "shared", "block")
VIRTIOFSD = "/usr/lib/qemu/virtiofsd"
SLEEPS = "virtiofs.look_for_answers=0"  # as kernels without kernel/changes/fs/fuse/answers.c

# In the container and in the plain guest. What it says: "fio NAME line of fio's terse format", "untar SECONDS".
SCRIPT = """#!/bin/sh
cd $1 && cat /small.tar > /dev/null
run() {
    name=$1; shift
    echo fio $name $(fio --name=$name --filename=$PWD/file --size=${MEGABYTES}m --ioengine=psync --direct=1 --minimal "$@")
}
run write --rw=write --bs=128k --end_fsync=1
run read --rw=read --bs=128k
run randwrite --rw=randwrite --bs=4k --time_based --runtime=3
run randread --rw=randread --bs=4k --time_based --runtime=3
rm file && mkdir many
read begun rest < /proc/uptime
tar xf /small.tar -C many && sync
read ended rest < /proc/uptime
echo untar $(awk "BEGIN { print $ended - $begun }")
rm -r many
"""

# The plain guest's first process.
INIT = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for word in $(cat /proc/cmdline); do case $word in bench.*) export ${word#bench.};; esac; done
mkdir -p /mnt /data /lower
case $place in
    scratch) mount -t ext4 /dev/vda /mnt && mkdir -p /mnt/upper /mnt/work &&
        mount -t overlay -o lowerdir=/lower,upperdir=/mnt/upper,workdir=/mnt/work overlay /data;;
    block) mount -t ext4 /dev/vda /data;;
    shared) mount -t virtiofs -o max_files=$max_files hako /data;;
esac
/bench.sh /data
echo finished
reboot -f
"""

# fio's terse format, version 3: where a job's bandwidth (KiB/s) and rate are.
FIELDS = {"read": 6, "write": 47, "randread": 7, "randwrite": 48}
ROWS = {"write": ("write, 128 KiB", "MiB/s"), "read": ("read, 128 KiB", "MiB/s"), "randwrite": ("write at random, 4 KiB", "/s"),
        "randread": ("read at random, 4 KiB", "/s"), "untar": ("untar", "s")}


def add_small_files(root: Path, files: int) -> None:
    with tarfile.open(root / "small.tar", "w") as archive:
        for number in range(files):
            entry = tarfile.TarInfo(f"{number // 1000}/file{number}")
            entry.size = 1024
            archive.addfile(entry, io.BytesIO(b"x" * 1024))


def parse(output: str) -> dict[str, float]:
    figures = {}
    for name, line in re.findall(r"^fio (\w+) (3;.*)$", output, re.MULTILINE):
        value = float(line.split(";")[FIELDS[name]])
        figures[name] = value if name.startswith("rand") else value / 1024
    figures["untar"] = float(re.findall(r"^untar ([\d.]+)", output, re.MULTILINE)[0])
    assert figures.keys() == ROWS.keys(), output
    return figures


class Guests:
    """A script, /bench.sh, with a folder of each kind: in containers, and in a plain guest as hako runs it that has nothing else."""

    APPLETS = "sh cat tar rm mkdir mount sync awk reboot"

    def __init__(self, hako: Hako, build: Path, folder: Path, script: str, files: int, applets: str = "") -> None:
        self.folder = folder
        root = plain_guest.make_root(folder / "root", f"{self.APPLETS} {applets}", "fio", "bench",
                                     {"bench.sh": script, "init": INIT})
        add_small_files(root, files)
        self.initramfs = plain_guest.make_initramfs(root, folder / "initramfs.cpio")
        self.archive = plain_guest.make_image(root, folder)
        self.load(hako)
        self.machine = plain_guest.Machine.like(hako, build, IMAGE)

    def load(self, engine: Hako | Podman) -> None:
        engine("tag", engine("load", "-i", str(self.archive)).split()[-1], IMAGE)

    def in_container(self, engine: Hako | Podman, place: str, settings: dict[str, object]) -> str:
        flags = ["--rm", *(word for setting in settings.items() for word in ("-e", "{}={}".format(*setting)))]
        flags += ["-m", "1g"] if isinstance(engine, Hako) else engine.flags
        if place != "scratch":
            driver = ["--driver", place] if place == "block" else []
            engine("volume", "create", *driver, "files")
            flags += ["-v", "files:/data"]
        output = engine("run", *flags, IMAGE, "sh", "-c", "mkdir -p /data && exec /bench.sh /data")
        if place != "scratch":
            engine("volume", "rm", "files")
        return output

    def in_plain(self, place: str, settings: dict[str, object]) -> str:
        settings = settings | {"place": place}
        server, devices = None, []
        if place == "shared":
            share, socket = self.folder / "plain-share", self.folder / "plain.sock"
            shutil.rmtree(share, ignore_errors=True)
            share.mkdir()
            _, max_files = resource.getrlimit(resource.RLIMIT_NOFILE)
            settings["max_files"] = max_files
            server = subprocess.Popen([VIRTIOFSD, f"--socket-path={socket}", "-o", f"source={share}", "-o",
                                       "cache=auto,xattr,posix_lock", f"--rlimit-nofile={max_files}"], stderr=subprocess.DEVNULL)
            while not socket.exists():
                time.sleep(0.05)
            devices = ["-chardev", f"socket,id=shares,path={socket}", "-device", "vhost-user-fs-device,chardev=shares,tag=hako"]
        else:
            disk = self.folder / "plain.ext4"
            disk.unlink(missing_ok=True)
            subprocess.run(["mke2fs", "-q", "-t", "ext4", disk, "4g"], check=True,
                           stdout=subprocess.DEVNULL)
            devices = ["-blockdev", f"driver=raw,node-name=disk,discard=unmap,file.driver=file,file.discard=unmap,file.filename={disk}",
                       "-device", "virtio-blk-device,drive=disk"]
        arguments = " ".join([SLEEPS, *(f"bench.{name}={value}" for name, value in settings.items())])
        words = plain_guest.command(self.machine, self.initramfs, 1024, arguments) + devices
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800, check=True)
        if server:
            server.wait(30)
        assert "finished" in done.stdout, done.stdout + done.stderr
        return done.stdout.replace("\r", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=64)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--places", nargs="+", choices=PLACES, default=PLACES)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hako-bench-", dir="/var/tmp") as scratch, peers(options.build, head=False) as (hako, podman, folder):
        guests = Guests(hako, options.build.resolve(), Path(scratch), SCRIPT, options.files)
        settings = {"MEGABYTES": options.megabytes}
        sides: dict[str, Callable[[str], str]] = {
            "hako": lambda place: guests.in_container(hako, place, settings),
            "plain QEMU": lambda place: guests.in_plain(place, settings)}
        if podman:
            guests.load(podman)
            sides["podman"] = lambda place: guests.in_container(podman, "shared" if place == "block" else place, settings)
        measured: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        for turn in range(options.rounds):
            order = [*sides.items()]
            order = order[turn % len(order):] + order[:turn % len(order)]
            for place in options.places:
                for side, action in order:
                    os.sync()  # what the one before wrote and removed is the host's disk's work no more
                    for name, value in parse(action(place)).items():
                        measured[place, name, side].append(value)
        median = {key: statistics.median(values) for key, values in measured.items()}
        print(f"\n| {guests.machine.accelerator} | hako | plain QEMU | hako / plain | podman |\n|---|---|---|---|---|")
        for place in options.places:
            for name, (title, unit) in ROWS.items():
                title = f"{title} of {options.files} files" if name == "untar" else title
                mine, plain = median[place, name, "hako"], median[place, name, "plain QEMU"]
                speed = plain / mine if name == "untar" else mine / plain
                peer = f"{median[place, name, 'podman']:.1f} {unit}" if podman else ""
                print(f"| {place}: {title} | {mine:.1f} {unit} | {plain:.1f} {unit} | {speed:.2f} | {peer} |")


if __name__ == "__main__":
    main()
