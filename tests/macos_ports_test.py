"""Ports of the host that lead to a macOS machine: its viewer at several addresses, and into the guest, as for any container."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from pathlib import Path

from hako import Daemon, wait_until
from macos_container_test import Machines, free_port, machines, pytestmark  # noqa: F401 (a fixture, and what all of them need)


def page_at(host: str, port: int) -> str:
    connection = http.client.HTTPConnection(host, port, timeout=60)
    connection.request("GET", "/")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def reaches(host: str, port: int) -> bool:
    """Whether something listens there: GRUB has no network that could answer."""
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.settimeout(1)
        try:
            return connection.recv(1) != b""
        except TimeoutError:
            return True


def test_it_is_published_at_many_addresses(own: Daemon, tmp_path: Path) -> None:
    machines, daemon = Machines(own.start(), tmp_path), own
    web, other, ssh = free_port(), free_port(), free_port()
    machines.run("mac", "-p", f"127.0.0.1:{web}:8006", "-p", f"127.0.0.2:{web}:8006", "-p", f"[::1]:{web}:8006", "-p", f"{other}:8006",
                 "-p", f"{ssh}:22", "-p", "[::1]::5900", USER_PORTS="22", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    ports = daemon.inspect("mac")["NetworkSettings"]["Ports"]
    assert sorted((one["HostIp"], one["HostPort"]) for one in ports["8006/tcp"]) == sorted(
        [("127.0.0.1", str(web)), ("127.0.0.2", str(web)), ("::1", str(web)), ("0.0.0.0", str(other)), ("::", str(other))])
    addresses = [f"http://127.0.0.1:{web}/", f"http://127.0.0.2:{web}/", f"http://[::1]:{web}/", f"http://0.0.0.0:{other}/",
                 f"http://[::]:{other}/"]
    said = re.search(r"The viewer is at (.*)", machines.logs("mac"))
    assert said is not None
    assert sorted(said[1].split(" and ")) == sorted(addresses)
    listed = json.loads(daemon.hako("macos", "ls", "--format", "json").stdout)[0]
    assert sorted(listed["viewers"]) == sorted(addresses)
    assert all(address in daemon.hako("macos", "ls").stdout for address in addresses)
    assert sorted(daemon.hako("macos", "console", "mac").stdout.split()) == sorted(addresses)
    shown = daemon.hako("ps", "--format", "{{.Ports}}").stdout
    for words in (f"127.0.0.2:{web}->8006/tcp", f"[::1]:{web}->8006/tcp", f"0.0.0.0:{other}->8006/tcp", f"0.0.0.0:{ssh}->22/tcp"):
        assert words in shown
    assert f"[::1]:{web}" in daemon.hako("port", "mac", "8006").stdout

    (vnc,) = ports["5900/tcp"]
    assert vnc["HostIp"] == "::1"
    # The viewer, QEMU and the relays are not hakod's.
    daemon.kill()
    for host, port in (("127.0.0.1", web), ("127.0.0.2", web), ("::1", web), ("127.0.0.1", other), ("::1", other)):
        assert "<title>" in page_at(host, port), (host, port)
    for host, port in (("127.0.0.1", ssh), ("::1", ssh), ("::1", int(vnc["HostPort"]))):
        assert reaches(host, port), (host, port)
    daemon.start()
    assert daemon.inspect("mac")["NetworkSettings"]["Ports"] == ports, "the next daemon knows of them"

    daemon.hako("kill", "mac")
    daemon.hako("start", "mac")
    wait_until(lambda: machines.logs("mac").count("macOS is running") == 2, 120, "it runs again at the same addresses")
    assert "<title>" in page_at("::1", web)


def test_a_port_in_use_is_told_before_anything_starts(machines: Machines, tmp_path: Path) -> None:  # noqa: F811
    daemon = machines.daemon
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        for flags in (["-p", f"127.0.0.1:{taken}:8006"], ["-p", f"127.0.0.1:{taken}:22"], ["-e", f"USER_PORTS={taken}:22"],
                      ["-p", f"127.0.0.2:{free_port()}:8006", "-p", f"{taken}:8006"]):
            refused = daemon.hako("run", "-d", "--name", "mac", *machines.words("-v", f"{tmp_path}/s:/storage", *flags), check=False)
            assert refused.returncode != 0
            assert re.search(rf"Bind for (127\.0\.0\.1|0\.0\.0\.0):{taken} failed: port is already allocated by .*\(pid {os.getpid()}\)",
                             refused.stderr), refused.stderr
            assert not daemon.machines()
            assert not (tmp_path / "s/14").exists(), "nothing was made"
            daemon.hako("rm", "mac")


def test_what_is_not_said_is_chosen(machines: Machines) -> None:  # noqa: F811
    daemon = machines.daemon
    machines.run("mac", "-P", "-p", "127.0.0.1::22", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    ports = daemon.inspect("mac")["NetworkSettings"]["Ports"]
    assert reaches("127.0.0.1", int(ports["22/tcp"][0]["HostPort"]))
    assert "<title>" in page_at("127.0.0.1", int(ports["8006/tcp"][0]["HostPort"]))
    assert {one["HostIp"] for one in ports["5900/tcp"]} == {"0.0.0.0", "::"}
