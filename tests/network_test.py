"""Networks with real VMs, in a network namespace that stands for the host and another one that stands for the internet."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import BIN, HELLO, Daemon, wait_until
from namespaces import daemon_in, fetch, inside, namespaces, needs_namespaces, sh

HOST, OUTSIDE = f"hkh{os.getpid()}", f"hko{os.getpid()}"
HOST_IP, OUTSIDE_IP = "198.51.100.2", "198.51.100.1"

pytestmark = needs_namespaces


def in_host(command: str, check: bool = True) -> str:
    return inside(HOST, command, check)


# The busybox of hako/hello listens to no UDP.
ECHO = """
#include <arpa/inet.h>
int main(void) {
    char data[2048];
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(53)};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(s, (struct sockaddr*)&from, sizeof from)) return 1;
    for (;;) {
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(s, data, sizeof data, 0, (struct sockaddr*)&from, &size);
        sendto(s, data, got, 0, (struct sockaddr*)&from, size);
    }
}
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon in a namespace with a way out, and four containers on three networks."""
    echo = tmp_path_factory.mktemp("echo") / "echo"
    subprocess.run(["cc", "-static", "-x", "c", "-", "-o", echo], input=ECHO, text=True, check=True)
    with namespaces(HOST, OUTSIDE):
        sh(f"ip -n {HOST} link add out type veth peer name in netns {OUTSIDE}")
        for name, link, address in ((HOST, "out", HOST_IP), (OUTSIDE, "in", OUTSIDE_IP)):
            sh(f"ip -n {name} addr add {address}/24 dev {link} && ip -n {name} link set {link} up")
        sh(f"ip -n {HOST} route add default via {OUTSIDE_IP}")
        with daemon_in(HOST) as daemon:
            daemon.hako("network", "create", "app")
            daemon.hako("network", "create", "--internal", "--subnet", "10.99.0.0/24", "-o", "com.docker.network.bridge.name=br-inner", "inner")
            serve = "echo served > /tmp/index.html; httpd -p 80 -h /tmp; exec /echo"
            daemon.hako("create", "--name", "web", "--network", "name=app,alias=www", "-p", "8080:80", "-p", "5353:53/udp",
                        HELLO, "sh", "-c", serve)
            daemon.hako("cp", str(echo), "web:/echo")
            daemon.hako("start", "web")
            daemon.hako("run", "-d", "--name", "client", "--network", "app", "--cap-add", "NET_ADMIN", "--add-host",
                        "gate:host-gateway", HELLO, "sleep", "3600")
            daemon.hako("run", "-d", "--name", "other", HELLO, "sleep", "3600")
            daemon.hako("run", "-d", "--name", "shut", "--network", "inner", "--ip", "10.99.0.50", HELLO, "sleep", "3600")
            yield daemon


def address(daemon: Daemon, name: str) -> str:
    networks = daemon.inspect(name)["NetworkSettings"]["Networks"]
    return next(iter(networks.values()))["IPAddress"]


def wget(daemon: Daemon, name: str, url: str) -> subprocess.CompletedProcess:
    # Not by wget -T, which crashes in Debian's busybox.
    return daemon.hako("exec", name, "timeout", "10", "wget", "-qO-", url, check=False)


def test_containers_of_a_network_find_each_other_by_name(host: Daemon) -> None:
    for name in ("web", "www", host.inspect("web")["Id"][:12]):
        assert wget(host, "client", f"http://{name}/").stdout == "served\n", name
    assert wget(host, "client", f"http://{address(host, 'web')}/").stdout == "served\n"


def test_between_networks_there_is_no_way(host: Daemon) -> None:
    for name in ("other", "shut"):
        assert wget(host, name, f"http://{address(host, 'web')}/").returncode != 0
        assert wget(host, name, "http://web/").returncode != 0


def test_a_bridge_has_the_name_that_it_was_given(host: Daemon) -> None:
    assert "10.99.0.1/24" in in_host("ip -o -4 addr show br-inner")
    taken = host.hako("network", "create", "-o", "com.docker.network.bridge.name=br-inner", "more", check=False)
    assert taken.returncode == 1 and "network inner has the bridge br-inner already" in taken.stderr


def test_interfaces_hosts_and_resolvers_in_the_guest(host: Daemon) -> None:
    shut = host.hako("exec", "shut", "sh", "-c", "ip -o -4 addr show eth0; ip route; cat /etc/hosts").stdout
    assert "10.99.0.50/24" in shut and "default" not in shut
    gateway = host.inspect("client")["NetworkSettings"]["Networks"]["app"]["Gateway"]
    client = host.hako("exec", "client", "cat", "/etc/hosts", "/etc/resolv.conf").stdout
    assert f"{gateway}\tgate\n" in client and f"nameserver {gateway}\n" in client


def test_addresses_know_their_broadcast(host: Daemon) -> None:
    network = ipaddress.ip_network(host.inspect("client")["NetworkSettings"]["Networks"]["app"]["IPAddress"] + "/16", strict=False)
    assert f" brd {network.broadcast_address} " in host.hako("exec", "client", "ip", "-4", "-o", "addr", "show", "eth0").stdout


def test_names_of_networks_and_hosts(host: Daemon) -> None:
    host.hako("run", "-d", "--name", "named", "--hostname", "inside", "--network", "app", HELLO, "sleep", "600")
    for name in ("web.app", "inside", "named.app"):
        assert host.hako("exec", "client", "nslookup", name, check=False).returncode == 0, name
    host.hako("rm", "-f", "named")


def test_a_link_follows_its_container(host: Daemon) -> None:
    for network in ("app", "bridge"):
        host.hako("run", "-d", "--name", "store", "--network", network, HELLO, "sleep", "600")
        host.hako("run", "-d", "--name", "shop", "--network", network, "--link", "store:Depot", HELLO, "sleep", "600")
        for _ in range(2):
            for name in ("depot", "store"):
                assert host.hako("exec", "shop", "ping", "-c1", "-W5", name).stdout.count("1 packets received") == 1
            assert host.hako("exec", "client", "nslookup", "depot", check=False).returncode != 0, "it is shop's"
            host.hako("restart", "-t0", "store")
        host.hako("rm", "-f", "store", "shop")


def test_a_link_on_the_default_network_sets_variables(host: Daemon) -> None:
    host.hako("run", "-d", "--name", "store", "--expose", "5432", "-e", "KIND=shelf", HELLO, "sleep", "600")
    host.hako("run", "-d", "--name", "shop", "--link", "store:the-depot", "-e", "THE_DEPOT_ENV_KIND=own", HELLO, "sh", "-c", "env > /env; sleep 600")
    address = host.inspect("store")["NetworkSettings"]["IPAddress"]
    for variables in (host.hako("exec", "shop", "env").stdout, host.hako("exec", "shop", "cat", "/env").stdout):
        told = dict(line.split("=", 1) for line in variables.splitlines() if line.startswith("THE_DEPOT_"))
        assert told["THE_DEPOT_PORT"] == f"tcp://{address}:5432" and told["THE_DEPOT_PORT_5432_TCP_ADDR"] == address, told
        assert told["THE_DEPOT_NAME"] == "/shop/the-depot" and told["THE_DEPOT_ENV_KIND"] == "own", told
    host.hako("rm", "-f", "store", "shop")


def test_what_shares_a_network_has_its_names(host: Daemon) -> None:
    joined = host.hako("run", "--rm", "--network", "container:client", HELLO, "sh", "-c",
                       "cat /etc/hosts /etc/resolv.conf; timeout 10 wget -qO- http://web/").stdout
    own = host.hako("exec", "client", "cat", "/etc/hosts", "/etc/resolv.conf").stdout
    assert joined == own + "served\n"


@pytest.mark.parametrize(("namespace", "url"), [(OUTSIDE, f"http://{HOST_IP}:8080/"), (HOST, "http://127.0.0.1:8080/"),
                                                (HOST, "http://[::1]:8080/")])
def test_published_ports(host: Daemon, namespace: str, url: str) -> None:
    assert fetch(namespace, url) == "served\n"


def test_a_published_udp_port(host: Daemon) -> None:
    program = (f"import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(10);"
               f"s.sendto(b'ping', ('{HOST_IP}', 5353)); print(s.recv(99).decode())")
    assert sh(f'nsenter --net=/run/netns/{OUTSIDE} python3 -c "{program}"') == "ping\n"


def test_host_mode_publishes_what_listens(host: Daemon) -> None:
    """From the host's loopback and from others, for as long as it listens, and again after hakod was killed."""
    serve = "echo as the host > /tmp/index.html; httpd -p 8090 -h /tmp; httpd -p 127.0.0.1:8091 -h /tmp; exec sleep 3600"
    host.hako("run", "-d", "--name", "native", "--network", "host", HELLO, "sh", "-c", serve)
    served = "as the host\n"
    wait_until(lambda: fetch(HOST, "http://127.0.0.1:8090/") == served, 30)
    assert fetch(OUTSIDE, f"http://{HOST_IP}:8090/") == served
    assert list(host.inspect("native")["NetworkSettings"]["Networks"]) == ["host"]
    assert host.hako("port", "native").stdout.startswith("8090/tcp -> 0.0.0.0:8090\n"), "8091 is for the container alone"
    assert fetch(HOST, "http://127.0.0.1:8091/") == ""
    host.kill()
    host.start()
    wait_until(lambda: fetch(HOST, "http://127.0.0.1:8090/") == served, 30)
    host.hako("exec", "native", "killall", "httpd")
    wait_until(lambda: host.hako("port", "native").stdout == "", 30)
    assert host.hako("rm", "-f", "native").returncode == 0


