#!/usr/bin/python3
"""Benchmarks of networks between guests: containers in VMs beside plain QEMU guests on a plain bridge. Prints a Markdown table.

    bench/network_guests.py --build build [--rounds 3] [--seconds 3]

Everything is in a network namespace of this script's own; a second one stands for a host of the LAN. iperf3 with one stream,
best of the rounds, and busybox' ping, least of their averages; in turns. The plain guests have hako's kernel, machine and memory,
and a tap each. (bench/network.py measures the same without guests.) Needs root, iperf3 and busybox-static.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import plain_guest
from network import HOST, LAN, Namespace
from peers import Hako, enter_own_network

IMAGE = "bench/network:1"
PLAIN_NET, PLAIN_SERVER, PLAIN_CLIENT = "10.78.0", "10.78.0.2", "10.78.0.3"
PINGS = "ping -q -c 100 -i 0.02"

# The plain guest's first process: runs the lines that come on the console.
INIT = f"""#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
for word in $(cat /proc/cmdline); do case $word in bench.*) export ${{word#bench.}};; esac; done
ip link set lo up; ip link set eth0 up; ip addr add $address/24 dev eth0; ip route add default via {PLAIN_NET}.1
stty -echo < /dev/console
iperf3 -s > /dev/null &
echo; echo "done:" > /dev/console
while read -r line; do sh -c "$line" 2>&1; echo; echo done:; done < /dev/console
"""

Run = Callable[[str], str]  # a command line somewhere; its output


def here(line: str) -> str:
    return subprocess.run(shlex.split(line), check=True, capture_output=True, text=True).stdout


class PlainGuest:
    def __init__(self, stack: ExitStack, machine: plain_guest.Machine, initramfs: Path, address: str) -> None:
        tap = f"hkp{address.rsplit('.', 1)[1]}"
        here(f"ip tuntap add {tap} mode tap vnet_hdr")
        here(f"ip link set {tap} master hkp up")
        words = plain_guest.command(machine, initramfs, 512, f"bench.address={address}")
        words += ["-netdev", f"tap,id=net,ifname={tap},script=no,downscript=no", "-device",
                  f"virtio-net-device,netdev=net,mac=02:42:0a:4e:00:0{address[-1]}"]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(self.process.wait)
        stack.callback(self.process.kill)
        self.output()

    def output(self) -> str:
        lines = []
        for line in self.process.stdout:
            if line.strip() == "done:":
                return "".join(lines)
            lines.append(line)
        sys.exit("the plain guest ended: " + "".join(lines))

    def __call__(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.output()


def throughput(run: Run, address: str, seconds: int) -> float:
    """Mbit/s"""
    output = run(f"iperf3 -J -c {address} -t {seconds}")
    return json.loads(output[output.index("{"):output.rindex("}") + 1])["end"]["sum_received"]["bits_per_second"] / 1e6


def round_trip(run: Run, address: str) -> float:
    """Microseconds"""
    return float(re.search(r"= [\d.]+/([\d.]+)/", run(f"{PINGS} {address}")).group(1)) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    enter_own_network()
    build = options.build.resolve()
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hk-bench-", dir="/tmp")))
        root = plain_guest.make_root(work / "files", "sh cat echo mount ip ping stty sleep", "iperf3", "bench", {"init": INIT})
        lan = Namespace(stack)
        here(f"ip link add lan0 type veth peer name eth0 netns {lan.process.pid}")
        here(f"ip addr add {HOST}/24 dev lan0")
        here("ip link set lan0 up")
        lan.sh(f"ip addr add {LAN}/24 dev eth0; ip link set eth0 up; ip route add {PLAIN_NET}.0/24 via {HOST}")

        hako = Hako(build, work / "hako", bridge="bridge")
        stack.callback(hako.close)
        hako("tag", hako("load", "-i", str(plain_guest.make_image(root, work))).split()[-1], IMAGE)
        for name, *words in (("server", "iperf3", "-s"), ("client", "sleep", "100000")):
            flags = ["-p", "5201:5201"] if name == "server" else []
            hako("run", "-d", "--name", name, *flags, IMAGE, *words)
            stack.callback(hako, "rm", "-f", name)
        server = hako("inspect", "-f", "{{.NetworkSettings.IPAddress}}", "server").strip()
        container: Run = lambda line: hako("exec", "client", *shlex.split(line))

        here("ip link add hkp type bridge")
        here(f"ip addr add {PLAIN_NET}.1/24 dev hkp")
        here("ip link set hkp up")
        machine = plain_guest.Machine.like(hako, build, IMAGE)
        initramfs = plain_guest.make_initramfs(root, work / "initramfs.cpio")
        PlainGuest(stack, machine, initramfs, PLAIN_SERVER)
        plain = PlainGuest(stack, machine, initramfs, PLAIN_CLIENT)

        busybox = lambda line: here(f"busybox {line}" if line.startswith("ping") else line)
        sides = {  # ours, and what it is compared with
            "container to container": ((container, server), (plain, PLAIN_SERVER)),
            "host to container": ((busybox, server), (busybox, PLAIN_SERVER)),
            "published port by DNAT, from the LAN": ((lan.sh, HOST), (lan.sh, PLAIN_SERVER)),
            "published port by 127.0.0.1": ((busybox, "127.0.0.1"), (busybox, PLAIN_SERVER)),
        }
        print(f"| {machine.accelerator} | hako | plain QEMU | hako / plain |\n|---|---|---|---|")
        for name, both in sides.items():
            best = [0.0, 0.0]
            for _ in range(options.rounds):
                for side, (run, address) in enumerate(both):
                    best[side] = max(best[side], throughput(run, address, options.seconds))
            print(f"| {name} | {best[0]:.0f} Mbit/s | {best[1]:.0f} Mbit/s | {best[0] / best[1]:.2f} |", flush=True)
        for name in ("container to container", "host to container"):
            least = [float("inf")] * 2
            for _ in range(options.rounds):
                for side, (run, address) in enumerate(sides[name]):
                    least[side] = min(least[side], round_trip(run, address))
            print(f"| round trip, {name} | {least[0]:.0f} µs | {least[1]:.0f} µs | {least[0] / least[1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
