#!/usr/bin/env python3
"""What QEMU (TCG) translates for one start from a template, in guest instructions. That is most of a start's processor time
where processors are emulated, and unlike time it is the same in each run, whatever else the machine does.

    bench/translations.py --build build [--functions 30]

Prints a Markdown table, and the functions of the guest's kernel that it is most of. Needs root.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import guest_code
from guest_code import KERNEL_HALF, PLACE
from peers import IMAGE, Hako


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--functions", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hako-bench-", dir="/var/tmp") as name:
        folder = Path(name)
        guest_code.prepare(folder, f"-d in_asm -D {PLACE}/pipe")
        os.mkfifo(PLACE / "pipe")
        (PLACE / "pipe").chmod(0o666)
        hako = Hako(options.build.resolve(), folder, bridge="bridge", checkpoints=False)
        try:
            hako("load", "-q", "-i", str(options.build / "share" / "hello.tar"))
            hako.await_template()
            hako("run", "--rm", IMAGE, "true")
            functions = guest_code.Functions(hako)
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
