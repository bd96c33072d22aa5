"""The journald log driver, with a journal of the test's own in a mount namespace."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import HELLO, Daemon

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")


@pytest.fixture
def journaled() -> Iterator[tuple[Daemon, Path]]:
    """A daemon that sees a folder of ours as /run/systemd/journal."""
    daemon = Daemon()
    folder = daemon.folder / "journal"
    folder.mkdir()
    daemon.prefix = ["unshare", "--mount", "sh", "-c", """
        mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind "$0" /run/systemd/journal && exec "$@"
    """, str(folder)]
    try:
        daemon.start()
        yield daemon, folder / "socket"
        daemon.destroy()
    finally:
        daemon.stop()
        daemon.kill_strays()


def test_lines_go_to_the_journal_and_are_read_back(journaled: tuple[Daemon, Path]) -> None:
    daemon, path = journaled
    arguments = ("--log-driver", "journald", "--log-opt", "tag={{.Name}}/{{.ImageName}}", "--log-opt", "labels=role", "-l", "role=web",
                 "--name", "app", HELLO, "sh", "-c", "echo one; echo two >&2; printf three")
    refused = daemon.docker("run", *arguments, check=False)
    assert refused.returncode == 125 and "journald is not enabled on this host" in refused.stderr, refused
    assert "--log-driver json-file" in refused.stderr, "and what to do"
    daemon.docker("rm", "-f", "app")

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        said = daemon.docker("run", *arguments)
        assert (said.stdout, said.stderr) == ("one\nthree", "two\n"), "those who are attached read it as ever"
        journal.setblocking(False)
        entries = []
        for _ in range(3):
            entries.append(dict(line.split("=", 1) for line in journal.recv(100_000).decode().splitlines()))
        with pytest.raises(BlockingIOError):
            journal.recv(1)
    assert sorted((e["MESSAGE"], e["PRIORITY"]) for e in entries) == [("one", "6"), ("three", "6"), ("two", "3")]
    for entry in entries:
        assert entry["CONTAINER_NAME"] == "app" and entry["IMAGE_NAME"] == HELLO and entry["ROLE"] == "web"
        assert entry["CONTAINER_TAG"] == entry["SYSLOG_IDENTIFIER"] == f"app/{HELLO}"
        assert entry["CONTAINER_ID_FULL"].startswith(entry["CONTAINER_ID"]) and len(entry["CONTAINER_ID"]) == 12
    assert daemon.docker("logs", "app").stdout == "one\nthree"
    assert daemon.docker("inspect", "-f", "{{.HostConfig.LogConfig.Type}}", "app").stdout == "journald\n"
