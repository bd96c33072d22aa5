"""Unix sockets between the host and containers: mounted ones and published ones."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import HELLO, Daemon, wait_until

PROBE_SOURCE = Path(__file__).with_name("socket_probe.c")


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static program that is /probe in the containers."""
    program = tmp_path_factory.mktemp("probe") / "probe"
    subprocess.run(["cc", "-static", "-O1", "-Wall", "-o", program, PROBE_SOURCE], check=True)
    return program


class Server:
    """A socket of the host: answers each connection with what came, and keeps it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.got: list[bytes] = []
        self.open = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(128)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open += 1
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        data = b""
        try:
            with connection:
                while piece := connection.recv(65536):
                    data += piece
                    connection.sendall(piece)
        except OSError:
            pass
        self.got.append(data)
        self.open -= 1

    def close(self) -> None:
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.path.unlink(missing_ok=True)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "host.sock")
    yield server
    server.close()


def start(daemon: Daemon, probe: Path, *words: str) -> None:
    daemon.hako("run", "-d", "--name", "box", "-v", f"{probe}:/probe:ro", *words)


def shim_files(daemon: Daemon) -> int:
    [shim] = [pid for pid, line in daemon.machines().items() if "hako-shim --spec" in line]
    return len(os.listdir(f"/proc/{shim}/fd"))


def talk(path: Path, data: bytes) -> bytes:
    """What comes back from a socket on the host, up to its end."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(str(path))

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=send)
        writer.start()
        answer = b""
        while piece := client.recv(65536):
            answer += piece
        writer.join()
        return answer


def test_a_socket_of_the_host(clean: Daemon, probe: Path, server: Server) -> None:
    os.chown(server.path, 12, 34)
    server.path.chmod(0o620)
    start(clean, probe, "-v", f"{server.path}:/var/run/host.sock:ro", HELLO, "sleep", "1000")
    described = clean.hako("exec", "box", "stat", "-c", "%F %u:%g:%a", "/var/run/host.sock")
    assert described.stdout == "socket 12:34:620\n"
    assert clean.inspect("box")["Mounts"][0]["Type"] == "bind"

    def through(data: bytes) -> bytes:
        return clean.hako("exec", "-i", "box", "/probe", "client", "/var/run/host.sock", input=data, text=False).stdout

    assert through(b"hello") == b"hello"
    large = bytes(range(256)) * 8192
    assert through(large) == large
    assert server.got[-1] == large
    before = shim_files(clean)
    for _ in range(2):
        assert clean.hako("exec", "box", "/probe", "many", "/var/run/host.sock", "40").stdout == "ok\n"
    wait_until(lambda: server.open == 0, 10, "the host's ends are closed")
    wait_until(lambda: shim_files(clean) <= before + 2, 10, "the shim's ends are closed")
    # The rights of the host's socket hold inside.
    refused = clean.hako("exec", "-u", "77", "box", "/probe", "client", "/var/run/host.sock", check=False)
    assert refused.returncode == 1 and "Permission denied" in refused.stderr
    # A server that comes back is found again.
    server.close()
    assert through(b"lost") == b""
    again = Server(server.path)
    assert through(b"back") == b"back"
    again.close()


def test_what_was_written_before_the_end_arrives(clean: Daemon, probe: Path, server: Server) -> None:
    clean.hako("run", "--rm", "-v", f"{probe}:/probe", "-v", f"{server.path}:/host.sock", HELLO,
               "sh", "-c", "for i in 1 2 3 4 5; do /probe say /host.sock last$i; done")
    wait_until(lambda: sorted(server.got) == [b"last1", b"last2", b"last3", b"last4", b"last5"], 10, str(server.got))


