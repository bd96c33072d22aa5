"""What the CLI has beside Docker's verbs: the live table, the host's check, completion and manual pages, as a user runs them."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hako import BIN, HELLO, Daemon


def on_a_terminal(daemon: Daemon, seconds: float, *arguments: str) -> tuple[str, int]:
    """What a command draws in so many seconds; then it is interrupted."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(daemon.client_environment)
        os.environ["TERM"] = "xterm"
        os.execv(str(BIN / "hako"), ["hako", *arguments])
    drawn = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            drawn += os.read(terminal, 65536)
    os.kill(pid, signal.SIGINT)
    status = os.waitpid(pid, 0)[1]
    os.close(terminal)
    return drawn.decode(errors="replace"), status


def test_stats_draw_a_live_table(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "busy", "-m", "100m", HELLO, "sh", "-c", "while :; do :; done")
    drawn, status = on_a_terminal(clean, 8, "stats")
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) in (0, 1, 130)
    tables = drawn.split("CONTAINER ID")[1:]
    assert len(tables) >= 3, f"drawn again and again: {drawn!r}"
    assert "\x1b[" in drawn, "over what was there"
    assert all(re.search(r"busy .*/ 100MiB", table) for table in tables[1:])
    shares = [float(share) for share in re.findall(r"busy +(\d+\.\d+)%", drawn)]
    assert max(shares) > 20, "a loop keeps a processor busy"
    clean.hako("rm", "-f", "busy")


def test_doctor_tells_what_to_do(clean: Daemon, tmp_path: Path) -> None:
    done = clean.hako("doctor", check=False)
    assert done.returncode in (0, 1)
    for subject in ("QEMU", "KVM", "cgroup", "disk", "daemon", "kernel", "port"):
        assert subject.lower() in done.stdout.lower(), f"{subject}: {done.stdout}"
    missing = subprocess.run([BIN / "hako", "doctor"], capture_output=True, text=True, check=False, timeout=60,
                             env=clean.client_environment | {"HAKO_QEMU": "/nonexistent/qemu", "PATH": "/nonexistent"})
    assert missing.returncode == 1 and "qemu" in missing.stdout.lower() and "install" in missing.stdout.lower(), missing.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(clean: Daemon, tmp_path: Path, shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    clean.hako("create", "--name", "webserver", HELLO)
    clean.hako("create", "--name", "websocket", HELLO)
    script = tmp_path / "script"
    script.write_text(clean.hako("completion", shell).stdout)
    environment = clean.client_environment | {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(tmp_path)}

    def complete(line: str) -> set[str]:
        if shell == "bash":
            code = (f"source {script}; COMP_LINE='{line}'; COMP_POINT={len(line)}; COMP_WORDS=({line}); "
                    f"[[ '{line}' == *' ' ]] && COMP_WORDS+=(''); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); "
                    "f=$(complete -p hako | sed 's/.*-F \\([^ ]*\\).*/\\1/'); $f; printf '%s\\n' \"${COMPREPLY[@]}\"")
        elif shell == "fish":
            code = f"source {script}; complete -C '{line}'"
        else:
            code = (f"compdef() {{ :; }}; compadd() {{ print -rl -- ${{@:#-*}}; }}; _describe() {{ print -rl -- ${{(P)2}}; }}; "
                    f"words=({line}); [[ '{line}' == *' ' ]] && words+=(''); CURRENT=$#words; source {script}; "
                    "(( $+functions[_hako] )) && _hako")
        done = subprocess.run([shell, "-c", code], capture_output=True, text=True, check=False, timeout=60, env=environment)
        return {re.split(r"[\t:]", row)[0].strip() for row in done.stdout.splitlines()}

    assert {"webserver", "websocket"} <= complete("hako rm web")
    assert "stats" in complete("hako sta") and "rm" not in complete("hako sta")
    assert any(HELLO in word for word in complete("hako run hako/"))
    assert "--name" in complete("hako run --na")
    clean.hako("rm", "webserver", "websocket")


def test_manual_pages(clean: Daemon, tmp_path: Path) -> None:
    clean.hako("man", str(tmp_path))
    pages = {page.name for page in tmp_path.rglob("*.1*")}
    assert {"hako.1", "hako-run.1", "hako-exec.1", "hako-stats.1", "hako-pod-create.1"} <= pages
    if not shutil.which("man"):
        pytest.skip("man is not installed")
    for page in tmp_path.rglob("*.1"):
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(page)], capture_output=True, text=True,
                              check=False, timeout=60, env=os.environ | {"MANPAGER": "cat", "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0 and not done.stderr, f"{page.name}: {done.stderr}"
    shown = subprocess.run(["man", "-l", str(tmp_path / "hako-run.1")], capture_output=True, text=True, check=True, timeout=60,
                           env=os.environ | {"MANPAGER": "cat", "LC_ALL": "C.UTF-8", "MANWIDTH": "200"}).stdout
    assert "--memory" in shown and "SYNOPSIS" in shown
