"""What the image store does for its user: save, import, history, prune, disk usage, platforms, and repair after crashes."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import pty
import random
import shutil
import struct
import subprocess
import tarfile
import termios
import threading
import time
from pathlib import Path

import pytest

from hako import BIN, SHARE, SOAK, Daemon
from images_test import Registry, archive, busybox_layer, layer, member, registry, save_archive  # noqa: F401


def names_in(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def layout(folder: Path, images: list[tuple[dict, list[bytes]]], name: str) -> None:
    """An OCI layout of one index: for each platform a configuration's fields and layers."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes, media_type: str, **more: object) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    oci = "application/vnd.oci.image."
    manifests = []
    for platform, layers in images:
        config = {"os": "linux", **platform, "config": {"Cmd": ["/bin/busybox", "cat", "/which"]},
                  "rootfs": {"type": "layers",
                             "diff_ids": [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers]}}
        manifest = {"schemaVersion": 2, "mediaType": f"{oci}manifest.v1+json",
                    "config": put(json.dumps(config).encode(), f"{oci}config.v1+json"),
                    "layers": [put(gzip.compress(data, 1), f"{oci}layer.v1.tar+gzip") for data in layers]}
        manifests.append(put(json.dumps(manifest).encode(), f"{oci}manifest.v1+json",
                             platform={"os": "linux", **platform}))
    index = {"schemaVersion": 2, "mediaType": f"{oci}index.v1+json", "manifests": manifests}
    top = put(json.dumps(index).encode(), f"{oci}index.v1+json",
              annotations={"org.opencontainers.image.ref.name": name})
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


@pytest.fixture
def two_platforms(tmp_path: Path) -> Path:
    folder = tmp_path / "layout"
    layout(folder, [({"architecture": "sparc64"}, [layer(("which", b"foreign\n"), ("salt", os.urandom(8)))]),
                    ({"architecture": "amd64"}, [busybox_layer(os.urandom(8)), layer(("which", b"here\n"))])],
           "multi:1")
    return folder


def test_save_writes_both_forms_and_others_read_it(clean: Daemon, archive: Path, tmp_path: Path) -> None:
    clean.hako("load", "-i", str(archive))
    clean.hako("tag", "app:1", "team/other:2")
    saved = tmp_path / "saved.tar"
    clean.hako("save", "-o", str(saved), "app:1", "team/other:2")
    assert {"manifest.json", "index.json", "oci-layout"} <= set(names_in(saved))
    image_id = clean.hako("images", "-q", "--no-trunc", "app:1").stdout.strip()
    clean.hako("rmi", "app:1", "team/other:2")
    out = clean.hako("load", "-i", str(saved)).stdout
    assert "Loaded image: app:1" in out and "Loaded image: team/other:2" in out
    assert clean.hako("images", "-q", "--no-trunc", "app:1").stdout.strip() == image_id
    assert clean.hako("run", "--rm", "app:1").stdout == "from the top layer\n"
    for source in (f"docker-archive:{saved}:app:1", f"oci-archive:{saved}:1"):
        if shutil.which("skopeo"):
            seen = subprocess.run(["skopeo", "inspect", "--config", source], capture_output=True, text=True)
            assert seen.returncode == 0, seen.stderr
            assert json.loads(seen.stdout)["rootfs"]["type"] == "layers"
    oci = clean.hako("save", "--format", "oci", "app:1", text=False).stdout
    with tarfile.open(fileobj=io.BytesIO(oci)) as tar:
        assert "manifest.json" not in tar.getnames() and "index.json" in tar.getnames()
    missing = clean.hako("save", "-o", str(tmp_path / "none.tar"), "none", check=False)
    assert missing.returncode == 1 and not list(tmp_path.glob("none.tar*"))
    clean.hako("rmi", "app:1", "team/other:2")


def test_docker_saves_loads_and_imports(clean: Daemon, archive: Path, tmp_path: Path, docker_cli: str) -> None:
    assert "Loaded image: app:1" in clean.docker("load", "-i", str(archive)).stdout
    saved = tmp_path / "docker.tar"
    clean.docker("save", "-o", str(saved), "app:1")
    assert "app:1" in clean.docker("load", "-i", str(saved)).stdout
    assert "<missing>" in clean.docker("history", "app:1").stdout
    assert "app" in clean.docker("system", "df", "-v").stdout
    assert "Images" in clean.docker("system", "df").stdout
    rootfs = tmp_path / "rootfs.tar"
    rootfs.write_bytes(busybox_layer(os.urandom(8)))
    imported = clean.docker("import", "-c", 'CMD ["/bin/busybox", "echo", "hi"]', "-m", "mine", str(rootfs), "raw:1")
    assert imported.stdout.startswith("sha256:")
    assert clean.docker("run", "--rm", "raw:1").stdout == "hi\n"
    assert "mine" in clean.docker("history", "raw:1").stdout
    clean.docker("rmi", "raw:1", "app:1")
    clean.docker("image", "prune", "-f")


