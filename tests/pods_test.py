"""Several containers in one VM: pods, and containers that share another one's namespaces."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from hako import HELLO, Daemon, wait_until


def machines(daemon: Daemon) -> int:
    """Each VM has one shim."""
    return sum("hako-shim --spec" in line for line in daemon.machines().values())


def test_a_container_joins_the_namespaces_and_the_vm_of_another(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "box", HELLO, "sh", "-c",
               "hostname; echo shared > /dev/shm/file; echo own > /file; "
               "exec httpd -f -p 127.0.0.1:8080 -h /bin")
    wait_until(lambda: clean.hako("exec", "box", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/hello",
                                  check=False).stdout, 30)
    assert machines(clean) == 1
    hostname = clean.hako("logs", "box").stdout
    look = ("hostname; cat /dev/shm/file; cat /file; ps | grep -c '[h]ttpd'; "
            "wget -q -O - http://127.0.0.1:8080/hello | head -c 2")
    done = clean.hako("run", "--rm", *(f"--{kind}=container:box" for kind in ("network", "pid", "ipc", "uts")),
                      HELLO, "sh", "-c", look, check=False)
    assert done.stdout.startswith(f"{hostname}shared\n1\n#!"), done
    assert "/file" in done.stderr, "its files are its own"
    # By the plain API, with another set of shared namespaces.
    done = clean.hako("run", "--rm", "--pid", "container:box", HELLO, "sh", "-c",
                      "ps | grep -c '[h]ttpd'; ls /dev/shm; ls /sys/class/net")
    assert done.stdout.split() == ["1", "lo"], done
    assert "Use --network container:box" in done.stderr
    assert machines(clean) == 1
    assert clean.state("box") == "running"


def test_the_vm_lives_as_long_as_any_of_its_containers(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "box", HELLO, "sh", "-c", "echo 1 >> /kept; sleep 600")
    clean.hako("run", "-d", "--name", "guest", "--network", "container:box", HELLO, "sh", "-c",
               "trap 'exit 7' TERM; echo ready; while :; do sleep 0.2; done")
    wait_until(lambda: "ready" in clean.hako("logs", "guest").stdout, 30)
    # Both have a part of the processors, however many processes they have.
    for name in "box", "guest":
        assert clean.hako("exec", name, "cat", "/sys/fs/cgroup/cpu.weight").stdout == "100\n"
    # Without a limit of its own it has what the VM has.
    limit = clean.hako("stats", "--no-stream", "--format", "{{.MemUsage}}", "guest").stdout.split(" / ")[1]
    assert 512 <= float(limit.removesuffix("MiB\n")) <= 600, limit
    pid = clean.inspect("box")["State"]["Pid"]
    clean.hako("stop", "-t", "1", "box")
    assert clean.state("guest") == "running"
    clean.hako("exec", "guest", "true")
    clean.hako("start", "box")
    assert clean.inspect("box")["State"]["Pid"] == pid == clean.inspect("guest")["State"]["Pid"]
    wait_until(lambda: clean.hako("exec", "box", "cat", "/kept").stdout == "1\n1\n", 10, "its second start wrote, too")
    clean.hako("rm", "-f", "box")
    assert clean.hako("exec", "guest", "echo", "on").stdout == "on\n"
    clean.hako("stop", "guest")
    assert clean.inspect("guest")["State"]["ExitCode"] == 7
    failed = clean.hako("start", "guest", check=False)
    assert failed.returncode != 0 and "No such container" in failed.stderr


def test_a_joiner_keeps_its_files_over_restarts_and_is_paused_alone(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "box", HELLO, "sleep", "600")
    clean.hako("run", "-d", "--name", "guest", "--network", "container:box", HELLO, "sh", "-c",
               "echo run >> /log; while :; do date +%s%N > /tick; sleep 0.05; done")
    wait_until(lambda: clean.hako("exec", "guest", "cat", "/tick", check=False).stdout, 30)
    clean.hako("pause", "guest")
    assert clean.state("guest") == "paused" and clean.state("box") == "running"
    assert clean.hako("exec", "box", "echo", "on").stdout == "on\n"
    clean.hako("unpause", "guest")
    clean.hako("restart", "-t", "0", "guest")
    wait_until(lambda: clean.hako("exec", "guest", "cat", "/log").stdout == "run\nrun\n", 10, "its second start wrote, too")
    clean.hako("stop", "-t", "0", "guest")
    clean.hako("cp", "guest:/log", "-", text=False)
    assert "A /log" in clean.hako("diff", "guest").stdout


def test_a_daemon_that_was_killed_finds_all_of_a_vm_again(own: Daemon) -> None:
    own.start()
    own.hako("run", "-d", "--name", "box", HELLO, "sleep", "600")
    own.hako("run", "-d", "--name", "ends", "--network", "container:box", HELLO, "sh", "-c",
             "echo words; while [ ! -e /dev/shm/end ]; do sleep 0.1; done; exit 9")
    own.hako("run", "-d", "--name", "stays", "--ipc", "container:box", HELLO, "sleep", "600")
    own.hako("exec", "-d", "ends", "sh", "-c", "sleep 1; touch /dev/shm/end")
    own.kill()
    own.start()
    wait_until(lambda: own.state("ends") == "exited", 30)
    assert own.inspect("ends")["State"]["ExitCode"] == 9
    assert own.hako("logs", "ends").stdout == "words\n"
    assert own.state("box") == own.state("stays") == "running"
    own.hako("rm", "-f", "box")
    own.kill()
    own.start()
    assert own.hako("exec", "stays", "echo", "on").stdout == "on\n"
    own.hako("rm", "-f", "stays")
    wait_until(lambda: not own.machines(), 30)


def test_what_does_not_fit_is_said(clean: Daemon) -> None:
    for flag in ("--network", "--pid", "--ipc", "--uts"):
        refused = clean.hako("run", "--rm", flag, "container:nobody", HELLO, "true", check=False)
        assert refused.returncode == 125 and "No such container: nobody" in refused.stderr, refused
    clean.hako("create", "--name", "box", HELLO, "sleep", "600")
    refused = clean.hako("run", "--rm", "--network", "container:box", HELLO, "true", check=False)
    assert "box must be started" in refused.stderr, refused
    clean.hako("start", "box")
    refused = clean.hako("run", "--rm", "--network", "container:box", "-m", "4g", HELLO, "true", check=False)
    assert "too few for a limit of 4096 MiB" in refused.stderr, refused
    for flag in ("--pid", "--ipc", "--uts", "--userns"):
        refused = clean.hako("run", "--rm", flag, "host", HELLO, "true", check=False)
        assert refused.returncode == 125 and "a container is a virtual machine" in refused.stderr


def folders_served(daemon: Daemon) -> set[str]:
    """What virtiofsd sees, of all VMs."""
    mounts = set()
    for pid in daemon.share_servers():
        mounts |= {row.split()[3] for row in Path(f"/proc/{pid}/mountinfo").read_text().splitlines()}
    return mounts - {"/"}


def test_containers_of_a_pod_bring_their_folders(clean: Daemon, tmp_path: Path) -> None:
    for name in ("shared", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(f"{name}\n")
    shared, own = tmp_path / "shared", tmp_path / "own"
    clean.hako("pod", "create", "web")
    clean.hako("pod", "add", "--name", "one", "-v", f"{shared}:/data", "web", HELLO, "sleep", "600")
    clean.hako("pod", "add", "--name", "two", "-v", f"{shared}:/data:ro", "-v", f"{own}/file:/file", "web", HELLO,
               "sleep", "600")
    assert machines(clean) == 1
    clean.hako("exec", "one", "sh", "-c", "cat /data/file; echo more >> /data/file")
    assert clean.hako("exec", "two", "cat", "/data/file", "/file").stdout == "shared\nmore\nown\n"
    refused = clean.hako("exec", "two", "touch", "/data/no", check=False)
    assert refused.returncode != 0 and "Read-only" in refused.stderr
    assert len(folders_served(clean)) == 2
    clean.hako("rm", "-f", "two")
    assert len(folders_served(clean)) == 1, "nobody has the other one any more"
    assert clean.hako("exec", "one", "cat", "/data/file").stdout == "shared\nmore\n"
    clean.hako("restart", "-t", "0", "one")
    assert clean.hako("exec", "one", "cat", "/data/file").stdout == "shared\nmore\n"
    clean.hako("rm", "-f", "one")
    assert not folders_served(clean)
    # By any client, with what was there before, and with what is not there.
    clean.hako("run", "--rm", "--network", "container:web", "-v", f"{own}:/data", HELLO, "sh", "-c", "mv /data/file /data/moved")
    assert (own / "moved").exists()
    refused = clean.hako("run", "--rm", "--network", "container:web", "--mount",
                         f"type=bind,source={tmp_path}/absent,target=/x", HELLO, "true", check=False)
    assert refused.returncode == 125 and "absent" in refused.stderr
    clean.hako("pod", "rm", "-f", "web")


def test_what_one_of_a_pod_reads_another_can_write_to(clean: Daemon, tmp_path: Path) -> None:
    """In whatever order they come; and what is mounted below stays as it was shared."""
    clean.hako("pod", "create", "web")
    clean.hako("pod", "add", "--name", "reader", "-v", f"{tmp_path}:/data:ro", "web", HELLO, "sleep", "600")
    clean.hako("pod", "add", "--name", "writer", "-v", f"{tmp_path}:/data", "web", HELLO, "sleep", "600")
    clean.hako("exec", "writer", "sh", "-c", "echo hi > /data/file")
    assert clean.hako("exec", "reader", "cat", "/data/file").stdout == "hi\n"
    assert "Read-only" in clean.hako("exec", "reader", "touch", "/data/no", check=False).stderr
    clean.hako("rm", "-f", "reader", "writer")
    (tmp_path / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path / "below"], check=True)
    try:
        clean.hako("pod", "add", "--name", "reader", "-v", f"{tmp_path}:/data:ro", "web", HELLO, "sleep", "600")
        refused = clean.hako("run", "--rm", "--network", "container:web", "-v", f"{tmp_path}:/data", HELLO, "true", check=False)
        assert refused.returncode == 125 and f"{tmp_path}: another container in the VM has it to read only" in refused.stderr
    finally:
        clean.hako("pod", "rm", "-f", "web")
        subprocess.run(["umount", tmp_path / "below"], check=True)


def test_a_vm_without_folders_says_how_to_get_some(clean: Daemon, tmp_path: Path) -> None:
    clean.hako("run", "-d", "--name", "box", HELLO, "sleep", "600")
    refused = clean.hako("run", "--rm", "--network", "container:box", "-v", f"{tmp_path}:/data", HELLO, "true", check=False)
    assert refused.returncode == 125 and "hako pod" in refused.stderr, refused
    # As Kubernetes makes its sandboxes by way of Docker.
    clean.hako("run", "-d", "--name", "sandbox", "--label", "io.kubernetes.docker.type=podsandbox", HELLO, "sleep", "600")
    clean.hako("run", "--rm", "--network", "container:sandbox", "-v", f"{tmp_path}:/data", HELLO, "touch", "/data/file")
    assert (tmp_path / "file").exists()


def test_a_pod(clean: Daemon) -> None:
    clean.hako("pod", "create", "-m", "256m", "web")
    clean.hako("pod", "add", "--name", "one", "web", HELLO, "sh", "-c", "hostname; sleep 600")
    clean.hako("pod", "add", "--name", "two", "web", HELLO, "sleep", "600")
    assert machines(clean) == 1
    wait_until(lambda: clean.hako("logs", "one").stdout == "web\n", 30)
    listed = clean.hako("pod", "ls", "--format", "{{.Name}} {{.Containers}} {{.Names}}").stdout
    assert listed == "web 2 one,two\n"
    pod, = json.loads(clean.hako("pod", "inspect", "web").stdout)
    assert pod["Memory"] == 256 << 20 and pod["State"] == "running"
    assert [member["Name"] for member in pod["Containers"]] == ["one", "two"]
    clean.hako("stop", "-t", "0", "one", "two")
    assert clean.hako("pod", "ls", "--format", "{{.Status}}").stdout.startswith("Up"), "until pod stop"
    clean.hako("pod", "stop", "-t", "0", "web")
    wait_until(lambda: machines(clean) == 0, 30)
    clean.hako("pod", "start", "web")
    assert [clean.state(name) for name in ("web", "one", "two")] == ["running"] * 3
    refused = clean.hako("pod", "rm", "web", check=False)
    assert refused.returncode == 1 and "--force" in refused.stderr
    refused = clean.hako("pod", "stop", "one", check=False)
    assert "one is a container, no pod" in refused.stderr
    clean.hako("pod", "rm", "-f", "web")
    assert clean.hako("ps", "-aq").stdout == ""


def test_what_a_container_had_mounted_leaves_the_vm_with_it(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "box", HELLO, "sleep", "600")
    # File systems of the whole VM, whoever has them mounted.
    before = clean.hako("exec", "box", "ls", "/sys/fs/ext4", "/sys/fs/erofs").stdout
    assert clean.hako("run", "--rm", "--network", "container:box", "--mount", "type=volume,src=disk,dst=/disk,volume-driver=block",
                      "--mount", f"type=image,src={HELLO},dst=/image", HELLO, "sh", "-c", "touch /disk/file; ls /image/bin/busybox").stdout
    wait_until(lambda: clean.hako("exec", "box", "ls", "/sys/fs/ext4", "/sys/fs/erofs").stdout == before, 10)
    clean.hako("rm", "-f", "box")
    clean.hako("volume", "rm", "disk")
