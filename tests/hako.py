"""Drives the built programs as a user would, and knows what they may leave behind: nothing."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

BUILD = Path(os.environ.get("HAKO_BUILD", Path(__file__).resolve().parent.parent / "build"))
BIN = BUILD / "bin"
SHARE = BUILD / "share"
SOAK = bool(os.environ.get("HAKO_SOAK"))
HELLO = "hako/hello"


def wait_until(condition: Callable[[], object], seconds: float = 30, what: str = "") -> object:
    """The condition's first true value; fails when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {what or condition}"
        time.sleep(0.05)


def processes_naming(text: str) -> dict[int, str]:
    """Processes (zombies excepted) whose command line holds the text."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and int(entry.name) != os.getpid():
            found[int(entry.name)] = line.strip()
    return found


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, for requests that no well-behaved client would send."""

    def __init__(self, path: Path, timeout: float = 60) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Daemon:
    """One hakod with folders of its own."""

    def __init__(self, folder: Path | None = None, bin: Path = BIN, **environment: str) -> None:
        self.bin = bin
        # Short: unix socket paths have 107 bytes.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="hk-", dir="/tmp"))
        self.root = self.folder / "root"
        self.run_dir = self.folder / "run"
        self.socket = self.run_dir / "docker.sock"
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("DOCKER_HOST", "HAKO_HOST")},
            "HAKO_ROOT": str(self.root),
            "HAKO_RUN": str(self.run_dir),
            "DOCKER_CONFIG": str(self.folder / "docker"),
            # Networks are for tests with a network namespace of their own (network_test.py).
            "HAKO_BRIDGE": "none",
            # One VM would wait by default, where there are templates (warm_pool_test.py).
            "HAKO_WARM_POOL": "0",
            **environment,
        }
        self.options: list[str | Path] = ["--config", self.folder / "daemon.json"]
        # A daemon makes a template at its start: too much for the many of the tests (template_test.py has its own).
        self.configuration: dict[str, object] = {"templates": False}
        self.prefix: list[str] = []  # of the daemon's command: nsenter and its options
        self.process: subprocess.Popen | None = None

    # ---- the daemon itself

    def start(self) -> Daemon:
        log = (self.folder / "hakod.log").open("ab")
        (self.folder / "daemon.json").write_text(json.dumps(self.configuration))
        self.process = subprocess.Popen(
            [*self.prefix, self.bin / "hakod", "--root", self.root, "--run", self.run_dir, *self.options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
        )
        wait_until(self.answers, 30, f"hakod answers; its log:\n{self.log()}")
        return self

    def answers(self) -> bool:
        assert self.process is None or self.process.poll() is None, f"hakod ended:\n{self.log()}"
        try:
            return self.api("GET", "/_ping")[0] == 200
        except OSError:
            return False

    @property
    def client_environment(self) -> dict[str, str]:
        """Clients of a daemon that a test started name it, so that none of them starts another when it was killed."""
        return self.environment | ({"HAKO_HOST": f"unix://{self.socket}"} if self.process else {})

    def kill(self) -> None:
        """As a crash would."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def log(self) -> str:
        path = self.folder / "hakod.log"
        return path.read_text(errors="replace")[-8000:] if path.exists() else ""

    def clear(self) -> None:
        """No container, own network or volume is left."""
        if ids := self.hako("ps", "-aq").stdout.split():
            self.hako("rm", "-f", "-v", *ids)
        self.hako("network", "prune", "-f")
        if volumes := self.hako("volume", "ls", "-q").stdout.split():
            self.hako("volume", "rm", *volumes)

    def destroy(self) -> None:
        """Removes all containers, stops, and says what was left."""
        if self.process and self.process.poll() is None:
            ids = self.hako("ps", "-aq", check=False).stdout.split()
            if ids:
                self.hako("rm", "-f", *ids, check=False)
            wait_until(lambda: not self.leftovers(), 20, f"left behind: {self.leftovers()}")
        self.stop()
        self.kill_strays()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill_strays(self) -> None:
        for pid in processes_naming(str(self.folder)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # ---- what is there

    def machines(self) -> dict[int, str]:
        """Shims and QEMUs of this daemon."""
        mine = processes_naming(str(self.folder))
        return {pid: line for pid, line in mine.items() if "hakod --root" not in line}

    def share_servers(self) -> list[int]:
        """The virtiofsd processes of its VMs, found by their shims."""
        found: list[int] = []
        shims = set(self.machines())
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                name = (entry / "comm").read_text().strip()
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            if name == "virtiofsd" and (parent in shims or parent in found):
                found.append(int(entry.name))
        return found

    def leftovers(self) -> list[str]:
        """What containers leave behind beside the daemon: nothing, once they are removed."""
        left = [f"process {pid}: {line[:150]}" for pid, line in self.machines().items()]
        left += [line for line in Path("/proc/mounts").read_text().splitlines()
                 if str(self.folder) in line]
        for folder in (self.root / "containers", self.run_dir / "vm"):
            if folder.exists():
                left += [str(path) for path in folder.iterdir()]
        # Not by rglob, which ends where a folder of the trash goes meanwhile.
        left += [f"{at}/{name}" for at, folders, files in os.walk(self.root)
                 for name in (*folders, *files) if name.endswith(".tmp")]
        return left

    # ---- clients

    def hako(self, *arguments: str, check: bool = True, input: bytes | str | None = None,
             timeout: float = 120, text: bool = True) -> subprocess.CompletedProcess:
        if text and isinstance(input, bytes):
            text = False
        done = subprocess.run(
            [self.bin / "hako", *arguments], env=self.client_environment, input=input, text=text,
            stdin=subprocess.DEVNULL if input is None else None, capture_output=True,
            timeout=timeout,
        )
        assert not check or done.returncode == 0, (
            f"hako {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}\n"
            f"The daemon's log ends:\n{self.log()[-2000:]}")
        return done

    def popen(self, *arguments: str, **options) -> subprocess.Popen:
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, **options}
        return subprocess.Popen([self.bin / "hako", *arguments], env=self.client_environment, **options)

    def docker(self, *arguments: str, check: bool = True, input: str | bytes | None = None,
               timeout: float = 120) -> subprocess.CompletedProcess:
        done = subprocess.run(
            ["docker", "-H", f"unix://{self.socket}", *arguments], env=self.environment,
            input=input, text=not isinstance(input, bytes), capture_output=True, timeout=timeout,
            stdin=subprocess.DEVNULL if input is None else None,
        )
        assert not check or done.returncode == 0, (
            f"docker {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def popen_docker(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(["docker", "-H", f"unix://{self.socket}", *arguments], env=self.environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def api(self, method: str, path: str, body: object = None,
            headers: dict[str, str] | None = None, timeout: float = 60) -> tuple[int, object]:
        """Status and decoded body of one request."""
        connection = UnixConnection(self.socket, timeout)
        try:
            data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
            connection.request(method, path, data,
                               {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            raw = response.read()
        finally:
            connection.close()
        try:
            return response.status, json.loads(raw)
        except ValueError:
            return response.status, raw.decode(errors="replace")

    def inspect(self, name: str) -> dict:
        status, body = self.api("GET", f"/containers/{name}/json")
        assert status == 200, body
        assert isinstance(body, dict)
        return body

    def resident(self, name: str) -> int:
        """KiB of its QEMU that are its own: what it shares with others does not count."""
        text = self.qemu(name).joinpath("smaps_rollup").read_text()
        return sum(int(size) for size in re.findall(r"^Private_(?:Clean|Dirty): +(\d+)", text, re.MULTILINE))

    def vm(self, name: str) -> Path:
        """The folder of its VM, which has another name where the VM waited, or went on from a checkpoint."""
        qemu = self.inspect(name)["State"]["Pid"]
        return next(path.parent for path in self.run_dir.glob("vm/*/shim.json")
                    if json.loads(path.read_text()).get("qemu", {}).get("pid") == qemu)

    def shim_record(self, name: str) -> dict[str, dict[str, int]]:
        return json.loads((self.vm(name) / "shim.json").read_text())

    def qemu(self, name: str) -> Path:
        """Its QEMU's folder in /proc."""
        return Path(f"/proc/{self.shim_record(name)['qemu']['pid']}")

    def state(self, name: str) -> str:
        return self.inspect(name)["State"]["Status"]
