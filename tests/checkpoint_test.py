"""VMs whose QEMU goes on from a checkpoint: it was kept when it had loaded a template and rehearsed a start."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import HELLO, SOAK, Daemon, wait_until
from namespaces import daemon_in, namespaces, needs_namespaces
from memory_test import in_huge_pages, needs_huge_pages
from network_test import comes_and_goes
from template_test import (
    LOADED, check_clock, check_identities, check_starts_while_it_is_made_anew, digest, kernel_errors, shim_log, start, templates,
    wait_for_template)

GOES_ON = "from a checkpoint: agent answered"
TABLES = 256 << 10  # bytes of the file before the pages


def wait_for_checkpoint(daemon: Daemon) -> Path:
    """That of the default shape, which the daemon makes by itself."""
    path = wait_for_template(daemon).with_suffix(".checkpoint")
    wait_until(lambda: goes_on(daemon), 120, f"a checkpoint; {daemon.log()}")
    return path


def goes_on(daemon: Daemon, *flags: str) -> bool:
    """Whether the next container does."""
    name = f"try{time.monotonic_ns()}"
    daemon.hako("run", "-d", "--name", name, *flags, HELLO, "sleep", "600")
    log = shim_log(daemon, name)
    daemon.hako("rm", "-f", name)
    return GOES_ON in log


@pytest.fixture(scope="module")
def keeping(programs: Path) -> Iterator[Daemon]:
    daemon = Daemon()
    daemon.configuration = {}
    daemon.start()
    if "Accelerator: kvm" in daemon.hako("info").stdout:
        daemon.destroy()
        pytest.skip("what KVM knows of a VM cannot be kept")
    wait_for_checkpoint(daemon)
    yield daemon
    daemon.destroy()


@pytest.fixture
def fresh(keeping: Daemon) -> Iterator[Daemon]:
    """With a checkpoint that is good; after the test nothing is left."""
    yield keeping
    if ids := keeping.hako("ps", "-aq").stdout.split():
        keeping.hako("rm", "-f", *ids)
    wait_until(lambda: not keeping.leftovers(), 20, f"clean: {keeping.leftovers()}")


def test_goes_on_and_works(fresh: Daemon) -> None:
    start(fresh, "one")
    assert GOES_ON in shim_log(fresh, "one")
    assert fresh.hako("exec", "one", "hostname").stdout.strip() == fresh.inspect("one")["Id"][:12]
    assert fresh.hako("exec", "-i", "one", "sh", "-c", "cat > /f; cat /f", input="kept").stdout == "kept"
    assert not kernel_errors(fresh, "one")
    fresh.hako("stop", "-t", "0", "one")
    fresh.hako("start", "one")
    assert fresh.hako("exec", "one", "cat", "/f").stdout == "kept"


def test_it_is_confined_as_any_qemu(fresh: Daemon) -> None:
    """Its own user, no capabilities, its system calls filtered; what it has open is what any has."""
    start(fresh, "one")
    start(fresh, "two")
    shown = []
    for name in ("one", "two"):
        status = dict(re.findall(r"^(\w+):\s+(.*)$", (fresh.qemu(name) / "status").read_text(), re.MULTILINE))
        assert status["Name"] == "qemu-system-x86"
        assert (status["CapEff"], status["CapBnd"]) == ("0" * 16, "0" * 16)
        assert (status["NoNewPrivs"], status["Seccomp"], status["Seccomp_filters"]) == ("1", "2", "1")
        assert int(status["Threads"]) >= 4
        shown.append(status["Uid"])
        opened = {os.readlink(entry) for entry in (fresh.qemu(name) / "fd").iterdir()}
        assert not [path for path in opened if path.endswith((".template", ".checkpoint"))]
    assert shown[0] != shown[1] and not shown[0].startswith("0")
    # A shim that dies takes it along.
    record = fresh.shim_record("one")
    os.kill(record["shim"]["pid"], 9)
    wait_until(lambda: not Path(f"/proc/{record['qemu']['pid']}").exists(), 20, "QEMU's end")


def test_clock_runs_and_is_right(fresh: Daemon) -> None:
    start(fresh, "one")
    check_clock(fresh, "one")


def test_no_two_share_an_identity(fresh: Daemon) -> None:
    check_identities(fresh, GOES_ON)


def test_memory_given_back_is_gone_and_the_checkpoint_unharmed(fresh: Daemon) -> None:
    path = wait_for_checkpoint(fresh)
    before = digest(path)
    for name in ("one", "two"):
        start(fresh, name)
        assert GOES_ON in shim_log(fresh, name)
    idle = fresh.resident("one")
    fill = "head -c 300000000 /dev/zero > /dev/shm/f && rm /dev/shm/f && echo done"
    flags = ("--privileged", "one", "sh", "-c", f"mount -o remount,size=100% /dev/shm; {fill}")
    assert fresh.hako("exec", *flags).stdout == "done\n"
    wait_until(lambda: fresh.resident("one") < idle + 100_000, 60, f"{fresh.resident('one')} KiB, idle {idle}")
    assert digest(path) == before
    for name in ("one", "two"):
        assert fresh.hako("exec", name, "echo", "up").stdout == "up\n"
    assert goes_on(fresh)


@needs_huge_pages
def test_new_memory_comes_in_huge_pages_and_goes(fresh: Daemon) -> None:
    start(fresh, "box")
    assert GOES_ON in shim_log(fresh, "box")
    fresh.hako("exec", "--privileged", "box", "sh", "-c", "mount -o remount,size=100% /dev/shm; head -c 100000000 /dev/zero > /dev/shm/f")
    assert in_huge_pages(fresh, "box")[1] > 60_000
    fresh.hako("exec", "box", "rm", "/dev/shm/f")
    wait_until(lambda: in_huge_pages(fresh, "box")[1] < 40_000, 60, f"{in_huge_pages(fresh, 'box')}")


def written(daemon: Daemon, name: str) -> int:
    """KiB that its QEMU wrote, or its guest."""
    return int(re.findall(r"^Anonymous: +(\d+)", (daemon.qemu(name) / "smaps_rollup").read_text(), re.MULTILINE)[0])


def test_freed_memory_costs_nothing_soon(fresh: Daemon) -> None:
    """Neither for what the guest's kernel notes of it (16 MiB for each GiB), nor for what was translated for it."""
    shape = ["-m", "1g"]
    wait_until(lambda: goes_on(fresh, *shape), 120, fresh.log())
    fresh.hako("run", "-d", "--name", "box", *shape, "--shm-size", "800m", HELLO, "sleep", "600")
    idle = written(fresh, "box")
    fresh.hako("exec", "box", "sh", "-c", "head -c 700000000 /dev/zero > /dev/shm/f")
    assert written(fresh, "box") > idle + 650_000
    fresh.hako("exec", "box", "rm", "/dev/shm/f")
    # Sooner than a minute, after which the shim would tell QEMU.
    wait_until(lambda: written(fresh, "box") < idle + 11_000, 45, f"{written(fresh, 'box')} KiB, idle {idle}")


