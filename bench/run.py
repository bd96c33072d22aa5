#!/usr/bin/env python3
"""Benchmarks: hako beside podman, same image, same run, medians. Prints a Markdown table.

    bench/run.py --build build [--rounds 20]

Figures are ratios to a named peer, since machines differ and are shared; the absolute medians stand beside them.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

IMAGE = "hako/hello"


def median_seconds(action: Callable[[], object], rounds: int) -> float:
    times = []
    action()  # once to warm caches
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


class Hako:
    def __init__(self, build: Path, folder: Path) -> None:
        self.program = build / "bin" / "hako"
        self.run_dir = folder / "run"
        self.environment = os.environ | {"HAKO_ROOT": str(folder / "root"), "HAKO_RUN": str(self.run_dir)}
        self("system", "start")

    def __call__(self, *arguments: str) -> str:
        return subprocess.run([self.program, *arguments], env=self.environment, check=True,
                              capture_output=True, text=True).stdout

    def boot_seconds(self) -> float:
        """QEMU's exec until vminitd answered, as the shim of the running container `bench` logged it."""
        log = next((self.run_dir / "vm").glob("*/shim.log")).read_text()
        found = re.search(r"agent answered after (\d+) ms", log)
        assert found, log
        return int(found.group(1)) / 1000


class Podman:
    """podman with what works in most sandboxes: no network, cgroupfs, files of its own."""

    def __init__(self, build: Path, folder: Path) -> None:
        self.options = ["--root", str(folder / "podman"), "--runroot", str(folder / "podman-run"),
                        "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--storage-driver", "overlay"]
        self("load", "-q", "-i", str(build / "share" / "hello.tar"))
        self.flags = ["--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
        try:
            self("run", "--rm", *self.flags, IMAGE, "true")
        except subprocess.CalledProcessError:
            self.flags.append("--cgroups=disabled")
            self("run", "--rm", *self.flags, IMAGE, "true")

    def __call__(self, *arguments: str) -> str:
        return subprocess.run(["podman", *self.options, *arguments], check=True, capture_output=True,
                              text=True).stdout


def row(name: str, mine: float, theirs: float | None, target: str) -> str:
    if theirs is None:
        return f"| {name} | {mine * 1000:.0f} ms | | | {target} |"
    return f"| {name} | {mine * 1000:.0f} ms | {theirs * 1000:.0f} ms | {mine / theirs:.2f} | {target} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    if not shutil.which("podman"):
        sys.exit("podman is not installed; run scripts/setup.sh bench")
    folder = Path(tempfile.mkdtemp(prefix="hk-bench-", dir="/tmp"))
    hako = Hako(options.build.resolve(), folder)
    try:
        try:
            podman = Podman(options.build.resolve(), folder)
        except subprocess.CalledProcessError as error:
            podman = None
            print(f"podman cannot run here, so there are no ratios: {error.stderr.strip()}", file=sys.stderr)
        print("| what | hako | podman | ratio | target |\n|---|---|---|---|---|", flush=True)

        run = median_seconds(lambda: hako("run", "--rm", IMAGE, "true"), options.rounds)
        peer = podman and median_seconds(lambda: podman("run", "--rm", *podman.flags, IMAGE, "true"), options.rounds)
        print(row("`run --rm hako/hello true`", run, peer, "≤ 5"), flush=True)

        boots = []
        for _ in range(options.rounds):
            hako("run", "-d", "--name", "bench", IMAGE, "sleep", "600")
            boots.append(hako.boot_seconds())
            hako("rm", "-f", "bench")
        print(row("QEMU exec to vminitd answering", statistics.median(boots), None, "≤ 1200 ms"), flush=True)

        hako("run", "-d", "--name", "bench", IMAGE, "sleep", "3600")
        if podman:
            podman("run", "-d", "--name", "bench", *podman.flags, IMAGE, "sleep", "3600")
        mine = median_seconds(lambda: hako("exec", "bench", "true"), options.rounds)
        peer = podman and median_seconds(lambda: podman("exec", "bench", "true"), options.rounds)
        print(row("`exec bench true`", mine, peer, "≤ 2"), flush=True)
        hako("rm", "-f", "bench")
        if podman:
            podman("rm", "-f", "-t", "0", "bench")
    finally:
        hako("system", "stop")
        subprocess.run(["umount", "-l", str(folder / "podman" / "overlay")], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
