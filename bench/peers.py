"""hako and the programs that it is compared with, and how they are timed: in turns, medians, ratios to a named peer of
the same run, since machines differ and are shared.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
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
FOREIGN_PACKAGE = Path(__file__).resolve().parent.parent / "scripts" / "foreign-package.sh"


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


def a_second(count: int, at_once: int, action: Callable[[], object]) -> float:
    """How many of `count` calls, so many at once, are done in a second."""
    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        list(pool.map(lambda _: action(), range(count)))
    return count / (time.perf_counter() - started)


def row(name: str, mine: float, theirs: float | None, target: str) -> str:
    if theirs is None:
        return f"| {name} | {mine * 1000:.0f} ms | | | {target} |"
    return f"| {name} | {mine * 1000:.0f} ms | {theirs * 1000:.0f} ms | {mine / theirs:.2f} | {target} |"


def unshare(flags: int) -> None:
    """As unshare(2), which Python has from 3.12 on. Before any thread."""
    if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "unshare")


def enter_own_network() -> None:
    """From now on networks, rules and load are in a network namespace of this script's."""
    unshare(0x40000000)  # CLONE_NEWNET
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def enter_own_mounts() -> None:
    """From now on mounts are in a mount namespace of this script's."""
    unshare(0x00020000)  # CLONE_NEWNS
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


class Hako:
    """A daemon with folders of its own. Settings are those of daemon.json; it has no default network unless they say so."""

    def __init__(self, build: Path, folder: Path, **settings: object) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.program = build / "bin" / "hako"
        self.run_dir = folder / "run"
        self.environment = os.environ | {"HAKO_ROOT": str(folder / "root"), "HAKO_RUN": str(self.run_dir),
                                         "HAKO_HOST": f"unix://{self.run_dir}/docker.sock"}
        bridge = str(settings.pop("bridge", "none"))
        config = folder / "daemon.json"
        config.write_text(json.dumps({"warm-pool": 0} | {name.replace("_", "-"): value for name, value in settings.items()}))
        self.log = folder / "hakod.log"
        with self.log.open("w") as log:
            subprocess.Popen([build / "bin" / "hakod", "--root", folder / "root", "--run", self.run_dir, "--config", config,
                              "--bridge", bridge], stderr=log, start_new_session=True)
        while not (self.run_dir / "docker.sock").exists():
            time.sleep(0.05)

    def await_template(self) -> None:
        while "*" not in self("template", "ls"):
            time.sleep(0.2)

    def await_checkpoint(self) -> None:
        while "kept a QEMU" not in self.log.read_text():
            time.sleep(0.2)

    def __call__(self, *arguments: str) -> str:
        return subprocess.run([self.program, *arguments], env=self.environment, check=True,
                              capture_output=True, text=True).stdout

    def close(self) -> None:
        self("system", "stop")


