"""Locks of files in a volume that two containers and the host use at once."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import HELLO, SOAK, Daemon, wait_until

HERE = Path(__file__).parent
KINDS = ["fcntl", "ofd", "flock"]


@pytest.fixture(scope="module")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("probes")
    for name, libraries in (("lock_probe", []), ("sqlite_probe", ["-lsqlite3", "-lm"])):
        # glibc warns that users' names and dlopen want the shared one: SQLite uses neither here.
        subprocess.run(["cc", "-static", "-O1", "-o", folder / name, HERE / f"{name}.c", *libraries],
                       check=True, stderr=subprocess.DEVNULL)
    return folder


class Party:
    """One of those who share the volume: a container, or the host."""

    def __init__(self, daemon: Daemon, probes: Path, name: str | None) -> None:
        self.daemon, self.name = daemon, name
        self.data = "/data" if name else str(daemon.root / "volumes" / "data" / "_data")
        self.probes = "/probes" if name else str(probes)

    def command(self, kind: str, action: str, file: str, *more: str) -> list[str]:
        return [f"{self.probes}/lock_probe", kind, action, f"{self.data}/{file}", *more]

    def probe(self, *words: str) -> str:
        if self.name is None:
            return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=60).stdout.strip()
        return self.daemon.hako("exec", self.name, *self.command(*words), check=False).stdout.strip()

    def begin(self, *words: str) -> Begun:
        return Begun(self, *words)


class Begun:
    """A probe that goes on, and what it says."""

    numbers = itertools.count()

    def __init__(self, party: Party, kind: str, action: str, file: str, *more: str) -> None:
        self.party = party
        self.pid_file = f"pid.{next(self.numbers)}"
        command = " ".join(party.command(kind, action, file, *more))
        shell = ["sh", "-c", f"echo $$ > {party.data}/{self.pid_file}; exec {command}"]
        if party.name is None:
            self.process = subprocess.Popen(shell, stdout=subprocess.PIPE, text=True)
        else:
            self.process = party.daemon.popen("exec", party.name, *shell, stdout=subprocess.PIPE, text=True)

    def line(self) -> str:
        return self.process.stdout.readline().strip()

    def waits(self) -> bool:
        """Whether it has nothing to say for a while."""
        try:
            self.process.wait(1.5)
        except subprocess.TimeoutExpired:
            return True
        return False

    def kill(self) -> None:
        shell = ["sh", "-c", f"kill -9 $(cat {self.party.data}/{self.pid_file})"]
        if self.party.name is None:
            subprocess.run(shell, check=True)
        else:
            self.party.daemon.hako("exec", self.party.name, *shell)

    def end(self) -> str:
        """Its last words."""
        return self.process.communicate(timeout=1000)[0].strip()


@pytest.fixture(scope="module")
def parties(daemon: Daemon, probes: Path) -> Iterator[dict[str, Party]]:
    for name in ("one", "two"):
        daemon.hako("run", "-d", "--name", name, "-v", "data:/data", "-v", f"{probes}:/probes:ro", HELLO, "sleep", "10000")
    yield {name: Party(daemon, probes, None if name == "host" else name) for name in ("one", "two", "host")}
    daemon.hako("rm", "-f", "one", "two")
    daemon.hako("volume", "rm", "data")
    wait_until(lambda: not daemon.leftovers(), 20, f"clean: {daemon.leftovers()}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("holder, other", [("one", "two"), ("one", "one"), ("host", "one"), ("one", "host")])
def test_who_asks_waits_until_the_holder_goes(parties: dict[str, Party], kind: str, holder: str, other: str) -> None:
    file = f"wait-{kind}-{holder}-{other}"
    held = parties[holder].begin(kind, "hold", file)
    assert held.line() == "ok"
    assert parties[other].probe(kind, "try", file) == "busy"
    waiting = parties[other].begin(kind, "wait", file)
    assert waiting.waits()
    held.kill()
    assert waiting.end() == "ok"
    held.end()


@pytest.mark.parametrize("kind", KINDS)
def test_readers_share_and_the_last_lets_the_writer_in(parties: dict[str, Party], kind: str) -> None:
    readers = [parties[name].begin(f"{kind}-shared", "hold", f"shared-{kind}") for name in ("one", "two")]
    assert [reader.line() for reader in readers] == ["ok", "ok"]
    writer = parties["one"].begin(kind, "stronger", f"shared-{kind}")
    assert writer.line() == "shared"
    readers[0].kill()
    assert writer.waits()
    readers[1].kill()
    assert writer.end() == "ok"
    for reader in readers:
        reader.end()


@pytest.mark.parametrize("kind", KINDS)
def test_signals_end_the_waiting(parties: dict[str, Party], kind: str) -> None:
    file = f"signal-{kind}"
    held = parties["one"].begin(kind, "hold", file)
    assert held.line() == "ok"
    assert parties["two"].probe(kind, "interrupted", file) == "interrupted"
    waiting = parties["two"].begin(kind, "wait", file)
    assert waiting.waits()
    waiting.kill()
    assert waiting.end() == ""
    held.kill()
    held.end()
    # Nobody has it who was killed while it waited.
    wait_until(lambda: parties["one"].probe(kind, "try", file) == "ok", 10)


@pytest.mark.parametrize("kind", KINDS)
def test_closing_the_file_gives_the_lock_up(parties: dict[str, Party], kind: str) -> None:
    closed = parties["one"].begin(kind, "close", f"close-{kind}")
    assert closed.line() == "ok"
    wait_until(lambda: parties["two"].probe(kind, "try", f"close-{kind}") == "ok", 10)
    closed.kill()
    closed.end()


@pytest.mark.parametrize("how", ["written", "mapped", "renamed"])
@pytest.mark.parametrize("kind", KINDS)
def test_under_a_lock_nothing_is_lost(parties: dict[str, Party], kind: str, how: str) -> None:
    """Neither by the host, nor by two containers, one of them with two processes."""
    count, file = (2000 if SOAK else 100), f"tally-{kind}-{how}"
    held = parties["host"].begin(kind, "hold", file)
    assert held.line() == "ok"
    at_work = [parties[name].begin(kind, how, file, str(count)) for name in ("one", "two", "two", "host")]
    assert [each.line() for each in at_work] == ["ready"] * 4
    held.kill()  # all begin at once
    held.end()
    totals = [int(each.end()) for each in at_work]
    assert max(totals) == 4 * count, totals


def test_sqlite(parties: dict[str, Party], daemon: Daemon) -> None:
    count = 500 if SOAK else 15
    command = ["/probes/sqlite_probe", "/data/database", str(count)]
    at_work = [daemon.popen("exec", name, *command, stdout=subprocess.PIPE, text=True) for name in ("one", "two")]
    totals = [each.communicate(timeout=2000)[0].strip() for each in at_work]
    assert str(2 * count) in totals, totals


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_containers_locks_are_free(parties: dict[str, Party], daemon: Daemon, kind: str) -> None:
    held = parties["one"].begin(kind, "hold", f"killed-{kind}")
    assert held.line() == "ok"
    waiting = parties["two"].begin(kind, "wait", f"killed-{kind}")
    assert waiting.waits()
    daemon.hako("kill", "one")
    assert waiting.end() == "ok"
    held.end()
    wait_until(lambda: daemon.state("one") == "exited", 20)
    daemon.hako("start", "one")
