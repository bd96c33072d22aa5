"""A guest that is out to harm its host: hakod stays small, answers everybody, and gets rid of it."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import BIN, HELLO, Daemon, wait_until

# The unit tests' program is such a QEMU, by its name (src/runtime/hostile_vm.h).
PROGRAM = BIN / "hako_runtime_test"
MOST_MEMORY = 160 << 20  # of hakod, whatever the guest sends


def peak_memory(pid: int) -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found.group(1)) << 10


@pytest.fixture
def hostile(programs: Path, request: pytest.FixtureRequest) -> Iterator[Daemon]:
    assert PROGRAM.exists(), f"{PROGRAM} is not built"
    daemon = Daemon(HAKO_ACCEL="tcg", HAKO_START_TIMEOUT="10s")
    daemon.folder.chmod(0o755)
    qemu = daemon.folder / f"hostile-{request.param}"
    shutil.copy(PROGRAM, qemu)
    daemon.environment["HAKO_QEMU"] = str(qemu)
    daemon.start()
    yield daemon
    assert daemon.process
    assert peak_memory(daemon.process.pid) < MOST_MEMORY
    daemon.destroy()


def answers_soon(daemon: Daemon) -> None:
    begun = time.monotonic()
    assert daemon.api("GET", "/containers/json?all=1", timeout=20)[0] == 200
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("hostile", ["garbage", "lengths"], indirect=True)
def test_a_channel_that_is_no_channel(hostile: Daemon) -> None:
    done = hostile.hako("run", "--rm", HELLO, "true", check=False)
    assert done.returncode == 125 and "the VM does not start" in done.stderr
    answers_soon(hostile)
    assert hostile.hako("ps", "-aq").stdout == ""


@pytest.mark.parametrize("hostile", ["deaf"], indirect=True)
def test_a_guest_that_never_answers(hostile: Daemon) -> None:
    hostile.hako("run", "-d", "--name", "app", HELLO, "sleep", "1000")
    paths = [("GET", "/containers/app/top"), ("GET", "/containers/app/stats?stream=0&one-shot=1"),
             ("GET", "/containers/app/changes"), ("GET", "/containers/app/archive?path=/"),
             ("POST", "/containers/app/kill?signal=TERM")]
    answers: list[int] = []

    def ask(method: str, path: str) -> None:
        try:
            answers.append(hostile.api(method, path, timeout=100)[0])
        except OSError:
            answers.append(0)

    callers = [threading.Thread(target=ask, args=path) for path in paths for _ in range(4)]
    for caller in callers:
        caller.start()
    time.sleep(1)
    answers_soon(hostile)
    # Removed by force while they all wait.
    hostile.hako("rm", "-f", "app")
    for caller in callers:
        caller.join()
    assert len(answers) == len(callers) and 204 not in answers
    assert not hostile.machines()


@pytest.mark.parametrize("hostile", ["endless"], indirect=True)
def test_a_guest_that_never_stops_talking(hostile: Daemon) -> None:
    hostile.hako("run", "-d", "--name", "app", "--log-opt", "max-size=16m", HELLO, "sleep", "1000")
    log = hostile.root / "containers"
    status, answer = hostile.api("GET", "/containers/app/changes", timeout=200)
    assert status >= 400 and "changed files" in str(answer)
    copy = hostile.popen("cp", "app:/", "-")
    assert copy.stdout and len(copy.stdout.read(8 << 20)) == 8 << 20
    copy.kill()
    copy.wait()
    answers_soon(hostile)
    kept = sum(path.stat().st_blocks * 512 for path in log.rglob("*") if "log" in path.name and path.is_file())
    assert kept < 40 << 20
    hostile.hako("rm", "-f", "app")
    assert not hostile.machines()


@pytest.mark.parametrize("hostile", ["exit"], indirect=True)
def test_an_exit_that_cannot_be(hostile: Daemon) -> None:
    done = hostile.hako("run", "--name", "app", HELLO, "true", check=False)
    assert done.returncode == 137
    state = hostile.inspect("app")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 137)
    assert state["FinishedAt"][:4] == time.strftime("%Y", time.gmtime())
    hostile.hako("rm", "-f", "app")
    wait_until(lambda: not hostile.machines(), 60, "the VM is gone")
