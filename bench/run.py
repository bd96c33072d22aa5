#!/usr/bin/env python3
"""Benchmarks: hako beside podman, same image, same run, medians. Prints a Markdown table.

    bench/run.py --build build [--rounds 20]

Figures are ratios to a named peer, since machines differ and are shared; the absolute medians stand beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

IMAGE = "hako/hello"


def medians(rounds: int, *actions: Callable[[], object] | None, pause: float = 0) -> list[float | None]:
    """Median seconds of each, in turns, so that a busy minute of the machine hits all of them; pauses do not count."""
    times: list[list[float]] = [[] for _ in actions]
    for turn in range(rounds + 1):
        for action, taken in zip(actions, times):
            if not action:
                continue
            time.sleep(pause)
            started = time.perf_counter()
            action()
            if turn:  # the first warms caches
                taken.append(time.perf_counter() - started)
    return [statistics.median(taken) if taken else None for taken in times]


class Hako:
    def __init__(self, build: Path, folder: Path, **environment: str) -> None:
        self.program = build / "bin" / "hako"
        self.run_dir = folder / "run"
        self.environment = os.environ | {"HAKO_ROOT": str(folder / "root"), "HAKO_RUN": str(self.run_dir),
                                         "HAKO_BRIDGE": "none", "HAKO_WARM_POOL": "0"} | environment
        self("system", "start")

    def await_template(self) -> None:
        while "*" not in self("template", "ls"):
            time.sleep(0.2)

    def __call__(self, *arguments: str) -> str:
        return subprocess.run([self.program, *arguments], env=self.environment, check=True,
                              capture_output=True, text=True).stdout

    def boot_seconds(self) -> float:
        """QEMU's exec until vminitd answered, as the shim of the running container `bench` logged it."""
        log = next((self.run_dir / "vm").glob("*/shim.log")).read_text()
        found = re.search(r"agent answered after (\d+) ms", log)
        assert found, log
        return int(found.group(1)) / 1000


    def idle_mebibytes(self, count: int) -> dict[str, float]:
        """PSS of the shim and of QEMU, a container, when so many are idle for more than a minute."""
        names = [f"idle{number}" for number in range(count)]
        for name in names:
            self("run", "-d", "--name", name, IMAGE, "sleep", "3600")
        time.sleep(75)
        records = [json.loads(path.read_text()) for path in (self.run_dir / "vm").glob("*/shim.json")]
        sums = {part: sum(pss_kibibytes(record[part]["pid"]) for record in records) for part in ("shim", "qemu")}
        self("rm", "-f", *names)
        return {part: kibibytes / 1024 / count for part, kibibytes in sums.items()}


def pss_kibibytes(pid: int) -> int:
    found = re.search(r"^Pss: +(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found
    return int(found.group(1))


class MountNamespace:
    """One for podman alone: crun refuses hosts that mount cgroup v2 beside v1, so there v2 is out of its sight."""

    HYBRID = Path("/sys/fs/cgroup/unified")

    def __init__(self) -> None:
        hide = f"umount {self.HYBRID}" if self.HYBRID.is_mount() else ":"
        self.holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                                        f"{hide} && echo ready && exec sleep infinity"], stdout=subprocess.PIPE)
        assert self.holder.stdout and self.holder.stdout.readline(), "cannot make a mount namespace"
        self.descriptor = os.open(f"/proc/{self.holder.pid}/ns/mnt", os.O_RDONLY)

    def enter(self) -> None:
        """For a child before its exec: no helper program adds to what podman is timed for."""
        if ctypes.CDLL(None, use_errno=True).setns(self.descriptor, 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def close(self) -> None:
        os.close(self.descriptor)
        self.holder.kill()
        self.holder.wait()


class Podman:
    """podman with what works in most sandboxes: no network, cgroupfs, files of its own."""

    def __init__(self, build: Path, folder: Path) -> None:
        self.namespace = MountNamespace()
        self.options = ["--root", str(folder / "podman"), "--runroot", str(folder / "podman-run"),
                        "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--storage-driver", "overlay"]
        self.flags = ["--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
        try:
            self("load", "-q", "-i", str(build / "share" / "hello.tar"))
            self("run", "--rm", *self.flags, IMAGE, "true")
        except subprocess.CalledProcessError:
            self.namespace.close()
            raise

    def __call__(self, *arguments: str) -> str:
        return subprocess.run(["podman", *self.options, *arguments], check=True, capture_output=True,
                              text=True, preexec_fn=self.namespace.enter).stdout


def row(name: str, mine: float, theirs: float | None, target: str) -> str:
    if theirs is None:
        return f"| {name} | {mine * 1000:.0f} ms | | | {target} |"
    return f"| {name} | {mine * 1000:.0f} ms | {theirs * 1000:.0f} ms | {mine / theirs:.2f} | {target} |"


@contextlib.contextmanager
def peers(build: Path, head: bool = True) -> Iterator[tuple[Hako, Podman | None, Path]]:
    """Both, and the folder that is theirs; the head of a table is printed."""
    if not shutil.which("podman"):
        sys.exit("podman is not installed; run scripts/setup.sh bench")
    folder = Path(tempfile.mkdtemp(prefix="hk-bench-", dir="/tmp"))
    hako = Hako(build.resolve(), folder)
    podman = None
    try:
        try:
            podman = Podman(build.resolve(), folder)
        except subprocess.CalledProcessError as error:
            print(f"podman cannot run here, so there are no ratios: {error.stderr.strip()}", file=sys.stderr)
        if head:
            print("| what | hako | podman | ratio | target |\n|---|---|---|---|---|", flush=True)
        yield hako, podman, folder
    finally:
        hako("system", "stop")
        if podman:
            podman.namespace.close()
        shutil.rmtree(folder, ignore_errors=True)


def a_second(count: int, at_once: int, action: Callable[[], object]) -> float:
    """How many of `count` calls, so many at once, are done in a second."""
    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda _: action(), range(count)))
    return count / (time.perf_counter() - started)


