"""VMs that are loaded from a template instead of booted."""

from __future__ import annotations

import errno
import json
import mmap
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hako import HELLO, SHARE, SOAK, Daemon, wait_until
from namespaces import daemon_in, inside, namespaces, needs_namespaces
from network_test import comes_and_goes

LOADED = "from a template: agent answered"
LOADS = {"checkpoints": False}  # which checkpoint_test.py is about


def templates(daemon: Daemon) -> list[dict]:
    status, body = daemon.api("GET", "/hako/v1/templates")
    assert status == 200, body
    assert isinstance(body, list)
    return body


def wait_for_template(daemon: Daemon) -> Path:
    """The file of the default shape, which the daemon makes by itself."""
    wait_until(lambda: [one for one in templates(daemon) if one["Ready"]], 180, f"a template; {daemon.log()}")
    return daemon.root / "templates" / f"{templates(daemon)[0]['Key']}.template"


def shim_log(daemon: Daemon, name: str) -> str:
    return (daemon.vm(name) / "shim.log").read_text()


@pytest.fixture(scope="module")
def loading(programs: Path) -> Iterator[Daemon]:
    daemon = Daemon()
    daemon.configuration = LOADS
    daemon.start()
    wait_for_template(daemon)
    yield daemon
    daemon.destroy()


@pytest.fixture
def fresh(loading: Daemon) -> Iterator[Daemon]:
    """With a template that is ready; after the test nothing is left."""
    wait_until(lambda: any(one["Ready"] for one in templates(loading)), 180, loading.log())
    yield loading
    ids = loading.hako("ps", "-aq").stdout.split()
    if ids:
        loading.hako("rm", "-f", *ids)
    wait_until(lambda: not loading.leftovers(), 20, f"clean: {loading.leftovers()}")


def start(daemon: Daemon, name: str, *command: str) -> None:
    daemon.hako("run", "-d", "--name", name, HELLO, *(command or ("sleep", "600")))


def test_is_loaded_and_works(fresh: Daemon) -> None:
    start(fresh, "one")
    assert LOADED in shim_log(fresh, "one")
    assert fresh.hako("exec", "one", "hostname").stdout.strip() == fresh.inspect("one")["Id"][:12]
    assert fresh.hako("exec", "-i", "one", "sh", "-c", "cat > /f; cat /f", input="kept").stdout == "kept"


def check_clock(daemon: Daemon, name: str) -> None:
    """It is right, it runs, and a timer fires."""
    guest = int(daemon.hako("exec", name, "date", "+%s").stdout)
    assert abs(guest - time.time()) < 30
    up = [float(daemon.hako("exec", name, "cat", "/proc/uptime").stdout.split()[0]) for _ in range(2)]
    assert 0 < up[0] < up[1] < 600
    daemon.hako("exec", name, "sleep", "0.1")


def test_clock_runs_and_is_right(fresh: Daemon) -> None:
    start(fresh, "one")
    check_clock(fresh, "one")


def kernel_errors(daemon: Daemon, name: str) -> list[str]:
    log = daemon.hako("exec", "--privileged", name, "dmesg", "-r").stdout
    # Of levels 0 to 3: emergency to error. A kernel that can do PCI takes a machine without it for an error, at boot.
    errors = [line for line in log.splitlines() if re.match(r"<[0-3]>", line)]
    return [line for line in errors if "PCI: Fatal: No config space access function found" not in line]


def test_kernel_log_is_clean(fresh: Daemon) -> None:
    start(fresh, "one")
    assert not kernel_errors(fresh, "one")


IDENTITY = ("cat /proc/sys/kernel/random/boot_id /proc/sys/kernel/random/uuid; head -c 32 /dev/urandom | od -An -tx1;"
            # auxv's AT_RANDOM (25) points to the stack, whose place is random, too.
            "od -An -tx8 -w16 /proc/self/auxv | grep -E '^ 0*19 '; hostname")


def check_identities(daemon: Daemon, how: str) -> None:
    """Three containers that start like this, by their shims' logs, share nothing of it."""
    seen = []
    for name in ("one", "two", "three"):
        start(daemon, name)
        assert how in shim_log(daemon, name)
        seen.append(daemon.hako("exec", name, "sh", "-c", IDENTITY).stdout.splitlines())
    assert len(seen[0]) >= 5
    for lines in zip(*seen):
        assert len(set(lines)) == 3, lines


def test_no_two_share_an_identity(fresh: Daemon) -> None:
    check_identities(fresh, LOADED)