def test_import_of_a_compressed_tar(clean: Daemon) -> None:
    data = gzip.compress(busybox_layer(os.urandom(8)))
    out = clean.hako("import", "--change", "ENV GREETING=hello", "-", "packed:1", input=data).stdout.decode()
    assert out.startswith("sha256:")
    assert clean.hako("run", "--rm", "packed:1", "/bin/busybox", "env").stdout.count("GREETING=hello") == 1
    refused = clean.hako("import", "--change", "RUN true", "-", "packed:2", input=data, check=False)
    assert refused.returncode == 1 and b"RUN true" in refused.stderr
    clean.hako("rmi", "packed:1")


@pytest.mark.parametrize("client", ["hako", "docker"])
def test_export_and_import_again(clean: Daemon, archive: Path, tmp_path: Path, client: str, docker_cli: str) -> None:
    clean.hako("load", "-i", str(archive))
    clean.hako("run", "-d", "--name", "box", "app:1", "/bin/busybox", "sh", "-c",
               "echo new > /added; /bin/busybox rm /greeting; exec /bin/busybox sleep 1000")
    clean.hako("exec", "box", "/bin/busybox", "sh", "-c",
               "while /bin/busybox test -e /greeting; do /bin/busybox sleep 0.1; done")
    exported = tmp_path / "box.tar"
    run = clean.hako if client == "hako" else clean.docker
    run("export", "-o", str(exported), "box")
    names = {name.removeprefix("./") for name in names_in(exported)}
    assert {"added", "bin/busybox", "proc"} <= names and "greeting" not in names
    assert not [name for name in names if name.startswith(("proc/", "sys/", "dev/"))]
    run("import", str(exported), "again:1")
    assert clean.hako("run", "--rm", "again:1", "/bin/busybox", "cat", "/added").stdout == "new\n"
    clean.hako("rm", "-f", "box")
    clean.hako("rmi", "again:1", "app:1")


def test_prune_by_age_label_and_use(clean: Daemon, tmp_path: Path) -> None:
    for name in ("old:1", "new:1"):
        save_archive(tmp_path / "x.tar", name, [busybox_layer(os.urandom(8))])
        clean.hako("load", "-i", str(tmp_path / "x.tar"))
    save_archive(tmp_path / "x.tar", "old:1", [busybox_layer(os.urandom(8))])
    clean.hako("load", "-i", str(tmp_path / "x.tar"))  # the first old:1 dangles now
    assert len(clean.hako("images", "-q", "--filter", "dangling=true").stdout.split()) == 1
    clean.hako("create", "--name", "user", "new:1")
    assert "Deleted: sha256:" in clean.hako("image", "prune", "-f").stdout
    kept = clean.hako("image", "prune", "-af", "--filter", "label=none").stdout
    assert "Total reclaimed space: 0B" in kept
    out = clean.hako("image", "prune", "-af").stdout
    assert "Untagged: old:1" in out and "new:1" not in out
    refused = clean.hako("image", "prune", input="n\n", check=False)
    assert refused.returncode == 1 and "cancelled" in refused.stderr
    clean.hako("rm", "user")
    clean.hako("rmi", "new:1")
    clean.hako("load", "-i", str(SHARE / "hello.tar"))  # nobody used it, so it is gone, too


def test_platforms_of_one_name(clean: Daemon, two_platforms: Path) -> None:
    clean.hako("load", "-i", str(two_platforms))
    rows = clean.hako("images", "multi", "--format", "{{.Platform}} {{.ID}}").stdout.splitlines()
    assert sorted(row.split()[0] for row in rows) == ["linux/amd64", "linux/sparc64"]
    assert clean.hako("run", "--rm", "multi:1").stdout == "here\n"
    assert clean.hako("run", "--rm", "--platform", "linux/amd64", "multi:1").stdout == "here\n"
    foreign = clean.hako("run", "--rm", "--platform", "linux/sparc64", "multi:1", check=False)
    assert foreign.returncode == 125 and "linux/sparc64" in foreign.stderr
    clean.hako("rmi", "--platform", "linux/sparc64", "multi:1")
    assert len(clean.hako("images", "-q", "multi").stdout.split()) == 1
    clean.hako("rmi", "multi:1")
    clean.hako("load", "--platform", "linux/sparc64", "-i", str(two_platforms))
    assert clean.hako("image", "inspect", "-f", "{{.Architecture}}", "multi:1").stdout == "sparc64\n"
    clean.hako("rmi", "multi:1")


def test_five_hundred_layers_run(clean: Daemon, tmp_path: Path) -> None:
    # 127 and 500 are where others give up: overlayfs mounts, and docker's own limit.
    layers = [busybox_layer(os.urandom(8))] + [layer((f"files/{i}", str(i).encode())) for i in range(499)]
    save_archive(tmp_path / "deep.tar", "deep:1", layers, command=["/bin/busybox", "sh", "-c", "set /files/*; echo $#"])
    clean.hako("load", "-i", str(tmp_path / "deep.tar"))
    assert clean.hako("run", "--rm", "deep:1").stdout == "499\n"
    clean.hako("rmi", "deep:1")


