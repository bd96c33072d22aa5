#!/usr/bin/env python3
"""Starts: `run --rm hako/hello true` from a VM that waits, a checkpoint, a template and by a boot, beside podman and dockerd 28.

    bench/starts.py --build build [--rounds 20]

Every container has a card on its engine's default network, all of them in a network namespace of this script's own.
Medians in turns. Prints Markdown tables. Needs root.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from peers import IMAGE, Docker, Hako, Podman, a_second, enter_own_network, if_it_runs, medians

FOLDER = ["-v", "/usr/share:/data"]


def print_head(first: str, columns: list[str]) -> None:
    print(f"\n| {first} | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--pause", type=float, default=4, help="seconds between starts, in which a VM is made ready to wait")
    options = parser.parse_args()
    build = options.build.resolve()
    folder = Path(tempfile.mkdtemp(prefix="hk-bench-", dir="/tmp"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        docker = if_it_runs("dockerd", lambda: Docker.fetch(folder / "docker-programs"))
        enter_own_network()

        def kept(peer):
            if peer:
                stack.callback(peer.close)
            return peer

        def hako(name: str, **settings: object) -> Hako:
            return kept(Hako(build, folder / name, bridge="bridge", template_folder=str(folder / "templates"), **settings))

        checkpoint = hako("checkpoint")
        checkpoint.await_checkpoint()
        kinds = {"a VM that waits": hako("pool", warm_pool=1), "a checkpoint": checkpoint,
                 "a template": hako("template", checkpoints=False), "a boot": hako("boot", templates=False)}
        checkpoint("save", "-o", str(folder / "image.tar"), IMAGE)
        others = {
            "podman": kept(if_it_runs("podman", lambda: Podman(build, folder / "podman", networked=True))),
            "dockerd 28": docker and if_it_runs(
                "dockerd", lambda: kept(Docker(docker, folder / "docker")).load(folder / "image.tar"))}
        time.sleep(10)

        def start(engine, *flags: str) -> Callable[[], object]:
            return lambda: engine("run", "--rm", *flags, *(engine.flags if isinstance(engine, Podman) else ()), IMAGE, "true")

        engines = list((kinds | others).items())
        plain = medians(options.rounds, *(start(engine) if engine else None for _, engine in engines), pause=options.pause)
        seconds = dict(zip(kinds | others, plain))
        with_folder = medians(options.rounds, *(start(engine, *FOLDER) for engine in kinds.values()), pause=options.pause)
        names = list(others)
        print_head("`run --rm hako/hello true` from", ["", *(f"/ {name}" for name in names), "with `-v`", "/ without"])
        for name, folder_seconds in zip(kinds, with_folder):
            mine = seconds[name]
            ratios = " | ".join(f"{mine / seconds[peer]:.2f}" if seconds[peer] else "" for peer in names)
            print(f"| {name} | {mine * 1000:.0f} ms | {ratios} | {folder_seconds * 1000:.0f} ms | {folder_seconds / mine:.2f} |")
        for peer in filter(seconds.get, names):
            print(f"| {peer} | {seconds[peer] * 1000:.0f} ms |" + " |" * (len(names) + 2), flush=True)

        sequences = {"20 one after another": (20, 1), "10 at once": (10, 10)}
        print_head("starts a second from", list(sequences))
        for name, engine in engines:
            if not engine or name == "a boot":
                continue
            rates = []
            for count, at_once in sequences.values():
                time.sleep(options.pause)
                rates.append(f"{a_second(count, at_once, start(engine)):.2f}")
            print(f"| {name} | {' | '.join(rates)} |", flush=True)


if __name__ == "__main__":
    main()
