#!/usr/bin/env python3
"""What a guest's kernel executes for a read from a disk and for a small file, in guest instructions, in a container and in the plain
guest of bench/volumes.py. Unlike time it is nearly the same in each run, whatever else the machine does; what QEMU does for the
guest is not in it.

    bench/executed.py --build build [--functions 20]

Prints a Markdown table, and the functions of the guest's kernel in which the two differ most. Needs root, fio and busybox-static.
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import guest_code
import plain_guest
import volumes
from guest_code import KERNEL_HALF, PLACE
from peers import Hako

PLUGIN = "executed_instructions.so"
TABLE = "memfd:executed"  # as the plugin calls it
BLOCK = "<QQQ"  # address, instructions, runs
FILES = 500

# Does $WORK as often as $TIMES says.
SCRIPT = f"""#!/bin/sh
cd $1
case $WORK in
    read) dd if=/dev/zero of=file bs=1M count=64; sync
        fio --name=read --filename=$PWD/file --size=64m --ioengine=psync --direct=1 --minimal --rw=randread --bs=4k \\
            --io_size=$((TIMES * 4))k;;
    untar) for number in $(seq $((TIMES / {FILES}))); do
            mkdir many$number && tar xf /small.tar -C many$number && sync
        done;;
esac
"""


@dataclass
class Work:
    title: str
    name: str
    few: int
    many: int
    places: tuple[str, ...]


WORKS = (Work("read of 4 KiB", "read", 2000, 12000, ("block", "scratch", "shared")),
         Work("unpacked file of 1 KiB", "untar", FILES, 5 * FILES, ("scratch", "shared", "block")))


class Watch:
    """Holds the tables open of QEMUs that come while it is there; they may be gone at its end."""

    def __enter__(self) -> Watch:
        self.tables: dict[int, object] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)
        (PLACE / "tell").touch()
        self.thread.start()
        return self

    def look(self) -> None:
        while not self.over.wait(0.2):
            for link in Path("/proc").glob("[0-9]*/fd/*"):
                try:
                    if TABLE in os.readlink(link) and (inode := link.stat().st_ino) not in self.tables:
                        self.tables[inode] = link.open("rb")
                except OSError:
                    continue  # it went

    def __exit__(self, *_: object) -> None:
        (PLACE / "tell").unlink()
        self.over.set()
        self.thread.join()

    def instructions(self, functions: guest_code.Functions) -> Counter[str]:
        found: Counter[str] = Counter()
        for table in self.tables.values():
            with table:
                for address, instructions, runs in struct.iter_unpack(BLOCK, table.read()):
                    if runs and address >= KERNEL_HALF:
                        found[functions[address]] += instructions * runs
        return found


def per_time(action: Callable[[int], object], work: Work, functions: guest_code.Functions) -> Counter[str]:
    counted = []
    for times in (work.few, work.many):
        with Watch() as watch:
            action(times)
        counted.append(watch.instructions(functions))
        assert counted[-1], "QEMU told nothing of what its guest ran"
    few, many = counted
    return Counter({name: (many[name] - few[name]) / (work.many - work.few) for name in few.keys() | many.keys()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--functions", type=int, default=0)
    options = parser.parse_args()
    build = options.build.resolve()
    with tempfile.TemporaryDirectory(prefix="hako-bench-", dir="/var/tmp") as scratch:
        folder = Path(scratch)
        guest_code.prepare(folder, f"-plugin {PLACE / PLUGIN}")
        shutil.copy(build / "bin" / f"bench_{PLUGIN}", PLACE / PLUGIN)
        hako = Hako(build, folder / "hako", bridge="bridge")
        try:
            hako("load", "-q", "-i", str(build / "share" / "hello.tar"))
            functions = guest_code.Functions(hako)
            guests = volumes.Guests(hako, build, folder, SCRIPT, FILES, "seq dd")
            hako("template", "build", "-m", "1g")  # none is made while the others are watched
            print("| | hako | plain QEMU | hako / plain |\n|---|---|---|---|", flush=True)
            differences: Counter[str] = Counter()
            for work in WORKS:
                for place in work.places:
                    settings = lambda times: {"WORK": work.name, "TIMES": times}
                    mine = per_time(lambda times: guests.in_container(hako, place, settings(times)), work, functions)
                    plain = per_time(lambda times: guests.in_plain(place, settings(times)), work, functions)
                    print(f"| {place}: {work.title} | {mine.total():.0f} | {plain.total():.0f} | "
                          f"{mine.total() / plain.total():.2f} |", flush=True)
                    if options.functions:
                        for name in mine.keys() | plain.keys():
                            differences[f"{place}, {work.name}: {name}"] = mine[name] - plain[name]
        finally:
            hako.close()
    for name, difference in sorted(differences.items(), key=lambda row: -abs(row[1]))[:options.functions]:
        print(f"{difference:+10.0f} {name}")


if __name__ == "__main__":
    main()
