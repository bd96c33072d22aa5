"""Files in and out of containers: cp, diff, commit and export, of containers that run and of others."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from hako import HELLO, Daemon, wait_until


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    (folder / "file").write_bytes(os.urandom(300_000))
    (folder / "deep" / "er").write_text("deeper\n")
    (folder / "deep" / "er").chmod(0o751)
    (folder / "link").symlink_to("file")
    return folder


def copier(daemon: Daemon, client: str):
    def copy(*words: str, **options):
        run = daemon.hako if client == "hako" else daemon.docker
        return run("cp", *words, **options)
    return copy


@pytest.mark.parametrize("client", ["hako", "docker"])
def test_cp_of_a_running_container(clean: Daemon, source: Path, tmp_path: Path, client: str, docker_cli: str) -> None:
    clean.hako("run", "-d", "--name", "box", HELLO, "sh", "-c", "mkdir -p /there /links; ln -s /there /links/abs; sleep 1000")
    clean.hako("exec", "box", "sh", "-c", "while ! test -L /links/abs; do sleep 0.1; done")
    cp = copier(clean, client)
    out = tmp_path / "out"
    # As the docs of `docker cp` have it: what the destination is decides.
    cp(str(source), "box:/new")                    # no such path: becomes it
    cp(str(source), "box:/there")                  # a directory: goes into it
    cp(f"{source}/.", "box:/there/contents")       # contents, to a new directory
    cp(str(source / "file"), "box:/there/renamed")
    cp(str(source / "file"), "box:/links/abs/through")
    listed = clean.hako("exec", "box", "sh", "-c", "cd / && find new there | sort").stdout.split()
    assert listed == sorted(
        ["new", "new/file", "new/deep", "new/deep/er", "new/link", "there", "there/renamed", "there/through"]
        + [f"there/{top}{name}" for top in ("source", "contents") for name in ("", "/file", "/deep", "/deep/er", "/link")])
    cp("box:/new", str(out))
    assert (out / "file").read_bytes() == (source / "file").read_bytes()
    assert (out / "deep" / "er").stat().st_mode & 0o777 == 0o751
    assert (out / "link").readlink() == Path("file")
    cp("box:/new/deep", str(out))
    assert (out / "deep" / "er").read_text() == "deeper\n"
    cp("box:/new/deep/.", str(tmp_path / "contents"))
    assert (tmp_path / "contents" / "er").read_text() == "deeper\n"
    cp("box:/there/renamed", str(tmp_path / "named"))
    assert (tmp_path / "named").read_bytes() == (source / "file").read_bytes()
    cp("-L", "box:/new/link", str(tmp_path / "followed"))
    assert (tmp_path / "followed").read_bytes() == (source / "file").read_bytes()

    for words in (["box:/nothing", str(out)], [str(source / "nothing"), "box:/"], ["none:/etc", str(out)],
                  [str(source), "box:/new/file"], [str(source / "file"), "box:/nowhere/"],
                  ["box:/new", str(tmp_path / "named")], [str(source), str(out)]):
        refused = cp(*words, check=False)
        assert refused.returncode != 0 and refused.stderr.strip(), words


@pytest.mark.parametrize("client", ["hako", "docker"])
def test_cp_of_a_tar(clean: Daemon, client: str, docker_cli: str) -> None:
    clean.hako("create", "--name", "box", HELLO, "cat", "/tmp/x/hello")
    program = [str(clean.bin / "hako")] if client == "hako" else ["docker", "-H", f"unix://{clean.socket}"]
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        member = tarfile.TarInfo("x/hello")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"hi\n"))
    subprocess.run([*program, "cp", "-", "box:/tmp"], input=tar.getvalue(), env=clean.client_environment, check=True, timeout=120)
    back = subprocess.run([*program, "cp", "box:/tmp/x", "-"], capture_output=True, env=clean.client_environment, check=True, timeout=120)
    with tarfile.open(fileobj=io.BytesIO(back.stdout)) as archive:
        assert archive.extractfile("x/hello").read() == b"hi\n"
    assert clean.hako("start", "-a", "box").stdout == "hi\n"


def test_a_container_that_does_not_run_takes_and_gives_files(clean: Daemon, source: Path, tmp_path: Path) -> None:
    clean.hako("create", "--name", "box", HELLO, "sh", "-c", "cat /in/deep/er; echo written > /out; exit 4")
    clean.docker("cp", str(source), "box:/in")
    assert clean.state("box") == "created"
    started = clean.hako("start", "-a", "box", check=False)
    assert (started.stdout, started.returncode) == ("deeper\n", 4)
    clean.docker("cp", "box:/out", str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "written\n"
    clean.docker("export", "-o", str(tmp_path / "box.tar"), "box")
    with tarfile.open(tmp_path / "box.tar") as archive:
        assert {"out", "in/deep/er", "bin/busybox"} <= set(archive.getnames())
    state = clean.inspect("box")["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 4)
    clean.hako("rm", "box")


def test_files_of_a_paused_container(clean: Daemon, source: Path, tmp_path: Path) -> None:
    clean.hako("run", "-d", "--name", "box", "-u", "33:44", HELLO, "sh", "-c",
               "i=0; while :; do i=$((i+1)); echo $i > /tmp/count; done")
    wait_until(lambda: clean.docker("exec", "box", "cat", "/tmp/count", check=False).stdout.strip())
    clean.docker("pause", "box")
    read = lambda: clean.docker("cp", "box:/tmp/count", "-").stdout
    first = read()
    assert first.startswith("count\0") and read() == first, "its processes stand still"
    clean.docker("cp", "-a", str(source), "box:/tmp/in")
    assert "A /tmp/in" in clean.docker("diff", "box").stdout
    assert "sh -c i=0" in clean.docker("top", "box").stdout
    assert clean.docker("stats", "--no-stream", "--format", "{{.PIDs}}", "box").stdout.strip() != "0"
    clean.docker("update", "--pids-limit", "50", "box")
    assert clean.state("box") == "paused"
    clean.docker("unpause", "box")
    assert clean.docker("exec", "-u", "0", "box", "cat", "/sys/fs/cgroup/pids.max").stdout == "50\n"
    wait_until(lambda: read() != first, 20, "it goes on")
    assert clean.docker("exec", "box", "stat", "-c", "%u:%g", "/tmp/in").stdout == "33:44\n", "docker cp -a: the user's"
    clean.docker("pause", "box")
    clean.docker("rm", "-f", "box")


def test_diff(clean: Daemon) -> None:
    clean.hako("run", "--name", "box", HELLO, "sh", "-c", "mkdir /new; echo x > /new/file; rm /bin/uname; echo y >> /etc/passwd")
    expected = clean.docker("diff", "box").stdout
    assert sorted(expected.splitlines()) == ["A /new", "A /new/file", "C /bin", "C /etc", "C /etc/passwd", "D /bin/uname"]
    assert clean.hako("diff", "box").stdout == expected
    clean.hako("create", "--name", "fresh", HELLO)
    assert clean.hako("diff", "fresh").stdout == ""
    # What hako puts there for every container is no change, also of one that has run.
    clean.hako("run", "--name", "ran", HELLO, "sh", "-c", "test -e /.docker* && test -s /etc/resolv.conf && grep -q ' / ' /etc/mtab")
    assert clean.inspect("ran")["State"]["ExitCode"] == 0 and clean.hako("diff", "ran").stdout == ""
    clean.hako("commit", "ran", "made:1")
    assert b".dockerenv" not in subprocess.run([*clean.prefix, clean.bin / "hako", "save", "made:1"], env=clean.environment,
                                               capture_output=True, check=True).stdout
    clean.hako("rmi", "made:1")


@pytest.mark.parametrize("client", ["hako", "docker"])
def test_commit(clean: Daemon, client: str, docker_cli: str) -> None:
    run = clean.hako if client == "hako" else clean.docker
    clean.hako("run", "--name", "box", "-e", "A=1", "--label", "kept=yes", HELLO, "sh", "-c",
               "echo new > /added; rm /bin/uname; mkdir /etc/opaque")
    identity = run("commit", "-a", "me", "-m", "why", "-c", 'CMD ["cat", "/added"]', "-c", "ENV B=2", "box", "made:1").stdout.strip()
    assert identity.startswith("sha256:")
    assert clean.hako("run", "--rm", "made:1").stdout == "new\n"
    assert clean.hako("run", "--rm", "made:1", "sh", "-c", "echo $A $B; ! test -e /bin/uname").stdout == "1 2\n"
    image = clean.api("GET", "/images/made:1/json")[1]
    assert image["Id"] == identity and image["Author"] == "me" and image["Config"]["Labels"]["kept"] == "yes"
    history = clean.api("GET", "/images/made:1/history")[1]
    assert history[0]["Comment"] == "why" and len(history) == len(clean.api("GET", f"/images/{HELLO}/history")[1]) + 1
    # On top of the new one, from a container that runs, and without a name.
    clean.hako("run", "-d", "--name", "second", "made:1", "sh", "-c", "echo more > /more; sleep 1000")
    clean.hako("exec", "second", "sh", "-c", "while ! test -s /more; do sleep 0.1; done")
    nameless = run("commit", "second").stdout.strip()
    assert clean.hako("run", "--rm", nameless, "cat", "/added", "/more").stdout == "new\nmore\n"
    clean.hako("rm", "-f", "box", "second")
    clean.hako("rmi", nameless, "made:1")
    assert clean.hako("system", "check").returncode == 0


def test_bad_requests_leave_nothing(clean: Daemon) -> None:
    clean.hako("create", "--name", "box", HELLO)
    for method, path, status in (
            ("GET", "/containers/box/archive", 400), ("HEAD", "/containers/none/archive?path=/", 404),
            ("GET", "/containers/box/archive?path=/nothing", 404), ("GET", "/containers/none/changes", 404),
            ("POST", "/commit?container=none", 404), ("POST", "/commit?container=box&repo=No:Such", 400),
            ("POST", "/commit?container=box&changes=RUN%20x", 400)):
        assert clean.api(method, path)[0] == status, path
    status, answer = clean.api("PUT", "/containers/box/archive?path=/etc/passwd", b"no tar")
    assert status == 400, answer
    status, answer = clean.api("PUT", "/containers/box/archive?path=/tmp", b"x" * 2000)
    assert status in (400, 500) and answer["message"], answer
