"""hakod as an ordinary user: in a namespace of its own with pasta as the way out, which outlives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import BIN, HELLO, Daemon, wait_until
from warm_pool_test import address_of, fill

USER = 54321  # no account: nobody else's processes
# With taps for everybody, as udev has it; hosts without udev leave them to root.
AS_USER = ["unshare", "--mount", "sh", "-ec", "mount -t tmpfs tun /dev/net && mknod -m 666 /dev/net/tun c 10 200 && "
           f'exec setpriv --reuid={USER} --regid={USER} --clear-groups "$@"', "sh"]


class RootlessDaemon(Daemon):
    def start(self) -> RootlessDaemon:
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, USER, USER, follow_symlinks=False)
        (self.folder / "daemon.json").write_text("{}")
        with (self.folder / "hakod.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*AS_USER, self.bin / "hakod", "--rootless", "--root", self.root, "--run", self.run_dir, *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd="/")
        wait_until(self.answers, 30, f"hakod answers; its log:\n{self.log()}")
        return self

    def machines(self) -> dict[int, str]:
        return {pid: line for pid, line in super().machines().items()
                if not line.startswith("pasta ") and "-machine none" not in line}

    def members(self) -> dict[str, int]:
        record = json.loads((self.run_dir / "rootless.json").read_text())
        return {name: record[name]["pid"] for name in ("namespace", "pasta")}

    def namespace(self) -> str:
        return os.readlink(f"/proc/{self.process.pid}/ns/net")


def of_user() -> set[int]:
    """Processes of the user, zombies excepted."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if not entry.name.isdigit() or entry.stat().st_uid != USER:
                continue
            # Not by the command line, which one that is still ending has no more.
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.add(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture
def rootless(programs: Path) -> Iterator[RootlessDaemon]:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become an ordinary user")
    if not shutil.which("pasta"):
        pytest.skip("needs pasta (package passt)")
    if subprocess.run(["unshare", "-Urn", "true"], user=USER, group=USER, extra_groups=[], check=False,
                      capture_output=True).returncode:
        pytest.skip("needs user namespaces for ordinary users")
    if subprocess.run([BIN / "hakod", "--version"], user=USER, group=USER, extra_groups=[], check=False, cwd="/",
                      capture_output=True).returncode:
        pytest.skip(f"needs {BIN} to be readable by everybody")
    daemon = RootlessDaemon()
    yield daemon
    daemon.destroy()
    assert not of_user()


def test_a_container_runs_and_info_says_so(rootless: RootlessDaemon) -> None:
    rootless.start()
    assert rootless.hako("run", "--rm", HELLO, "echo", "hi").stdout == "hi\n"
    info = rootless.hako("info").stdout
    assert "Privileges: rootless" in info
    assert "name=rootless" in json.loads(rootless.hako("info", "--format", "json").stdout)["SecurityOptions"]
    assert rootless.namespace() != os.readlink("/proc/self/ns/net")


def test_a_vm_waits_with_a_network_card(rootless: RootlessDaemon) -> None:
    del rootless.environment["HAKO_WARM_POOL"]
    rootless.environment["HAKO_BRIDGE"] = "bridge"
    rootless.start()
    first, second = fill(rootless), fill(rootless)
    assert rootless.hako("exec", first, "ping", "-c", "1", "-W", "5", address_of(rootless, second)).returncode == 0
    rootless.hako("rm", "-f", first, second)
    rootless.stop()
    wait_until(lambda: not of_user(), 20, f"processes are left: {of_user()}")


def test_folders_come_into_a_vm_that_waits_and_into_a_pod(rootless: RootlessDaemon) -> None:
    """What root writes in there is the user's."""
    del rootless.environment["HAKO_WARM_POOL"]
    rootless.start()
    shared = rootless.folder / "shared"
    shared.mkdir()
    os.chown(shared, USER, USER)
    name = fill(rootless, "-v", f"{shared}:/data")
    rootless.hako("exec", name, "touch", "/data/one")
    rootless.hako("pod", "create", "web")
    rootless.hako("pod", "add", "-v", f"{shared}:/data", "web", HELLO, "sh", "-c", "mv /data/one /data/two; sleep 600")
    wait_until(lambda: (shared / "two").exists(), 20)
    assert (shared / "two").stat().st_uid == USER
    rootless.hako("pod", "rm", "-f", "web")
    rootless.hako("rm", "-f", name)
    rootless.stop()
    wait_until(lambda: not of_user(), 20, f"processes are left: {of_user()}")


def test_the_namespace_outlives_the_daemon_and_ends_with_the_last_container(rootless: RootlessDaemon) -> None:
    rootless.start()
    name = rootless.hako("run", "-d", HELLO, "sleep", "1000").stdout.strip()
    before, namespace = rootless.members(), rootless.namespace()
    rootless.kill()
    rootless.start()
    assert (rootless.members(), rootless.namespace()) == (before, namespace)
    assert rootless.hako("exec", name, "echo", "still").stdout == "still\n"
    rootless.stop()
    assert set(before.values()) <= of_user()
    rootless.start()
    rootless.hako("rm", "-f", name)
    rootless.stop()
    wait_until(lambda: not of_user(), 20, f"processes are left: {of_user()}")
    assert not (rootless.run_dir / "rootless.json").exists()


def test_a_namespace_whose_pasta_died_is_made_anew(rootless: RootlessDaemon) -> None:
    rootless.start()
    before = rootless.members()
    rootless.kill()
    os.kill(before["pasta"], signal.SIGKILL)
    wait_until(lambda: before["pasta"] not in of_user(), what="pasta ended")
    rootless.start()
    assert not set(before.values()) & set(rootless.members().values())
    assert before["namespace"] not in of_user()


def test_the_way_out_leads_to_the_host(rootless: RootlessDaemon) -> None:
    """By the gateway, which pasta makes the host's loopback."""
    rootless.start()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"out"), daemon=True).start()
        inside = ["nsenter", "-U", "-n", "--preserve-credentials", "-t", str(rootless.members()["namespace"])]
        route = subprocess.run([*inside, "ip", "route"], capture_output=True, text=True, check=True).stdout
        if "default via" not in route:
            pytest.skip("needs a host with a default route")
        gateway = route.split("default via")[1].split()[0]
        program = f"import socket; print(socket.create_connection(({gateway!r}, {server.getsockname()[1]}), 9).recv(9))"
        assert subprocess.run([*inside, "/usr/bin/python3", "-c", program], capture_output=True, text=True,
                              check=True).stdout == "b'out'\n"


