#!/usr/bin/env python3
"""What QEMU (TCG) translates for one start from a template, in guest instructions. That is most of a start's processor time
where processors are emulated, and unlike time it is the same in each run, whatever else the machine does.

    bench/translations.py --build build [--functions 30]

Prints a Markdown table, and the functions of the guest's kernel that it is most of. Needs root: QEMU's jail shows /usr only, so
the pipe that QEMU tells its translations to lies there, in a mount namespace of this script's.
"""

from __future__ import annotations

import argparse
import bisect
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from peers import IMAGE, Hako, enter_own_mounts, enter_own_network

PLACE = Path("/usr/local/src")  # below /usr, and empty
KERNEL_HALF = 1 << 63
QEMU = """#!/bin/sh
[ -e {place}/tell ] && set -- "$@" -d in_asm -D {place}/pipe
exec qemu-system-x86_64 "$@"
"""


def prepare(folder: Path) -> None:
    enter_own_network()
    enter_own_mounts()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tell", PLACE], check=True)
    os.mkfifo(PLACE / "pipe")
    (PLACE / "pipe").chmod(0o666)
    program = folder / "qemu"
    program.write_text(QEMU.format(place=PLACE))
    program.chmod(0o755)
    os.environ["HAKO_QEMU"] = str(program)


def blocks(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Where each translated block begins, and its instructions."""
    start, count = 0, 0
    for line in lines:
        if line.startswith("IN:"):
            if count:
                yield start, count
            count = 0
        elif line.startswith("0x"):
            start = start if count else int(line.split(":")[0], 16)
            count += 1
    if count:
        yield start, count


class Functions:
    def __init__(self, kallsyms: str) -> None:
        rows = sorted((int(row[0], 16), row[2]) for row in map(str.split, kallsyms.splitlines()) if row[1] in "tTwW")
        self.starts, self.names = [start for start, _ in rows], [name for _, name in rows]

    def __getitem__(self, address: int) -> str:
        return self.names[max(bisect.bisect_right(self.starts, address) - 1, 0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--functions", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hako-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        prepare(folder)
        hako = Hako(options.build.resolve(), folder, bridge="bridge")
        try:
            hako("load", "-q", "-i", str(options.build / "share" / "hello.tar"))
            hako.await_template()
            hako("run", "--rm", IMAGE, "true")
            functions = Functions(hako("run", "--rm", "--cap-add", "SYSLOG", IMAGE, "cat", "/proc/kallsyms"))
            (PLACE / "tell").touch()
            start = subprocess.Popen([hako.program, "run", "--rm", IMAGE, "true"], env=hako.environment)
            with (PLACE / "pipe").open(errors="replace") as told:
                found = list(blocks(told))
            assert start.wait() == 0
        finally:
            hako.close()
    instructions, pieces, seen = Counter(), Counter(), Counter()
    inside: Counter[str] = Counter()
    for address, count in found:
        part = "kernel" if address >= KERNEL_HALF else "programs"
        for one in (part, "all") + (("once more",) if address in seen else ()):
            instructions[one] += count
            pieces[one] += 1
        seen[address] += 1
        if part == "kernel":
            inside[functions[address]] += count
    print("| | guest instructions | blocks |\n|---|---|---|")
    for part in ("kernel", "programs", "all", "once more"):
        print(f"| {part} | {instructions[part]} | {pieces[part]} |")
    for function, count in inside.most_common(options.functions):
        print(f"{count:8} {function}")


if __name__ == "__main__":
    main()