# Two of four files stay while the memory of the others is given back, in whole blocks and then in smaller ones, and used again.
CHURN = """
mount -o remount,size=100% /dev/shm && cd /dev/shm && seq 1000000 4000000 > numbers || exit
for round in 1 2 3; do
    for file in a b c d; do cp numbers $file & done
    wait
    rm b d
    sleep 6
    echo 1 > /proc/sys/vm/compact_memory
    cat /proc/kpageflags /proc/kpagecount > /dev/null
    cp numbers e
    for file in a c e; do cmp numbers $file && rm $file; done
done
ls
"""


def test_memory_that_comes_and_goes_keeps_what_is_in_it(fresh: Daemon) -> None:
    fresh.hako("run", "-d", "--name", "box", "--privileged", HELLO, "sleep", "600")
    before = written(fresh, "box")
    assert fresh.hako("exec", "--privileged", "box", "sh", "-c", CHURN).stdout == "numbers\n"
    assert not kernel_errors(fresh, "box")
    wait_until(lambda: written(fresh, "box") < before + 60_000, 60, f"{written(fresh, 'box')} KiB, before {before}")


def test_vms_share_what_they_only_read(fresh: Daemon) -> None:
    start(fresh, "one")
    maps = [line.split() for line in (fresh.qemu("one") / "maps").read_text().splitlines()]
    kept = [fields for fields in maps if fields[-1].endswith(".checkpoint")]
    assert kept and all(fields[1][3] == "p" for fields in kept), kept


def test_other_sizes_have_their_own(fresh: Daemon) -> None:
    assert not goes_on(fresh, "-m", "96m")
    wait_until(lambda: goes_on(fresh, "-m", "96m"), 120, fresh.log())
    start(fresh, "one")
    assert GOES_ON in shim_log(fresh, "one")
    key = next(one["Key"] for one in templates(fresh) if one["Shape"]["memory_bytes"] < 256 << 20)
    fresh.hako("template", "rm", key)
    assert not [entry for entry in (fresh.root / "templates").iterdir() if entry.name.startswith(key)]