def falls_back(daemon: Daemon) -> str:
    """Starts a container that runs in spite of its template; answers its shim's log."""
    start(daemon, "fallen")
    assert daemon.hako("exec", "fallen", "echo", "up").stdout == "up\n"
    log = shim_log(daemon, "fallen")
    last = [line for line in log.splitlines() if "agent answered" in line][-1]
    assert LOADED not in last, log
    return log


@pytest.mark.parametrize("damage", ["deleted", "cut off", "garbage"])
def test_damaged_file_ends_in_a_boot_and_a_new_template(fresh: Daemon, damage: str) -> None:
    fresh.hako("template", "build")  # forgives earlier damage: the next one is made at once
    path = wait_for_template(fresh)
    if damage == "deleted":
        path.unlink()
    elif damage == "cut off":
        os.truncate(path, path.stat().st_size // 2)
    else:
        with path.open("r+b") as file:
            file.write(b"x" * 4096)
    falls_back(fresh)
    # The first boot of the shape has one made.
    wait_until(lambda: any(one["Ready"] for one in templates(fresh)), 60, fresh.log())
    start(fresh, "again")
    assert LOADED in shim_log(fresh, "again")


def test_state_that_does_not_load_ends_in_a_boot(own: Daemon) -> None:
    """One that passed the daemon's checks, and was changed with its time put back."""
    own.configuration = LOADS
    own.start()
    path = wait_for_template(own)
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(json.loads(file.read(4096))["memory_bytes"] + 4096)
        file.write(b"\0" * 4096)  # QEMU's magic, its machine's name
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "is of no use, booting instead" in falls_back(own)
    own.hako("rm", "-f", "fallen")


def test_one_that_cannot_start_a_process_is_made_anew(own: Daemon, programs: Path) -> None:
    """Its guest answers, but what starts processes in it is gone."""
    own.configuration = LOADS
    own.start()
    path = wait_for_template(own)
    times = path.stat()
    header = (programs / "vmexec").read_bytes()[:64]
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        at = memory.find(header)
        assert at % 4096 == 0
        memory[at : at + 4] = b"\0" * 4
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with path.open("rb") as old:
        assert "is of no use, booting instead" in falls_back(own)
        wait_until(lambda: any(one["Ready"] for one in templates(own)), 60, own.log())
        assert not os.path.samestat(os.fstat(old.fileno()), path.stat())
    own.hako("rm", "-f", "fallen")


NIC = {"tap": "hkt0", "mac": "02:42:0a:09:00:02"}
NETWORK = {"interfaces": [{"name": "eth0", "mac": NIC["mac"], "mtu": 1500, "addresses": ["10.9.0.2/24"]}], "routes": []}


def test_a_network_card_is_found_after_loading(fresh: Daemon) -> None:
    """The same template: nothing of cards is in it. The host's side is a namespace of the test's own."""
    start(fresh, "one")
    folder = fresh.run_dir / "vm" / fresh.inspect("one")["Id"][:12]
    spec = json.loads((folder / "spec.json").read_text())
    fresh.hako("stop", "-t", "0", "one")
    wait_until(lambda: not folder.exists(), 20, "the VM's end")
    spec |= {"network": NETWORK, "machine": spec["machine"] | {"nics": [NIC]}, "folder": str(fresh.folder / "vm")}
    (fresh.folder / "vm").mkdir()
    (fresh.folder / "vm" / "spec.json").write_text(json.dumps(spec))
    with (fresh.folder / "vm" / "shim.log").open("w") as log:
        shim = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", 'ip tuntap add hkt0 mode tap vnet_hdr && ip link set hkt0 up && '
             'ip address add 10.9.0.1/24 dev hkt0 && exec "$@"', "sh",
             fresh.bin / "hako-shim", "--spec", fresh.folder / "vm" / "spec.json"], stderr=log)
    try:
        # Nothing listens there: the guest's refusal is its answer.
        asks = (f"import socket; s = socket.socket(); s.settimeout(1); "
                f"exit(s.connect_ex(('10.9.0.2', 1)) != {errno.ECONNREFUSED})")
        ask = ["nsenter", "--net", "--target", str(shim.pid), sys.executable, "-c", asks]
        wait_until(lambda: subprocess.run(ask).returncode == 0, 30, "an answer of the guest")
        assert LOADED in (fresh.folder / "vm" / "shim.log").read_text()
    finally:
        shim.terminate()
        assert shim.wait(30) == 0
        shutil.rmtree(fresh.folder / "vm")


