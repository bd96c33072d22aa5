"""Bad input: a clear error with Docker's status, and nothing left behind."""

from __future__ import annotations

import socket

import pytest

from hako import HELLO, Daemon, UnixConnection


@pytest.mark.parametrize(("method", "path", "body", "status", "text"), [
    ("GET", "/containers/none/json", None, 404, "No such container: none"),
    ("POST", "/containers/none/start", None, 404, "No such container: none"),
    ("DELETE", "/containers/none", None, 404, "No such container: none"),
    ("GET", "/images/none:1/json", None, 404, "No such image: none:1"),
    ("POST", "/containers/create", {"Image": "none:1"}, 404, "No such image: none:1"),
    ("POST", "/containers/create", {"Image": "Upper"}, 400, "must be lowercase"),
    ("POST", "/containers/create", {}, 400, "image"),
    ("POST", "/containers/create", b"{broken", 400, "JSON"),
    ("POST", "/containers/create", b"[" * 100_000, 400, "nested"),
    ("POST", "/containers/create", {"Image": HELLO, "Cmd": 7}, 400, "Cmd"),
    ("POST", "/containers/create", {"Image": HELLO, "Env": {"a": 1}}, 400, "Env"),
    ("POST", "/containers/create", {"Image": HELLO, "Env": ["A=x\x00y"]}, 400, "Env"),
    ("POST", "/containers/create", {"Image": HELLO, "HostConfig": {"Memory": "1g"}}, 400, "Memory"),
    ("POST", "/containers/create", {"Image": HELLO, "HostConfig": {"Memory": 1}}, 400, "memory"),
    ("POST", "/containers/create", {"Image": HELLO, "HostConfig": {"NanoCpus": -1}}, 400, "NanoCpus"),
    ("POST", "/containers/create", {"Image": HELLO, "HostConfig": {"CapAdd": ["NOPE"]}}, 400, "NOPE"),
    ("POST", "/containers/create", {"Image": HELLO, "HostConfig": {"Binds": ["/a:b"]}}, 400, "mount path"),
    ("POST", "/containers/create?name=..%2Fup", {"Image": HELLO}, 400, "../up"),
    ("POST", "/containers/create?name=-x", {"Image": HELLO}, 400, "-x"),
    ("POST", "/images/create?fromImage=a//b", None, 400, "invalid reference format"),
    ("POST", "/images/create?fromImage=a@sha256:12", None, 400, "invalid reference format"),
    ("GET", "/v1.99/info", None, 400, "1.99"),
    ("GET", "/v1.10/info", None, 400, "1.10"),
    ("GET", "/containers/json?filters=nonsense", None, 400, "filter"),
    ("GET", "/no/such/route", None, 404, "page not found"),
])
def test_is_refused(clean: Daemon, method: str, path: str, body: object, status: int, text: str) -> None:
    got, answer = clean.api(method, path, body)
    assert got == status, answer
    assert isinstance(answer, dict) and text in answer["message"], answer


def test_name_in_use(clean: Daemon) -> None:
    clean.hako("create", "--name", "app", HELLO)
    again = clean.hako("create", "--name", "app", HELLO, check=False)
    assert again.returncode == 125 or again.returncode == 1
    assert 'The container name "/app" is already in use' in again.stderr


def test_a_header_of_10_megabytes_is_refused(clean: Daemon) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(clean.socket))
        raw.settimeout(20)
        try:
            raw.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * (10 << 20) + b"\r\n\r\n")
            answer = raw.recv(4096)
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    assert answer == b"" or b" 431 " in answer or b" 400 " in answer


def test_malformed_requests(clean: Daemon) -> None:
    for request in (b"nonsense\r\n\r\n", b"GET /_ping HTTP/1.1\r\nbad header\r\n\r\n",
                    b"POST /x HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    b"GET /_ping HTTP/1.1\r\nContent-Length: -1\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(20)
            raw.connect(str(clean.socket))
            raw.sendall(request)
            assert b" 200 " not in raw.recv(4096)
    assert clean.answers()


def test_memory_below_what_the_kernel_needs(clean: Daemon) -> None:
    done = clean.hako("run", "--rm", "-m", "1m", HELLO, "true", check=False)
    assert done.returncode == 125
    assert "memory" in done.stderr.lower()


def test_create_leaves_no_record_when_it_fails(clean: Daemon) -> None:
    clean.api("POST", "/containers/create?name=half", {"Image": "none:1"})
    assert clean.hako("ps", "-aq").stdout == ""


def test_pipelined_and_kept_alive_requests(clean: Daemon) -> None:
    connection = UnixConnection(clean.socket)
    for _ in range(3):
        connection.request("GET", "/_ping")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"OK")
        assert response.headers["Api-Version"] == "1.50"
    connection.close()


def test_unknown_command_of_the_cli(clean: Daemon) -> None:
    done = clean.hako("rnu", check=False)
    assert done.returncode != 0 and "rnu" in done.stderr
