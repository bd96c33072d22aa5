"""OpenCore as it is downloaded: from a server of our own, with GRUB and a few bytes in its place."""

from __future__ import annotations

import hashlib
import io
import os
import plistlib
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest

from hako import BIN
from macos_disk_test import FILES, KEXTS, TOOLS, identity, read  # noqa: F401 (a fixture)
from macos_test import RecoveryServer, server  # noqa: F401 (a fixture)

pytestmark = pytest.mark.skipif(not all(map(shutil.which, TOOLS)),
                                reason="dosfstools, mtools or gdisk is missing; run scripts/setup.sh test")

# As VirtualSMC's release has them, and what the Finder adds.
MORE = {"Kexts/SMCProcessor.kext/Contents/Info.plist": b"<plist/>", "__MACOSX/Lilu.kext/Contents/._Info.plist": b"?"}


def pack(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def publish(server: RecoveryServer, files: dict[str, bytes], lists: Path) -> Path:  # noqa: F811
    """Puts the files on the server, and a list of them into the folder."""
    lines = ["name,version,sha256,url"]
    for name, content in files.items():
        server.files[f"/oc/{name}"] = content
        lines.append(f"{name},1.0,{hashlib.sha256(content).hexdigest()},{server.url}/oc/{name}")
    made = lists / "opencore.csv"
    made.write_text("\n".join(lines) + "\n")
    return made


@pytest.fixture
def listed(server: RecoveryServer, tmp_path: Path) -> Path:  # noqa: F811
    return publish(server, {"OpenCore.zip": pack({f"X64/{name}": content for name, content in FILES.items()}),
                            "kexts.zip": pack({**KEXTS, **MORE})}, tmp_path)


def hako(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BIN / "hako", "macos", *arguments], capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "HAKO_ROOT": str(root)})


def test_a_boot_disk_needs_no_release_at_hand(server: RecoveryServer, listed: Path, tmp_path: Path,  # noqa: F811
                                              identity: Path) -> None:  # noqa: F811
    root, disk = tmp_path / "root", tmp_path / "boot.img"
    made = hako(root, "disk", "-o", disk, "--identity", identity, "--opencore-list", listed)
    assert made.returncode == 0, made.stderr
    assert made.stderr.splitlines() == ["hako: downloading OpenCore.zip", "hako: downloading kexts.zip"]
    assert read(disk, "EFI/OC/OpenCore.efi") == FILES["EFI/OC/OpenCore.efi"]
    kexts = plistlib.loads(read(disk, "EFI/OC/config.plist"))["Kernel"]["Add"]
    assert [kext["BundlePath"] for kext in kexts] == ["Lilu.kext", "VirtualSMC.kext", "AppleMCEReporterDisabler.kext",
                                                      "Zebra.kext"], "what senses the hardware stays out"
    listing = subprocess.run(["mdir", "-/", "-b", "-i", f"{disk}@@{2048 * 512}", "::/"], capture_output=True, text=True,
                             check=True).stdout
    assert "._Info" not in listing
    assert "SMCProcessor" not in listing

    assert hako(root, "disk", "-o", disk, "--identity", identity, "--opencore-list", listed).stderr == ""
    assert len(server.seen) == 2, "they were here already"


def test_without_its_images_there_is_no_graphical_picker(server: RecoveryServer, tmp_path: Path,  # noqa: F811
                                                         identity: Path) -> None:  # noqa: F811
    plain = {f"X64/{name}": content for name, content in FILES.items() if "Resources" not in name}
    listed = publish(server, {"OpenCore.zip": pack(plain)}, tmp_path)
    disk = tmp_path / "boot.img"
    assert hako(tmp_path, "disk", "-o", disk, "--identity", identity, "--opencore-list", listed).returncode == 0
    config = plistlib.loads(read(disk, "EFI/OC/config.plist"))
    assert config["Misc"]["Boot"]["PickerMode"] == "Builtin"
    assert "OpenCanopy.efi" not in [driver["Path"] for driver in config["UEFI"]["Drivers"]]

    # As OcBinaryData has them.
    picture = "Resources/Image/Acidanthera/Syrah/Cursor.icns"
    listed = publish(server, {"OpenCore.zip": pack(plain), "data.zip": pack({f"OcBinaryData-1/{picture}": b"cursor"})},
                     tmp_path)
    assert hako(tmp_path, "disk", "-o", disk, "--identity", identity, "--opencore-list", listed).returncode == 0
    assert read(disk, f"EFI/OC/{picture}") == b"cursor"
    assert plistlib.loads(read(disk, "EFI/OC/config.plist"))["Misc"]["Boot"]["PickerMode"] == "External"


