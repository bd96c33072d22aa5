"""Debian's docker-registry on loopback: open, with passwords, with TLS."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from hako import wait_until

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt


def require(*programs: str) -> None:
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed; run scripts/setup.sh test")


@dataclass
class Certificates:
    """A CA of our own, and what it signed."""

    ca: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path, names: tuple[str, ...] = ("server", "client")) -> dict[str, Certificates]:
    """Certificates for 127.0.0.1, all of one CA."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hako test CA",
            "-keyout", "ca.key", "-out", "ca.crt")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    for name in names:
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", "extensions", "-out", f"{name}.cert")
    return {name: Certificates(folder / "ca.crt", folder / f"{name}.cert", folder / f"{name}.key") for name in names}


class Registry:
    """docker-registry on a free loopback port."""

    def __init__(self, folder: Path, user: tuple[str, str] | None = None, tls: Certificates | None = None,
                 client_ca: Path | None = None, mirror_of: str | None = None) -> None:
        require("docker-registry", "skopeo")
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.folder = folder
        self.user = user
        config: dict = {
            "version": 0.1, "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": self.address},
        }
        if user:
            hashed = crypt.crypt(user[1], crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))
            (folder / "htpasswd").write_text(f"{user[0]}:{hashed}\n")
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
        if tls:
            config["http"]["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}
            if client_ca:
                config["http"]["tls"]["clientcas"] = [str(client_ca)]
        if mirror_of:
            config["proxy"] = {"remoteurl": mirror_of}
        (folder / "config.yml").write_text(json.dumps(config))
        self.start()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", str(self.folder / "config.yml")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.up, 20)

    def up(self) -> bool:
        host, port = self.address.split(":")
        with socket.socket() as probe:
            return probe.connect_ex((host, int(port))) == 0

    def push(self, archive: Path, name: str) -> str:
        reference = f"{self.address}/{name}"
        self.skopeo("copy", f"docker-archive:{archive}", f"docker://{reference}")
        return reference

    def skopeo(self, command: str, *arguments: str) -> str:
        """skopeo with this registry's password, whatever its certificate."""
        options = []
        sides = {"copy": ("--src-", "--dest-")}.get(command, ("--",))
        for side in sides:
            options += [f"{side}tls-verify=false"]
            if self.user:
                options += [f"{side}creds={self.user[0]}:{self.user[1]}"]
        done = subprocess.run(["skopeo", command, *options, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
