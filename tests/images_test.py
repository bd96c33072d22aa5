"""Images in: a real registry on loopback, docker-save archives, OCI layouts; and what is wrong with some."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import HELLO, SHARE, Daemon
from registries import Registry


def member(tar: tarfile.TarFile, name: str, data: bytes = b"", **fields) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    tar.addfile(info, io.BytesIO(data))


def layer(*files: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files:
            member(tar, name, data, mode=0o755)
    return out.getvalue()


def busybox_layer(salt: bytes = b"") -> bytes:
    return layer(("bin/busybox", Path("/bin/busybox").read_bytes()), ("busybox-salt", salt))


def save_archive(path: Path, name: str, layers: list[bytes], diff_ids: list[str] | None = None,
                 command: list[str] | None = None) -> None:
    """A docker-save archive of the given layers."""
    digests = [hashlib.sha256(data).hexdigest() for data in layers]
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": command or ["/bin/busybox", "true"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids or [f"sha256:{d}" for d in digests]},
    }).encode()
    config_name = hashlib.sha256(config).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{d}/layer.tar" for d in digests]}]
    with tarfile.open(path, "w") as tar:
        for digest, data in zip(digests, layers, strict=True):
            member(tar, f"{digest}/layer.tar", data)
        member(tar, config_name, config)
        member(tar, "manifest.json", json.dumps(manifest).encode())


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    mine = Registry(tmp_path_factory.mktemp("registry"))
    yield mine
    mine.stop()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "app.tar"
    # Salt: no two tests share a layer, or the second would find it unpacked already.
    save_archive(path, "app:1", [busybox_layer(os.urandom(8)),
                                 layer(("greeting", b"from the top layer\n"), ("salt", os.urandom(8)))],
                 command=["/bin/busybox", "cat", "/greeting"])
    return path


def test_pull_and_run(clean: Daemon, registry: Registry, archive: Path) -> None:
    reference = registry.push(archive, "team/app:1")
    out = clean.hako("pull", reference).stdout
    assert "Digest: sha256:" in out and f"Status: Downloaded newer image for {reference}" in out
    assert clean.hako("run", "--rm", reference).stdout == "from the top layer\n"
    assert "Image is up to date" in clean.hako("pull", reference).stdout
    digest = next(line.split()[1] for line in out.splitlines() if line.startswith("Digest:"))
    by_digest = f"{registry.address}/team/app@{digest}"
    assert clean.hako("run", "--rm", by_digest).stdout == "from the top layer\n"
    clean.hako("rmi", "-f", clean.hako("images", "-q", "--filter", f"reference={reference}").stdout.split()[0])
    assert clean.hako("image", "inspect", reference, check=False).returncode == 1


def test_run_pulls_what_is_missing(clean: Daemon, registry: Registry, archive: Path) -> None:
    reference = registry.push(archive, "team/fresh:2")
    done = clean.hako("run", "--rm", reference)
    assert done.stdout == "from the top layer\n" and "Unable to find image" in done.stderr


def test_docker_pull_shows_progress(clean: Daemon, registry: Registry, archive: Path, docker_cli: str) -> None:
    reference = registry.push(archive, "team/progress:1")
    out = clean.docker("pull", reference).stdout
    assert "Pull complete" in out and "Status: Downloaded newer image" in out


def test_pull_errors_say_what_to_do(clean: Daemon, registry: Registry) -> None:
    missing = clean.hako("pull", f"{registry.address}/no/such:1", check=False)
    assert missing.returncode == 1 and "no/such" in missing.stderr
    dead = clean.hako("pull", "127.0.0.1:1/app:1", check=False)
    assert dead.returncode == 1 and "127.0.0.1:1" in dead.stderr
    assert clean.hako("run", "--rm", "UPPER", check=False).returncode == 125


def test_load(clean: Daemon, archive: Path, tmp_path: Path) -> None:
    assert "Loaded image: app:1" in clean.hako("load", "-i", str(archive)).stdout
    assert clean.hako("run", "--rm", "app:1").stdout == "from the top layer\n"
    zipped = tmp_path / "app.tar.gz"
    zipped.write_bytes(gzip.compress(archive.read_bytes()))
    assert "Loaded image" in clean.hako("load", input=zipped.read_bytes()).stdout.decode()
    clean.hako("rmi", "app:1")


def test_load_an_oci_layout(clean: Daemon, archive: Path, tmp_path: Path) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    layout = tmp_path / "layout.tar"
    subprocess.run(["skopeo", "copy", f"docker-archive:{archive}", f"oci-archive:{layout}:lay:3"],
                   check=True, capture_output=True)
    out = clean.hako("load", "-i", str(layout)).stdout
    assert "lay:3" in out
    assert clean.hako("run", "--rm", "lay:3").stdout == "from the top layer\n"
    clean.hako("rmi", "lay:3")


@pytest.mark.parametrize("damage", ["flipped", "truncated", "wrong-diff-id", "no-manifest", "dot-dot"])
def test_damaged_archives_are_refused_and_leave_nothing(
        clean: Daemon, archive: Path, tmp_path: Path, damage: str) -> None:
    bad = tmp_path / "bad.tar"
    data = bytearray(archive.read_bytes())
    if damage == "flipped":
        data[200_000] ^= 0xFF
        bad.write_bytes(data)
    elif damage == "truncated":
        bad.write_bytes(data[: len(data) // 2])
    elif damage == "wrong-diff-id":
        save_archive(bad, "bad:1", [busybox_layer()], diff_ids=["sha256:" + "0" * 64])
    elif damage == "no-manifest":
        with tarfile.open(bad, "w") as tar:
            member(tar, "something", b"else")
    else:
        save_archive(bad, "bad:1", [layer(("../../etc/passwd", b"x"))])
    before = sorted(path for path in clean.root.rglob("*") if "hako.db" not in path.name)
    done = clean.hako("load", "-i", str(bad), check=False)
    assert done.returncode == 1 and done.stderr.strip()
    assert sorted(path for path in clean.root.rglob("*") if "hako.db" not in path.name) == before
    assert clean.hako("image", "inspect", "bad:1", check=False).returncode == 1


def test_a_corrupt_layer_in_the_registry(clean: Daemon, registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "corrupt.tar"
    save_archive(path, "corrupt:1", [busybox_layer(os.urandom(8)), layer(("x", os.urandom(100_000)))])
    reference = registry.push(path, "team/corrupt:1")
    blobs = [p for p in (registry.folder / "data").rglob("data") if p.stat().st_size > 50_000]
    newest = max(blobs, key=lambda p: p.stat().st_mtime_ns)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.write_bytes(content)
    done = clean.hako("pull", reference, check=False)
    assert done.returncode == 1 and "sha256:" in done.stderr
    assert clean.hako("image", "inspect", reference, check=False).returncode == 1


def test_a_client_that_disconnects_in_the_middle_of_a_pull(clean: Daemon, registry: Registry, tmp_path: Path) -> None:
    path = tmp_path / "big.tar"
    save_archive(path, "big:1", [busybox_layer(os.urandom(8)), layer(("blob", os.urandom(64 << 20)))])
    reference = registry.push(path, "team/big:1")
    puller = clean.popen("pull", reference)
    time.sleep(0.3)
    puller.kill()
    puller.communicate()
    clean.hako("pull", reference)
    assert clean.hako("run", "--rm", reference, "/bin/busybox", "wc", "-c", "/blob").stdout.split()[0] == str(64 << 20)


def test_layers_are_merged(clean: Daemon, tmp_path: Path) -> None:
    path = tmp_path / "layers.tar"
    lower = layer(("bin/busybox", Path("/bin/busybox").read_bytes()), ("gone", b"1"), ("dir/old", b"1"), ("file", b"lower"))
    upper = layer((".wh.gone", b""), ("dir/.wh..wh..opq", b""), ("dir/new", b"2"), ("file", b"upper"))
    save_archive(path, "layers:1", [lower, upper])
    clean.hako("load", "-i", str(path))
    script = "cat /file; ls /dir; ls /gone 2>&1"
    out = clean.hako("run", "--rm", "layers:1", "/bin/busybox", "sh", "-c",
                     f"export PATH=/bin; for a in cat ls; do busybox ln -s busybox /bin/$a; done; {script}",
                     check=False).stdout
    assert out.startswith("uppernew\n") and "No such file" in out


def test_the_embedded_image_is_in_every_fresh_store_under_its_own_name_only(clean: Daemon) -> None:
    assert (SHARE / "hello.tar").exists()
    assert clean.hako("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.splitlines().count(f"{HELLO}:latest") == 1
    assert clean.hako("image", "inspect", "busybox", check=False).returncode == 1


def test_an_image_in_use_is_kept(clean: Daemon, archive: Path) -> None:
    clean.hako("load", "-i", str(archive))
    clean.hako("create", "--name", "user", "app:1")
    refused = clean.hako("rmi", "app:1", check=False)
    assert refused.returncode == 1 and "conflict" in refused.stderr
    clean.hako("rm", "user")
    clean.hako("rmi", "app:1")