def test_what_is_published_is_told(host: Daemon) -> None:
    assert "80/tcp -> 0.0.0.0:8080" in host.hako("port", "web").stdout
    assert "0.0.0.0:8080->80/tcp" in host.hako("ps").stdout
    done = host.hako("run", "--rm", "-p", "8080:80", HELLO, "true", check=False)
    assert done.returncode == 125 and "8080" in done.stderr


def test_the_outside_is_reached_by_the_hosts_address(host: Daemon) -> None:
    program = ("import socket; s=socket.create_server(('', 7000)); s.settimeout(30); c, a = s.accept();"
               "c.sendall(a[0].encode()); c.close()")
    server = subprocess.Popen(["nsenter", f"--net=/run/netns/{OUTSIDE}", "python3", "-c", program])
    try:
        wait_until(lambda: ":7000" in sh(f"nsenter --net=/run/netns/{OUTSIDE} ss -ltn"), 10)
        seen = host.hako("exec", "other", "sh", "-c", f"nc -w 5 {OUTSIDE_IP} 7000 </dev/null").stdout
        assert seen == HOST_IP
        assert host.hako("exec", "shut", "ping", "-c", "1", "-W", "2", OUTSIDE_IP, check=False).returncode != 0
    finally:
        server.kill()
        server.wait()


