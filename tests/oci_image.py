"""Makes OCI images for tests out of layer tars, in the layout that umoci, skopeo and hako read."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Layer:
    """A layer's plain tar, and how it is stored: "", "gzip" or "zstd"."""

    tar: bytes
    compression: str = "gzip"
    level: int = 1

    def stored(self) -> bytes:
        if self.compression == "gzip":
            return gzip.compress(self.tar, self.level, mtime=0)
        if self.compression == "zstd":
            return subprocess.run(["zstd", "-q", f"-{self.level}", "-c"], input=self.tar, capture_output=True, check=True).stdout
        return self.tar


@dataclass
class OciImage:
    """An OCI layout in a folder; the image has the tag `test`."""

    folder: Path
    layers: list[Layer]
    command: list[str] = field(default_factory=lambda: ["/bin/true"])

    def __post_init__(self) -> None:
        (self.folder / "blobs" / "sha256").mkdir(parents=True)
        layer_type = "application/vnd.oci.image.layer.v1.tar"
        layers = [self._blob(layer.stored(), layer_type + (f"+{layer.compression}" if layer.compression else ""))
                  for layer in self.layers]
        config = self._blob(json.dumps({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": self.command},
            "rootfs": {"type": "layers",
                       "diff_ids": ["sha256:" + hashlib.sha256(layer.tar).hexdigest() for layer in self.layers]},
        }).encode(), "application/vnd.oci.image.config.v1+json")
        manifest_type = "application/vnd.oci.image.manifest.v1+json"
        manifest = self._blob(json.dumps({"schemaVersion": 2, "mediaType": manifest_type, "config": config,
                                          "layers": layers}).encode(), manifest_type)
        manifest["annotations"] = {"org.opencontainers.image.ref.name": "test"}
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def _blob(self, data: bytes, media_type: str) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        (self.folder / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def archive(self, path: Path) -> Path:
        """The layout as one tar, for `hako load`."""
        with tarfile.open(path, "w") as tar:
            tar.add(self.folder, arcname="")
        return path

    def unpack_by_umoci(self, folder: Path) -> Path:
        """The root filesystem as umoci makes it."""
        done = subprocess.run(["umoci", "unpack", "--image", f"{self.folder}:test", folder], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 0, done.stderr
        return folder / "rootfs"