class MountNamespace:
    """One for peers alone: crun refuses hosts that mount cgroup v2 beside v1, so there v2 is out of its sight."""

    HYBRID = Path("/sys/fs/cgroup/unified")

    def __init__(self) -> None:
        hide = f"umount {self.HYBRID}" if self.HYBRID.is_mount() else ":"
        self.holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                                        f"{hide} && echo ready && exec sleep infinity"], stdout=subprocess.PIPE)
        assert self.holder.stdout and self.holder.stdout.readline(), "cannot make a mount namespace"
        self.descriptor = os.open(f"/proc/{self.holder.pid}/ns/mnt", os.O_RDONLY)

    def enter(self) -> None:
        """For a child before its exec: no helper program adds to what the peer is timed for."""
        if ctypes.CDLL(None, use_errno=True).setns(self.descriptor, 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def close(self) -> None:
        os.close(self.descriptor)
        self.holder.kill()
        self.holder.wait()


class Podman:
    """podman with cgroupfs and files of its own; without a network unless asked for."""

    def __init__(self, build: Path, folder: Path, networked: bool = False) -> None:
        self.namespace = MountNamespace()
        self.options = ["--root", str(folder / "podman"), "--runroot", str(folder / "podman-run"),
                        "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--storage-driver", "overlay"]
        self.flags = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
        if not networked:
            self.flags += ["--network", "none"]
        try:
            self("load", "-q", "-i", str(build / "share" / "hello.tar"))
            self("run", "--rm", *self.flags, IMAGE, "true")
        except subprocess.CalledProcessError:
            self.close()
            raise

    def __call__(self, *arguments: str) -> str:
        return subprocess.run(["podman", *self.options, *arguments], check=True, capture_output=True,
                              text=True, preexec_fn=self.namespace.enter).stdout

    def close(self) -> None:
        self.namespace.close()


class Docker:
    """dockerd 28 with Debian's runc, all but the client unpacked into a folder. Only in a network namespace of its own
    (enter_own_network): it makes a bridge and rules.
    """

    PACKAGES = (("docker.io", "sid"), ("containerd", "sid"), ("runc", "bookworm"))
    PATIENCE = 60  # seconds for its start

    @classmethod
    def fetch(cls, programs: Path) -> Path:
        """Before the script enters its own network."""
        for package, suite in cls.PACKAGES:
            subprocess.run([FOREIGN_PACKAGE, "amd64", package, programs, suite], check=True, capture_output=True, text=True)
        return programs

    def __init__(self, programs: Path, folder: Path) -> None:
        folder.mkdir()
        socket = f"unix://{folder}/docker.sock"
        path = f"{programs}/usr/sbin:{programs}/usr/bin:{os.environ['PATH']}"
        self.environment = os.environ | {"DOCKER_HOST": socket, "DOCKER_CONFIG": str(folder / "config")}
        self.namespace = MountNamespace()
        self.log = folder / "dockerd.log"
        with self.log.open("w") as log:
            self.daemon = subprocess.Popen(["dockerd", "--data-root", folder / "root", "--exec-root", folder / "run", "--pidfile",
                                            folder / "pid", "-H", socket], stdout=log, stderr=log, env=os.environ | {"PATH": path},
                                           preexec_fn=self.namespace.enter)
        try:
            self.await_ready()
        except OSError:
            self.close()
            raise

    def await_ready(self) -> None:
        deadline = time.monotonic() + self.PATIENCE
        while "API listen on" not in self.log.read_text():
            if self.daemon.poll() is not None or time.monotonic() > deadline:
                raise OSError(f"dockerd does not start: {self.log.read_text()[-1000:]}")
            time.sleep(0.1)

    def load(self, image: Path) -> Docker:
        """An archive with a manifest.json, as `hako save` writes it."""
        self("load", "-q", "-i", str(image))
        self("run", "--rm", IMAGE, "true")
        return self

    def __call__(self, *arguments: str) -> str:
        return subprocess.run(["docker", *arguments], env=self.environment, check=True, capture_output=True, text=True).stdout

    def close(self) -> None:
        self.daemon.terminate()
        self.daemon.wait()
        self.namespace.close()


def if_it_runs(peer: str, make: Callable[[], object]):
    """The peer, or None where this machine cannot run it, upon which there are no ratios to it."""
    try:
        return make()
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr if isinstance(error, subprocess.CalledProcessError) else error
        print(f"{peer} cannot run here, so there are no ratios to it: {str(reason).strip()}", file=sys.stderr)
        return None


@contextlib.contextmanager
def peers(build: Path, head: bool = True) -> Iterator[tuple[Hako, Podman | None, Path]]:
    """hako and podman, and the folder that is theirs; the head of a table is printed."""
    if not shutil.which("podman"):
        sys.exit("podman is not installed; run scripts/setup.sh bench")
    folder = Path(tempfile.mkdtemp(prefix="hk-bench-", dir="/tmp"))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        hako = Hako(build.resolve(), folder / "hako")
        stack.callback(hako.close)
        podman = if_it_runs("podman", lambda: Podman(build.resolve(), folder))
        if podman:
            stack.callback(podman.close)
        if head:
            print("| what | hako | podman | ratio | target |\n|---|---|---|---|---|", flush=True)
        yield hako, podman, folder
