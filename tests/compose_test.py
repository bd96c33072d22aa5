"""Compose files with the real Docker Compose: Debian's 1.29 and version 2, by `hako compose`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import BIN, HELLO, Daemon, wait_until
from namespaces import daemon_in, fetch, namespaces, needs_namespaces

HOST = f"hkc{os.getpid()}"
ROOT = Path(__file__).parents[1]

pytestmark = needs_namespaces

STACK = f"""
version: "3.8"
x-common: &common {{image: {HELLO}, restart: unless-stopped}}
services:
  web:
    <<: *common
    command: sh -c "mkdir -p /data && cp /run/secrets/page /data/index.html && exec httpd -f -p 80 -h /data"
    ports: ["8080:80"]
    volumes: ["data:/data", "outer:/outer", "./here:/here:ro", {{type: tmpfs, target: /scratch}}]
    networks: {{front: {{aliases: [www]}}, back: {{ipv4_address: 10.77.0.20}}}}
    healthcheck: {{test: [CMD, wget, -qO-, "http://127.0.0.1/"], interval: 1s, timeout: 10s, retries: 30}}
    configs: [{{source: motd, target: /etc/motd}}]
    secrets: [page]
  client:
    <<: *common
    command: sleep 3600
    environment: {{GREETING: hello}}
    networks: [front]
    depends_on: {{web: {{condition: service_healthy}}}}
  once:
    image: {HELLO}
    command: sh -c "echo done; exit 3"
    network_mode: none
    init: true
    profiles: [extra]
networks:
  front: {{}}
  back: {{internal: true, ipam: {{config: [{{subnet: 10.77.0.0/24}}]}}}}
volumes:
  data: {{}}
  outer: {{external: true, name: outer}}
configs: {{motd: {{file: ./motd}}}}  # 1.29 takes no notice
secrets: {{page: {{file: ./page}}}}
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Daemon]:
    with namespaces(HOST), daemon_in(HOST) as daemon:
        daemon.environment["COMPOSE_HTTP_TIMEOUT"] = "300"
        yield daemon


@pytest.fixture(autouse=True)
def clear(host: Daemon) -> Iterator[None]:
    """A test that fails takes its stack with it."""
    yield
    host.clear()
    shutil.rmtree(Path(host.environment["DOCKER_CONFIG"]) / "cli-plugins", ignore_errors=True)


class Compose:
    def __init__(self, daemon: Daemon, file: Path, project: str) -> None:
        self.daemon, self.file, self.project = daemon, file, project

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        done = self.daemon.hako("compose", "-f", str(self.file), "-p", self.project, *arguments, check=False, timeout=280)
        if check and done.returncode != 0:
            states = {name: self.daemon.inspect(one)["State"] for name, one in self.containers().items()}
            pytest.fail(f"compose {' '.join(arguments)}: {done.stdout}{done.stderr}\n{states}")
        return done

    def containers(self) -> dict[str, str]:
        """Identifiers, by the name of the service and the number."""
        ids = self.daemon.hako("ps", "-aq", "--no-trunc", "--filter", f"label=com.docker.compose.project={self.project}")
        labels = {one: self.daemon.inspect(one)["Config"]["Labels"] for one in ids.stdout.split()}
        return {f"{its['com.docker.compose.service']}{its['com.docker.compose.container-number']}": one
                for one, its in labels.items()}


@pytest.fixture(params=["1.29", "2"])
def compose(request: pytest.FixtureRequest, host: Daemon) -> str:
    """Which one `hako compose` finds."""
    plugin = Path(host.environment["DOCKER_CONFIG"]) / "cli-plugins/docker-compose"
    if request.param == "2":
        plugin.parent.mkdir(parents=True)
        plugin.symlink_to(request.getfixturevalue("version_2"))
    found = host.hako("compose", "version").stdout
    if f"ersion {request.param}" not in found.replace(" v", " "):
        pytest.skip(f"Docker Compose {request.param} is not installed, but {found}")
    return request.param


