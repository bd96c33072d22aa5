"""Registries of all kinds: passwords, helpers, certificates, mirrors."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pty
import shutil
import stat
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import Daemon
from images_test import layer, save_archive
from registries import Certificates, Registry, make_certificates, require

ANN = ("ann", "s3cret:with colon")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registries")


@pytest.fixture(scope="module")
def certificates(folder: Path) -> dict[str, Certificates]:
    require("openssl")
    return make_certificates(folder / "pki")


@pytest.fixture(scope="module")
def private(folder: Path) -> Iterator[Registry]:
    """With a password, without TLS."""
    mine = Registry(folder / "private", user=ANN)
    yield mine
    mine.stop()


@pytest.fixture(scope="module")
def public(folder: Path) -> Iterator[Registry]:
    mine = Registry(folder / "public")
    yield mine
    mine.stop()


@pytest.fixture(scope="module")
def secure(folder: Path, certificates: dict[str, Certificates]) -> Iterator[Registry]:
    """TLS by a CA that nobody knows, and a client certificate wanted."""
    mine = Registry(folder / "secure", tls=certificates["server"], client_ca=certificates["server"].ca)
    yield mine
    mine.stop()


@pytest.fixture(scope="module")
def daemon(programs: Path, folder: Path, public: Registry) -> Iterator[Daemon]:
    mine = Daemon()
    mine.options += ["--certs-dir", folder / "certs.d"]
    # A dead mirror before the live registry.
    mine.configuration = {"registry-mirrors": {public.address: ["http://127.0.0.1:1"]}}
    mine.start()
    yield mine
    mine.destroy()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "app.tar"
    save_archive(path, "app:1", [layer(("salt", os.urandom(8))), layer(("data", os.urandom(300_000)))])
    return path


@pytest.fixture
def config(clean: Daemon) -> Iterator[Path]:
    """The user's config.json; not there yet, and gone afterwards."""
    path = clean.folder / "docker" / "config.json"
    yield path
    shutil.rmtree(path.parent, ignore_errors=True)


def log_in(daemon: Daemon, registry: Registry, user: tuple[str, str] = ANN, check: bool = True):
    return daemon.hako("login", "-u", user[0], "--password-stdin", registry.address, input=user[1] + "\n",
                       check=check)


def test_login_pull_and_logout(clean: Daemon, private: Registry, archive: Path, config: Path) -> None:
    reference = private.push(archive, "team/login:1")
    denied = clean.hako("pull", reference, check=False)
    assert denied.returncode == 1 and "pull access denied" in denied.stderr and "login" in denied.stderr

    wrong = log_in(clean, private, ("ann", "wrong"), check=False)
    assert wrong.returncode == 1 and "log in again" in wrong.stderr and "wrong" not in wrong.stderr
    assert not config.exists()

    done = log_in(clean, private)
    assert "Login Succeeded" in done.stdout and "unencrypted" in done.stderr
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    kept = json.loads(config.read_text())["auths"][private.address]
    assert base64.b64decode(kept["auth"]).decode() == ":".join(ANN)
    assert "Downloaded newer image" in clean.hako("pull", reference).stdout
    assert "existing credentials" in clean.hako("login", private.address).stdout

    assert "Removing login credentials" in clean.hako("logout", private.address).stdout
    assert json.loads(config.read_text()) == {"auths": {}}
    assert "Not logged in" in clean.hako("logout", private.address).stdout
    assert clean.hako("pull", reference, check=False).returncode == 1


def test_docker_and_hako_share_a_login(clean: Daemon, private: Registry, archive: Path, config: Path,
                                       docker_cli: str) -> None:
    reference = private.push(archive, "team/shared:1")
    clean.docker("login", "-u", ANN[0], "--password-stdin", private.address, input=ANN[1])
    clean.hako("pull", reference)
    clean.hako("logout", private.address)
    assert clean.docker("pull", reference, check=False).returncode == 1
    log_in(clean, private)
    clean.docker("pull", reference)
    clean.docker("logout", private.address)
    assert json.loads(config.read_text()).get("auths", {}) == {}


