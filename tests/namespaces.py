"""Network namespaces that stand for hosts: nothing here touches the machine's own network."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hako import Daemon

needs_namespaces = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft")


def sh(command: str, check: bool = True, timeout: float = 60) -> str:
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=timeout)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def namespaces(*names: str) -> Iterator[None]:
    """Each with its loopback up."""
    try:
        for name in names:
            sh(f"ip netns add {name} && ip -n {name} link set lo up")
        yield
    finally:
        for name in names:
            sh(f"ip netns del {name}", check=False)


def inside(namespace: str, command: str, check: bool = True) -> str:
    return sh(f"nsenter --net=/run/netns/{namespace} {command}", check)


def fetch(namespace: str, url: str) -> str:
    return inside(namespace, f"curl -gsS --max-time 20 {url}", check=False)


@contextmanager
def daemon_in(namespace: str, configuration: dict | None = None) -> Iterator[Daemon]:
    """A daemon with networks, whose host is the namespace."""
    daemon = Daemon(HAKO_BRIDGE="bridge")
    if configuration is not None:
        daemon.configuration = configuration
    daemon.prefix = ["nsenter", f"--net=/run/netns/{namespace}"]
    try:
        daemon.start()
        yield daemon
        daemon.destroy()
    finally:
        daemon.stop()
        daemon.kill_strays()