def test_check_finds_and_repairs(clean: Daemon, archive: Path) -> None:
    clean.hako("load", "-i", str(archive))
    assert "all is well" in clean.hako("system", "check").stdout
    newest = max((clean.root / "layers").glob("*/data"), key=lambda path: path.stat().st_size)
    data = bytearray(newest.read_bytes())
    data[1000] ^= 0xFF
    newest.write_bytes(data)
    found = clean.hako("system", "check", check=False)
    assert found.returncode == 1 and newest.parent.name in found.stdout
    assert "unpacked again" in clean.hako("system", "check", "--repair").stdout
    assert "all is well" in clean.hako("system", "check").stdout
    assert clean.hako("run", "--rm", "app:1").stdout == "from the top layer\n"
    clean.hako("rmi", "app:1")


def in_terminal(daemon: Daemon, *command: str) -> str:
    """What the command draws on a terminal of 120 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    running = subprocess.Popen(command, env={**daemon.environment, "TERM": "xterm"},
                               stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    drawn = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # EIO: nobody has the other end any longer
            break
        if not piece:
            break
        drawn += piece
    os.close(ours)
    assert running.wait(60) == 0, drawn
    return drawn.decode()


@pytest.mark.parametrize("client", ["hako", "docker"])
def test_progress_on_a_terminal(clean: Daemon, registry: Registry, tmp_path: Path, client: str, docker_cli: str) -> None:  # noqa: F811
    path = tmp_path / "bars.tar"
    save_archive(path, "bars:1", [busybox_layer(os.urandom(8)), layer(("blob", os.urandom(8 << 20)))])
    reference = registry.push(path, f"team/bars-{client}:1")
    program = [str(BIN / "hako")] if client == "hako" else [docker_cli, "-H", f"unix://{clean.socket}"]
    drawn = in_terminal(clean, *program, "pull", reference)
    assert "Downloading [" in drawn and "Pull complete" in drawn and "Digest: sha256:" in drawn
    assert "\x1b[" in drawn  # bars move within their lines
    if client == "hako":
        assert "Layers: 2 downloaded" in drawn
        assert "2 already there" in clean.hako("pull", reference).stdout
    clean.hako("rmi", reference)


def files_of(daemon: Daemon) -> set[str]:
    return {str(path) for part in ("content", "layers", "views") for path in (daemon.root / part).rglob("*")
            if path.is_file()}


ROUNDS = 60 if SOAK else 6


def test_a_daemon_killed_at_any_moment_leaves_a_store_that_works(own: Daemon, registry: Registry, tmp_path: Path) -> None:  # noqa: F811
    """Pull, load and rmi are cut off by kill -9 at moments spread over what they take."""
    layers = [busybox_layer(os.urandom(8))] + [layer((f"blob{i}", os.urandom(4 << 20))) for i in range(4)]
    path = tmp_path / "victim.tar"
    save_archive(path, "victim:1", layers)
    reference = registry.push(path, "team/victim:1")
    own.start()
    before = files_of(own)

    def work(kind: int) -> subprocess.Popen:
        if kind == 0:
            return own.popen("pull", reference)
        if kind == 1:
            return own.popen("load", "-i", str(path))
        own.hako("load", "-i", str(path))
        return own.popen("rmi", "victim:1")

    began = time.monotonic()
    own.hako("pull", reference)
    took = time.monotonic() - began
    own.hako("rmi", reference)
    for number in range(ROUNDS):
        running = work(number % 3)
        time.sleep(took * (0.05 if number % 3 == 2 else random.random()))
        own.kill()
        running.kill()
        running.communicate()
        own.start()
        check = own.hako("system", "check", check=False)
        assert check.returncode == 0, check.stdout
    assert "Digest" in own.hako("pull", reference).stdout
    assert own.hako("run", "--rm", reference).returncode == 0
    own.hako("rmi", reference)
    own.hako("rmi", "victim:1", check=False)
    assert files_of(own) == before


def test_pulls_loads_and_removals_at_once(clean: Daemon, registry: Registry, archive: Path) -> None:  # noqa: F811
    """The collector never takes what another client brings."""
    reference = registry.push(archive, "team/busy:1")
    failures: list[str] = []

    def repeat(*commands: tuple[str, ...]) -> None:
        for _ in range(20 if SOAK else 4):
            for command in commands:
                done = clean.hako(*command, check=False)
                if done.returncode != 0 and "No such image" not in done.stderr:
                    failures.append(f"{command}: {done.stdout} {done.stderr}")

    clients = [threading.Thread(target=repeat, args=commands) for commands in (
        (("pull", reference), ("rmi", reference)),
        (("load", "-i", str(archive)), ("rmi", "app:1")),
        (("image", "prune", "-f"), ("system", "check")),
    )]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert not failures
    clean.hako("pull", reference)
    assert clean.hako("run", "--rm", reference).stdout == "from the top layer\n"
    assert "all is well" in clean.hako("system", "check").stdout
    clean.hako("rmi", reference)