def test_the_daemons_own_socket(clean: Daemon, probe: Path) -> None:
    done = clean.hako("run", "-i", "--rm", "-v", f"{probe}:/probe", "-v", f"{clean.socket}:/var/run/docker.sock", HELLO,
                      "/probe", "client", "/var/run/docker.sock",
                      input="GET /containers/json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = done.stdout.partition("\n\n")  # read as text
    assert head.startswith("HTTP/1.1 200")
    assert HELLO in body


def test_the_ssh_agent(clean: Daemon, probe: Path, server: Server) -> None:
    clean.environment["SSH_AUTH_SOCK"] = str(server.path)
    done = clean.hako("run", "-i", "--rm", "--ssh", "-v", f"{probe}:/probe", HELLO, "sh", "-c",
                      "/probe client $SSH_AUTH_SOCK", input="sign this")
    assert done.stdout == "sign this"
    clean.environment["SSH_AUTH_SOCK"] = "/no/such"
    refused = clean.hako("create", "--ssh", HELLO, check=False)
    del clean.environment["SSH_AUTH_SOCK"]
    assert refused.returncode != 0 and "ssh-add" in refused.stderr


def test_a_published_socket(clean: Daemon, probe: Path, tmp_path: Path) -> None:
    # In a tmpfs, which only the container sees.
    tmp_path.chmod(0o755)
    os.chown(tmp_path, 1234, 5678)
    published = tmp_path / "echo.sock"
    start(clean, probe, "--tmpfs", "/run", "--publish-socket", f"{published}:/run/echo.sock", HELLO,
          "/probe", "echo", "/run/echo.sock")
    wait_until(lambda: "ready" in clean.hako("logs", "box").stdout, 60, "it listens")
    made = published.stat()
    assert stat.S_ISSOCK(made.st_mode) and stat.S_IMODE(made.st_mode) == 0o660
    assert (made.st_uid, made.st_gid) == (1234, 5678)
    large = bytes(range(256)) * 8192
    assert talk(published, large) == large
    answers: list[bytes] = []
    clients = [threading.Thread(target=lambda i=i: answers.append(talk(published, b"%d" % i))) for i in range(40)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert sorted(answers) == sorted(b"%d" % i for i in range(40))
    # A second one in its place is refused, and the first one stays.
    refused = clean.hako("run", "--rm", "--publish-socket", f"{published}:/x", HELLO, "true", check=False)
    assert refused.returncode != 0 and "choose another path" in refused.stderr
    assert talk(published, b"still") == b"still"
    # Where nobody listens, the connection ends.
    clean.hako("exec", "box", "rm", "/run/echo.sock")
    assert talk(published, b"") == b""
    clean.hako("stop", "-t", "0", "box")
    assert not published.exists()
    clean.hako("start", "box")
    wait_until(lambda: clean.hako("logs", "box").stdout.count("ready") == 2, 60, "it listens again")
    assert talk(published, b"again") == b"again"
    # A shim that is killed leaves the socket to the daemon.
    [shim] = [pid for pid, line in clean.machines().items() if "hako-shim --spec" in line]
    os.kill(shim, signal.SIGKILL)
    wait_until(lambda: clean.state("box") == "exited", 30)
    wait_until(lambda: not published.exists(), 30, "the socket is removed")


def test_what_cannot_be_published(clean: Daemon) -> None:
    for words, said in (("/tmp/a", "HOST:CONTAINER"), ("/tmp/a:b", "two absolute paths"), ("/no/such/a:/b", "is no folder"),
                        (f"/tmp/{'a' * 120}:/b", "longer than 107")):
        refused = clean.hako("create", "--publish-socket", words, HELLO, check=False)
        assert refused.returncode != 0 and said in refused.stderr, refused.stderr
    status, body = clean.api("POST", "/containers/create", {
        "Image": HELLO, "HostConfig": {"Annotations": {"io.hako.publish-socket": "x"}}})
    assert status == 400 and "invalid socket to publish" in json.dumps(body)


def test_a_pods_sockets(clean: Daemon, probe: Path, server: Server, tmp_path: Path) -> None:
    """A container that joins a VM has sockets of its own, which go with it."""
    published = tmp_path / "echo.sock"
    start(clean, probe, HELLO, "sleep", "1000")
    clean.hako("run", "-d", "--name", "other", "--network", "container:box", "-v", f"{probe}:/probe:ro", "-v",
               f"{server.path}:/host.sock", "--publish-socket", f"{published}:/tmp/echo.sock", HELLO,
               "/probe", "echo", "/tmp/echo.sock")
    wait_until(lambda: "ready" in clean.hako("logs", "other").stdout, 60, "it listens")
    assert talk(published, b"pod") == b"pod"
    assert clean.hako("exec", "-i", "other", "/probe", "client", "/host.sock", input="host").stdout == "host"
    assert clean.hako("exec", "box", "ls", "/host.sock", check=False).returncode != 0
    clean.hako("rm", "-f", "other")
    assert not published.exists()
    assert clean.state("box") == "running"
