"""Guests while the host is short of memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import HELLO, Daemon, wait_until

PLENTY, SHORT = (f"some avg10={percent}.00 avg60=0.00 avg300=0.00 total=0\n" for percent in (0, 50))


@pytest.fixture
def pressed(programs: Path, tmp_path: Path) -> Iterator[tuple[Daemon, Path]]:
    """A daemon, and the file that stands for the host's pressure."""
    pressure = tmp_path / "memory"
    pressure.write_text(PLENTY)
    daemon = Daemon(HAKO_MEMORY_PRESSURE=str(pressure)).start()
    yield daemon, pressure
    daemon.destroy()


def test_guests_give_up_what_they_only_keep_for_later(pressed: tuple[Daemon, Path]) -> None:
    daemon, pressure = pressed
    daemon.hako("run", "-d", "--name", "one", "--storage-opt", "size=400m", HELLO, "sleep", "600")
    daemon.hako("run", "-d", "--name", "still", HELLO, "sleep", "600")
    daemon.hako("pause", "still")
    idle = daemon.resident("one")
    # Written files stay in the guest's memory.
    written = daemon.hako("exec", "one", "sh", "-c", "yes hako | head -c 150000000 > /f; sha256sum /f").stdout
    assert daemon.resident("one") > idle + 100_000
    pressure.write_text(SHORT)
    wait_until(lambda: daemon.resident("one") < idle + 50_000, 60, f"{daemon.resident('one')} KiB, idle {idle}")
    assert "gave up" in daemon.log()
    # Nothing was killed or lost, and the memory is the guest's to use again.
    pressure.write_text(PLENTY)
    assert daemon.hako("exec", "one", "sha256sum", "/f").stdout == written
    assert daemon.resident("one") > idle + 100_000
    daemon.hako("unpause", "still")
    assert daemon.hako("exec", "still", "echo", "up").stdout == "up\n"


def pieces(daemon: Daemon, name: str, figure: str) -> Iterator[tuple[bool, int]]:
    """Of each piece of its QEMU's memory: whether it is translated code, and a figure of smaps in KiB."""
    for piece in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", daemon.qemu(name).joinpath("smaps").read_text(), flags=re.MULTILINE)[1:]:
        yield piece.split()[1] == "rwxp", int(re.findall(rf"^{figure}: +(\d+)", piece, re.MULTILINE)[0])


def in_huge_pages(daemon: Daemon, name: str) -> tuple[int, int]:
    """KiB of QEMU's translated code, and of its other memory."""
    sizes = list(pieces(daemon, name, "AnonHugePages"))
    return sum(size for is_code, size in sizes if is_code), sum(size for is_code, size in sizes if not is_code)


def translated(daemon: Daemon, name: str) -> int:
    """KiB of translated code."""
    return sum(size for is_code, size in pieces(daemon, name, "Anonymous") if is_code)


@pytest.fixture
def impatient(programs: Path) -> Iterator[Daemon]:
    """A daemon whose VMs idle after two seconds, not sixty."""
    daemon = Daemon(HAKO_IDLE_SECONDS="2").start()
    yield daemon
    daemon.destroy()


def test_idle_guests_give_up_translated_code(impatient: Daemon) -> None:
    daemon = impatient
    if "Accelerator: kvm" in daemon.hako("info").stdout:
        pytest.skip("with KVM nothing is translated")
    daemon.hako("run", "-d", "--name", "idle", HELLO, "sleep", "600")
    daemon.hako("run", "-d", "--name", "busy", HELLO, "sh", "-c", "while :; do :; done")
    started, busy = translated(daemon, "idle"), translated(daemon, "busy")
    wait_until(lambda: translated(daemon, "idle") < started - 20_000, 60, f"{translated(daemon, 'idle')} KiB, at its start {started}")
    assert translated(daemon, "busy") > busy - 5_000
    # It works as before, and again after it has done so once more.
    for _ in range(2):
        assert daemon.hako("exec", "idle", "sh", "-c", "head -c 1000000 /dev/zero | sha256sum").stdout
        wait_until(lambda: translated(daemon, "idle") < started - 20_000, 60, "idle again")


HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
needs_huge_pages = pytest.mark.skipif(not HUGE_PAGES.exists() or "[never]" in HUGE_PAGES.read_text(),
                                      reason=f"{HUGE_PAGES}: this host has no huge pages")


@needs_huge_pages
def test_of_a_guest_that_boots_only_translated_code_is_in_huge_pages(clean: Daemon) -> None:
    if "Accelerator: kvm" in clean.hako("info").stdout:
        pytest.skip("with KVM nothing is translated")
    clean.hako("run", "-d", "--name", "box", HELLO, "sleep", "600")
    code, other = in_huge_pages(clean, "box")
    assert code >= 4096 and other == 0