def test_login_needs_a_terminal_or_flags(clean: Daemon, private: Registry, config: Path) -> None:
    for arguments in (["login"], ["login", "-u", "x"], ["login", "--password-stdin"],
                      ["login", "-u", "x", "-p", "y", "--password-stdin"]):
        done = clean.hako(*arguments, private.address, check=False)
        assert done.returncode == 1 and "password" in done.stderr, arguments
    assert not config.exists()


def test_login_at_a_terminal_hides_the_password(clean: Daemon, private: Registry, config: Path) -> None:
    def converse(answers: list[tuple[bytes, bytes]]) -> tuple[int, bytes]:
        """Types each answer when its prompt shows; the exit status and all that was shown."""
        ours, theirs = pty.openpty()
        process = clean.popen("login", private.address, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        try:
            while True:
                if answers and shown.endswith(answers[0][0]):
                    os.write(ours, answers.pop(0)[1])
                shown += os.read(ours, 1000)
        except OSError:  # the other side closed
            return process.wait(30), shown
        finally:
            os.close(ours)

    status, shown = converse([(b"Username: ", b"ann\n"), (b"Password: ", ANN[1].encode() + b"\n")])
    assert status == 0 and b"Login Succeeded" in shown, shown
    assert b"ann" in shown and ANN[1].encode() not in shown
    config.unlink()
    status, shown = converse([(b"Username: ", b"ann\n"), (b"Password: ", b"half\x03")])
    assert status == 1 and b"given up" in shown and b"half" not in shown
    assert not config.exists()


def test_a_credential_helper(clean: Daemon, private: Registry, archive: Path, config: Path, tmp_path: Path) -> None:
    reference = private.push(archive, "team/helper:1")
    helper = tmp_path / "docker-credential-vault"
    helper.write_text(f"""#!/bin/sh
case $1 in
    store) cat > {tmp_path}/secret ;;
    get) [ -e {tmp_path}/secret ] && cat {tmp_path}/secret || {{ echo credentials not found in native keychain; exit 1; }} ;;
    erase) rm {tmp_path}/secret ;;
esac
""")
    helper.chmod(0o755)
    config.parent.mkdir()
    config.write_text(json.dumps({"credHelpers": {private.address: "vault"}, "kept": [1]}))
    old = clean.environment["PATH"]
    clean.environment["PATH"] = f"{tmp_path}:{old}"
    try:
        assert "unencrypted" not in log_in(clean, private).stderr
        assert ANN[1] not in config.read_text() and json.loads((tmp_path / "secret").read_text())["Secret"] == ANN[1]
        clean.hako("pull", reference)
        clean.hako("logout", private.address)
        assert not (tmp_path / "secret").exists() and json.loads(config.read_text())["kept"] == [1]
    finally:
        clean.environment["PATH"] = old
    lost = clean.hako("pull", reference, check=False)
    assert lost.returncode == 1 and "docker-credential-vault is not installed" in lost.stderr


def test_own_ca_and_client_certificate(clean: Daemon, secure: Registry, certificates: dict[str, Certificates],
                                       folder: Path, archive: Path, tmp_path: Path) -> None:
    place = folder / "certs.d" / secure.address
    client = certificates["client"]
    # skopeo reads the same layout.
    certs = tmp_path / "certs"
    certs.mkdir()
    for source, name in ((client.ca, "ca.crt"), (client.certificate, "client.cert"), (client.key, "client.key")):
        shutil.copy(source, certs / name)
    reference = f"{secure.address}/team/tls:1"
    secure.skopeo("copy", f"--dest-cert-dir={certs}", f"docker-archive:{archive}", f"docker://{reference}")

    unknown = clean.hako("pull", reference, check=False)
    assert unknown.returncode == 1 and f"certs.d/{secure.address}/ca.crt" in unknown.stderr
    place.mkdir(parents=True)
    shutil.copy(client.ca, place / "ca.crt")
    assert clean.hako("pull", reference, check=False).returncode == 1
    shutil.copy(client.certificate, place / "client.cert")
    half = clean.hako("pull", reference, check=False)
    assert half.returncode == 1 and "missing key" in half.stderr
    shutil.copy(client.key, place / "client.key")
    clean.hako("pull", reference)


def test_a_mirror_that_is_down_is_passed_over(clean: Daemon, public: Registry, archive: Path) -> None:
    reference = public.push(archive, "team/mirrored:1")
    clean.hako("pull", reference)
    assert "mirror http://127.0.0.1:1" in clean.log()
    status, info = clean.api("GET", "/info")
    assert status == 200 and info["RegistryConfig"]["IndexConfigs"][public.address]["Mirrors"] == ["http://127.0.0.1:1"]


def test_a_mirror_is_asked_first(own: Daemon, public: Registry, folder: Path, archive: Path) -> None:
    mirror = Registry(folder / "mirror", mirror_of=f"http://{public.address}")
    try:
        reference = public.push(archive, "team/cached:1")
        own.configuration = {"registry-mirrors": {public.address: [f"http://{mirror.address}"]}}
        own.start().hako("pull", reference)
        assert list((mirror.folder / "data").rglob("blobs"))
    finally:
        mirror.stop()


@pytest.mark.parametrize("text", ['{"insecure-registry": []}', '{"insecure-registries": 1}', "{", "[]"])
def test_a_wrong_configuration_file(programs: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "daemon.json").write_text(text)
    done = subprocess.run([programs / "hakod", "--root", tmp_path / "root", "--run", tmp_path / "run", "--config",
                           tmp_path / "daemon.json"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and str(tmp_path / "daemon.json") in done.stderr
    assert not (tmp_path / "root").exists()


def test_what_the_daemon_tells_of_an_image_in_a_registry(clean: Daemon, public: Registry, archive: Path) -> None:
    reference = public.push(archive, "team/told:1")
    status, told = clean.api("GET", f"/distribution/{reference}/json")
    assert status == 200 and told["Platforms"] == [{"architecture": "amd64", "os": "linux"}]
    digest = json.loads(public.skopeo("inspect", f"docker://{reference}"))["Digest"]
    assert told["Descriptor"]["digest"] == digest
    assert clean.api("GET", f"/distribution/{public.address}/no/such:1/json")[0] == 404


# ---- push


def load(daemon: Daemon, registry: Registry, archive: Path, name: str) -> str:
    """Loads the archive under a name in the registry."""
    reference = f"{registry.address}/{name}"
    daemon.hako("load", "-i", str(archive))
    daemon.hako("tag", "app:1", reference)
    return reference


def layers_of(registry: Registry, reference: str) -> list[str]:
    return json.loads(registry.skopeo("inspect", f"docker://{reference}"))["Layers"]


def test_push_and_pull_elsewhere(clean: Daemon, public: Registry, archive: Path, tmp_path: Path) -> None:
    reference = load(clean, public, archive, "team/pushed:1")
    out = clean.hako("push", reference).stdout
    assert f"The push refers to repository [{reference.rpartition(':')[0]}]" in out and out.count("Pushed") == 2
    digest = json.loads(public.skopeo("inspect", f"docker://{reference}"))["Digest"]
    assert f"1: digest: {digest} size: " in out
    # skopeo checks every digest on its way.
    public.skopeo("copy", "--dest-compress=false", f"docker://{reference}", f"dir:{tmp_path}/copy")
    assert clean.hako("push", reference).stdout.count("Layer already exists") == 2
    names = json.loads(clean.hako("image", "inspect", reference).stdout)[0]["RepoDigests"]
    assert f"{reference.rpartition(':')[0]}@{digest}" in names

    other = f"{public.address}/other/place:2"
    clean.hako("tag", reference, other)
    assert clean.hako("push", other).stdout.count("Mounted from team/pushed") == 2
    assert layers_of(public, other) == layers_of(public, reference)
    # What was pulled goes back as it came.
    clean.hako("rmi", "-f", reference, other, "app:1")
    clean.hako("pull", other)
    clean.hako("tag", other, f"{public.address}/third/place:3")
    clean.hako("push", "-q", f"{public.address}/third/place:3")
    assert json.loads(public.skopeo("inspect", f"docker://{public.address}/third/place:3"))["Digest"] == digest


def test_push_with_a_login(clean: Daemon, private: Registry, archive: Path, config: Path, docker_cli: str) -> None:
    reference = load(clean, private, archive, "team/mine:1")
    denied = clean.hako("push", reference, check=False)
    assert denied.returncode == 1 and "push access denied" in denied.stderr
    clean.docker("login", "-u", ANN[0], "--password-stdin", private.address, input=ANN[1])
    out = clean.docker("push", reference).stdout
    assert "Pushed" in out and "digest: sha256:" in out
    clean.hako("tag", reference, f"{private.address}/team/mine:2")
    clean.hako("push", "--all-tags", f"{private.address}/team/mine")
    assert sorted(clean.hako("image", "ls-remote", reference).stdout.split()) == ["1", "2"]
    assert "team/mine" in clean.hako("image", "ls-remote", "--catalog", private.address).stdout.split()


def test_push_over_tls(clean: Daemon, secure: Registry, certificates: dict[str, Certificates], folder: Path,
                       archive: Path) -> None:
    place = folder / "certs.d" / secure.address
    place.mkdir(parents=True, exist_ok=True)
    client = certificates["client"]
    for source, name in ((client.ca, "ca.crt"), (client.certificate, "client.cert"), (client.key, "client.key")):
        shutil.copy(source, place / name)
    reference = load(clean, secure, archive, "team/pushed:1")
    assert "Pushed" in clean.hako("push", reference).stdout


def test_push_of_a_large_layer_goes_in_chunks(clean: Daemon, public: Registry, tmp_path: Path) -> None:
    big = tmp_path / "big.tar"
    save_archive(big, "app:1", [layer(("data", os.urandom(40 << 20)))])
    reference = load(clean, public, big, "team/big:1")
    clean.hako("push", reference)
    public.skopeo("copy", f"docker://{reference}", f"dir:{tmp_path}/copy")


def test_push_of_all_platforms(clean: Daemon, public: Registry, tmp_path: Path) -> None:
    manifests = []
    for arch in ("amd64", "arm64"):
        one = tmp_path / f"{arch}.tar"
        save_archive(one, "one:1", [layer(("arch", arch.encode() + os.urandom(8)))])
        raw = public.skopeo("inspect", "--raw", f"docker://{public.push(one, f'team/many:{arch}')}").encode()
        manifests.append({"mediaType": json.loads(raw)["mediaType"], "size": len(raw),
                          "digest": f"sha256:{hashlib.sha256(raw).hexdigest()}",
                          "platform": {"os": "linux", "architecture": arch}})
    kind = "application/vnd.docker.distribution.manifest.list.v2+json"
    request = urllib.request.Request(f"http://{public.address}/v2/team/many/manifests/1", method="PUT", headers={
        "Content-Type": kind}, data=json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": manifests}).encode())
    assert urllib.request.urlopen(request).status == 201
    source = f"{public.address}/team/many:1"
    clean.hako("pull", "--all-platforms", source)
    target = f"{public.address}/copied/many:1"
    clean.hako("tag", source, target)
    clean.hako("push", target)
    raw = public.skopeo("inspect", "--raw", f"docker://{target}")
    assert raw == public.skopeo("inspect", "--raw", f"docker://{source}")
    public.skopeo("copy", "--all", f"docker://{target}", f"dir:{tmp_path}/copy")


def test_push_of_nothing(clean: Daemon, public: Registry) -> None:
    for name in (f"{public.address}/no/such:1", f"{public.address}/no/such@sha256:{'0' * 64}"):
        done = clean.hako("push", name, check=False)
        assert done.returncode == 1 and done.stderr.strip()
    gone = clean.hako("push", "--all-tags", f"{public.address}/no/such", check=False)
    assert gone.returncode == 1 and "does not exist locally" in gone.stderr


def test_referrers(clean: Daemon, public: Registry, archive: Path) -> None:
    reference = public.push(archive, "team/signed:1")
    assert clean.hako("image", "ls-remote", "--referrers", reference).stdout == ""
    missing = clean.hako("image", "ls-remote", f"{public.address}/no/such", check=False)
    assert missing.returncode == 1 and "no/such" in missing.stderr
