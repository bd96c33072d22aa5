"""The manifests of examples/ for macOS machines: they parse, belong together, and hako takes what they ask for."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from hako import Daemon
from macos_container_test import Machines
from macos_container_test import pytestmark as needs_machine
from namespaces import daemon_in, fetch, inside, namespaces, needs_namespaces

HOST = f"hke{os.getpid()}"
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
COMPOSE = yaml.safe_load((EXAMPLES / "macos-compose.yml").read_text())["services"]["macos"]
CLUSTER = {thing["kind"]: thing for thing in yaml.safe_load_all((EXAMPLES / "macos-kubernetes.yaml").read_text())}
POD = CLUSTER["Deployment"]["spec"]["template"]["spec"]
MACHINE = POD["containers"][0]


def environments() -> dict[str, dict[str, str]]:
    return {"compose": COMPOSE["environment"], "kubernetes": {one["name"]: one["value"] for one in MACHINE["env"]}}


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_hako_takes_the_variables(clean: Daemon, where: str) -> None:
    flags = [word for name, value in environments()[where].items() for word in ("-e", f"{name}={value}")]
    made = clean.hako("create", *flags, COMPOSE["image"])
    assert re.fullmatch("[0-9a-f]{64}", made.stdout.strip().splitlines()[-1])


@needs_namespaces
@needs_machine
@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is missing; run scripts/setup.sh test")
def test_compose_runs_the_file_unchanged(tmp_path: Path) -> None:
    """Another file says that there is no KVM here, and what stands for Apple's recovery system."""
    shutil.copy(EXAMPLES / "macos-compose.yml", tmp_path / "compose.yml")
    with namespaces(HOST), daemon_in(HOST) as daemon:
        machines = Machines(daemon, tmp_path)
        releases = daemon.root / "macos/opencore"
        releases.mkdir(parents=True)
        (releases / "OpenCore").symlink_to(machines.opencore)
        here = {"KVM": "N", "RECOVERY": str(machines.recovery), "RAM_SIZE": "4G", "CPU_CORES": "2"}
        (tmp_path / "here.yml").write_text(yaml.safe_dump({"version": "3.8", "services": {"macos": {"environment": here}}}))
        compose = ["compose", "-p", "p", "-f", str(tmp_path / "compose.yml"), "-f", str(tmp_path / "here.yml")]
        daemon.hako(*compose, "up", "-d", timeout=300)
        machines.says("macos", "macOS is running")
        assert (tmp_path / "macos/14/data.img").stat().st_size == 128 << 30
        assert "<html" in fetch(HOST, "http://127.0.0.1:8006/")
        assert "0.0.0.0:5900->5900/udp" in daemon.hako("ps").stdout
        inside(HOST, "bash -c '</dev/tcp/127.0.0.1/5900'")
        assert daemon.inspect("macos")["Config"]["StopTimeout"] == 120
        daemon.hako("kill", "macos")
        daemon.hako(*compose, "down")
        assert (tmp_path / "macos/14/data.img").exists()


def test_the_cluster_has_the_same_machine() -> None:
    assert environments()["kubernetes"] == environments()["compose"]
    assert MACHINE["image"] == COMPOSE["image"]
    named = {volume["name"] for volume in POD["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in MACHINE["volumeMounts"]}
    assert set(mounts) == named
    assert mounts["disks"] == "/storage"
    claim = next(volume for volume in POD["volumes"] if volume["name"] == "disks")["persistentVolumeClaim"]["claimName"]
    assert claim == CLUSTER["PersistentVolumeClaim"]["metadata"]["name"]
    labels = CLUSTER["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert CLUSTER["Service"]["spec"]["selector"] == labels == CLUSTER["Deployment"]["spec"]["selector"]["matchLabels"]
    served = {port["port"] for port in CLUSTER["Service"]["spec"]["ports"]}
    assert served == {port["containerPort"] for port in MACHINE["ports"]} == {8006, 5900}
    assert POD["terminationGracePeriodSeconds"] == 120
    assert CLUSTER["Deployment"]["spec"]["strategy"]["type"] == "Recreate"
