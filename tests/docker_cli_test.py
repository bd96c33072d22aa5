"""The real docker CLI on hakod's socket."""

from __future__ import annotations

import json
import os
import re

import pytest

from hako import HELLO, Daemon, wait_until

pytestmark = pytest.mark.usefixtures("docker_cli")


def test_version_and_info(clean: Daemon) -> None:
    version = json.loads(clean.docker("version", "--format", "{{json .}}").stdout)
    assert version["Server"]["ApiVersion"] == "1.50"
    assert version["Server"]["MinAPIVersion"] == "1.41"
    info = json.loads(clean.docker("info", "--format", "{{json .}}").stdout)
    assert info["OSType"] == "linux" and info["NCPU"] >= 1 and info["Images"] >= 1


def test_run_with_exit_status(clean: Daemon) -> None:
    out = clean.docker("run", "--rm", HELLO, "uname", "-a").stdout
    assert out.startswith("Linux ") and os.uname().release not in out
    assert clean.docker("run", "--rm", HELLO, "sh", "-c", "exit 9", check=False).returncode == 9
    missing = clean.docker("run", "--rm", HELLO, "nothing-here", check=False)
    assert missing.returncode == 127 and "nothing-here" in missing.stderr
    data = os.urandom(3 << 20)
    assert clean.docker("run", "-i", "--rm", HELLO, "cat", input=data).stdout == data


def test_detached_life(clean: Daemon) -> None:
    container = clean.docker("run", "-d", "--name", "app", "-m", "256m", "--cpus", "2", "-l", "k=v", HELLO,
                             "sh", "-c", "echo hi; while :; do sleep 0.1; done").stdout.strip()
    wait_until(lambda: clean.docker("logs", "app").stdout == "hi\n")
    assert clean.docker("ps", "-q", "--no-trunc", "--filter", "label=k=v").stdout.strip() == container
    assert clean.docker("ps", "-q", "--filter", "label=k=other").stdout == ""
    row = clean.docker("ps", "--format", "{{.Names}} {{.State}} {{.Image}} {{.Command}}").stdout
    assert row.startswith(f"app running {HELLO} \"sh -c")
    assert clean.docker("exec", "-e", "X=5", "-w", "/tmp", "app", "sh", "-c", "echo $X; pwd").stdout == "5\n/tmp\n"
    assert clean.docker("exec", "app", "sh", "-c", "exit 4", check=False).returncode == 4
    assert "sleep" in clean.docker("top", "app").stdout
    inspected = json.loads(clean.docker("inspect", "app").stdout)[0]
    assert inspected["HostConfig"]["Memory"] == 256 << 20
    assert inspected["HostConfig"]["NanoCpus"] == 2_000_000_000
    assert inspected["Config"]["Labels"]["k"] == "v"
    assert inspected["State"]["Running"] is True and inspected["State"]["Pid"] > 0
    clean.docker("restart", "-t", "0", "app")
    wait_until(lambda: clean.docker("logs", "app").stdout == "hi\nhi\n")
    clean.docker("kill", "-s", "KILL", "app")
    assert clean.docker("wait", "app").stdout.strip() == "137"
    clean.docker("start", "app")
    conflict = clean.docker("rm", "app", check=False)
    assert conflict.returncode == 1 and "container is running" in conflict.stderr
    clean.docker("rm", "-f", "app")
    assert "No such container: app" in clean.docker("inspect", "--type", "container", "app", check=False).stderr


def test_images(clean: Daemon) -> None:
    assert re.search(rf"^{HELLO} +latest +[0-9a-f]{{12}} ", clean.docker("images").stdout, re.MULTILINE)
    clean.docker("tag", HELLO, "mine:1")
    image = json.loads(clean.docker("image", "inspect", "mine:1").stdout)[0]
    assert sorted(image["RepoTags"]) == [f"{HELLO}:latest", "mine:1"]
    assert image["Architecture"] == "amd64" and image["Os"] == "linux" and image["Size"] > 0
    assert "Untagged: mine:1" in clean.docker("rmi", "mine:1").stdout
    gone = clean.docker("image", "inspect", "mine:1", check=False)
    assert gone.returncode == 1 and "No such image: mine:1" in gone.stderr


def test_create_start_attach(clean: Daemon) -> None:
    clean.docker("create", "-i", "--name", "app", HELLO, "cat")
    assert clean.docker("start", "-a", "-i", "app", input="through\n").stdout == "through\n"
    assert clean.state("app") == "exited"


def test_python_sdk(clean: Daemon) -> None:
    docker = pytest.importorskip("docker", reason="Debian's python3-docker is not installed")
    client = docker.DockerClient(base_url=f"unix://{clean.socket}")
    assert client.containers.run(HELLO, "echo sdk", remove=True) == b"sdk\n"
    container = client.containers.run(HELLO, "sleep 100", detach=True)
    assert container.exec_run("echo x").output == b"x\n"
    container.remove(force=True)
    client.close()
