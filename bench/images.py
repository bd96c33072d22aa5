#!/usr/bin/python3
"""Benchmarks of images: hako beside podman, skopeo, gzip, umoci and mke2fs, with one registry on loopback.

    bench/images.py --build build [--rounds 5] [--megabytes 300] [--only pulls|disks|views]

The image is made of this machine's own Debian files. All sides take turns; figures are the best of the rounds, since
machines are shared and whatever disturbs only adds. Needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from oci_image import Layer, OciImage  # noqa: E402
from registries import Registry  # noqa: E402
from peers import Docker, Hako, enter_own_network, if_it_runs  # noqa: E402

LAYERS = 16


def debian_files(megabytes: int) -> Iterator[tuple[Path, int]]:
    left = megabytes << 20
    for top in ("/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/python3", "/usr/share"):
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                path = Path(folder) / name
                size = path.lstat().st_size
                if size > 20 << 20:
                    continue
                left -= size
                if left < 0:
                    return
                yield path, size


def make_layers(megabytes: int, compression: str) -> list[Layer]:
    groups: list[list[str]] = [[] for _ in range(LAYERS)]
    done = 0
    for path, size in debian_files(megabytes):
        groups[min(done * LAYERS // (megabytes << 20), LAYERS - 1)].append(str(path)[1:])
        done += size
    layers = []
    for group in groups:
        tar = subprocess.run(["tar", "-C", "/", "--null", "-T", "-", "-cf", "-"], input="\0".join(group).encode(),
                             capture_output=True, check=True).stdout
        layers.append(Layer(tar, compression, level=6))
    return layers


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Side:
    """One of those compared: what is timed, and what puts things back before."""

    def __init__(self, action: Callable[[], object], before: Callable[[], object] = lambda: None) -> None:
        self.action, self.before = action, before
        self.best = float("inf")

    def turn(self) -> None:
        self.before()
        started = time.perf_counter()
        self.action()
        self.best = min(self.best, time.perf_counter() - started)


def compare(rounds: int, what: str, target: str, mine: Side, peer: Side, peer_name: str) -> None:
    for _ in range(rounds):
        mine.turn()
        peer.turn()
    print(f"| {what} | {mine.best:.2f} s | {peer_name} | {peer.best:.2f} s | {mine.best / peer.best:.2f} | {target} |",
          flush=True)


class Bench:
    def __init__(self, build: Path, folder: Path, docker: Docker | None, megabytes: int, rounds: int) -> None:
        self.docker = docker
        self.folder, self.rounds, self.megabytes = folder, rounds, megabytes
        self.hako = Hako(build, folder)
        self.registry = Registry(folder / "registry")
        self.scratch = folder / "scratch"
        self.main: tuple[list[Layer], OciImage, str] | None = None

    def drop(self) -> None:
        for image in set(self.hako("images", "-q", "--filter", "reference=127.0.0.1:*/bench/*").split()):
            self.hako("rmi", "-f", image)

    def clear(self) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir()

    def pulling(self, reference: str) -> Side:
        return Side(lambda: self.hako("pull", "-q", reference), self.drop)

    def image(self, name: str, layers: list[Layer]) -> tuple[OciImage, str]:
        image = OciImage(self.folder / name, layers)
        reference = f"{self.registry.address}/bench/{name}:1"
        run("skopeo", "copy", "--preserve-digests", "--dest-tls-verify=false", f"oci:{image.folder}:test",
            f"docker://{reference}")
        return image, reference

    def podman(self, reference: str) -> Side:
        options = ["podman", "--root", self.folder / "podman", "--runroot", self.folder / "podman-run", "--cgroup-manager",
                   "cgroupfs", "--events-backend", "none", "--storage-driver", "overlay"]
        return Side(lambda: run(*options, "pull", "-q", "--tls-verify=false", reference),
                    lambda: run(*options, "rmi", "-af"))

    def skopeo(self, reference: str) -> Side:
        return Side(lambda: run("skopeo", "copy", "--preserve-digests", "--src-tls-verify=false", f"docker://{reference}",
                                f"oci:{self.scratch}:bench"), self.clear)

    def gzipped(self) -> tuple[list[Layer], OciImage, str]:
        """The image that most is measured with; made once."""
        if not self.main:
            layers = make_layers(self.megabytes, "gzip")
            self.main = layers, *self.image("gzip", layers)
        return self.main

    def pulls(self) -> None:
        gzipped, image, reference = self.gzipped()
        blobs = [blob for blob in (image.folder / "blobs" / "sha256").iterdir() if blob.read_bytes()[:2] == b"\x1f\x8b"]
        size = sum(len(layer.tar) for layer in gzipped)
        print(f"| {len(gzipped)} layers, {size >> 20} MiB, gzip {sum(b.stat().st_size for b in blobs) >> 20} MiB | | | | | |",
              flush=True)
        gzip = Side(lambda: run("sh", "-c", 'for f; do gzip -dc < "$f"; done > /dev/null', "sh", *blobs))
        compare(self.rounds, "pull, gzip", "≤ 1.0", self.pulling(reference), gzip, "`gzip -dc`")
        compare(self.rounds, "pull, gzip", "≤ 0.25", self.pulling(reference), self.podman(reference), "`podman pull`")
        if self.docker:
            docker = Side(lambda: self.docker("pull", "-q", reference), lambda: self.docker("image", "prune", "-af"))
            compare(self.rounds, "pull, gzip", "reported", self.pulling(reference), docker, "`docker pull` (28)")
        self.drop()
        self.peak_memory(reference)
        self.shared(gzipped)
        for compression in ("", "zstd"):
            _, other = self.image(compression or "plain", [Layer(layer.tar, compression, 3) for layer in gzipped])
            compare(self.rounds, f"pull, {compression or 'uncompressed'}", "≤ 1.5", self.pulling(other),
                    self.skopeo(other), "`skopeo copy … oci:`")

    def peak_memory(self, reference: str) -> None:
        pid = next(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()
                   and str(self.folder).encode() in (path / "cmdline").read_bytes().split(b"\0", 1)[-1]
                   and (path / "comm").read_text() == "hakod\n")
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        self.hako("pull", "-q", reference)
        peak = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
        print(f"| peak memory of hakod in a pull | {peak >> 10} MiB | | | | ≤ 128 MiB |", flush=True)

    def shared(self, layers: list[Layer]) -> None:
        """The base is there; only the top layer is new."""
        top = layers[-1]
        _, alone = self.image("alone", [top])
        _, whole = self.image("whole", layers)
        _, base = self.image("base", layers[:-1])

        def with_base() -> None:
            self.drop()
            self.hako("pull", "-q", base)

        compare(self.rounds, "pull of the top of 16 layers", "about 1", Side(lambda: self.hako("pull", "-q", whole), with_base),
                self.pulling(alone), "hako, that layer alone")

    def disks(self) -> None:
        _, image, reference = self.gzipped()
        self.drop()
        self.hako("pull", "-q", reference)
        disk = self.scratch / "disk"

        def by_umoci() -> None:
            image.unpack_by_umoci(self.scratch / "bundle")
            run("mke2fs", "-q", "-t", "ext4", "-d", self.scratch / "bundle" / "rootfs", disk, f"{2 * self.megabytes}m")

        compare(self.rounds, "ext4 of the image", "≤ 0.7",
                Side(lambda: self.hako("rootfs", "create", reference, "-o", str(disk)), self.clear),
                Side(by_umoci, self.clear), "`umoci unpack` + `mke2fs -d`")

    def views(self) -> None:
        """Metadata of 100,000 files; the daemon says how long it took."""
        tree = self.folder / "many"
        for i in range(100):
            (tree / f"folder{i}").mkdir(parents=True)
            for j in range(1000):
                (tree / f"folder{i}" / f"file{j}").touch()
        best = 10**6
        for i in range(self.rounds):
            (tree / "salt").write_text(str(i))
            tar = subprocess.run(["tar", "-C", tree, "-cf", "-", "."], capture_output=True, check=True).stdout
            image = OciImage(self.folder / f"many{i}", [Layer(tar)])
            self.hako("load", "-q", "-i", str(image.archive(self.folder / "many.tar")))
            digest = json.loads((image.folder / "index.json").read_text())["manifests"][0]["digest"].split(":")[1]
            config = json.loads((image.folder / "blobs" / "sha256" / digest).read_text())["config"]["digest"].split(":")[1]
            log = self.hako.log.read_text()
            best = min(best, int(re.search(rf"made the view of image {config} in (\d+) ms", log)[1]))
        print(f"| merged metadata of 100,000 files | {best} ms | | | | ≤ 100 ms |", flush=True)

    def stop(self) -> None:
        self.registry.stop()
        self.hako.close()
        if self.docker:
            self.docker.close()
        subprocess.run(["umount", "-l", self.folder / "podman" / "overlay"], capture_output=True, check=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--only", choices=("pulls", "disks", "views"))
    options = parser.parse_args()
    for program in ("podman", "skopeo", "umoci", "docker-registry", "zstd"):
        if not shutil.which(program):
            sys.exit(f"{program} is not installed; run scripts/setup.sh bench")
    folder = Path(tempfile.mkdtemp(prefix="hk-bench-", dir="/tmp"))
    programs = if_it_runs("dockerd", lambda: Docker.fetch(folder / "docker-programs"))
    enter_own_network()
    docker = programs and if_it_runs("dockerd", lambda: Docker(programs, folder / "docker"))
    bench = Bench(options.build.resolve(), folder, docker, options.megabytes, options.rounds)
    try:
        print("| what | hako | peer | | ratio | target |\n|---|---|---|---|---|---|", flush=True)
        for part in (bench.pulls, bench.disks, bench.views):
            if options.only in (None, part.__name__):
                part()
    finally:
        bench.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
