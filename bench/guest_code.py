"""QEMU, told to tell what its guests run, and the functions of their kernel."""

from __future__ import annotations

import bisect
import os
import subprocess
from pathlib import Path

from peers import IMAGE, Hako, enter_own_mounts, enter_own_network

PLACE = Path("/usr/local/src")  # QEMU's jail shows /usr only; this is empty, and ours in a mount namespace of the script's
KERNEL_HALF = 1 << 63
WRAPPER = """#!/bin/sh
[ -e {place}/tell ] && set -- "$@" {options}
exec qemu-system-x86_64 "$@"
"""


def prepare(folder: Path, options: str) -> None:
    """While PLACE/tell is there, QEMU is started with these options, too. Before any thread."""
    enter_own_network()
    enter_own_mounts()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tell", PLACE], check=True)
    program = folder / "qemu"
    program.write_text(WRAPPER.format(place=PLACE, options=options))
    program.chmod(0o755)
    os.environ["HAKO_QEMU"] = str(program)


class Functions:
    """The kernel's, by their addresses: it is where it was linked to."""

    def __init__(self, hako: Hako) -> None:
        listed = hako("run", "--rm", "--cap-add", "SYSLOG", IMAGE, "cat", "/proc/kallsyms")
        rows = sorted((int(row[0], 16), row[2]) for row in map(str.split, listed.splitlines()) if row[1] in "tTwW")
        self.starts, self.names = [start for start, _ in rows], [name for _, name in rows]

    def __getitem__(self, address: int) -> str:
        return self.names[max(bisect.bisect_right(self.starts, address) - 1, 0)]
