"""Tools that others wrote for Docker's socket, as their users run them (docs/clients.md)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import HELLO, Daemon, wait_until
from namespaces import daemon_in, namespaces, needs_namespaces

HOST = f"hkt{os.getpid()}"
PACKAGES = {"@devcontainers/cli": "0.89.0", "testcontainers": "10.28.0"}

pytestmark = needs_namespaces


@pytest.fixture(scope="module")
def host(docker_cli: str) -> Iterator[Daemon]:
    with namespaces(HOST), daemon_in(HOST) as daemon:
        yield daemon


@pytest.fixture(autouse=True)
def clear(host: Daemon) -> Iterator[None]:
    yield
    host.clear()


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """npm's packages, without what they would run at their installation."""
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": PACKAGES}))
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    done = subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder,
                          capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"npm's registry does not give {', '.join(PACKAGES)}: {done.stderr[-500:]}")
    return folder


def node(host: Daemon, packages: Path, *command: str | Path) -> str:
    """What a program says that is started where the daemon is, with its socket."""
    environment = host.client_environment | {"DOCKER_HOST": f"unix://{host.socket}", "HOME": str(packages),
                                             "TMPDIR": str(packages), "TESTCONTAINERS_RYUK_DISABLED": "true"}
    done = subprocess.run([*host.prefix, *command], env=environment, cwd=packages, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{host.log()}"
    return done.stdout


def dev(host: Daemon, packages: Path, verb: str, workspace: Path, *words: str) -> str:
    return node(host, packages, packages / "node_modules/.bin/devcontainer", verb, "--workspace-folder", workspace, *words)


def workspace_with(folder: Path, **settings: object) -> Path:
    (folder / ".devcontainer").mkdir(parents=True)
    (folder / ".devcontainer/devcontainer.json").write_text(json.dumps(settings))
    (folder / "source").write_text("of the workspace\n")
    return folder


def test_a_dev_container(host: Daemon, packages: Path, tmp_path: Path) -> None:
    workspace = workspace_with(
        tmp_path / "project", image=HELLO, containerEnv={"FOR_ALL": "yes"}, remoteEnv={"REMOTE": "too"}, init=True,
        mounts=["source=cache,target=/cache,type=volume"], runArgs=["--cap-add=SYS_PTRACE", "--security-opt", "seccomp=unconfined"],
        postCreateCommand="id -un > /cache/who", postStartCommand="echo started >> /cache/starts")
    up = json.loads(dev(host, packages, "up", workspace).splitlines()[-1])
    assert (up["outcome"], up["remoteWorkspaceFolder"]) == ("success", "/workspaces/project")
    look = dev(host, packages, "exec", workspace, "sh", "-c", "pwd; cat source /cache/who /cache/starts; echo $FOR_ALL $REMOTE; touch made")
    assert look == "/workspaces/project\nof the workspace\nroot\nstarted\nyes too\n"
    assert (workspace / "made").exists()
    again = json.loads(dev(host, packages, "up", workspace).splitlines()[-1])
    assert again["containerId"] == up["containerId"], "it runs already"
    host.hako("stop", "-t", "0", up["containerId"])
    again = json.loads(dev(host, packages, "up", workspace).splitlines()[-1])
    assert again["containerId"] == up["containerId"]
    assert dev(host, packages, "exec", workspace, "cat", "/cache/starts") == "started\n" * 2


def test_a_dev_container_of_a_compose_file(host: Daemon, packages: Path, version_2: Path, tmp_path: Path) -> None:
    plugins = Path(host.environment["DOCKER_CONFIG"]) / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(version_2)
    workspace = workspace_with(tmp_path / "project", dockerComposeFile="compose.yml", service="app", workspaceFolder="/work")
    (workspace / ".devcontainer/compose.yml").write_text(f"""
services:
  app: {{image: {HELLO}, command: sleep 1000, volumes: ["..:/work"], depends_on: [page]}}
  page: {{image: {HELLO}, command: [httpd, -f, -p, "80", -h, /work], volumes: ["..:/work"]}}
""")
    up = json.loads(dev(host, packages, "up", workspace).splitlines()[-1])
    assert up["outcome"] == "success"
    assert dev(host, packages, "exec", workspace, "wget", "-qO-", "http://page/source") == "of the workspace\n"


TESTCONTAINERS = """
import { GenericContainer, Network, Wait } from "testcontainers";
const network = await new Network().start();
const web = await new GenericContainer(process.argv[2]).withNetwork(network).withNetworkAliases("web")
    .withCommand(["sh", "-c", "echo begins; exec httpd -f -p 80 -h /tmp"]).withExposedPorts(80)
    .withCopyContentToContainer([{ content: "copied", target: "/tmp/page" }]).withTmpFs({ "/scratch": "size=10m" })
    .withWaitStrategy(Wait.forAll([Wait.forListeningPorts(), Wait.forLogMessage("begins"), Wait.forHttp("/page", 80)])).start();
const page = () => fetch(`http://${web.getHost()}:${web.getMappedPort(80)}/page`).then((answer) => answer.text());
const client = await new GenericContainer(process.argv[2]).withNetwork(network).withCommand(["sleep", "1000"])
    .withHealthCheck({ test: ["CMD", "true"], interval: 500, timeout: 5000, retries: 20 })
    .withWaitStrategy(Wait.forHealthCheck()).start();
const told = { page: await page(), failed: await web.exec(["sh", "-c", "echo out; echo err >&2; exit 3"]),
               neighbour: (await client.exec(["wget", "-qO-", "http://web/page"])).output };
await web.restart();
told.again = await page();
for (const container of [client, web]) await container.stop();
await network.stop();
console.log(JSON.stringify(told));
process.exit(0);
"""


def test_testcontainers(host: Daemon, packages: Path) -> None:
    (packages / "use.mjs").write_text(TESTCONTAINERS)
    told = json.loads(node(host, packages, "node", "use.mjs", HELLO).splitlines()[-1])
    assert (told["page"], told["neighbour"], told["again"]) == ("copied", "copied", "copied")
    assert {key: told["failed"][key] for key in ("exitCode", "stdout", "stderr")} == {"exitCode": 3, "stdout": "out\n", "stderr": "err\n"}
    assert host.hako("ps", "-aq").stdout == ""


@pytest.mark.soak
def test_docker_in_a_container(host: Daemon, tmp_path: Path) -> None:
    """Debian's dockerd in a privileged container, on a disk of its own: images, containers, published ports."""
    if not shutil.which("debootstrap"):
        pytest.skip("debootstrap is not installed; run scripts/setup.sh soak")
    root = tmp_path / "root"
    for command in (["debootstrap", "--variant=minbase", "--include=docker.io,iptables", "bookworm", root],
                    ["tar", "-C", root, "-cf", tmp_path / "root.tar", "."]):
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    host.docker("import", tmp_path / "root.tar", "local/dockerd")
    host.docker("save", "-o", tmp_path / "hello.tar", HELLO)
    host.docker("run", "-d", "--privileged", "--name", "dockerd", "-m", "1g", "-v", f"{tmp_path}/hello.tar:/hello.tar:ro",
                "--mount", "type=volume,dst=/var/lib/docker,volume-driver=block", "local/dockerd",
                "sh", "-c", "exec dockerd 2> /var/log/dockerd")

    def inner(*words: str) -> str:
        return host.docker("exec", "dockerd", *words).stdout

    try:
        wait_until(lambda: host.docker("exec", "dockerd", "docker", "info", check=False).returncode == 0, 120, "dockerd answers")
        assert inner("docker", "info", "-f", "{{.Driver}} {{.CgroupVersion}}") == "overlay2 2\n"
        inner("docker", "load", "-i", "/hello.tar")
        assert inner("docker", "run", "--rm", HELLO, "echo", "inside") == "inside\n"
        inner("docker", "run", "-d", "--name", "web", "-p", "8080:80", HELLO, "httpd", "-f", "-p", "80", "-h", "/etc")
        page = "exec 3<>/dev/tcp/127.0.0.1/8080; printf 'GET /hostname HTTP/1.0\r\n\r\n' >&3; cat <&3"
        wait_until(lambda: inner("docker", "ps", "-q", "--no-trunc")[:12] in inner("bash", "-c", page), 60, "the page is there")
    finally:
        host.docker("rm", "-f", "-v", "dockerd")
        host.docker("rmi", "local/dockerd")
