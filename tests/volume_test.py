"""Volumes, folders and files of the host in containers: what they keep, what they refuse, what they leave behind."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import HELLO, SOAK, Daemon, wait_until
from oci_image import Layer, OciImage

PROBE_SOURCE = Path(__file__).with_name("volume_probe.c")


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static program: /probe in the containers that mount it, which is a bind mount of a single file."""
    program = tmp_path_factory.mktemp("probe") / "probe"
    subprocess.run(["cc", "-static", "-O1", "-o", program, PROBE_SOURCE], check=True)
    return program


@pytest.fixture(autouse=True)
def volumes_go(clean: Daemon):
    """After each test no volume is left, and none in use."""
    yield
    ids = clean.hako("ps", "-aq").stdout.split()
    if ids:
        clean.hako("rm", "-f", *ids)
    if left := clean.hako("volume", "ls", "-q").stdout.split():
        clean.hako("volume", "rm", *left)
    assert os.listdir(clean.root / "volumes") == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "file").write_text("of the host\n")
    return shared


def run(daemon: Daemon, *words: str, **options) -> subprocess.CompletedProcess:
    return daemon.hako("run", "--rm", *words, **options)


def test_a_folder_of_the_host(clean: Daemon, folder: Path) -> None:
    script = "cat /data/file; echo of the guest > /data/new; mkdir -p /data/a/b; chown 12:34 /data/new; chmod 640 /data/new"
    assert run(clean, "-v", f"{folder}:/data", HELLO, "sh", "-c", script).stdout == "of the host\n"
    made = (folder / "new").stat()
    assert (folder / "new").read_text() == "of the guest\n"
    assert (made.st_uid, made.st_gid, made.st_mode & 0o777) == (12, 34, 0o640)
    assert (folder / "a" / "b").is_dir()


def test_read_only(clean: Daemon, folder: Path) -> None:
    for words in (["-v", f"{folder}:/data:ro,z"], ["--mount", f"type=bind,src={folder},dst=/data,readonly"]):
        done = run(clean, *words, HELLO, "sh", "-c", "cat /data/file; touch /data/x", check=False)
        assert done.stdout == "of the host\n"
        assert done.returncode != 0 and "Read-only file system" in done.stderr
    assert os.listdir(folder) == ["file"]


def test_users_and_rights_hold_inside(clean: Daemon, folder: Path) -> None:
    (folder / "secret").write_text("x")
    (folder / "secret").chmod(0o600)
    folder.chmod(0o755)
    refused = run(clean, "-u", "1000", "-v", f"{folder}:/data", HELLO, "sh", "-c",
                  "cat /data/secret; touch /data/mine", check=False)
    assert refused.stderr.count("Permission denied") == 2 and refused.stdout == ""


