"""What the docker CLI does to a container between its start and its end, and what hakod does by itself."""

from __future__ import annotations

import json

import pytest

from hako import HELLO, Daemon, wait_until

pytestmark = pytest.mark.usefixtures("docker_cli")
UNTIL_STOPPED = "trap 'exit 7' TERM; while :; do echo tick; sleep 0.05; done"


def test_pause_update_rename_stats_events(clean: Daemon) -> None:
    container = clean.docker("run", "-d", "--name", "app", "-m", "256m", "--label", "role=web",
                             "--health-cmd", "test -e /tmp/ok", "--health-interval", "100ms", "--health-retries", "1",
                             HELLO, "sh", "-c", UNTIL_STOPPED).stdout.strip()
    lines = lambda: clean.docker("logs", "app").stdout.count("\n")
    status = lambda: clean.docker("ps", "--format", "{{.Status}}").stdout.strip()

    wait_until(lambda: status().endswith("(unhealthy)"))
    clean.docker("exec", "app", "touch", "/tmp/ok")
    wait_until(lambda: status().endswith("(healthy)"))
    assert clean.docker("ps", "-q", "--filter", "health=healthy").stdout
    health = clean.inspect("app")["State"]["Health"]
    assert health["FailingStreak"] == 0 and health["Log"][-1]["ExitCode"] == 0 and len(health["Log"]) <= 5

    clean.docker("pause", "app")
    assert status().endswith("(Paused)") and clean.inspect("app")["State"]["Paused"] is True
    before = lines()
    refused = clean.docker("exec", "app", "true", check=False)
    assert refused.returncode == 1 and "unpause the container before exec" in refused.stderr
    assert lines() == before
    clean.docker("unpause", "app")
    wait_until(lambda: lines() > before)

    clean.docker("update", "-m", "128m", "--pids-limit", "50", "--restart", "unless-stopped", "app")
    assert clean.docker("exec", "app", "cat", "/sys/fs/cgroup/memory.max").stdout == f"{128 << 20}\n"
    assert clean.docker("exec", "app", "cat", "/sys/fs/cgroup/pids.max").stdout == "50\n"
    host = clean.inspect("app")["HostConfig"]
    assert host["Memory"] == 128 << 20 and host["RestartPolicy"]["Name"] == "unless-stopped"

    stats = json.loads(clean.docker("stats", "--no-stream", "--format", "json", "app").stdout)
    assert stats["MemUsage"].endswith("/ 128MiB") and not stats["MemUsage"].startswith("0B")
    assert stats["CPUPerc"] != "--" and int(stats["PIDs"]) >= 1 and stats["Name"] == "app"
    table = clean.hako("stats", "--no-stream", "app").stdout.splitlines()
    assert table[0].split()[:2] == ["CONTAINER", "ID"] and "128MiB" in table[1]

    clean.docker("rename", "app", "crate")
    clean.docker("pause", "crate")
    clean.docker("stop", "crate")
    assert clean.inspect("crate")["State"]["ExitCode"] == 7, "stopped, its policy leaves it alone"
    assert clean.docker("container", "prune", "-f").stdout.startswith(f"Deleted Containers:\n{container}\n")

    # The client cuts the time to seconds.
    events = lambda: clean.docker("events", "--since", "1h", "--until", "0s", "--filter", f"container={container}",
                                  "--format", "{{.Action}}").stdout.splitlines()
    wait_until(lambda: "destroy" in events())
    told = events()
    life = [action for action in told if action.split(":")[0] not in ("exec_create", "exec_start", "exec_die")]
    assert life == ["create", "start", "health_status: unhealthy", "health_status: healthy", "pause", "unpause", "update",
                    "rename", "pause", "unpause", "kill", "die", "stop", "destroy"]
    assert "exec_create: cat /sys/fs/cgroup/pids.max" in told
    line = clean.hako("events", "--since", "1h", "--until", "0s", "--filter", "event=die").stdout
    assert f"container die {container} (" in line and "exitCode=7" in line and "role=web" in line


def test_restart_policies_and_the_next_daemon(own: Daemon) -> None:
    own.start()
    own.docker("run", "-d", "--name", "fails", "--restart", "on-failure:1", HELLO, "sh", "-c", "exit 3")
    wait_until(lambda: own.state("fails") == "exited")
    assert own.inspect("fails")["RestartCount"] == 1 and own.inspect("fails")["State"]["ExitCode"] == 3
    own.docker("run", "-d", "--name", "lives", "--restart", "always", HELLO, "sh", "-c", UNTIL_STOPPED)
    # The host loses its power.
    own.kill()
    own.kill_strays()
    own.start()
    wait_until(lambda: own.state("lives") == "running")
    assert own.state("fails") == "exited"
    own.docker("stop", "lives")
    assert own.state("lives") == "exited"


def test_logs_rotate_and_tell_details(clean: Daemon) -> None:
    # A record has 64 kB at most: four files cannot hold all of it.
    ended = clean.docker("run", "--name", "app", "--init", "--label", "role=web", "--log-opt", "max-size=4k",
                         "--log-opt", "max-file=4", "--log-opt", "labels=role", HELLO,
                         "sh", "-c", "seq 100000; kill -TERM $$", check=False)
    assert ended.returncode == 143, "as its child below the init process"
    logs = clean.docker("logs", "app").stdout.splitlines()
    assert logs[-2:] == ["99999", "100000"] and len(logs) < 100000
    assert clean.docker("logs", "--tail", "2", "app").stdout.splitlines() == logs[-2:]
    assert clean.docker("logs", "--details", "--tail", "1", "app").stdout == "role=web 100000\n"
    clean.docker("create", "--name", "mute", "--log-driver", "none", HELLO)
    assert "does not support reading" in clean.docker("logs", "mute", check=False).stderr
    refused = clean.docker("create", "--log-driver", "syslog", HELLO, check=False)
    assert "json-file, local, journald or none" in refused.stderr


def test_the_init_process_is_as_open_as_any(clean: Daemon) -> None:
    for user in ("0", "1000"):
        done = clean.docker("run", "--rm", "--init", "--user", user, HELLO, "sh", "-c",
                            "echo said > /proc/1/fd/1; readlink /proc/1/exe; cat /proc/1/comm")
        said, program, name = done.stdout.splitlines()
        assert said == "said" and program.startswith("/memfd:"), "not the VM's own program"
        assert name == "hako-init"


def test_a_look_below(clean: Daemon) -> None:
    out = clean.docker("run", "-d", "--name", "app", "--init", "--add-host", "db:10.1.2.3", HELLO, "sh", "-c",
                       "echo I am $$; grep db /etc/hosts; exec sleep 1000").stdout
    assert out
    wait_until(lambda: clean.docker("logs", "app").stdout.split("\n")[1:2] == ["10.1.2.3\tdb"])
    assert clean.docker("logs", "app").stdout.split("\n")[0] != "I am 1"
    machine = json.loads(clean.hako("inspect", "--vm", "app").stdout)[0]
    assert "qemu-system" in machine["ShellLine"] and machine["Pid"] == clean.inspect("app")["State"]["Pid"]
    assert machine["Machine"]["memory_bytes"] > 0
    console = clean.hako("console", "app")
    assert console.returncode == 0
    assert clean.docker("stop", "-t", "5", "app").returncode == 0
    assert clean.inspect("app")["State"]["ExitCode"] == 143, "the init process hands signals on"
    refused = clean.hako("inspect", "--vm", "app", check=False)
    assert refused.returncode == 1 and "not running" in refused.stderr
    doctor = clean.hako("doctor", check=False).stdout
    assert "QEMU" in doctor and "daemon" in doctor