def test_ports_that_are_opened_inside_are_opened_on_the_host(rootless: RootlessDaemon) -> None:
    rootless.start()
    program = ("import socket; s = socket.create_server(('0.0.0.0', 47113)); print('up', flush=True)\n"
               "while True: s.accept()[0].sendall(b'in')")
    inside = ["nsenter", "-U", "-n", "--preserve-credentials", "-t", str(rootless.members()["namespace"])]
    with subprocess.Popen([*inside, "/usr/bin/python3", "-c", program], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout.readline() == "up\n"

            def answer() -> bytes:
                try:
                    with socket.create_connection(("127.0.0.1", 47113), 5) as client:
                        return client.recv(9)
                except OSError:
                    return b""

            assert wait_until(answer, 20, "pasta opens the port") == b"in"
        finally:
            server.kill()


def test_root_is_told_that_it_needs_none(programs: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    done = subprocess.run([BIN / "hakod", "--rootless", "--root", tmp_path, "--run", tmp_path], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1
    assert "as root run hakod without it" in done.stderr


def test_without_pasta_qemu_is_the_way_out(rootless: RootlessDaemon, tmp_path: Path) -> None:
    """And says so; what containers send leaves by the host."""
    programs = rootless.folder / "programs"
    programs.mkdir()
    for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin"):
        for program in os.listdir(folder):
            if not program.startswith("past") and not (programs / program).exists():
                (programs / program).symlink_to(f"{folder}/{program}")
    rootless.environment |= {"PATH": str(programs), "HAKO_BRIDGE": "bridge"}
    rootless.environment["HAKO_QEMU"] = shutil.which("qemu-system-x86_64")  # finds its modules beside itself
    rootless.start()
    record = json.loads((rootless.run_dir / "rootless.json").read_text())
    assert "pasta" not in record and record["qemu"]["pid"] in of_user()
    info = rootless.hako("info")
    assert "Way Out: QEMU's user network" in info.stdout
    assert "install the package passt" in info.stdout + info.stderr
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=lambda: server.accept()[0].sendall(b"out"), daemon=True).start()
        # The host as QEMU's user network calls it, through the container's bridge.
        done = rootless.hako("run", "--rm", HELLO, "sh", "-c", f"nc 10.0.2.2 {server.getsockname()[1]} < /dev/null")
        assert done.stdout == "out"
    rootless.kill()
    rootless.start()
    assert json.loads((rootless.run_dir / "rootless.json").read_text()) == record
    rootless.stop()
    wait_until(lambda: not of_user(), 20, f"processes are left: {of_user()}")


def test_without_both_the_package_is_named(rootless: RootlessDaemon) -> None:
    os.chown(rootless.folder, USER, USER)
    done = subprocess.run([BIN / "hakod", "--rootless", "--root", rootless.root, "--run", rootless.run_dir],
                          env={"PATH": "/nonexistent"}, user=USER, group=USER, extra_groups=[], cwd="/",
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "package passt" in done.stderr
    wait_until(lambda: not of_user(), 20, f"processes are left: {of_user()}")