def links(daemon: Daemon, name: str) -> set[str]:
    return set(daemon.hako("exec", name, "ls", "/sys/class/net").stdout.split()) - {"lo"}


def pings(daemon: Daemon, name: str, target: str) -> bool:
    return daemon.hako("exec", name, "ping", "-c", "1", "-W", "5", target, check=False).returncode == 0


def comes_and_goes(daemon: Daemon, name: str, network: str, peer: str) -> None:
    """The container, which runs, joins the network that the peer is on, and leaves it; more than once."""
    assert links(daemon, name) == {"eth0"}
    before = daemon.hako("exec", name, "cat", "/etc/hosts").stdout
    for _ in range(2):
        daemon.hako("network", "connect", "--alias", "guest", network, name)
        own = daemon.inspect(name)["NetworkSettings"]["Networks"][network]
        assert links(daemon, name) == {"eth0", "eth1"}
        assert own["MacAddress"] in daemon.hako("exec", name, "ip", "-o", "link", "show", "eth1").stdout
        assert f"{own['IPAddress']}\t" in daemon.hako("exec", name, "cat", "/etc/hosts").stdout
        assert pings(daemon, name, peer) and pings(daemon, peer, "guest") and pings(daemon, peer, own["IPAddress"])
        daemon.hako("network", "disconnect", network, name)
        assert network not in daemon.inspect(name)["NetworkSettings"]["Networks"]
        assert links(daemon, name) == {"eth0"}
        assert daemon.hako("exec", name, "cat", "/etc/hosts").stdout == before
        assert not pings(daemon, name, peer) and not pings(daemon, peer, own["IPAddress"])