@pytest.mark.parametrize("damage", ["deleted", "cut off", "garbage", "another template's"])
def test_a_damaged_one_ends_in_a_load_and_a_new_one(fresh: Daemon, damage: str) -> None:
    fresh.hako("template", "build")  # forgives earlier damage: the next one is made at once
    path = wait_for_checkpoint(fresh)
    if damage == "deleted":
        path.unlink()
    elif damage == "cut off":
        os.truncate(path, path.stat().st_size // 2)
    elif damage == "garbage":
        with path.open("r+b") as file:
            file.write(b"x" * 4096)
    else:
        other = shutil.copyfile(path, path.with_suffix(".other"))
        os.replace(other, path)
        with path.open("r+b") as file:
            file.seek(file.read(4096).index(path.stem.encode()))
            file.write(b"0" * 16)
    start(fresh, "fallen")
    assert LOADED in shim_log(fresh, "fallen")
    assert fresh.hako("exec", "fallen", "echo", "up").stdout == "up\n"
    wait_until(lambda: goes_on(fresh), 120, fresh.log())


def test_one_that_does_not_go_on_ends_in_a_load(own: Daemon) -> None:
    """It passed the daemon's checks, and was changed with its time put back: no page is what it was."""
    own.configuration = {}
    own.start()
    path = wait_for_checkpoint(own)
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(TABLES)
        file.write(b"\xff" * (path.stat().st_size - TABLES))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    start(own, "fallen")
    assert own.hako("exec", "fallen", "echo", "up").stdout == "up\n"
    log = shim_log(own, "fallen")
    assert "is of no use, loading the template instead" in log and LOADED in log
    wait_until(lambda: goes_on(own), 120, own.log())
    own.hako("rm", "-f", "fallen")


def test_the_next_daemon_checks_it(own: Daemon) -> None:
    own.configuration = {}
    own.start()
    path = wait_for_checkpoint(own)
    made = path.stat().st_mtime_ns
    own.stop()
    own.start()
    wait_for_checkpoint(own)
    assert path.stat().st_mtime_ns == made
    own.stop()
    with path.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"changed")
    own.start()
    wait_for_checkpoint(own)
    assert path.stat().st_mtime_ns != made


def test_many_at_once_while_it_is_made_anew(fresh: Daemon) -> None:
    check_starts_while_it_is_made_anew(fresh, 30 if SOAK else 6)


def test_switched_off_all_are_loaded(own: Daemon) -> None:
    own.configuration = {"checkpoints": False}
    own.start()
    path = wait_for_template(own)
    start(own, "one")
    assert LOADED in shim_log(own, "one")
    assert not path.with_suffix(".checkpoint").exists()
    own.hako("rm", "-f", "one")


def test_idle_ones_give_up_translated_code(own: Daemon) -> None:
    """Its translations are a mapping of the file."""
    own.configuration = {}
    own.environment["HAKO_IDLE_SECONDS"] = "2"
    own.start()
    wait_for_checkpoint(own)
    start(own, "one")
    assert GOES_ON in shim_log(own, "one")

    def code() -> list[str]:
        maps = (own.qemu("one") / "maps").read_text().splitlines()
        return [line for line in maps if " rwxp " in line and line.endswith(".checkpoint")]

    assert code()
    wait_until(lambda: len(code()) <= 1, 60, f"{code()}")  # how it is entered stays
    assert own.hako("exec", "one", "echo", "up").stdout == "up\n"
    own.hako("rm", "-f", "one")


@needs_namespaces
def test_it_has_a_card_and_gets_more(programs: object) -> None:
    with namespaces(name := f"hkc{os.getpid()}"), daemon_in(name, configuration={}) as daemon:
        wait_for_checkpoint(daemon)
        daemon.hako("network", "create", "app")
        daemon.hako("run", "-d", "--name", "one", HELLO, "sleep", "600")
        daemon.hako("run", "-d", "--name", "two", "--network", "app", HELLO, "sleep", "600")
        daemon.hako("run", "-d", "--name", "three", "--network", "none", HELLO, "sleep", "600")
        assert all(GOES_ON in shim_log(daemon, name) for name in ("one", "two", "three"))
        comes_and_goes(daemon, "one", "app", "two")
        link = daemon.hako("exec", "one", "ip", "-o", "link", "show", "eth0").stdout
        assert daemon.inspect("one")["NetworkSettings"]["Networks"]["bridge"]["MacAddress"] in link
        assert daemon.hako("exec", "three", "ls", "/sys/class/net").stdout.split() == ["lo"]
        daemon.hako("rm", "-f", "one", "two", "three")
        assert "hkt" not in subprocess.run(["ip", "-n", name, "-o", "link"], capture_output=True, text=True).stdout


def test_a_trace_tells_where_the_time_goes(fresh: Daemon) -> None:
    file = fresh.folder / "trace.json"
    done = fresh.hako("run", "--rm", "--trace", "--trace-file", str(file), HELLO, "echo", "up")
    assert done.stdout == "up\n"
    assert "start a VM" in done.stderr and "load the guest" in done.stderr
    assert json.loads(file.read_text())["resourceSpans"]
