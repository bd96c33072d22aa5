#!/usr/bin/python3
"""Benchmarks of the host's side of networks: bridge, nftables, published ports, DNS.

    bench/network.py --build build [--rounds 5] [--seconds 2]

Containers, the host and a host of the LAN are network namespaces of this script's own, joined by veth pairs: what is
measured is what hako adds, not a virtual machine. Each figure stands beside the same one over a plain bridge without
rules, in turns; best of the rounds. Needs root and iperf3.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

GUEST, SIBLING, GATEWAY = "10.77.0.2", "10.77.0.3", "10.77.0.1"
HOST, LAN = "203.0.113.1", "203.0.113.2"


class Namespace:
    """A network namespace that lives as long as its sleeping process."""

    def __init__(self, stack: ExitStack) -> None:
        self.process = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        stack.callback(self.process.wait)
        stack.callback(self.process.kill)
        while os.readlink(f"/proc/{self.process.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.005)
        self.sh("ip link set lo up")

    @property
    def prefix(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self.process.pid}/ns/net"]

    def sh(self, line: str) -> str:
        done = subprocess.run([*self.prefix, "sh", "-ec", line], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{line}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    @contextmanager
    def running(self, *command: object, **options: object) -> Iterator[subprocess.Popen]:
        process = subprocess.Popen([*self.prefix, *map(str, command)], text=True, **options)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def python(self, function: str, *arguments: object) -> str:
        words = [sys.executable, os.path.abspath(__file__), "--inside", function, *map(str, arguments)]
        return self.sh(shlex.join(words))


# What runs inside of namespaces. --------------------------------------------------------------------------------------


def echo(address: str) -> None:
    with socket.create_server((address, 5202)) as listener:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := connection.recv(64):
                connection.sendall(data)


def ping(address: str, port: str, count: str) -> None:
    times = []
    with socket.create_connection((address, int(port))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(int(count)):
            started = time.perf_counter()
            connection.sendall(b"x")
            connection.recv(64)
            times.append(time.perf_counter() - started)
    print(statistics.median(times) * 1e6)


def question(number: int, name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", number, 0x100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, 1, 1)


def resolve(server: str, suffix: str, count: str) -> None:
    """1,000 names a second, one after the other; prints median and 99th percentile in milliseconds."""
    times = []
    begun = time.perf_counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((server, 53))
        client.settimeout(5)
        for i in range(int(count)):
            time.sleep(max(0.0, begun + i / 1000 - time.perf_counter()))
            started = time.perf_counter()
            client.send(question(i & 0xFFFF, f"name{i % 1000}{suffix}"))
            reply = client.recv(2000)
            times.append(time.perf_counter() - started)
            assert reply[:2] == struct.pack(">H", i & 0xFFFF) and reply[3] & 15 == 0 and reply[7] == 1, reply
    times.sort()
    took = time.perf_counter() - begun
    print(statistics.median(times) * 1e3, times[len(times) * 99 // 100] * 1e3, int(count) / took)


def resolver(address: str) -> None:
    """Plays the host's resolver: every name is 10.0.0.1 for a minute."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        while True:
            data, client = server.recvfrom(2000)
            answer = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([10, 0, 0, 1])
            server.sendto(data[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + data[12:] + answer, client)


# The measurements. ----------------------------------------------------------------------------------------------------


class World:
    """Host, two containers and a LAN; `rules` or `plain`."""

    def __init__(self, stack: ExitStack, build: Path, mode: str) -> None:
        self.host, self.guest, self.sibling, self.lan = (Namespace(stack) for _ in range(4))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        resolv_conf = Path(folder) / "resolv.conf"
        resolv_conf.write_text(f"nameserver {LAN}\n")
        daemon = stack.enter_context(self.host.running(build / "bin" / "bench_network_host", mode, resolv_conf,
                                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        if daemon.stdout.readline() != "ready\n":
            sys.exit("bench_network_host did not start")
        for number, container, address in ((2, self.guest, GUEST), (3, self.sibling, SIBLING)):
            self.join(container, f"hkt{number}")
            container.sh(f"ip link set eth0 address 02:42:0a:4d:00:0{number} up; ip addr add {address}/16 dev eth0;"
                         f"ip route add default via {GATEWAY}")
            self.host.sh(f"ip link set hkt{number} master hk-bench")
        self.join(self.lan, "lan0")
        self.host.sh(f"ip addr add {HOST}/24 dev lan0")
        self.lan.sh(f"ip addr add {LAN}/24 dev eth0; ip link set eth0 up; ip route add 10.77.0.0/16 via {HOST}")
        stack.enter_context(self.guest.running("iperf3", "-s", stdout=subprocess.DEVNULL))
        for where, function, address in ((self.guest, "echo", GUEST), (self.lan, "resolver", LAN)):
            stack.enter_context(where.running(sys.executable, os.path.abspath(__file__), "--inside", function, address))
        time.sleep(1.5)

    def join(self, namespace: Namespace, link: str) -> None:
        self.host.sh(f"ip link add {link} type veth peer name eth0 netns {namespace.process.pid}; ip link set {link} up")


def throughput(source: Namespace, address: str, port: int, seconds: int) -> float:
    report = json.loads(source.sh(f"iperf3 -J -c {address} -p {port} -t {seconds}"))
    return report["end"]["sum_received"]["bits_per_second"] / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    options = parser.parse_args()
    with ExitStack() as stack:
        ours = World(stack, options.build, "rules")
        plain = World(stack, options.build, "plain")
        # What is measured, ours, and what it is compared with.
        rows = {
            "container to container": ((ours.sibling, GUEST, 5201), (plain.sibling, GUEST, 5201)),
            "host to container": ((ours.host, GUEST, 5201), (plain.host, GUEST, 5201)),
            "published port by DNAT, from the LAN": ((ours.lan, HOST, 8080), (plain.lan, GUEST, 5201)),
            "published port by 127.0.0.1": ((ours.host, "127.0.0.1", 8080), (plain.host, GUEST, 5201)),
        }
        print(f"{'TCP throughput, Gbit/s':40} {'hako':>8} {'plain':>8} ratio")
        for name, sides in rows.items():
            best = [0.0, 0.0]
            for _ in range(options.rounds):
                for side, arguments in enumerate(sides):
                    best[side] = max(best[side], throughput(*arguments, options.seconds))
            print(f"{name:40} {best[0]:8.2f} {best[1]:8.2f} {best[0] / best[1]:5.2f}")
        print(f"\n{'TCP round trip, median, microseconds':40} {'hako':>8} {'plain':>8} ratio")
        for name, source in (("container to container", "sibling"), ("host to container", "host")):
            best = [float("inf")] * 2
            for _ in range(options.rounds):
                for side, world in enumerate((ours, plain)):
                    best[side] = min(best[side], float(getattr(world, source).python("ping", GUEST, 5202, 5000)))
            print(f"{name:40} {best[0]:8.1f} {best[1]:8.1f} {best[0] / best[1]:5.2f}")
        print("\nDNS over the bridge, 1,000 names a second")
        for name, suffix in (("containers' names", ""), ("forwarded names, then kept", ".example.org")):
            median, most, rate = map(float, ours.sibling.python("resolve", GATEWAY, suffix, 5000).split())
            print(f"{name:40} median {median:.3f} ms, 99% {most:.3f} ms, {rate:.0f} a second")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        globals()[sys.argv[2]](*sys.argv[3:])
    else:
        main()