@pytest.mark.parametrize("flags", [(), ("-v", "/usr/share:/data:ro")], ids=["", "folder"])
def test_a_running_container_comes_to_a_network_and_leaves_it(host: Daemon, flags: tuple[str, ...]) -> None:
    """With a folder its card to spare is in the slot whose interrupt is the clock's."""
    host.hako("run", "-d", "--name", "guest1", *flags, HELLO, "sleep", "3600")
    comes_and_goes(host, "guest1", "app", "client")
    host.hako("rm", "-f", "guest1")


def test_a_running_container_changes_its_only_network(host: Daemon) -> None:
    """Its way out, its resolver and what it publishes go with it; also while it is paused, and over a restart."""
    serve = "echo moved > /tmp/index.html; exec httpd -f -p 80 -h /tmp"
    host.hako("run", "-d", "--name", "mover", "-p", "8070:80", HELLO, "sh", "-c", serve)
    wait_until(lambda: fetch(OUTSIDE, f"http://{HOST_IP}:8070/") == "moved\n", 30)
    host.hako("pause", "mover")
    host.hako("network", "connect", "app", "mover")
    host.hako("network", "disconnect", "bridge", "mover")
    host.hako("unpause", "mover")
    gateway = host.inspect("client")["NetworkSettings"]["Networks"]["app"]["Gateway"]
    assert f"default via {gateway} " in host.hako("exec", "mover", "ip", "route").stdout
    assert host.hako("exec", "mover", "cat", "/etc/resolv.conf").stdout.startswith(f"nameserver {gateway}\n")
    assert links(host, "mover") == {"eth1"}
    assert pings(host, "mover", OUTSIDE_IP) and wget(host, "mover", "http://web/").stdout == "served\n"
    for namespace, url in ((OUTSIDE, f"http://{HOST_IP}:8070/"), (HOST, "http://127.0.0.1:8070/")):
        assert fetch(namespace, url) == "moved\n"
    host.hako("network", "disconnect", "app", "mover")
    assert links(host, "mover") == set() and fetch(HOST, "http://127.0.0.1:8070/") == ""
    host.hako("network", "connect", "app", "mover")
    assert wget(host, "client", "http://mover/").stdout == "moved\n" and fetch(HOST, "http://127.0.0.1:8070/") == "moved\n"
    host.hako("restart", "-t", "0", "mover")
    assert links(host, "mover") == {"eth0"}
    wait_until(lambda: wget(host, "client", "http://mover/").stdout == "moved\n", 30)
    host.hako("rm", "-f", "mover")


