"""macOS machines, with stand-ins for all that is Apple's: `hako macos` as a user would type it."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import struct
import subprocess
import threading
import zlib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import BIN


def hako(*arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / "hako", "macos", *arguments], input=input, capture_output=True, text=True,
                          check=False, timeout=60)


def models() -> list[str]:
    return [model["product"] for model in json.loads(hako("models", "--format", "json").stdout)]


def test_an_identity_of_a_model_passes_its_own_check() -> None:
    assert len(models()) > 60
    for model in models()[::20]:
        made = hako("identity", "generate", "--model", model, "--format", "json")
        identity = json.loads(made.stdout)
        assert identity["product"] == model
        assert set(identity) == {"product", "serial", "mlb", "uuid", "mac", "rom"}
        assert re.fullmatch("00:16:CB(:[0-9A-F]{2}){3}", identity["mac"])
        assert hako("identity", "check", "-", input=made.stdout).returncode == 0


@pytest.mark.parametrize(("flag", "value", "says"), [
    ("--serial", "C02VV5RFHX8", "12 characters"),
    ("--mlb", "C0274000000000001", "checksum"),
    ("--mac", "01:16:CB:01:02:03", "multicast"),
    ("--uuid", "1234", "UUID"),
    ("--model", "iMac99,1", "iMac20,1"),
    ("--format", "xml", "table or json"),
])
def test_a_wrong_part_is_named(flag: str, value: str, says: str) -> None:
    for verb in ("generate", "check"):
        answer = hako("identity", verb, flag, value)
        assert answer.returncode != 0
        assert says in answer.stderr


def test_versions_are_listed() -> None:
    versions = json.loads(hako("versions", "--format", "json").stdout)
    assert [version["version"] for version in versions] == ["10.13", "10.14", "10.15", "11", "12", "13", "14", "15", "26"]


# ---- the recovery system, from a server that speaks the protocol; its chunklist is signed by nobody

DISK = bytes(range(256)) * 2048
PIECE = 2000


def make_dmg(disk: bytes) -> bytes:
    """A disk image with one piece of zlib."""
    data = zlib.compress(disk)
    sectors = len(disk) // 512
    pieces = struct.pack(">IIQQQQ", 0x80000005, 0, 0, sectors, 0, len(data))
    pieces += struct.pack(">IIQQQQ", 0xFFFFFFFF, 0, sectors, 0, len(data), 0)
    mish = struct.pack(">4sIQQQII", b"mish", 1, 0, sectors, 0, sectors, 0) + bytes(160) + struct.pack(">I", 2) + pieces
    plist = (b"<plist><dict><key>resource-fork</key><dict><key>blkx</key><array><dict><key>Data</key><data>"
             + b64encode(mish) + b"</data></dict></array></dict></dict></plist>")
    koly = struct.pack(">4sIIIQQQ", b"koly", 4, 512, 1, 0, 0, len(data)).ljust(0xD8, b"\0")
    koly += struct.pack(">QQ", len(data), len(plist)).ljust(0x1EC - 0xD8, b"\0")
    koly += struct.pack(">Q", sectors)
    return data + plist + koly.ljust(512, b"\0")


def make_chunklist(image: bytes) -> bytes:
    pieces = [image[at:at + PIECE] for at in range(0, len(image), PIECE)]
    body = b"".join(struct.pack("<I", len(piece)) + hashlib.sha256(piece).digest() for piece in pieces)
    head = struct.pack("<4sIBBBBQQQ", b"CNKL", 0x24, 1, 1, 2, 0, len(pieces), 0x24, 0x24 + len(body))
    return head + body + hashlib.sha256(head + body).digest()


IMAGE = make_dmg(DISK)


class RecoveryServer(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RecoveryHandler)
        self.seen: list[str] = []
        self.image = IMAGE
        self.files: dict[str, bytes] = {}  # of another project, by their paths

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class RecoveryHandler(http.server.BaseHTTPRequestHandler):
    server: RecoveryServer

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        if self.path in self.server.files:
            return self.reply(200, self.server.files[self.path])
        if self.path == "/":
            return self.reply(200, b"", Set_Cookie="session=1; path=/")
        if self.headers.get("Cookie") != "AssetToken=good":
            return self.reply(403, b"")
        if self.path == "/chunklist":
            return self.reply(200, make_chunklist(IMAGE))
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        return self.reply(206, self.server.image[first:last + 1])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        url = self.server.url
        offer = f"AP: 1\nAU: {url}/dmg\nAH: 0\nAT: good\nCU: {url}/chunklist\nCH: 0\nCT: good\n"
        return self.reply(200 if self.headers.get("Cookie") == "session=1" else 401, offer.encode())


@pytest.fixture
def server() -> Iterator[RecoveryServer]:
    with RecoveryServer() as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_what_apple_did_not_sign_is_not_kept(server: RecoveryServer, tmp_path: Path) -> None:
    refused = hako("fetch", "--server", server.url, "--cache", str(tmp_path), "--no-opencore")
    assert refused.returncode == 1
    assert "not signed by Apple" in refused.stderr
    assert "/dmg" not in server.seen
    assert not list(tmp_path.rglob("*.dmg*"))


def test_an_image_is_fetched_copied_and_imported(server: RecoveryServer, tmp_path: Path) -> None:
    away, cache, other = (str(tmp_path / name) for name in ("away", "cache", "other"))
    taken = hako("fetch", "--version", "Sonoma", "--server", server.url, "--cache", cache, "--allow-unverified",
                 "--output", away, "--no-opencore")
    assert taken.returncode == 0, taken.stderr
    assert "Apple did not sign" in taken.stderr
    assert Path(taken.stdout.strip()).read_bytes() == IMAGE
    asked = len(server.seen)
    assert hako("fetch", "--server", server.url, "--cache", cache, "--allow-unverified", "--no-opencore").returncode == 0
    assert len(server.seen) == asked, "it was here already"

    imported = hako("import", away, "--cache", other, "--allow-unverified")
    assert imported.returncode == 0, imported.stderr
    assert (Path(other) / "14" / "BaseSystem.dmg").read_bytes() == IMAGE
    assert hako("import", away, "--cache", str(tmp_path / "third")).returncode == 1


def test_a_changed_image_is_refused_even_unverified(server: RecoveryServer, tmp_path: Path) -> None:
    server.image = IMAGE[:100] + b"?" + IMAGE[101:]
    taken = hako("fetch", "--server", server.url, "--cache", str(tmp_path), "--allow-unverified", "--no-opencore")
    assert taken.returncode == 1
    assert "not those that the chunklist tells of" in taken.stderr
    assert not list(tmp_path.rglob("*.dmg"))


@pytest.mark.parametrize(("arguments", "says"), [
    (["fetch", "--version", "9"], "26 (Tahoe)"),
    (["fetch", "--connections", "0"], "1 to 16"),
    (["fetch", "--no-opencore", "--server", "http://127.0.0.1:1"], "check its name, the network"),
    (["import", "/nonexistent"], "needs a BaseSystem.dmg"),
])
def test_bad_requests_are_answered_with_a_sentence(arguments: list[str], says: str, tmp_path: Path) -> None:
    answer = hako(*arguments, "--cache", str(tmp_path))
    assert answer.returncode == 1
    assert says in answer.stderr
