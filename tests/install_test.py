"""`make install`: the installed tree works by itself."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import BUILD, HELLO, Daemon

SOURCE = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def prefix(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prefix")
    for parent in folder.parents[:2]:  # QEMU's own user reads the kernel
        parent.chmod(0o755)
    subprocess.run(["cmake", "--install", BUILD, "--prefix", folder], check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture
def installed(prefix: Path) -> Iterator[Daemon]:
    daemon = Daemon(bin=prefix / "bin")
    yield daemon
    daemon.destroy()


def test_an_installed_hako_starts_its_daemon_and_runs_a_container(installed: Daemon) -> None:
    assert installed.hako("run", "--rm", HELLO, "echo", "installed").stdout == "installed\n"
    installed.hako("system", "stop")


def test_the_manual_pages_are_installed(prefix: Path) -> None:
    pages = {page.name for page in (prefix / "share" / "man" / "man1").iterdir()}
    assert {"hako.1", "hako-run.1", "hako-cp.1"} <= pages


def test_an_installed_hako_builds_the_kernel(prefix: Path) -> None:
    expected = subprocess.run([SOURCE / "kernel" / "build.sh", "--print"], check=True, capture_output=True, text=True)
    built = subprocess.run([prefix / "bin" / "hako", "kernel", "build"], check=True, capture_output=True, text=True,
                           cwd="/", timeout=3000)
    assert built.stdout == expected.stdout
