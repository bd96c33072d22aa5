"""The real docker CLI on hakod's socket."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
import time

import pytest

from hako import HELLO, Daemon, wait_until

pytestmark = pytest.mark.usefixtures("docker_cli")


def test_version_and_info(clean: Daemon) -> None:
    version = json.loads(clean.docker("version", "--format", "{{json .}}").stdout)
    assert version["Server"]["ApiVersion"] == "1.50"
    assert version["Server"]["MinAPIVersion"] == "1.24"
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
    assert client.ping() and client.version()["ApiVersion"] == "1.50" and client.info()["OSType"] == "linux"
    with pytest.raises(docker.errors.NotFound):
        client.containers.get("none")
    with pytest.raises(docker.errors.ContainerError) as failed:
        client.containers.run(HELLO, ["sh", "-c", "echo why >&2; exit 3"], remove=True)
    assert failed.value.exit_status == 3 and failed.value.stderr == b"why\n"

    container = client.containers.run(HELLO, ["sh", "-c", "echo said; exec sleep 1000"], name="app", detach=True,
                                      labels={"role": "web"}, environment={"A": "1"}, mem_limit="200m", init=True)
    try:
        assert [found.id for found in client.containers.list(filters={"label": "role=web"})] == [container.id]
        assert next(container.logs(stream=True, follow=True)) == b"said\n"
        assert container.exec_run(["sh", "-c", "echo $A; echo err >&2; exit 4"], demux=True) == (4, (b"1\n", b"err\n"))
        assert "sleep" in str(container.top()["Processes"])
        assert container.stats(stream=False)["memory_stats"]["limit"] == 200 << 20
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo("in")
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"abc"))
        assert container.put_archive("/tmp", archive.getvalue())
        pieces, stat = container.get_archive("/tmp/in")
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
            assert tar.extractfile("in").read() == b"abc" and stat["name"] == "in" and stat["size"] == 3
        assert {"Path": "/tmp/in", "Kind": 1} in container.diff()
        image = container.commit("mine", "1", message="words")
        assert client.images.get("mine:1").id == image.id and image.tags == ["mine:1"]
        client.images.remove("mine:1")
        container.pause()
        container.reload()
        assert container.status == "paused"
        container.unpause()
        container.update(mem_limit="100m", memswap_limit="100m")
        container.rename("box")
        container.restart(timeout=0)
        container.kill()
        assert container.wait() == {"StatusCode": 137}
        container.reload()
        assert (container.name, container.status, container.attrs["HostConfig"]["Memory"]) == ("box", "exited", 100 << 20)
        told = client.events(since=0, until=int(time.time()) + 1, decode=True, filters={"container": container.id})
        assert [event["Action"] for event in told][:3] == ["create", "start", "exec_create: sh -c echo $A; echo err >&2; exit 4"]
    finally:
        container.remove(force=True)
        client.close()
