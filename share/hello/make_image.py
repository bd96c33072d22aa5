#!/usr/bin/env python3
"""Makes the image hako/hello from a static busybox: an OCI layout in a tar.

The same busybox gives the same bytes: times are the binary's own, entries are sorted, and the layer
is not compressed.
"""

import argparse
import datetime
import hashlib
import io
import json
import os
import platform
import posixpath
import struct
import subprocess
import sys
import tarfile

NAME = "docker.io/hako/hello:latest"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
FOLDERS = {
    "bin": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "proc": 0o555, "root": 0o700,
    "run": 0o755, "sbin": 0o755, "sys": 0o555, "tmp": 0o1777, "usr": 0o755, "usr/bin": 0o755,
    "usr/sbin": 0o755, "var": 0o755, "var/tmp": 0o1777,
}
PT_INTERP = 3


def check_static(binary: bytes, path: str) -> None:
    """A program that asks for a dynamic linker would find none in the image."""
    if binary[:5] != b"\x7fELF\x02":
        sys.exit(f"{path} is no 64-bit ELF program; install busybox-static")
    offset, = struct.unpack_from("<Q", binary, 32)
    size, count = struct.unpack_from("<HH", binary, 54)
    kinds = [struct.unpack_from("<I", binary, offset + i * size)[0] for i in range(count)]
    if PT_INTERP in kinds:
        sys.exit(f"{path} is linked dynamically; install busybox-static")


class Tar:
    """A tar in memory whose entries all have the same time and belong to root."""

    def __init__(self, time: int):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.USTAR_FORMAT)
        self.time = time

    def add(self, name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o644,
            data: bytes = b"", target: str = "") -> None:
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.mtime = kind, mode, self.time
        info.size, info.linkname = len(data), target
        self.tar.addfile(info, io.BytesIO(data))

    def finish(self) -> bytes:
        self.tar.close()
        return self.buffer.getvalue()


def make_layer(busybox: str, binary: bytes, files: str, time: int) -> bytes:
    listing = subprocess.run([busybox, "--list-full"], check=True, capture_output=True, text=True)
    layer = Tar(time)
    for name, mode in sorted(FOLDERS.items()):
        layer.add(name, tarfile.DIRTYPE, mode)
    layer.add("bin/busybox", mode=0o755, data=binary)
    for name in sorted(listing.stdout.split()):
        folder = posixpath.dirname(name)
        if folder in FOLDERS and name != "bin/busybox":
            layer.add(name, tarfile.SYMTYPE, 0o777,
                      target=posixpath.relpath("bin/busybox", folder))
    for folder, _, names in sorted(os.walk(files)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                layer.add(posixpath.relpath(path, files), data=file.read(),
                          mode=0o755 if folder.endswith("bin") else 0o644)
    return layer.finish()


def encode(document: dict) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def describe(media_type: str, blob: bytes) -> dict:
    return {"mediaType": media_type, "size": len(blob),
            "digest": "sha256:" + hashlib.sha256(blob).hexdigest()}


def make_layout(layer: bytes, time: int) -> bytes:
    created = datetime.datetime.fromtimestamp(time, datetime.timezone.utc).strftime(
        "%Y-%m-%dT%H:%M:%SZ")
    config = encode({
        "architecture": ARCHITECTURES[platform.machine()], "os": "linux", "created": created,
        "config": {"Env": ["PATH=" + PATH], "Cmd": ["hello"], "WorkingDir": "/",
                   "Labels": {"org.opencontainers.image.title": "hako/hello"}},
        "rootfs": {"type": "layers",
                   "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        "history": [{"created": created, "created_by": "share/hello/make_image.py"}],
    })
    oci = "application/vnd.oci.image."
    manifest = encode({
        "schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
        "config": describe(oci + "config.v1+json", config),
        "layers": [describe(oci + "layer.v1.tar", layer)],
    })
    entry = describe(oci + "manifest.v1+json", manifest)
    entry["annotations"] = {"io.containerd.image.name": NAME,
                            "org.opencontainers.image.ref.name": "latest"}
    layout = Tar(time)
    layout.add("oci-layout", data=encode({"imageLayoutVersion": "1.0.0"}))
    layout.add("index.json", data=encode({
        "schemaVersion": 2, "mediaType": oci + "index.v1+json", "manifests": [entry]}))
    for blob in (manifest, config, layer):
        layout.add("blobs/sha256/" + hashlib.sha256(blob).hexdigest(), data=blob)
    return layout.finish()


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busybox", default="/bin/busybox", help="a static busybox")
    parser.add_argument("output", help="the tar to write")
    arguments = parser.parse_args()

    with open(arguments.busybox, "rb") as file:
        binary = file.read()
    check_static(binary, arguments.busybox)
    time = int(os.stat(arguments.busybox).st_mtime)
    layer = make_layer(arguments.busybox, binary, os.path.join(here, "files"), time)
    temporary = arguments.output + ".new"
    with open(temporary, "wb") as file:
        file.write(make_layout(layer, time))
    os.replace(temporary, arguments.output)


if __name__ == "__main__":
    main()