def test_what_is_another_file_than_the_list_says_boots_nothing(server: RecoveryServer, listed: Path, tmp_path: Path,  # noqa: F811
                                                               identity: Path) -> None:  # noqa: F811
    root, disk = tmp_path / "root", tmp_path / "boot.img"
    make = ("disk", "-o", disk, "--identity", identity)
    good = server.files["/oc/kexts.zip"]
    server.files["/oc/kexts.zip"] = evil = pack({"Lilu.kext/Contents/MacOS/Lilu": b"evil"})
    refused = hako(root, *make, "--opencore-list", listed)
    assert refused.returncode == 1
    assert f"has the SHA-256 {hashlib.sha256(evil).hexdigest()}, not {hashlib.sha256(good).hexdigest()}" in refused.stderr
    assert not disk.exists()
    assert not list(root.rglob("*kexts.zip*"))

    # The list that is built in knows its files wherever they come from.
    server.files["/near/OpenCore-1.0.8-RELEASE.zip"] = evil
    refused = hako(root, *make, "--opencore-mirror", f"{server.url}/near")
    assert refused.returncode == 1
    assert "it is not OpenCore 1.0.8, and was not kept" in refused.stderr
    refused = hako(root, *make, "--opencore-mirror", f"{server.url}/far")
    assert "/far/OpenCore-1.0.8-RELEASE.zip: the server answers with status 403; name a mirror" in refused.stderr

    # What changes on this machine is fetched anew; what lies in the user's own folder is taken as it is.
    server.files["/oc/kexts.zip"] = good
    assert hako(root, *make, "--opencore-list", listed).returncode == 0
    next((root / "macos" / "opencore-fetched").glob("*-kexts.zip")).write_bytes(evil)
    assert hako(root, *make, "--opencore-list", listed).stderr == "hako: downloading kexts.zip\n"
    (root / "macos" / "opencore").mkdir()
    (root / "macos" / "opencore" / "OpenCore.zip").write_bytes(server.files["/oc/OpenCore.zip"])
    server.files = {}
    assert hako(root, *make).returncode == 0


def test_another_machine_gets_all_in_one_folder(server: RecoveryServer, listed: Path, tmp_path: Path,  # noqa: F811
                                                identity: Path) -> None:  # noqa: F811
    root, other, away = (tmp_path / name for name in ("root", "other", "away"))
    taken = hako(root, "fetch", "--server", server.url, "--allow-unverified", "-o", away, "--opencore-list", listed)
    assert taken.returncode == 0, taken.stderr
    assert taken.stdout == f"{away}/BaseSystem.dmg\n"
    assert server.seen.index("/oc/kexts.zip") < server.seen.index("/dmg"), "first what is small"
    assert {file.name for file in away.iterdir()} == {"BaseSystem.dmg", "BaseSystem.chunklist", "OpenCore.zip", "kexts.zip"}
    imported = hako(other, "import", away, "--allow-unverified", "--opencore-list", listed)
    assert imported.returncode == 0, imported.stderr
    server.files = {}
    disk = tmp_path / "boot.img"
    assert hako(other, "disk", "-o", disk, "--identity", identity, "--opencore-list", listed).stderr == ""

    # What `fetch -o` made is also a release to name.
    named = hako(tmp_path / "fourth", "disk", "-o", disk, "--identity", identity, "--opencore", away)
    assert named.returncode == 0, named.stderr
    assert read(disk, "EFI/OC/OpenCore.efi") == FILES["EFI/OC/OpenCore.efi"]

    (away / "kexts.zip").unlink()
    partly = hako(tmp_path / "fifth", "import", away, "--allow-unverified", "--opencore-list", listed)
    assert partly.returncode == 0, partly.stderr
    assert f"{away} has not all of OpenCore: kexts.zip will be downloaded" in partly.stderr
    (away / "kexts.zip").write_bytes(b"?")
    refused = hako(tmp_path / "third", "import", away, "--allow-unverified", "--opencore-list", listed)
    assert refused.returncode == 1
    assert "kexts.zip has the SHA-256" in refused.stderr


def test_flags_that_cannot_be_are_told(tmp_path: Path, identity: Path) -> None:  # noqa: F811
    make = ("disk", "-o", tmp_path / "boot.img", "--identity", identity)
    assert "a ZIP that you name" in hako(tmp_path, *make, "--opencore-sha256", 64 * "a").stderr
    assert "64 hexadecimal digits" in hako(tmp_path, *make, "--opencore-sha256", "12").stderr
    assert "there is no file /nowhere.csv" in hako(tmp_path, *make, "--opencore-list", "/nowhere.csv").stderr
    assert "URL of a folder" in hako(tmp_path, *make, "--opencore-mirror", "here").stderr
    assert "/a:b has a colon" in hako(tmp_path, *make, "--opencore", "/a:b").stderr


def test_an_ordinary_user_has_a_cache_of_ones_own(server: RecoveryServer, listed: Path, identity: Path) -> None:  # noqa: F811
    nobody = 65534 if os.geteuid() == 0 else os.geteuid()
    with tempfile.TemporaryDirectory() as made:
        home = Path(made)
        for file in (listed, identity):
            shutil.copy(file, home)
        for path in (home, *home.iterdir()):
            os.chown(path, nobody, -1)
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("HAKO_", "XDG_"))}

        def disk(**variables: str) -> None:
            done = subprocess.run([BIN / "hako", "macos", "disk", "-o", home / "boot.img", "--identity", home / identity.name,
                                   "--opencore-list", home / listed.name], user=nobody, capture_output=True, text=True,
                                  check=False, timeout=120, env={**plain, "HOME": made, **variables})
            assert done.returncode == 0, done.stderr

        disk()
        assert list((home / ".cache/hako/macos/opencore-fetched").glob("*-OpenCore.zip"))
        disk(XDG_CACHE_HOME=str(home / "elsewhere"))
        assert list((home / "elsewhere/hako/macos/opencore-fetched").glob("*-OpenCore.zip"))