def test_a_daemon_that_is_killed_while_it_connects(host: Daemon) -> None:
    """Nobody was told that it worked, so it did not: the next one puts host and guest back."""
    host.hako("run", "-d", "--name", "torn", HELLO, "sleep", "3600")
    machine = host.inspect("torn")["State"]["Pid"]
    bridge = f"master hk-{host.inspect('client')['NetworkSettings']['Networks']['app']['NetworkID'][:12]} "
    before = in_host("ip -o link").count(bridge)
    os.kill(machine, signal.SIGSTOP)
    try:
        client = subprocess.Popen([*host.prefix, host.bin / "hako", "network", "connect", "app", "torn"], env=host.environment,
                                  stderr=subprocess.DEVNULL)
        wait_until(lambda: in_host("ip -o link").count(bridge) == before + 1, 30)
        host.kill()
        assert client.wait(30) != 0
    finally:
        os.kill(machine, signal.SIGCONT)
    host.start()
    assert links(host, "torn") == {"eth0"}
    comes_and_goes(host, "torn", "app", "client")
    host.hako("rm", "-f", "torn")


def test_interfaces_are_called_and_set_up_as_they_ask(host: Daemon) -> None:
    """Also by names that the guest's kernel has given to others of them."""
    option = "com.docker.network.endpoint"
    host.hako("create", "--name", "named", "--network", f"name=app,driver-opt={option}.ifname=eth1", HELLO, "sleep", "3600")
    host.hako("network", "connect", "--driver-opt", f"{option}.ifname=eth0", "inner", "named")
    host.hako("start", "named")
    assert links(host, "named") == {"eth0", "eth1"}
    assert "inet 10.99.0." in host.hako("exec", "named", "ip", "-o", "addr", "show", "eth0").stdout
    setting = ("--driver-opt", f"{option}.sysctls=net.ipv4.conf.IFNAME.log_martians=1")
    done = host.hako("network", "connect", "--driver-opt", f"{option}.ifname=eth1", *setting, "bridge", "named", check=False)
    assert done.returncode == 1 and "network app is called eth1, too" in done.stderr
    host.hako("network", "connect", "--driver-opt", f"{option}.ifname=wan", *setting, "bridge", "named")
    assert links(host, "named") == {"eth0", "eth1", "wan"}
    assert host.hako("exec", "named", "cat", "/proc/sys/net/ipv4/conf/wan/log_martians").stdout == "1\n"
    host.hako("network", "disconnect", "bridge", "named")
    unknown = ("--driver-opt", f"{option}.sysctls=net.ipv4.conf.IFNAME.nothing=1")
    done = host.hako("network", "connect", *unknown, "bridge", "named", check=False)
    assert done.returncode == 1 and "net/ipv4/conf/eth2/nothing cannot be set in this kernel" in done.stderr
    assert links(host, "named") == {"eth0", "eth1"}
    host.hako("rm", "-f", "named")


def test_without_an_address_of_ipv6_there_is_none_of_the_kernels_making(host: Daemon) -> None:
    """As under Docker: lo has its own, and who wants the link's asks for it."""
    script = "cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6; ip -6 -o addr | sed 's/.*inet6 //; s/ .*//'"
    assert host.hako("run", "--rm", "--network", "app", HELLO, "sh", "-c", script).stdout == "1\n::1/128\n"
    wanted = "name=app,driver-opt=com.docker.network.endpoint.sysctls=net.ipv6.conf.IFNAME.disable_ipv6=0"
    script = "until ip -6 addr show dev eth0 | grep fe80; do sleep 0.1; done"
    host.hako("run", "--rm", "--network", wanted, HELLO, "timeout", "20", "sh", "-c", script)


def test_what_a_running_container_cannot_have(host: Daemon) -> None:
    host.hako("run", "-d", "--name", "full", "--network", "app", HELLO, "sleep", "3600")
    host.hako("network", "connect", "inner", "full")
    done = host.hako("network", "connect", "inner", "full", check=False)
    assert done.returncode == 1 and "already exists in network inner" in done.stderr
    done = host.hako("network", "connect", "bridge", "full", check=False)
    assert done.returncode == 1 and "stop it, connect it and start it again" in done.stderr
    host.hako("rm", "-f", "full")
    done = host.hako("network", "rm", "app", check=False)
    assert done.returncode == 1 and "has active endpoints" in done.stderr
    done = host.hako("network", "create", "--subnet", "10.99.0.0/16", "overlap", check=False)
    assert done.returncode == 1 and "inner" in done.stderr


