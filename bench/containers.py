#!/usr/bin/env python3
"""Benchmarks of containers that run: exec, logs and attach beside podman, and what they, the daemon and shims keep in memory.

    bench/containers.py --build build [--rounds 8] [--megabytes 1024] [--containers 50]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import time
from pathlib import Path

from peers import IMAGE, Hako, Podman, medians, peers, row

LINE = "x" * 127
LINES = 40_000


def pss(pid: int) -> int:
    """Kilobytes that the process would free by its end, shared pages in part."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"/proc/{pid}/smaps_rollup tells no Pss")


def resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ValueError(f"/proc/{pid}/status tells no VmRSS")


def processes(program: str, folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except OSError:
            continue
        if program.encode() in line.split(b"\0")[0] and str(folder).encode() in line:
            found.append(int(entry.parent.name))
    return found


def discard(command: list[str | Path], input: Path | None = None, **options) -> None:
    with (input or Path("/dev/null")).open("rb") as source, Path("/dev/null").open("wb") as sink:
        subprocess.run(command, stdin=source, stdout=sink, stderr=subprocess.DEVNULL, check=True, **options)


def rates(name: str, size: int, mine: float, theirs: float | None, target: str) -> str:
    speed = lambda seconds: f"{size / seconds / 1e6:.0f} MB/s"
    if theirs is None:
        return f"| {name} | {speed(mine)} | | | {target} |"
    return f"| {name} | {speed(mine)} | {speed(theirs)} | {theirs / mine:.2f} | {target} |"


def logs(hako: Hako, podman: Podman | None, options: argparse.Namespace) -> None:
    size = options.megabytes << 20
    script = f"yes {LINE} | head -c {size}"
    hako("run", "--name", "talker", "-d", IMAGE, "sh", "-c", script)
    hako("wait", "talker")
    theirs = None
    if podman:
        podman("run", "--name", "talker", "-d", "--log-driver", "k8s-file", *podman.flags, IMAGE, "sh", "-c", script)
        podman("wait", "talker")
        theirs = lambda: discard(["podman", *podman.options, "logs", "talker"], preexec_fn=podman.namespace.enter)
    mine, peer = medians(options.rounds, lambda: discard([hako.program, "logs", "talker"], env=hako.environment), theirs)
    print(rates(f"`logs` of {options.megabytes} MiB", size, mine, peer, "≥ 0.5"), flush=True)
    hako("rm", "talker")
    if podman:
        podman("rm", "talker")


def attach(hako: Hako, podman: Podman | None, options: argparse.Namespace, folder: Path) -> None:
    size = min(options.megabytes, 256) << 20
    data = folder / "data"
    data.write_bytes(os.urandom(1 << 20) * (size >> 20))

    def through(run, command: list[str | Path], **more) -> list[float]:
        times = []
        for _ in range(options.rounds):
            run("run", "-d", "-i", "--name", "cat", *(podman.flags if run is podman else ()), IMAGE, "sh", "-c",
                # Ends by itself: the input of a detached container does not. Not by busybox' head, which goes byte by byte.
                f"dd bs=65536 iflag=fullblock count={size >> 16} 2>/dev/null | cat")
            started = time.perf_counter()
            discard([*command, "attach", "cat"], data, **more)
            times.append(time.perf_counter() - started)
            run("rm", "-f", "cat")
        return times

    mine = statistics.median(through(hako, [hako.program], env=hako.environment))
    peer = None
    if podman:
        peer = statistics.median(through(podman, ["podman", *podman.options], preexec_fn=podman.namespace.enter))
    print(rates(f"`attach` through `cat`, {size >> 20} MiB", size, mine, peer, "reported"), flush=True)


def lines(hako: Hako, podman: Podman | None, options: argparse.Namespace) -> None:
    """A process that says much, a line at a time."""
    command = [IMAGE, "sh", "-c", f"i=0; while [ $i -lt {LINES} ]; do echo line $i of {LINES}; i=$((i + 1)); done"]
    mine, peer = medians(options.rounds, lambda: hako("run", "--rm", *command),
                         podman and (lambda: podman("run", "--rm", *podman.flags, *command)))
    print(row(f"`run` of a shell that says {LINES} lines", mine, peer, "reported"), flush=True)


def memory(hako: Hako, options: argparse.Namespace, folder: Path) -> None:
    (daemon,) = processes("/hakod", folder)
    for wanted in sorted({0, min(10, options.containers), options.containers}):
        while (count := len(processes("/hako-shim", folder))) < wanted:
            hako("run", "-d", "-m", "64m", "--name", f"idle{count}", IMAGE, "sleep", "100000")
        print(f"| hakod's resident memory with {wanted} containers | {resident(daemon) / 1024:.1f} MiB | | | reported |", flush=True)
    shims = [pss(pid) / 1024 for pid in processes("/hako-shim", folder)]
    print(f"| PSS of a shim, median and most of {len(shims)} | {statistics.median(shims):.1f}, {max(shims):.1f} MiB | | | ≤ 12 MiB |")
    hako("rm", "-f", *hako("ps", "-q").split())


def boot_seconds(hako: Hako) -> float:
    """QEMU's exec until vminitd answered, as the shim of the only container logged it."""
    log = next((hako.run_dir / "vm").glob("*/shim.log")).read_text()
    found = re.search(r"agent answered after (\d+) ms", log)
    assert found, log
    return int(found.group(1)) / 1000


def exec_and_load(hako: Hako, podman: Podman | None, options: argparse.Namespace) -> None:
    hako.await_checkpoint()
    loads = []
    for _ in range(options.rounds):
        hako("run", "-d", "--name", "bench", IMAGE, "sleep", "600")
        loads.append(boot_seconds(hako))
        hako("rm", "-f", "bench")
    print(row("QEMU exec to vminitd answering, from a checkpoint", statistics.median(loads), None, "≤ 1200 ms"), flush=True)
    hako("run", "-d", "--name", "bench", IMAGE, "sleep", "3600")
    if podman:
        podman("run", "-d", "--name", "bench", *podman.flags, IMAGE, "sleep", "3600")
    mine, peer = medians(options.rounds, lambda: hako("exec", "bench", "true"),
                         podman and (lambda: podman("exec", "bench", "true")))
    print(row("`exec bench true`", mine, peer, "≤ 2"), flush=True)
    hako("rm", "-f", "bench")
    if podman:
        podman("rm", "-f", "-t", "0", "bench")


def idle_memory(hako: Hako, count: int) -> None:
    """PSS of the shim and of QEMU, a container, when so many are idle for more than a minute."""
    names = [f"idle{number}" for number in range(count)]
    for name in names:
        hako("run", "-d", "--name", name, IMAGE, "sleep", "3600")
    time.sleep(75)
    records = [json.loads(path.read_text()) for path in (hako.run_dir / "vm").glob("*/shim.json")]
    idle = {part: sum(pss(record[part]["pid"]) for record in records) / 1024 / count for part in ("shim", "qemu")}
    hako("rm", "-f", *names)
    print(f"| idle memory of a container (PSS): shim {idle['shim']:.0f}, QEMU {idle['qemu']:.0f} MiB "
          f"| {sum(idle.values()):.0f} MiB | | | ≤ 45 MiB |", flush=True)


def freed_memory(hako: Hako, count: int) -> None:
    """PSS of a QEMU beside others: after more than an idle minute, 10 s after 1 GiB was filled and freed in its guest, after the next idle minute."""
    start = lambda name: hako("run", "-d", "--name", name, "-m", "1500m", "--shm-size", "1100m", IMAGE, "sleep", "3600")
    while start("first") and "from a checkpoint" not in next((hako.run_dir / "vm").glob("*/shim.log")).read_text():
        hako("rm", "-f", "first")
        time.sleep(1)  # the next one may
    hako("rm", "-f", "first")
    names = [f"idle{number}" for number in range(count)]
    for name in names:
        start(name)
    qemu = int(hako("inspect", "-f", "{{.State.Pid}}", names[0]))
    sizes = []
    time.sleep(75)
    sizes.append(pss(qemu) / 1024)
    hako("exec", names[0], "sh", "-c", "dd if=/dev/zero of=/dev/shm/f bs=1M count=1024 2>/dev/null && rm /dev/shm/f")
    for pause in 10, 90:
        time.sleep(pause)
        sizes.append(pss(qemu) / 1024)
    hako("rm", "-f", *names)
    print(f"| QEMU idle, 10 s after 1 GiB was filled and freed in its guest, idle again (PSS beside {count - 1} others) "
          f"| {', '.join(f'{size:.1f}' for size in sizes)} MiB | | {sizes[1] / sizes[0]:.2f}, {sizes[2] / sizes[0]:.2f} | ≤ 1.1 |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--containers", type=int, default=50)
    options = parser.parse_args()
    with peers(options.build) as (hako, podman, folder):
        memory(hako, options, folder)
        idle_memory(hako, 5)
        freed_memory(hako, 5)
        exec_and_load(hako, podman, options)
        lines(hako, podman, options)
        attach(hako, podman, options, folder)
        logs(hako, podman, options)


if __name__ == "__main__":
    main()
