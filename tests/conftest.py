from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import BIN, Daemon, wait_until


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: only with HAKO_SOAK=1 (make soak)")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("soak") and not os.environ.get("HAKO_SOAK"):
        pytest.skip("a soak test: run make soak")


@pytest.fixture(scope="session")
def programs() -> Path:
    assert (BIN / "hakod").exists(), f"{BIN / 'hakod'} is not built; run make build"
    assert os.geteuid() == 0, "the black-box tests start daemons and jails: run them as root"
    return BIN


@pytest.fixture(scope="module")
def daemon(programs: Path) -> Iterator[Daemon]:
    """A daemon shared by the tests of one file; it must answer and be clean after the last."""
    shared = Daemon().start()
    yield shared
    assert shared.answers()
    shared.destroy()


@pytest.fixture
def clean(daemon: Daemon) -> Iterator[Daemon]:
    """The file's daemon; after the test nothing may be left of it, and the next command works."""
    yield daemon
    assert daemon.answers(), daemon.log()
    ids = daemon.hako("ps", "-aq").stdout.split()
    if ids:
        daemon.hako("rm", "-f", *ids)
    wait_until(lambda: not daemon.leftovers(), 20, f"clean: {daemon.leftovers()}")


@pytest.fixture
def own(programs: Path) -> Iterator[Daemon]:
    """A daemon of the test's own, to kill and to start again. Not started yet."""
    mine = Daemon()
    yield mine
    mine.destroy()


@pytest.fixture(scope="session")
def docker_cli() -> str:
    found = shutil.which("docker")
    if not found:
        pytest.skip("the docker CLI is not installed")
    return found