def test_rules_that_others_flush_come_back(host: Daemon) -> None:
    in_host("nft flush ruleset")
    wait_until(lambda: fetch(OUTSIDE, f"http://{HOST_IP}:8080/") == "served\n", 30)


def test_a_killed_daemon_takes_nothing_along(host: Daemon) -> None:
    host.kill()
    # The DNS server went with it, the way between containers did not; docker exec needs a daemon.
    links = in_host("ip -o link")
    host.start()
    assert in_host("ip -o link").count("\n") == links.count("\n")
    assert wget(host, "client", "http://web/").stdout == "served\n"
    assert fetch(HOST, "http://127.0.0.1:8080/") == "served\n"
    tables = json.loads(in_host("nft -j list tables"))["nftables"]
    names = [(one["table"]["family"], one["table"]["name"]) for one in tables if "table" in one]
    assert len(names) == len(set(names)) > 0


def test_another_ones_address_is_of_no_use(host: Daemon) -> None:
    web = address(host, "web")
    assert host.hako("exec", "client", "ping", "-c", "1", "-W", "5", web, check=False).returncode == 0
    host.hako("exec", "client", "sh", "-c", "ip addr add 10.99.0.9/32 dev eth0")
    assert host.hako("exec", "client", "ping", "-c", "1", "-W", "2", "-I", "10.99.0.9", web, check=False).returncode != 0
    host.hako("exec", "client", "sh", "-c", "ip link set eth0 down; ip link set eth0 address 02:00:00:00:00:99; ip link set eth0 up")
    assert host.hako("exec", "client", "ping", "-c", "1", "-W", "2", web, check=False).returncode != 0


def test_nothing_is_left(host: Daemon) -> None:
    host.hako("rm", "-f", "web", "client", "other", "shut")
    host.hako("network", "prune", "-f")
    wait_until(lambda: "hkt" not in in_host("ip -o link"), 10)
    assert "br-inner" not in in_host("ip -o link")
    assert host.hako("network", "ls", "--format", "{{.Name}}").stdout.split() == ["bridge", "host", "none"]


def test_a_reset_leaves_the_host_as_it_was(programs: object) -> None:
    with namespaces(name := f"hkr{os.getpid()}"):
        def state() -> list[str]:
            return [inside(name, command) for command in ("ip -o -br link", "ip rule", "ip route", "nft list ruleset")]

        before = state()
        with daemon_in(name) as daemon:
            daemon.hako("network", "create", "--subnet", "10.98.0.0/24", "app")
            daemon.hako("run", "-d", "--network", "app", "-p", "8080:80", "-v", "kept:/kept", HELLO, "sleep", "3600")
            daemon.hako("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "memory")
            daemon.hako("run", "-d", "-v", "memory:/memory", HELLO, "sleep", "3600")
            assert state() != before and str(daemon.root) in Path("/proc/mounts").read_text()
            command = [*daemon.prefix, daemon.bin / "hako", "system", "reset"]
            own = {key: value for key, value in daemon.environment.items() if key != "HAKO_HOST"}
            asked = subprocess.run(command, env=own, input="n\n", capture_output=True, text=True, timeout=60)
            assert asked.returncode == 1 and "WARNING" in asked.stdout and daemon.answers()
            done = subprocess.run([*command, "-f"], env=own, capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
            assert state() == before and str(daemon.root) not in Path("/proc/mounts").read_text()
            assert not daemon.machines() and list(daemon.root.iterdir()) == []
            daemon.start()
            assert daemon.hako("run", "--rm", HELLO, "echo", "again").stdout == "again\n"


def test_only_a_daemons_own_folder_is_reset(programs: object, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = subprocess.run([BIN / "hakod", "--root", tmp_path, "--run", tmp_path / "run", "--reset"], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 1 and "hako.db" in done.stderr
    assert (tmp_path / "file").read_text() == "mine"
