"""Images of other processors, run by qemu-user inside the VM."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import BUILD, Daemon
from images_test import busybox_layer, layer, registry  # noqa: F401
from registries import Registry
from store_test import layout

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


@pytest.fixture(scope="session")
def arm64_busybox() -> bytes:
    """Debian's static busybox for arm64, kept in the build folder."""
    if not shutil.which("qemu-aarch64-static"):
        pytest.skip("qemu-aarch64-static is not installed; run scripts/setup.sh test")
    folder = BUILD / "foreign" / "arm64"
    if not (folder / "bin/busybox").exists():
        done = subprocess.run([SCRIPTS / "foreign-package.sh", "arm64", "busybox-static", folder],
                              capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            pytest.skip(f"the package busybox-static:arm64 could not be downloaded: {done.stderr}")
    return (folder / "bin/busybox").read_bytes()


@pytest.fixture(scope="module")
def both(arm64_busybox: bytes, registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:  # noqa: F811
    """In a registry: busybox for amd64 and for arm64 under one name."""
    folder = tmp_path_factory.mktemp("both")
    layout(folder, [({"architecture": "amd64"}, [busybox_layer(), layer(("which", b"here\n"))]),
                    ({"architecture": "arm64", "variant": "v8"},
                     [layer(("bin/busybox", arm64_busybox)), layer(("which", b"there\n"))])], "1")
    name = f"{registry.address}/both:1"
    registry.skopeo("copy", "--all", f"oci:{folder}", f"docker://{name}")
    return name


def test_runs_what_the_platform_names(clean: Daemon, both: str) -> None:
    assert clean.hako("run", "--rm", both).stdout == "here\n"
    arm64 = ["run", "--rm", "--platform", "linux/arm64", both, "/bin/busybox"]
    assert clean.hako(*arm64, "uname", "-m").stdout == "aarch64\n"
    assert clean.hako("run", "--rm", both).stdout == "here\n", "each platform keeps its own image"
    # What the first program starts is emulated, too; arguments, environment and status pass.
    done = clean.hako("run", "--rm", "--platform", "arm64", "-e", "A=b c", both, "/bin/busybox", "sh", "-c",
                      '/bin/busybox sh -c \'echo "$0 $A"; exit 7\' one', check=False)
    assert (done.stdout, done.returncode) == ("one b c\n", 7)
    # The emulator does not show.
    assert clean.hako(*arm64, "ls", "/", "/bin", "/proc/sys/fs/binfmt_misc").stdout.split() == [
        "/:", "bin", "dev", "etc", "proc", "sys", "which", "/bin:", "busybox", "/proc/sys/fs/binfmt_misc:"]


def test_exec_and_restart_are_emulated(clean: Daemon, both: str) -> None:
    clean.hako("run", "-d", "--name", "far", "--platform", "linux/arm64", both, "/bin/busybox", "sleep", "1000")
    for _ in range(2):
        assert clean.hako("exec", "far", "/bin/busybox", "uname", "-m").stdout == "aarch64\n"
        clean.hako("restart", "-t", "0", "far")


def test_an_image_of_another_platform_warns(clean: Daemon, both: str) -> None:
    clean.hako("rmi", both, check=False)
    clean.hako("pull", "--platform", "linux/arm64", both)
    done = clean.hako("run", "--rm", both, "/bin/busybox", "uname", "-m")
    assert done.stdout == "aarch64\n"
    assert "platform (linux/arm64) does not match the detected host platform (linux/amd64)" in done.stderr


def test_a_default_platform_in_the_environment(clean: Daemon, both: str) -> None:
    clean.hako("pull", "--platform", "linux/amd64", both)
    clean.environment["DOCKER_DEFAULT_PLATFORM"] = "linux/arm64"
    try:
        clean.hako("create", "--name", "far", both)
        clean.hako("create", "--name", "near", "--platform", "linux/amd64", both)
    finally:
        del clean.environment["DOCKER_DEFAULT_PLATFORM"]
    for name, processor in (("far", "arm64"), ("near", "amd64")):
        image = clean.inspect(name)["Image"]
        assert clean.hako("image", "inspect", "-f", "{{.Architecture}}", image).stdout == f"{processor}\n"


def test_the_docker_cli_pulls_and_runs_it(clean: Daemon, both: str, docker_cli: str) -> None:
    done = clean.docker("run", "--rm", "--platform", "linux/arm64", both, "/bin/busybox", "uname", "-m")
    assert done.stdout == "aarch64\n"


def test_without_the_emulator_its_package_is_named(own: Daemon, both: str, tmp_path: Path) -> None:
    own.environment |= {"PATH": str(tmp_path), "HAKO_QEMU": shutil.which("qemu-system-x86_64") or ""}
    own.start()
    done = own.hako("run", "--rm", "--platform", "linux/arm64", both, "true", check=False)
    assert done.returncode == 125
    assert "install the package qemu-user-static" in done.stderr
    assert own.hako("ps", "-aq").stdout == "" and not own.machines()
