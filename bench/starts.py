#!/usr/bin/env python3
"""Starts of containers with a network card, without a folder of the host and with one: from a VM that waits, from a
template, by a boot.

    bench/starts.py --build build [--rounds 20]

The daemons are in a network namespace of this script's own. Medians in turns; ratios are to the start from a template.
Needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import IMAGE, medians


class Daemon:
    def __init__(self, build: Path, folder: Path, pool: int, templates: bool) -> None:
        folder.mkdir()
        self.program = build / "bin" / "hako"
        self.environment = os.environ | {"HAKO_ROOT": str(folder / "root"), "HAKO_RUN": str(folder / "run"), "HAKO_BRIDGE": "bridge",
                                         "HAKO_HOST": f"unix://{folder}/run/docker.sock"}
        (folder / "daemon.json").write_text(json.dumps({
            "templates": templates, "warm-pool": pool, "template-folder": str(folder.parent / "templates")}))
        self.process = subprocess.Popen([build / "bin" / "hakod", "--root", folder / "root", "--run", folder / "run", "--config",
                                         folder / "daemon.json"], env=self.environment, stderr=(folder / "log").open("w"))
        while not (folder / "run" / "docker.sock").exists():
            time.sleep(0.1)
        while templates and "*" not in self("template", "ls"):
            time.sleep(0.2)

    def __call__(self, *arguments: str) -> str:
        return subprocess.run([self.program, *arguments], env=self.environment, check=True, capture_output=True, text=True).stdout

    def run(self) -> None:
        self("run", "--rm", IMAGE, "true")

    def run_with_folder(self) -> None:
        self("run", "--rm", "-v", "/usr/share:/data", IMAGE, "true")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--pause", type=float, default=4, help="seconds between starts, in which a VM is made ready to wait")
    options = parser.parse_args()
    if "HAKO_BENCH_NAMESPACE" not in os.environ:
        os.environ["HAKO_BENCH_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = Path(tempfile.mkdtemp(prefix="hk-bench-", dir="/tmp"))
    kinds = {"a VM that waits": (1, True), "a template": (0, True), "a boot": (0, False)}
    daemons = []
    try:
        for number, (pool, templates) in enumerate(kinds.values()):
            daemons.append(Daemon(options.build.resolve(), folder / str(number), pool, templates))
        time.sleep(10)
        times = medians(options.rounds, *(run for daemon in daemons for run in (daemon.run, daemon.run_with_folder)),
                        pause=options.pause)
        print("| `run --rm hako/hello true` on the default network, from | | ratio | with `-v` | ratio |\n|---|---|---|---|---|")
        for number, kind in enumerate(kinds):
            cells = [f"{taken * 1000:.0f} ms | {taken / times[2]:.2f}" for taken in times[2 * number:2 * number + 2]]
            print(f"| {kind} | {' | '.join(cells)} |", flush=True)
    finally:
        for daemon in daemons:
            daemon.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