def test_links_do_not_leave_the_share(clean: Daemon, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("secret of the host")
    (folder / "absolute").symlink_to(outside)
    (folder / "upwards").symlink_to("../outside")
    (folder / "root").symlink_to("/etc")
    script = ("cat /data/absolute /data/upwards; cat /data/root/hostname; ls /data/..; ln -s ../../../../etc/shadow /data/made; "
              "cat /data/made; mknod /data/disk b 8 0; ls /run/hako; true")
    done = run(clean, "--hostname", "guest", "-v", f"{folder}:/data", HELLO, "sh", "-c", script)
    assert "secret" not in done.stdout and "root:" not in done.stdout
    assert "guest" in done.stdout  # /data/root is the container's own /etc
    assert not (folder / "disk").exists()


def test_what_happens_to_files(clean: Daemon, folder: Path, probe: Path) -> None:
    clean.hako("run", "-d", "--name", "box", "-v", f"{folder}:/data", "-v", f"{probe}:/probe:ro", HELLO, "sleep", "1000")

    def inside(*words: str) -> str:
        return clean.hako("exec", "box", *words).stdout.strip()

    assert inside("/probe", "xattr", "/data/file") == "ok"
    assert os.getxattr(folder / "file", "user.hako") == b"kept"
    assert inside("/probe", "unlinked", "/data/gone") == "ok"
    assert not (folder / "gone").exists()
    assert inside("/probe", "mmap", "/data/mapped") == "ok"
    assert (folder / "mapped").read_bytes()[4090:4102] == b"across pages"
    inside("sh", "-c", "mkdir /data/d; mv /data/file /data/d/renamed; ln -s renamed /data/d/link; ln /data/d/renamed /data/hard")
    assert (folder / "d" / "renamed").read_text() == "of the host\n"
    assert os.readlink(folder / "d" / "link") == "renamed"
    assert (folder / "hard").stat().st_nlink == 2
    # What the host does is seen as well.
    (folder / "late").write_text("later\n")
    (folder / "hard").unlink()
    assert inside("cat", "/data/late") == "later"
    wait_until(lambda: inside("sh", "-c", "test -e /data/hard || echo gone") == "gone", 10)
    count = 100_000 if SOAK else 300
    inside("mkdir", "/data/many")
    assert clean.hako("exec", "box", "/probe", "many", "/data/many", str(count), timeout=3000).stdout.strip() == "ok"
    assert len(os.listdir(folder / "many")) == count
    shutil.rmtree(folder / "many")


def test_more_files_than_their_server_may_hold_open(own: Daemon, probe: Path) -> None:
    """Where the host's limit is low, as in containers of CI, and hakod may not raise it."""
    own.prefix = ["setpriv", "--bounding-set", "-sys_resource", "prlimit", "--nofile=700:700"]
    own.start()
    script = """set -e
        cd /data
        mkdir new; /probe many new 1500                                 # O_EXCL
        i=0; while [ $i -lt 900 ]; do echo $i > f$i; mkdir d$i; ln -s $i l$i; i=$((i+1)); done
        ls new | wc -l; find . -maxdepth 1 -name "[fdl]*" | wc -l; cat f* | wc -l; du -a | wc -l
        exec 3< f5; rm -r *; cat <&3; ls"""
    done = own.hako("run", "--rm", "-v", "many:/data", "-v", f"{probe}:/probe:ro", HELLO, "sh", "-c", script)
    assert done.stdout == "ok\n1500\n2700\n900\n4202\n5\n"
    assert done.stderr == ""


def test_many_that_write_at_once(clean: Daemon) -> None:
    """virtiofsd answers one after another, and none is lost."""
    work = "j=0; while [ $j -lt 20 ]; do dd if=/dev/zero of=/data/$i.$j bs=4k count=4 conv=fsync; ls /data; rm /data/$i.$j; j=$((j+1)); done"
    done = clean.hako("run", "--rm", "-v", "many:/data", HELLO, "sh", "-c",
                      f"for i in $(seq 24); do ({work}) > /dev/null 2>&1 & done; wait; ls /data; echo fine")
    assert done.stdout == "fine\n"


def test_two_containers_make_the_same_files_at_once(clean: Daemon) -> None:
    """Who comes second opens what is there, or is told so."""
    names = ["one", "two"]
    for name in names:
        clean.hako("run", "-d", "--name", name, "-v", "data:/data", HELLO, "sleep", "1000")
    script = """cd /data; touch at-$0; until [ -e at-one -a -e at-two ]; do :; done; set -C
        i=0; while [ $i -lt 300 ]; do
            echo $0 >> file$i; { echo $0 > first$i; } 2> /dev/null || true; mkdir folder$i 2> /dev/null || true; i=$((i+1))
        done"""
    both = [clean.popen("exec", name, "sh", "-ec", script, name, stdout=subprocess.PIPE, text=True) for name in names]
    for one in both:
        out, _ = one.communicate(timeout=300)
        assert (one.returncode, out) == (0, "")
    data = clean.root / "volumes" / "data" / "_data"
    for i in range(300):
        assert sorted((data / f"file{i}").read_text().split()) == names
        assert (data / f"first{i}").read_text().strip() in names
        assert (data / f"folder{i}").is_dir()


def test_what_the_host_has_replaced_can_be_removed_and_renamed(clean: Daemon, folder: Path) -> None:
    """The VM knows the files that were there."""
    script = """cd /data; touch file moved; mkdir folder; touch ready; until [ -e go ]; do :; done
        rm file; mv moved there; rmdir folder; ls"""
    box = clean.popen("run", "--rm", "-v", f"{folder}:/data", HELLO, "sh", "-c", script, text=True)
    wait_until((folder / "ready").exists)
    (folder / "folder").rename(folder / "old")
    (folder / "folder").mkdir()
    for name in ("file", "moved"):
        (folder / "new").write_text("new\n")
        (folder / "new").rename(folder / name)
    (folder / "go").touch()
    assert box.communicate(timeout=60) == ("go\nold\nready\nthere\n", "")
    assert (folder / "there").read_text() == "new\n"


def test_two_containers_share_a_volume(clean: Daemon) -> None:
    """With its locks: locks_test.py."""
    clean.hako("run", "-d", "--name", "one", "-v", "data:/data", HELLO, "sleep", "1000")
    clean.hako("run", "-d", "--name", "two", "-v", "data:/data", HELLO, "sleep", "1000")
    clean.hako("exec", "one", "sh", "-c", "echo from one > /data/file")
    assert clean.hako("exec", "two", "cat", "/data/file").stdout == "from one\n"


def test_events_of_mounts(clean: Daemon) -> None:
    clean.hako("run", "--rm", "--name", "box", "-v", "told:/data:ro", HELLO, "true")
    told = clean.docker("events", "--since", "1h", "--until", str(time.time() + 1), "--filter", "volume=told", "--format", "{{json .}}").stdout
    events = {event["Action"]: event["Actor"]["Attributes"] for event in map(json.loads, told.splitlines())}
    assert list(events) == ["create", "mount", "unmount"]
    assert events["mount"]["destination"] == "/data" and events["mount"]["read/write"] == "false"
    assert events["mount"]["container"] == events["unmount"]["container"] != ""
    assert clean.api("POST", "/volumes/create")[0] == 201, "an anonymous one"
    clean.docker("volume", "prune", "-af")


def test_a_volume_that_is_a_file_system(clean: Daemon) -> None:
    """Mounted on the host while containers use it, over the daemon's end, too."""
    clean.docker("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m,uid=12,noexec", "mem")
    folder = Path(json.loads(clean.docker("volume", "inspect", "mem").stdout)[0]["Mountpoint"])
    assert not folder.is_mount()
    for name in ("one", "two"):
        clean.hako("run", "-d", "--name", name, "-v", "mem:/data", HELLO, "sleep", "1000")
    assert folder.is_mount()
    clean.hako("exec", "one", "sh", "-c", "printf '#!/bin/sh\necho ran' > /data/script; chmod 755 /data/script")
    assert clean.hako("exec", "two", "sh", "-c", "stat -c %u /data; sh /data/script").stdout == "12\nran\n", "an owner of its own"
    assert "permission denied" in clean.hako("exec", "two", "/data/script", check=False).stdout
    full = clean.hako("exec", "one", "dd", "if=/dev/zero", "of=/data/large", "bs=64k", "count=32", check=False)
    assert full.returncode != 0 and "No space left on device" in full.stderr
    clean.kill()
    clean.start()
    assert clean.hako("exec", "two", "sh", "/data/script").stdout == "ran\n"
    clean.hako("rm", "-f", "one")
    assert folder.is_mount()
    clean.hako("rm", "-f", "two")
    wait_until(lambda: not folder.is_mount(), 20, "the volume is unmounted")
    assert os.listdir(folder) == []
    assert run(clean, "-v", "mem:/data", HELLO, "ls", "/data").stdout == "", "what was in memory is gone"

    clean.hako("volume", "create", "-o", "type=nosuchfs", "-o", "device=x", "-o", "o=a=1", "odd")
    refused = run(clean, "-v", "mem:/data", "-v", "odd:/odd", HELLO, "true", check=False)
    assert refused.returncode != 0 and "the host's kernel has no file system of the type nosuchfs" in refused.stderr
    assert not folder.is_mount()


@pytest.mark.parametrize("client", ["hako", "docker"])
def test_named_volumes_outlive_containers(clean: Daemon, client: str, docker_cli: str) -> None:
    tool = clean.hako if client == "hako" else clean.docker
    assert tool("volume", "create", "--label", "a=b", "data").stdout == "data\n"
    tool("run", "--rm", "-v", "data:/data", HELLO, "sh", "-c", "echo kept > /data/file")
    assert tool("run", "--rm", "-v", "data:/data", HELLO, "cat", "/data/file").stdout == "kept\n"
    shown = json.loads(tool("volume", "inspect", "data").stdout)[0]
    assert (shown["Name"], shown["Driver"], shown["Scope"], shown["Labels"]) == ("data", "local", "local", {"a": "b"})
    assert (Path(shown["Mountpoint"]) / "file").read_text() == "kept\n"
    assert tool("volume", "ls", "-q", "-f", "label=a=b").stdout == "data\n"
    tool("create", "--name", "user", "-v", "data:/data", HELLO)
    refused = tool("volume", "rm", "data", check=False)
    assert refused.returncode != 0 and "volume is in use" in refused.stderr
    mount, = json.loads(tool("inspect", "user").stdout)[0]["Mounts"]
    assert (mount["Type"], mount["Name"], mount["Destination"], mount["RW"]) == ("volume", "data", "/data", True)
    assert mount["Source"] == shown["Mountpoint"]
    assert tool("ps", "-aq", "--filter", "volume=data").stdout
    tool("volume", "prune", "-f")
    assert tool("volume", "ls", "-q").stdout == "data\n"
    tool("rm", "user")
    assert tool("volume", "rm", "data").stdout == "data\n"
    assert tool("volume", "rm", "data", check=False).returncode != 0


def test_anonymous_volumes_go_where_asked(clean: Daemon) -> None:
    def volumes() -> list[str]:
        return clean.hako("volume", "ls", "-q").stdout.split()

    run(clean, "-v", "/data", HELLO, "touch", "/data/x")
    wait_until(lambda: volumes() == [], 20, "--rm removes what has no name")
    clean.hako("run", "--name", "box", "-v", "/data", "-v", "named:/more", HELLO)
    clean.hako("rm", "box")
    assert len(volumes()) == 2
    clean.hako("run", "--name", "box", "-v", "/data", HELLO)
    clean.hako("rm", "-v", "box")
    assert len(volumes()) == 2
    assert "2" in clean.hako("system", "df", "--format", "{{.Type}} {{.TotalCount}}").stdout.split("Local Volumes")[1]
    clean.hako("volume", "prune", "-f")
    assert volumes() == ["named"]
    # Nobody makes it again as it was.
    clean.hako("volume", "create", "-o", "type=tmpfs", "-o", "device=tmpfs", "described")
    assert "named" in clean.docker("volume", "prune", "-af").stdout
    assert volumes() == ["described"]


def test_a_fresh_volume_gets_the_images_files(clean: Daemon) -> None:
    clean.hako("run", "--name", "base", HELLO, "sh", "-c", "mkdir /seed; echo seed > /seed/file; chown -R 7:8 /seed; chmod 750 /seed")
    clean.hako("commit", "-c", "VOLUME /seed", "base", "local/seeded")
    look = ["stat", "-c", "%u:%g %a %n", "/seed", "/seed/file"]
    expected = "7:8 750 /seed\n7:8 644 /seed/file\n"
    assert run(clean, "local/seeded", *look).stdout == expected          # the image's own volume
    assert run(clean, "-v", "fresh:/seed", "local/seeded", *look).stdout == expected
    run(clean, "-v", "fresh:/seed", "local/seeded", "sh", "-c", "echo changed > /seed/file")
    assert run(clean, "-v", "fresh:/seed", "local/seeded", "cat", "/seed/file").stdout == "changed\n"
    assert run(clean, "-v", "bare:/seed:nocopy", "local/seeded", "ls", "/seed").stdout == ""
    # Once: what a container deletes does not come back.
    clean.hako("run", "--name", "box", "-v", "once:/seed", "local/seeded", "sh", "-c", "ls /seed; rm -f /seed/file; chown 3:4 /seed")
    assert clean.hako("start", "-a", "box").stdout == ""
    clean.hako("rm", "box")
    # Where the image has nothing, the volume keeps its owner.
    assert run(clean, "-v", "once:/nowhere", HELLO, "stat", "-c", "%u:%g %a", "/nowhere").stdout == "3:4 750\n"
    clean.hako("rm", "base")
    clean.hako("rmi", "local/seeded")


def test_volumes_from(clean: Daemon, folder: Path) -> None:
    clean.hako("run", "--name", "first", "-v", "data:/data", "-v", f"{folder}:/host", HELLO, "sh", "-c", "echo one > /data/file")
    done = run(clean, "--volumes-from", "first:ro", HELLO, "sh", "-c", "cat /data/file /host/file; touch /data/x", check=False)
    assert done.stdout == "one\nof the host\n" and "Read-only file system" in done.stderr


def test_tmpfs_and_mount_keys(clean: Daemon) -> None:
    done = run(clean, "--tmpfs", "/a:size=1m,mode=700", "--mount", "type=tmpfs,dst=/b,tmpfs-size=2m,tmpfs-mode=1750",
               "--mount", "type=volume,src=data,dst=/c,volume-nocopy", HELLO, "sh", "-c",
               "stat -c '%a %n' /a /b; df -k /a /b | awk 'NR>1{print $2}'; touch /c/x")
    assert done.stdout == "700 /a\n1750 /b\n1024\n2048\n"


def test_a_block_volume_keeps_what_a_passing_container_wrote(clean: Daemon) -> None:
    clean.hako("volume", "create", "-d", "block", "-o", "size=64m", "kept")
    run(clean, "-v", "kept:/kept", HELLO, "sh", "-c", "echo kept > /kept/file")
    assert run(clean, "-v", "kept:/kept", HELLO, "cat", "/kept/file").stdout == "kept\n"


def test_a_block_volume_has_one_writer(clean: Daemon) -> None:
    clean.hako("volume", "create", "-d", "block", "-o", "size=64m", "disk")
    clean.hako("run", "-d", "--name", "writer", "-v", "disk:/disk", HELLO, "sh", "-c", "echo block > /disk/file; sleep 1000")
    refused = run(clean, "-v", "disk:/disk", HELLO, "true", check=False)
    assert refused.returncode != 0 and "in use by container writer" in refused.stderr
    wait_until(lambda: clean.hako("exec", "writer", "cat", "/disk/file", check=False).stdout == "block\n", 10)
    clean.hako("rm", "-f", "-t", "5", "writer", check=False)
    clean.hako("stop", "writer", check=False)
    clean.hako("rm", "-f", "writer", check=False)
    assert run(clean, "-v", "disk:/disk:ro", HELLO, "cat", "/disk/file").stdout == "block\n"


def test_a_subpath_of_a_block_volume(clean: Daemon) -> None:
    clean.hako("volume", "create", "-d", "block", "-o", "size=64m", "disk")
    run(clean, "-v", "disk:/disk", HELLO, "sh", "-c", "mkdir -p /disk/a/b && echo deep > /disk/a/b/file && ln -s / /disk/root")
    part = "type=volume,src=disk,dst=/part,volume-subpath="
    assert run(clean, "--mount", part + "a/b", HELLO, "sh", "-c", "cat /part/file; echo new > /part/new").stdout == "deep\n"
    assert run(clean, "--mount", part + "a/b/new", HELLO, "cat", "/part").stdout == "new\n"
    # What is outside of the volume never comes.
    assert run(clean, "--mount", part + "root", HELLO, "ls", "/part").stdout == "a\nroot\n"
    missing = run(clean, "--mount", part + "none", HELLO, "true", check=False)
    assert missing.returncode == 125 and "cannot mount the subpath none at /part" in missing.stderr


@pytest.fixture
def tools(clean: Daemon, tmp_path: Path) -> Iterator[str]:
    """An image to mount: it cannot run."""
    root = tmp_path / "tools"
    (root / "opt" / "tools").mkdir(parents=True)
    (root / "opt" / "tools" / "name").write_text("a tool\n")
    (root / "outside").symlink_to("/run/hako")
    (root / "up").symlink_to("../../../opt")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as layer:
        layer.add(root, arcname="")
    archive = OciImage(tmp_path / "image", [Layer(packed.getvalue(), "gzip")]).archive(tmp_path / "image.tar")
    clean.hako("tag", clean.hako("load", "-q", "-i", archive).stdout.split()[-1], "local/tools")
    yield "type=image,src=local/tools,dst=/tools"
    if ids := clean.hako("ps", "-aq").stdout.split():
        clean.hako("rm", "-f", *ids)
    clean.hako("rmi", "-f", "local/tools", "test", check=False)


def test_an_image_is_mounted(clean: Daemon, tools: str) -> None:
    script = "cat /tools/opt/tools/name; touch /tools/new"
    done = run(clean, "--mount", tools + ",readonly=false", HELLO, "sh", "-c", script, check=False)
    assert done.stdout == "a tool\n" and "Read-only file system" in done.stderr
    # Several, a folder and a file of it, and again after a restart.
    clean.hako("run", "-d", "--name", "box", "--mount", tools, "--mount", tools.replace("dst=/tools", "dst=/part") + ",image-subpath=up/tools",
               "--mount", tools.replace("dst=/tools", "dst=/name") + ",image-subpath=opt/tools/name", HELLO, "sleep", "600")
    for _ in range(2):
        assert clean.hako("exec", "box", "cat", "/tools/opt/tools/name", "/part/name", "/name").stdout == "a tool\n" * 3
        clean.hako("restart", "-t0", "box")
    mount = next(one for one in clean.inspect("box")["Mounts"] if one["Destination"] == "/tools")
    assert (mount["Type"], mount["Source"], mount["RW"]) == ("image", "local/tools", False)
    # It stays as long as somebody may mount it.
    for words, sentence in ((["local/tools"], "is using its referenced image"),
                            (["-f", *clean.hako("images", "-q", "local/tools").stdout.split()], "being used by running container")):
        refused = clean.hako("rmi", *words, check=False)
        assert refused.returncode == 1 and sentence in refused.stderr, refused.stderr
    clean.hako("rmi", "-f", "local/tools")  # its name alone
    clean.hako("image", "prune", "-f")
    clean.hako("stop", "-t0", "box")
    assert "a tool" in subprocess.run(["tar", "xO"], input=clean.hako("cp", "box:/tools/opt/tools/name", "-", text=False).stdout,
                                      capture_output=True, check=True).stdout.decode()
    clean.hako("start", "box")
    assert clean.hako("exec", "box", "cat", "/name").stdout == "a tool\n"


def test_a_mounted_image_stays_inside(clean: Daemon, tools: str) -> None:
    for subpath, sentence in (("outside", "cannot mount the subpath outside"), ("none", "cannot mount the subpath none"),
                              ("../etc", "must not leave the image"), ("/opt", "must be relative to the image")):
        refused = run(clean, "--mount", f"{tools},image-subpath={subpath}", HELLO, "true", check=False)
        assert refused.returncode == 125 and sentence in refused.stderr, refused.stderr
    refused = run(clean, "--mount", "type=image,src=local/none,dst=/x", HELLO, "true", check=False)
    assert refused.returncode == 125 and "No such image: local/none" in refused.stderr and "pull it first" in refused.stderr


def test_bad_input_is_refused_in_a_sentence(clean: Daemon, folder: Path, tmp_path: Path) -> None:
    for words, sentence in (
        (["-v", "data:relative"], "mount path must be absolute"),
        (["-v", "data:/"], "destination can't be '/'"),
        (["-v", "a/b:/data"], "includes invalid characters"),
        (["-v", f"{folder}:/data:fast"], "invalid mode"),
        (["-v", "data:/x", "-v", "more:/x"], "Duplicate mount point"),
        (["--mount", f"type=bind,src={tmp_path}/none,dst=/x"], "bind source path does not exist"),
        (["--mount", "type=volume,src=data,dst=/x,volume-driver=nfs"], "the drivers are local and block"),
        (["--mount", "type=volume,src=data,dst=/x,volume-subpath=../up"], "subpath"),
        (["--volumes-from", "nobody"], "nobody"),
        (["-v", "/dev/null:/x"], "neither a folder nor an ordinary file"),
    ):
        done = run(clean, *words, HELLO, "true", check=False)
        assert done.returncode != 0 and sentence in done.stderr, (words, done.stderr)
    assert clean.hako("volume", "create", "..", check=False).returncode != 0
    # A folder that -v names is made, as docker does.
    run(clean, "-v", f"{tmp_path}/made/deep:/x", HELLO, "touch", "/x/y")
    assert (tmp_path / "made" / "deep" / "y").exists()


@pytest.mark.parametrize("victim", ["virtiofsd", "qemu", "shim"])
def test_kills_leave_nothing(clean: Daemon, folder: Path, victim: str) -> None:
    clean.hako("run", "-d", "--name", "box", "-v", f"{folder}:/data", HELLO, "sh", "-c", "echo up > /data/up; sleep 1000")
    wait_until(lambda: (folder / "up").exists(), 20)
    (folder / "up").unlink()
    serving = clean.share_servers()
    assert serving
    if victim == "virtiofsd":
        os.kill(serving[-1], signal.SIGKILL)
        clean.hako("kill", "box", check=False)
    elif victim == "qemu":
        os.kill(clean.inspect("box")["State"]["Pid"], signal.SIGKILL)
    else:
        shim, = [pid for pid, line in clean.machines().items() if "hako-shim" in line and "--spec" in line]
        os.kill(shim, signal.SIGKILL)
    wait_until(lambda: clean.state("box") == "exited", 60, "the container ends")
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in serving), 20, "virtiofsd goes")
    clean.hako("start", "box")
    wait_until(lambda: (folder / "up").exists(), 20, "it starts again with its folder")