def rate_row(name: str, mine: float, theirs: float | None) -> str:
    peer = f"{theirs:.2f} | {mine / theirs:.2f}" if theirs else " | "
    return f"| {name} | {mine:.2f}/s | {peer} | ≥ 1 |"


def print_rates(mine: Callable[[], object], peer: Callable[[], object] | None) -> None:
    for what, count, at_once in (("20 of these, one after another", 20, 1), ("10 of these at once", 10, 10)):
        print(rate_row(what, a_second(count, at_once, mine), a_second(count, at_once, peer) if peer else None), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with peers(options.build) as (hako, podman, folder):
        hako.await_template()
        mine_once = lambda: hako("run", "--rm", IMAGE, "true")
        peer_once = podman and (lambda: podman("run", "--rm", *podman.flags, IMAGE, "true"))
        run, peer = medians(options.rounds, mine_once, peer_once)
        print(row("`run --rm hako/hello true`, from a template", run, peer, "≤ 1 (issue 2: ≤ 5)"), flush=True)
        print_rates(mine_once, peer_once)

        pool = Hako(options.build.resolve(), folder / "pool", HAKO_WARM_POOL="1")
        pool.await_template()
        time.sleep(10)
        pool_once = lambda: pool("run", "--rm", IMAGE, "true")
        run, peer = medians(options.rounds, pool_once, peer_once, pause=4)
        print(row("the same, from a VM that waits", run, peer, "≤ 1"), flush=True)
        print_rates(pool_once, peer_once)
        pool("system", "stop")

        idle = hako.idle_mebibytes(5)
        print(f"| idle memory of a container (PSS): shim {idle['shim']:.0f}, QEMU {idle['qemu']:.0f} MiB "
              f"| {sum(idle.values()):.0f} MiB | | | ≤ 45 MiB |", flush=True)

        boots = []
        for _ in range(options.rounds):
            hako("run", "-d", "--name", "bench", IMAGE, "sleep", "600")
            boots.append(hako.boot_seconds())
            hako("rm", "-f", "bench")
        print(row("QEMU exec to vminitd answering, from a template", statistics.median(boots), None, "≤ 1200 ms"), flush=True)

        hako("run", "-d", "--name", "bench", IMAGE, "sleep", "3600")
        if podman:
            podman("run", "-d", "--name", "bench", *podman.flags, IMAGE, "sleep", "3600")
        mine, peer = medians(options.rounds, lambda: hako("exec", "bench", "true"),
                             podman and (lambda: podman("exec", "bench", "true")))
        print(row("`exec bench true`", mine, peer, "≤ 2"), flush=True)
        hako("rm", "-f", "bench")
        if podman:
            podman("rm", "-f", "-t", "0", "bench")


if __name__ == "__main__":
    main()