def test_a_stack_with_all_that_compose_files_have(host: Daemon, compose: str, tmp_path: Path) -> None:
    for name, text in (("compose.yml", STACK), ("page", "welcome\n"), ("motd", "of the day\n")):
        (tmp_path / name).write_text(text)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").write_text("of the host\n")
    host.hako("volume", "create", "outer")
    run = Compose(host, tmp_path / "compose.yml", "all")
    run("up", "-d")
    first = run.containers()
    assert set(first) == {"web1", "client1"}
    assert fetch(HOST, "http://127.0.0.1:8080/") == "welcome\n"
    for name in ("web", "www"):
        assert run("exec", "-T", "client", "timeout", "10", "wget", "-qO-", f"http://{name}/").stdout == "welcome\n"
    assert run("exec", "-T", "client", "sh", "-c", "echo $GREETING").stdout == "hello\n"
    assert run("exec", "-T", "web", "cat", "/run/secrets/page", "/here/file").stdout == "welcome\nof the host\n"
    if compose == "2":
        assert run("exec", "-T", "web", "cat", "/etc/motd").stdout == "of the day\n"
    assert "10.77.0.20" in run("exec", "-T", "web", "ip", "-4", "-o", "addr").stdout
    run("exec", "-T", "web", "sh", "-c", "echo kept > /outer/file; echo gone > /scratch/file")

    run("up", "-d")
    assert run.containers() == first, "a second `up` changes nothing"
    run("up", "-d", "--scale", "client=3")
    assert {name: one for name, one in run.containers().items() if name in first} == first
    assert set(run.containers()) == {"web1", "client1", "client2", "client3"}
    run("up", "-d", "--scale", "client=1")
    assert run.containers() == first

    assert run("run", "--rm", "--no-deps", "-T", "client", "echo", "ran").stdout == "ran\n"
    assert run("run", "--rm", "-T", "once", check=False).returncode == 3, "a service of a profile, by name"
    started = host.inspect(first["web1"])["State"]["StartedAt"]
    run("restart", "-t", "1", "web")
    assert host.inspect(first["web1"])["State"]["StartedAt"] != started
    run("exec", "-T", "client", "sh", "-c", "echo said > /proc/1/fd/1")
    wait_until(lambda: "said" in run("logs", "client").stdout)
    assert run("ps", "-q", "web").stdout.strip() == first["web1"]
    assert "httpd" in run("top", "web").stdout
    run("stop", "-t", "1", "client")
    assert host.state(first["client1"]) == "exited"
    run("start", "client")
    assert host.state(first["client1"]) == "running"

    run("down", "-t", "1")
    assert run.containers() == {}
    assert "all_data" in host.hako("volume", "ls", "-q").stdout
    assert "all_front" not in host.hako("network", "ls", "--format", "{{.Name}}").stdout
    run("up", "-d")
    assert run("exec", "-T", "web", "cat", "/outer/file").stdout == "kept\n"
    run("down", "-v", "-t", "1")
    assert host.hako("volume", "ls", "-q").stdout == "outer\n", "an external volume is nobody's to remove"
    host.hako("volume", "rm", "outer")


def test_a_changed_service_is_made_anew(host: Daemon, compose: str, tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    service = {"image": HELLO, "command": "sleep 3600", "volumes": ["/data"]}
    file.write_text(json.dumps({"version": "3.8", "services": {"a": service, "b": service}}))
    run = Compose(host, file, "changed")
    run("up", "-d")
    first = run.containers()
    run("exec", "-T", "a", "sh", "-c", "echo kept > /data/file")
    file.write_text(file.read_text().replace('"command"', '"environment": ["A=1"], "command"', 1))
    run("up", "-d")
    second = run.containers()
    assert second["a1"] != first["a1"] and second["b1"] == first["b1"]
    assert run("exec", "-T", "a", "sh", "-c", "echo $A; cat /data/file").stdout == "1\nkept\n", "its anonymous volume comes along"
    run("down", "-v", "-t", "1")
    host.hako("volume", "prune", "-f")  # named by Compose for the second container, so as with Docker not that one's to remove
    assert host.hako("volume", "ls", "-q").stdout == ""


def test_the_example_stack_keeps_its_visits(host: Daemon, version_2: Path) -> None:
    """Redis, PostgreSQL and a page that uses both, from Debian's packages (examples/)."""
    plugins = Path(host.environment["DOCKER_CONFIG"]) / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(version_2)
    subprocess.run([ROOT / "examples/images.py", "--hako", BIN / "hako"], env=host.client_environment, check=True, timeout=300)
    run = Compose(host, ROOT / "examples/stack/compose.yml", "stack")
    page = "http://127.0.0.1:8080/"
    run("up", "-d", "--wait")
    wait_until(lambda: "visit" in fetch(HOST, page), 120, f"{run('logs').stdout}")
    assert fetch(HOST, page) == "visit 2 to this cache, 2 to this page\n"
    run("down")
    run("up", "-d", "--wait")
    wait_until(lambda: "visit" in fetch(HOST, page), 120, f"{run('logs').stdout}")
    assert fetch(HOST, page) == "visit 2 to this cache, 4 to this page\n"
    run("down", "-v")
    assert host.hako("volume", "ls", "-q").stdout == ""


def test_without_compose_it_says_what_to_install(own: Daemon, tmp_path: Path) -> None:
    own.start()
    own.environment["PATH"] = str(tmp_path)
    done = own.hako("compose", "up", check=False)
    if "no Docker Compose" not in done.stderr:
        pytest.skip("a plugin of Docker's is installed for all users")
    assert done.returncode == 1 and "docker-compose" in done.stderr
