"""The README's examples, run as they stand there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from hako import BIN, SHARE, Daemon

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def test_there_are_six() -> None:
    assert len(EXAMPLES) == 6


@pytest.mark.parametrize("example", EXAMPLES, ids=[text.split("\n")[0][:40] for text in EXAMPLES])
def test_example(clean: Daemon, example: str, tmp_path: Path, docker_cli: str) -> None:
    environment = clean.environment | {"PATH": f"{BIN}:{clean.environment['PATH']}", "HAKO_SHARE": str(SHARE)}
    done = subprocess.run(["bash", "-eu", "-o", "pipefail", "-c", example], env=environment, cwd=tmp_path,
                          capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.strip()