@needs_namespaces
def test_a_card_comes_after_loading(programs: object) -> None:
    """The slot of the card to spare was not looked into."""
    with namespaces(name := f"hkl{os.getpid()}"), daemon_in(name, configuration=LOADS) as daemon:
        wait_for_template(daemon)
        daemon.hako("network", "create", "app")
        daemon.hako("run", "-d", "--name", "one", HELLO, "sleep", "600")
        daemon.hako("run", "-d", "--name", "two", "--network", "app", HELLO, "sleep", "600")
        assert LOADED in shim_log(daemon, "one")
        comes_and_goes(daemon, "one", "app", "two")
        daemon.hako("rm", "-f", "one", "two")
        assert "hkt" not in inside(name, "ip -o link")


@needs_namespaces
def test_machines_with_other_devices_are_loaded_too(programs: object) -> None:
    """More than a template knows is found after the load; without a card, or with four, it is another template."""
    def loaded(*words: str) -> bool:
        """And it works. The container is gone when a template for the next one is made."""
        daemon.hako("run", "-d", "--name", "box", *words, HELLO, "sh", "-c", "ip -o -4 addr | grep -c eth > /count; exec sleep 600")
        cards = words.count("--network") - words.count("none") if "--network" in words else 1
        wait_until(lambda: daemon.hako("exec", "box", "cat", "/count", check=False).stdout == f"{cards}\n", 20, f"{words}")
        found = LOADED in shim_log(daemon, "box")
        daemon.hako("rm", "-f", "box")
        return found

    with namespaces(name := f"hkd{os.getpid()}"), daemon_in(name, configuration=LOADS) as daemon:
        wait_for_template(daemon)
        for network in "abcd":
            daemon.hako("network", "create", f"net{network}")
        on = [["--network", f"net{network}"] for network in "abcd"]
        disk = ["--mount", "type=volume,src=disk,dst=/disk,volume-driver=block"]
        for words in ([], on[0] + on[1] + disk, on[0] + on[1] + on[2]):
            assert loaded(*words), words
        for words in (["--network", "none"], on[0] + on[1] + on[2] + on[3]):
            assert not loaded(*words), words
            wait_until(lambda: all(one["Ready"] for one in templates(daemon)), 180, "its template")
            wait_until(lambda: loaded(*words), 180, f"{words} from a template; {daemon.log()}")
        assert sorted(one["Shape"]["cards"] for one in templates(daemon)) == [0, 0, 1]
        daemon.hako("volume", "rm", "disk")


def test_the_next_daemon_checks_it_and_another_qemu_makes_its_own(own: Daemon) -> None:
    own.configuration = LOADS
    own.start()
    first = wait_for_template(own)
    made = first.stat().st_mtime_ns
    own.stop()
    own.start()
    wait_for_template(own)
    assert first.stat().st_mtime_ns == made
    own.stop()
    qemu = own.folder / "qemu"
    real = subprocess.run(["sh", "-c", "command -v qemu-system-x86_64"], capture_output=True, text=True).stdout.strip()
    qemu.write_text(f"#!/bin/sh\nexec {real} \"$@\"\n")
    qemu.chmod(0o755)
    own.folder.chmod(0o755)
    own.environment["HAKO_QEMU"] = str(qemu)
    own.start()
    wait_until(lambda: len([one for one in templates(own) if one["Ready"]]) == 1
               and len(templates(own)) == 2, 180, own.log())
    ready = next(one for one in templates(own) if one["Ready"])
    assert ready["Key"] not in str(first)


def check_starts_while_it_is_made_anew(daemon: Daemon, count: int) -> None:
    with ThreadPoolExecutor(count + 1) as pool:
        rebuilt = pool.submit(daemon.api, "POST", "/hako/v1/templates", None, None, 180)
        runs = [pool.submit(daemon.hako, "run", "--rm", HELLO, "echo", str(i), timeout=300) for i in range(count)]
        assert [run.result().stdout for run in runs] == [f"{i}\n" for i in range(count)]
        assert rebuilt.result()[0] in (201, 409), rebuilt.result()


def test_many_starts_while_it_is_made_anew(fresh: Daemon) -> None:
    check_starts_while_it_is_made_anew(fresh, 30 if SOAK else 4)


def test_switched_off_every_vm_boots(own: Daemon) -> None:
    own.configuration = {"templates": False}
    own.start()
    start(own, "one")
    assert LOADED not in shim_log(own, "one")
    assert not (own.root / "templates").exists()
    own.hako("rm", "-f", "one")


