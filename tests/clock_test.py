"""The host's clock is set, far ahead and far back. hakod and its shims have a clock of their own here (libfaketime)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hako import HELLO, Daemon, wait_until

TICKS = ("sh", "-c", "trap 'exit 5' TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done")


@pytest.fixture
def set_clock(own: Daemon) -> Callable[[str], None]:
    library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
    if library is None:
        pytest.skip("Debian's libfaketime is not installed")
    file = own.folder / "clock"
    file.write_text("+0")
    fake = {"LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    own.environment |= fake
    own.start()
    for name in fake:  # not for the clients
        del own.environment[name]

    def set_it(offset: str) -> None:
        """While a container waits for its restart."""
        own.hako("run", "-d", "--name", "fails", "--restart", "always", HELLO, "sh", "-c", "exit 3")
        file.write_text(offset)
        wait_until(lambda: own.inspect("fails")["RestartCount"] >= 3, 60, "restarts go on")
        own.hako("rm", "-f", "fails")

    return set_it


def test_the_clock_is_set(own: Daemon, set_clock: Callable[[str], None]) -> None:
    own.hako("run", "-d", "--name", "app", "--health-cmd", "true", "--health-interval", "300ms", "--health-start-period",
             "1s", HELLO, *TICKS)
    follower = own.popen("logs", "-f", "app")
    year = own.inspect("app")["State"]["StartedAt"][:4]

    def works() -> None:
        assert own.hako("exec", "app", "sh", "-c", "exit 4", check=False).returncode == 4, "its exit code is still known"
        health = lambda: own.inspect("app")["State"]["Health"]
        last = health()["Log"][-1]["End"] if health()["Log"] else ""
        wait_until(lambda: health()["Log"] and health()["Log"][-1]["End"] != last, 30, "health checks go on")
        assert health()["Status"] == "healthy"
        lines = lambda: own.hako("logs", "app").stdout.count("\n")
        before = lines()
        wait_until(lambda: lines() > before, 20, "the log goes on")
        assert "-" not in own.hako("ps", "-a", "--format", "{{.Status}}").stdout, "nobody is up for less than no time"

    wait_until(lambda: own.inspect("app")["State"]["Health"]["Status"] == "healthy")
    set_clock("+800d")
    works()
    assert own.api("GET", "/info")[1]["SystemTime"][:4] != year, "the clock is set"
    own.hako("restart", "app")
    second = own.popen("logs", "-f", "--tail", "0", "app")
    assert follower.communicate(timeout=30)[0].startswith(b"1\n2\n"), "what followed the first run has ended"

    set_clock("-800d")
    works()
    assert own.hako("stop", "app").returncode == 0
    assert second.communicate(timeout=30)[0].strip()
    assert own.inspect("app")["State"]["ExitCode"] == 5
    # A run that begins before the end of the one before it.
    own.hako("start", "app")
    third = own.popen("logs", "-f", "app")
    ends = [int(line) for line in iter(lambda: third.stdout.readline().strip(), b"3")]
    assert ends.count(1) >= 2, "all runs up to this one"
    works()
    assert [int(n) for n in own.hako("logs", "--since", "30s", "app").stdout.split()], "by the time that it was written"
    own.hako("stop", "app")
    assert third.communicate(timeout=30)[0]
    own.hako("rm", "app")
