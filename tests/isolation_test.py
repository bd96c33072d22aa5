"""What a container may do inside of its VM: profiles, processors, devices, groups, privileges."""

from __future__ import annotations

import json
from pathlib import Path

from hako import HELLO, Daemon, wait_until


def run(daemon: Daemon, *arguments: str) -> str:
    done = daemon.hako("run", "--rm", *arguments, check=False)
    return done.stdout + done.stderr


def test_an_own_seccomp_profile(clean: Daemon, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 18}],
    }))
    said = run(clean, "--security-opt", f"seccomp={profile}", HELLO, "mkdir", "/tmp/x")
    assert "cross-device" in said.lower(), said
    profile.write_text('{"defaultAction": "SCMP_ACT_FLY"}')
    said = run(clean, "--security-opt", f"seccomp={profile}", HELLO, "true")
    assert "defaultAction" in said and "SCMP_ACT_FLY" in said, said


def test_processors_groups_and_limits(clean: Daemon) -> None:
    said = run(clean, "--cpuset-cpus", "0", "--group-add", "tty", "--group-add", "4711",
               "--ulimit", "nofile=99:100", "--oom-score-adj", "77", HELLO, "sh", "-c",
               "cat /sys/fs/cgroup/cpuset.cpus.effective; id -G; ulimit -n; cat /proc/self/oom_score_adj")
    assert said.split("\n")[:4] == ["0", "0 5 4711", "99", "77"], said
    assert "Requested CPUs are not available" in run(clean, "--cpuset-cpus", "0-999", HELLO, "true")
    assert "unable to find group nobodys" in run(clean, "--group-add", "nobodys", HELLO, "true")


def test_the_processors_time_is_shared_out_once_somebody_asks(clean: Daemon) -> None:
    look = "cd /sys/fs/cgroup; cat cpu.weight; grep -ow cpu cgroup.controllers; cut -d' ' -f19 /proc/self/stat"
    said = run(clean, HELLO, "sh", "-c", look)
    assert "'cpu.weight': No such file" in said and said.startswith("0\n"), said
    assert run(clean, "--privileged", HELLO, "sh", "-c", look) == "100\ncpu\n0\n"
    assert run(clean, "--cpu-shares", "2048", HELLO, "sh", "-c", look) == "79\ncpu\n0\n"
    clean.docker("run", "-d", "--name", "box", HELLO, "sleep", "600")
    clean.docker("update", "--cpu-shares", "512", "box")
    assert clean.docker("exec", "box", "sh", "-c", look).stdout == "20\ncpu\n0\n"


def test_a_busy_container_still_answers(clean: Daemon) -> None:
    clean.docker("run", "-d", "--name", "box", HELLO, "sh", "-c",
                 "for i in $(seq 100); do while true; do true; done & done; echo busy; wait")
    wait_until(lambda: clean.docker("logs", "box").stdout == "busy\n")
    assert clean.docker("exec", "box", "echo", "here").stdout == "here\n"
    clean.docker("rm", "-f", "box")


def test_devices_of_the_vm(clean: Daemon) -> None:
    said = run(clean, "--device", "/dev/fuse", "--device", "/dev/fuse:/dev/other", HELLO, "sh", "-c",
               "ls /dev/fuse /dev/other; exec 3<>/dev/other && echo opened")
    assert said == "/dev/fuse\n/dev/other\nopened\n"
    assert "/dev/none" in run(clean, "--device", "/dev/none", HELLO, "true")


def test_device_nodes_that_are_made_are_not_opened(clean: Daemon) -> None:
    script = "mknod /tmp/d b 254 0 && dd if=/tmp/d bs=512 count=1 2>&1 | tail -1; cat /dev/null && echo x > /dev/zero && echo fine"
    said = run(clean, HELLO, "sh", "-c", script)
    assert "Operation not permitted" in said and "fine" in said, said
    for allowed in (("--device-cgroup-rule", "b 254:* r"), ("--privileged",)):
        said = run(clean, *allowed, HELLO, "sh", "-c", script)
        assert "records out" in said and "not permitted" not in said, said
    said = run(clean, "--device", "/dev/fuse:/dev/fuse:r", HELLO, "sh", "-c",
               "exec 3</dev/fuse && echo read; (exec 4>/dev/fuse) 2>&1; echo end")
    assert "read\n" in said and "Operation not permitted" in said and said.endswith("end\n"), said
    assert "invalid device cgroup rule format" in run(clean, "--device-cgroup-rule", "b 254", HELLO, "true")


def test_privileged_has_what_a_container_engine_needs(clean: Daemon) -> None:
    script = """set -e
        mkdir /tmp/fs && mount -t tmpfs none /tmp/fs && cd /tmp/fs && mkdir l u w m
        echo text > l/file && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w none m && cat m/file
        mkdir /sys/fs/cgroup/own && echo $$ > /sys/fs/cgroup/own/cgroup.procs
        grep -q own /proc/self/cgroup && echo cgroup
        unshare -m -p -f -n -i -u sh -c 'mount -t proc none /proc && echo inside $$'
        echo 1 > /proc/sys/net/ipv4/ip_forward && echo sysctl
        ls -d /dev/vda /dev/fuse
        mknod /tmp/fs/disk b 254 0 && echo node"""
    said = run(clean, "--privileged", HELLO, "sh", "-c", script)
    assert said.split("\n") == ["text", "cgroup", "inside 1", "sysctl", "/dev/fuse", "/dev/vda", "node", ""], said
    said = run(clean, HELLO, "sh", "-c", "mount -t tmpfs none /tmp; ls /dev/vda")
    assert "permitted" in said.lower() or "denied" in said.lower()
    assert "/dev/vda: No such file" in said


def test_security_modules_are_a_warning(clean: Daemon) -> None:
    said = run(clean, "--security-opt", "apparmor=unconfined", HELLO, "echo", "ran")
    assert "apparmor has no effect" in said and "ran" in said


def test_a_commit_sees_one_moment(clean: Daemon) -> None:
    clean.hako("run", "-d", "--name", "box", HELLO, "sh", "-c",
               "mkdir /n; i=0; while :; do i=$((i+1)); for f in 0 1 2 3 4 5 6 7 8 9; do "
               "for g in 0 1 2 3 4 5 6 7 8 9; do echo $i > /n/$f$g; done; done; done")
    wait_until(lambda: clean.hako("exec", "box", "cat", "/n/99", check=False).stdout, 30)
    image = clean.hako("commit", "box").stdout.strip()
    before = int(clean.hako("exec", "box", "cat", "/n/00").stdout or 0)
    wait_until(lambda: int(clean.hako("exec", "box", "cat", "/n/00").stdout or 0) > before, 30,
               "it runs on")
    clean.hako("rm", "-f", "box")
    numbers = [int(n) for n in run(clean, image, "sh", "-c", "cat /n/*").split()]
    clean.hako("rmi", image)
    assert len(numbers) >= 99 and max(numbers) - min(numbers) <= 1, numbers