def test_the_command_lists_builds_and_removes(fresh: Daemon) -> None:
    key = fresh.hako("template", "build", "-m", "96m").stdout.strip()
    assert key in fresh.hako("template", "ls", "-q").stdout.split()
    assert json.loads(fresh.hako("template", "info", key).stdout)[0]["Key"] == key
    assert fresh.hako("template", "rm", key).stdout.strip() == key
    assert key not in fresh.hako("template", "ls", "-q").stdout
    gone = fresh.hako("template", "rm", key, check=False)
    assert gone.returncode == 1 and key in gone.stderr


def test_a_file_that_is_deleted_while_it_is_loaded_does_no_harm(fresh: Daemon) -> None:
    path = wait_for_template(fresh)
    run = fresh.popen("run", "-d", "--name", "one", HELLO, "sleep", "600")
    wait_until(lambda: list((fresh.run_dir / "vm").glob("*/shim.json")), 30, "a shim")
    path.unlink()
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert fresh.hako("exec", "one", "echo", "up").stdout == "up\n"
    # Whoever came first, another is made by the start or here; tests to come need one.
    wait_until(lambda: fresh.hako("template", "build", check=False).returncode == 0, 60, fresh.log())


def test_a_full_disk_means_that_vms_boot(own: Daemon) -> None:
    small = own.folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=True)
    try:
        own.configuration = LOADS | {"template-folder": str(small)}
        own.start()
        wait_until(lambda: "boot without a template" in own.log(), 120, own.log())
        start(own, "one")
        assert LOADED not in shim_log(own, "one")
        own.hako("rm", "-f", "one")
        assert not list(small.iterdir())
    finally:
        own.stop()
        subprocess.run(["umount", small], check=True)


def test_a_clock_that_was_set_back_since_it_was_made(own: Daemon) -> None:
    own.configuration = LOADS
    own.start()
    path = wait_for_template(own)
    own.stop()
    tomorrow = time.time() + 86400
    os.utime(path, (tomorrow, tomorrow))
    own.start()
    wait_for_template(own)
    start(own, "one")
    assert LOADED in shim_log(own, "one")
    assert abs(int(own.hako("exec", "one", "date", "+%s").stdout) - time.time()) < 30
    own.hako("rm", "-f", "one")


def test_another_kernel_has_another_template(fresh: Daemon) -> None:
    kernel = fresh.folder / "other"
    kernel.write_bytes((SHARE / "vmlinux").read_bytes() + b"\0")
    fresh.hako("kernel", "import", "other", str(kernel))
    fresh.hako("run", "-d", "--name", "one", "--kernel", "other", HELLO, "sleep", "600")
    assert LOADED not in shim_log(fresh, "one")

    def kernels() -> set[str]:
        return {one["Shape"]["kernel"] for one in templates(fresh) if one["Ready"]}

    wait_until(lambda: len(kernels()) == 2, 60, fresh.log())
    fresh.hako("run", "-d", "--name", "two", "--kernel", "other", HELLO, "sleep", "600")
    assert LOADED in shim_log(fresh, "two")
    fresh.hako("rm", "-f", "one", "two")
    assert fresh.api("DELETE", "/hako/v1/kernels/other")[0] == 204


def test_a_loaded_vm_outlives_that_its_host_stands_still(fresh: Daemon) -> None:
    """As a suspended host does to it: shim and QEMU are stopped, and go on."""
    start(fresh, "one")
    record = fresh.shim_record("one")
    pids = [record["shim"]["pid"], record["qemu"]["pid"]]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)
    for pid in reversed(pids):
        os.kill(pid, signal.SIGCONT)
    assert fresh.hako("exec", "one", "sh", "-c", "sleep 0.1; echo up").stdout == "up\n"
    assert abs(int(fresh.hako("exec", "one", "date", "+%s").stdout) - time.time()) < 30


def digest(path: Path) -> str:
    return subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True).stdout.split()[0]


def memory_flags(daemon: Daemon, name: str) -> list[list[str]]:
    """Of each mapping of the guest's memory, as /proc/PID/smaps has them."""
    text = daemon.qemu(name).joinpath("smaps").read_text()
    mappings = re.findall(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)\n(?:\w+: .*\n)*?VmFlags: (.*)$", text, re.MULTILINE)
    of_file = [number for number, (path, _) in enumerate(mappings) if path.endswith(".template")]
    return [flags.split() for _, flags in mappings[of_file[0]:of_file[-1] + 1]]


