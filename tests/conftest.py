from __future__ import annotations

import os
import shutil
import subprocess
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


@pytest.fixture(scope="session")
def version_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Docker Compose 2, a plugin of Docker's CLI."""
    folder = tmp_path_factory.mktemp("compose")
    done = subprocess.run([Path(__file__).parents[1] / "scripts/foreign-package.sh", "amd64", "docker-compose", folder, "trixie"],
                          capture_output=True, text=True, timeout=300)
    plugin = folder / "usr/libexec/docker/cli-plugins/docker-compose"
    if done.returncode != 0 or not plugin.exists():
        pytest.skip(f"Debian trixie's docker-compose is not to be had: {done.stderr}")
    return plugin
