"""macOS machines, with stand-ins for all that is Apple's: `hako macos` as a user would type it."""

from __future__ import annotations

import json
import re
import subprocess

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