def test_memory_given_back_is_gone_and_the_template_unharmed(fresh: Daemon) -> None:
    """Its file is mapped by all; QEMU alone would punch holes into it when a guest frees memory."""
    path = wait_for_template(fresh)
    before = digest(path), path.stat().st_blocks
    for name in ("one", "two"):
        start(fresh, name)
        assert LOADED in shim_log(fresh, name)
    idle = fresh.resident("one")
    # More than what the template leaves free of one piece, so that memory of before the state was saved is in it.
    fill = "head -c 300000000 /dev/zero > /dev/shm/f && rm /dev/shm/f && echo done"
    flags = ("--privileged", "one", "sh", "-c", f"mount -o remount,size=100% /dev/shm; {fill}")
    assert fresh.hako("exec", *flags).stdout == "done\n"
    wait_until(lambda: fresh.resident("one") < idle + 100_000, 60, f"{fresh.resident('one')} KiB, idle {idle}")
    assert (digest(path), path.stat().st_blocks) == before
    # KSM may merge also what came instead, which comes in huge pages.
    assert all("mg" in flags and "hg" in flags for flags in memory_flags(fresh, "one"))
    for name in ("one", "two"):
        assert fresh.hako("exec", name, "echo", "up").stdout == "up\n"
    assert fresh.hako("run", "--rm", HELLO, "echo", "new").stdout == "new\n"


def test_a_vm_with_folders_is_loaded_too(fresh: Daemon, tmp_path: Path) -> None:
    """Its memory is a copy of the template's, which virtiofsd maps as well."""
    path = wait_for_template(fresh)
    before = digest(path)
    (tmp_path / "file").write_text("of the host\n")
    # The daemon tries the template with folders once it is ready without.
    wait_until(lambda: LOADED in start_with(fresh, "box", tmp_path), 60, fresh.log())
    assert fresh.hako("exec", "box", "cat", "/data/file").stdout == "of the host\n"
    assert fresh.hako("exec", "box", "sh", "-c", "echo back > /data/new; hostname").stdout.strip() \
        == fresh.inspect("box")["Id"][:12]
    assert (tmp_path / "new").read_text() == "back\n"
    assert not kernel_errors(fresh, "box")
    idle = fresh.resident("box")
    fresh.hako("exec", "box", "sh", "-c", "head -c 200000000 /dev/zero > /dev/shm/f; rm /dev/shm/f")
    wait_until(lambda: fresh.resident("box") < idle + 50_000, 60, f"{fresh.resident('box')} KiB, idle {idle}")
    assert fresh.hako("exec", "box", "cat", "/data/file").stdout == "of the host\n"
    assert digest(path) == before


def start_with(daemon: Daemon, name: str, folder: Path) -> str:
    """A container with a folder, in place of the one before; answers its shim's log."""
    daemon.hako("rm", "-f", name, check=False)
    daemon.hako("run", "-d", "--name", name, "-v", f"{folder}:/data", HELLO, "sleep", "600")
    return shim_log(daemon, name)


def test_vms_share_the_memory_that_they_only_read(fresh: Daemon) -> None:
    wait_for_template(fresh)
    start(fresh, "one")
    qemu = fresh.qemu("one")
    maps = (qemu / "maps").read_text().splitlines()
    mapped = [line.split() for line in maps if line.endswith(".template")]
    assert mapped and all(fields[1] == "rw-p" for fields in mapped), maps
    descriptors = qemu / "fd"
    opened = [entry for entry in descriptors.iterdir() if os.readlink(entry).endswith(".template")]
    for entry in opened:
        flags = int(re.search(r"flags:\s+(\d+)", Path(f"{descriptors}info/{entry.name}").read_text()).group(1), 8)
        assert flags & os.O_ACCMODE == os.O_RDONLY
    assert opened


def test_a_trace_tells_where_the_time_goes(fresh: Daemon) -> None:
    file = fresh.folder / "trace.json"
    done = fresh.hako("run", "--rm", "--trace", "--trace-file", str(file), HELLO, "echo", "up")
    assert done.stdout == "up\n"
    assert "load the guest" in done.stderr and "wait for the first byte" in done.stderr
    spans = {}
    for resource in json.loads(file.read_text())["resourceSpans"]:
        service = resource["resource"]["attributes"][0]["value"]["stringValue"]
        for span in resource["scopeSpans"][0]["spans"]:
            spans[service, span["name"]] = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    begun, ended = spans["hako", "run"]
    for name, (start, end) in spans.items():
        assert begun <= start <= end <= ended, name
    # In the order in which things happen, in three programs on one clock.
    order = [("hako", "start hako"), ("hako", "create"), ("hakod", "create"), ("hakod", "start"),
             ("hako-shim", "serve"), ("hako-shim", "start QEMU"), ("hako-shim", "load the guest"),
             ("hakod", "run"), ("hakod", "record its exit"), ("hakod", "remove")]
    assert [spans[name][0] for name in order] == sorted(spans[name][0] for name in order)
