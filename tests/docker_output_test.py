"""What the docker CLI shows of hakod, field by field as Docker documents it: keys, types, headings, values."""

from __future__ import annotations

import json
import re
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import HELLO, Daemon, wait_until

pytestmark = pytest.mark.usefixtures("docker_cli")

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
ID = re.compile(r"[0-9a-f]{64}")
SHORT = re.compile(r"[0-9a-f]{12}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SIZE = re.compile(r"\d+(\.\d+)?(B|kB|MB|GB|KiB|MiB|GiB)")
AGO = re.compile(r"(Less than a second|About a minute|\d+ (second|minute)s?)( ago)?")


class Maybe:
    """A field that Docker leaves out where it says nothing."""

    def __init__(self, shape: object) -> None:
        self.shape = shape


class Each:
    """A list or an object whose elements all look like this."""

    def __init__(self, kind: type, shape: object) -> None:
        self.kind, self.shape = kind, shape


def differences(value: object, shape: object, where: str = "") -> list[str]:
    """What of the value is not as the shape says: types, patterns, exact values, exact keys."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        found = [f"{where}.{key}: not documented" for key in value if key not in shape]
        for key, part in shape.items():
            if key in value:
                found += differences(value[key], part.shape if isinstance(part, Maybe) else part, f"{where}.{key}")
            elif not isinstance(part, Maybe):
                found.append(f"{where}.{key}: missing")
        return found
    if isinstance(shape, Each):
        if not isinstance(value, shape.kind):
            return [f"{where}: {value!r} is no {shape.kind.__name__}"]
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return [text for key, part in items for text in differences(part, shape.shape, f"{where}.{key}")]
    if isinstance(shape, tuple):
        return [] if any(not differences(value, part) for part in shape) else [f"{where}: {value!r} is none of {shape}"]
    if isinstance(shape, re.Pattern):
        good = isinstance(value, str) and shape.fullmatch(value)
    elif isinstance(shape, type):
        good = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
    else:
        good = value == shape and type(value) is type(shape)
    return [] if good else [f"{where}: {value!r} instead of {shape}"]


def check(value: object, shape: object) -> None:
    assert differences(value, shape) == []


TEXTS = Each(list, str)
MAP = Each(dict, str)

STATE = {"Status": "running", "Running": True, "Paused": False, "Restarting": False, "OOMKilled": False, "Dead": False,
         "Pid": int, "ExitCode": 0, "Error": "", "StartedAt": TIME, "FinishedAt": "0001-01-01T00:00:00Z"}

# Of `docker run -d -m 256m` with all else left out.
HOST_CONFIG = {
    "Binds": None, "ContainerIDFile": "", "LogConfig": {"Type": "json-file", "Config": {}}, "NetworkMode": str,
    "PortBindings": {}, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "AutoRemove": False, "VolumeDriver": "",
    "VolumesFrom": None, "ConsoleSize": [0, 0], "CapAdd": None, "CapDrop": None, "CgroupnsMode": "private", "Dns": [],
    "DnsOptions": [], "DnsSearch": [], "ExtraHosts": None, "GroupAdd": None, "IpcMode": "private", "Cgroup": "",
    "Links": None, "OomScoreAdj": 0, "PidMode": "", "Privileged": False, "PublishAllPorts": False,
    "ReadonlyRootfs": False, "SecurityOpt": None, "UTSMode": "", "UsernsMode": "", "ShmSize": 64 << 20,
    "Runtime": "hako", "Isolation": "", "CpuShares": 0, "Memory": 256 << 20, "NanoCpus": 0, "CgroupParent": "",
    "BlkioWeight": 0, "BlkioWeightDevice": [], "BlkioDeviceReadBps": [], "BlkioDeviceWriteBps": [],
    "BlkioDeviceReadIOps": [], "BlkioDeviceWriteIOps": [], "CpuPeriod": 0, "CpuQuota": 0, "CpuRealtimePeriod": 0,
    "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "", "Devices": [], "DeviceCgroupRules": None,
    "DeviceRequests": None, "MemoryReservation": 0, "MemorySwap": 256 << 20, "MemorySwappiness": None,
    "OomKillDisable": None, "PidsLimit": None, "Ulimits": [], "CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0,
    "IOMaximumBandwidth": 0, "MaskedPaths": TEXTS, "ReadonlyPaths": TEXTS}

CONFIG = {
    "Hostname": SHORT, "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": False, "AttachStderr": False,
    "ExposedPorts": {"80/tcp": {}}, "Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": TEXTS, "Cmd": TEXTS,
    "Image": HELLO, "Volumes": None, "WorkingDir": "/", "Entrypoint": None, "OnBuild": None, "Labels": MAP}

NETWORK_SETTINGS = {
    "Bridge": str, "SandboxID": str, "SandboxKey": str, "Ports": dict, "HairpinMode": bool, "LinkLocalIPv6Address": str,
    "LinkLocalIPv6PrefixLen": int, "SecondaryIPAddresses": None, "SecondaryIPv6Addresses": None, "EndpointID": str,
    "Gateway": str, "GlobalIPv6Address": str, "GlobalIPv6PrefixLen": int, "IPAddress": str, "IPPrefixLen": int,
    "IPv6Gateway": str, "MacAddress": str, "Networks": dict}

CONTAINER = {
    "Id": ID, "Created": TIME, "Path": "sh", "Args": TEXTS, "State": STATE, "Image": DIGEST, "ResolvConfPath": str,
    "HostnamePath": str, "HostsPath": str, "LogPath": str, "Name": "/app", "RestartCount": 0, "Driver": str,
    "Platform": "linux", "MountLabel": "", "ProcessLabel": "", "AppArmorProfile": "", "ExecIDs": None,
    "HostConfig": HOST_CONFIG, "GraphDriver": {"Name": str, "Data": dict}, "SizeRw": Maybe(int),
    "SizeRootFs": Maybe(int), "Mounts": [], "Config": CONFIG, "NetworkSettings": NETWORK_SETTINGS}

CPU = {"cpu_usage": {"total_usage": int, "usage_in_kernelmode": int, "usage_in_usermode": int},
       "system_cpu_usage": int, "online_cpus": int,
       "throttling_data": {"periods": int, "throttled_periods": int, "throttled_time": int}}
STATS = {
    "name": "/app", "id": ID, "read": TIME, "preread": TIME, "num_procs": 0, "storage_stats": {},
    "pids_stats": {"current": int, "limit": Maybe(int)}, "cpu_stats": CPU, "precpu_stats": CPU,
    "memory_stats": {"usage": int, "max_usage": Maybe(int), "limit": 256 << 20, "stats": Each(dict, int)},
    "blkio_stats": {"io_service_bytes_recursive": Each(list, {"major": int, "minor": int, "op": str, "value": int}),
                    **{f"{name}_recursive": None for name in ("io_serviced", "io_queue", "io_service_time",
                                                              "io_wait_time", "io_merged", "io_time", "sectors")}},
    "networks": Maybe(Each(dict, Each(dict, int)))}

SCRIPT = "echo out; echo err >&2; trap 'exit 7' TERM; while :; do sleep 0.2; done"


@pytest.fixture
def app(clean: Daemon) -> Iterator[Daemon]:
    said = clean.docker("run", "-d", "--name", "app", "-m", "256m", "--label", "role=web", "-e", "A=1", "--expose", "80",
                        HELLO, "sh", "-c", SCRIPT).stdout
    assert ID.fullmatch(said.strip())
    wait_until(lambda: clean.docker("logs", "app").stdout == "out\n")
    yield clean


def json_of(daemon: Daemon, *arguments: str) -> dict:
    return json.loads(daemon.docker(*arguments, "--format", "{{json .}}").stdout)


def columns(table: str) -> list[str]:
    return re.split(r" {2,}", table.splitlines()[0].rstrip())


def test_inspect(app: Daemon) -> None:
    inspected = json.loads(app.docker("inspect", "app").stdout)[0]
    check(inspected, CONTAINER)
    assert inspected["Config"]["Hostname"] == inspected["Id"][:12] and "A=1" in inspected["Config"]["Env"]
    assert "/proc/kcore" in inspected["HostConfig"]["MaskedPaths"]
    sized = json.loads(app.docker("inspect", "-s", "app").stdout)[0]
    check(sized, CONTAINER)
    assert 0 < sized["SizeRw"] < sized["SizeRootFs"]
    line = app.docker("ps", "-s", "--format", "{{.Size}}").stdout
    assert re.fullmatch(rf"{SIZE.pattern} \(virtual {SIZE.pattern}\)\n", line)
    privileged = app.docker("create", "--privileged", "--memory-swap", "300m", "-m", "200m", "--pids-limit", "9",
                            "--shm-size", "1m", "--log-driver", "local", "--init", HELLO).stdout.strip()
    host = json.loads(app.docker("inspect", privileged).stdout)[0]["HostConfig"]
    assert (host["MaskedPaths"], host["ReadonlyPaths"], host["Init"], host["PidsLimit"]) == (None, None, True, 9)
    assert (host["MemorySwap"], host["ShmSize"], host["LogConfig"]["Type"]) == (300 << 20, 1 << 20, "local")


def test_ps(app: Daemon) -> None:
    assert columns(app.docker("ps").stdout) == [
        "CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    assert columns(app.docker("ps", "-s").stdout)[-1] == "SIZE"
    check(json_of(app, "ps"), {
        "Command": re.compile(r"\"sh -c .*…\""), "CreatedAt": re.compile(r"\d{4}-\d\d-\d\d .*UTC"), "ID": SHORT,
        "Image": HELLO, "Labels": re.compile(".*role=web"), "LocalVolumes": "0", "Mounts": "", "Names": "app",
        "Networks": str, "Platform": Maybe(None), "Ports": str, "RunningFor": AGO, "Size": str, "State": "running",
        "Status": re.compile(rf"Up {AGO.pattern}")})
    status, listed = app.api("GET", "/containers/json?size=1")
    assert status == 200
    check(listed, Each(list, {
        "Id": ID, "Names": ["/app"], "Image": HELLO, "ImageID": DIGEST, "Command": str, "Created": int,
        "Ports": list, "SizeRw": int, "SizeRootFs": int, "Labels": MAP, "State": "running", "Status": str,
        "HostConfig": {"NetworkMode": str, "Annotations": Maybe(MAP)}, "NetworkSettings": {"Networks": dict},
        "Mounts": []}))


def test_logs_top_stats(app: Daemon) -> None:
    logs = lambda *flags: app.docker("logs", *flags, "app")
    wait_until(lambda: logs().stderr == "err\n")
    assert logs().stdout == "out\n"
    stamp, text = logs("-t").stdout.split(" ")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", stamp) and text == "out\n"
    assert logs("--since", stamp).stdout == "out\n" and logs("--since", "1s", "--until", "1h").stdout == ""
    top = app.docker("top", "app").stdout.splitlines()
    assert top[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert top[1].startswith("root ") and "sh -c echo out" in top[1]
    assert app.docker("top", "app", "-o", "pid,comm").stdout.splitlines()[0].split() == ["PID", "COMMAND"]

    assert columns(app.docker("stats", "--no-stream", "app").stdout) == [
        "CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"]
    pair = re.compile(rf"{SIZE.pattern} / {SIZE.pattern}")
    share = re.compile(r"\d+\.\d\d%")
    check(json_of(app, "stats", "--no-stream", "app"), {
        "BlockIO": pair, "CPUPerc": share, "Container": "app", "ID": SHORT, "MemPerc": share,
        "MemUsage": re.compile(rf"{SIZE.pattern} / 256MiB"), "Name": "app", "NetIO": pair, "PIDs": re.compile(r"[1-9]\d*")})
    status, stats = app.api("GET", "/containers/app/stats?stream=false")
    assert status == 200
    check(stats, STATS)
    before, after = (stats[part]["cpu_usage"]["total_usage"] for part in ("precpu_stats", "cpu_stats"))
    assert 0 < before <= after and stats["preread"] < stats["read"]


def test_exec(app: Daemon) -> None:
    said = app.docker("exec", "-u", "1000:1001", "-w", "/tmp", "-e", "X=1", "app", "sh", "-c", "id; pwd; echo $X $A >&2")
    assert said.stdout == "uid=1000 gid=1001 groups=1001\n/tmp\n" and said.stderr == "1 1\n"
    assert app.docker("exec", "app", "sh", "-c", "exit 3", check=False).returncode == 3
    missing = app.docker("exec", "app", "nothing-here", check=False)
    assert missing.returncode == 127 and "executable file not found in $PATH" in missing.stdout + missing.stderr
    status, made = app.api("POST", "/containers/app/exec",
                           {"Cmd": ["sh", "-c", "exit 9"], "User": "1:2", "Tty": True, "AttachStdout": True})
    assert status == 201 and ID.fullmatch(made["Id"])
    shape = {"ID": made["Id"], "Running": False, "ExitCode": (None, int), "OpenStdin": False, "OpenStdout": True,
             "OpenStderr": False, "CanRemove": False, "ContainerID": ID, "DetachKeys": "", "Pid": int,
             "ProcessConfig": {"tty": True, "entrypoint": "sh", "arguments": ["-c", "exit 9"], "privileged": False,
                               "user": "1:2"}}
    check(app.api("GET", f"/exec/{made['Id']}/json")[1], shape)
    assert app.api("POST", f"/exec/{made['Id']}/start", {"Detach": False, "Tty": True})[0] == 200
    wait_until(lambda: app.api("GET", f"/exec/{made['Id']}/json")[1]["ExitCode"] == 9)
    check(app.api("GET", f"/exec/{made['Id']}/json")[1], shape)


def test_files_commit_export(app: Daemon, tmp_path: Path) -> None:
    app.docker("exec", "app", "sh", "-c", "echo new > /new; rm /etc/profile 2> /dev/null; echo x >> /etc/passwd")
    assert set(app.docker("diff", "app").stdout.splitlines()) >= {"A /new", "C /etc", "C /etc/passwd"}
    app.docker("cp", "app:/new", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_text() == "new\n"
    app.docker("cp", str(tmp_path / "copy"), "app:/tmp/back")
    assert app.docker("exec", "app", "cat", "/tmp/back").stdout == "new\n"
    assert app.docker("cp", "app:/new", "-", check=False).stdout.startswith("new\0")
    gone = app.docker("cp", "app:/none", str(tmp_path), check=False)
    assert gone.returncode == 1 and "Could not find the file /none in container app" in gone.stderr
    app.docker("export", "-o", str(tmp_path / "root.tar"), "app")
    with tarfile.open(tmp_path / "root.tar") as tar:
        assert tar.extractfile("new").read() == b"new\n"

    image = app.docker("commit", "-a", "me", "-m", "words", "-c", "ENV Z=1", "-c", 'CMD ["true"]', "app", "img:1")
    assert DIGEST.fullmatch(image.stdout.strip())
    made = json.loads(app.docker("image", "inspect", "img:1").stdout)[0]
    check(made, {
        "Id": image.stdout.strip(), "RepoTags": ["img:1"], "RepoDigests": TEXTS, "Parent": str, "Comment": "words",
        "Created": TIME, "DockerVersion": str, "Author": "me", "Architecture": str, "Variant": Maybe(str), "Os": "linux",
        "Size": int, "GraphDriver": {"Name": str, "Data": dict}, "RootFS": {"Type": "layers", "Layers": TEXTS},
        "Metadata": {"LastTagTime": TIME}, "Descriptor": {"mediaType": str, "digest": DIGEST, "size": int}, "Config": dict})
    assert {"A=1", "Z=1"} <= set(made["Config"]["Env"]) and made["Config"]["Cmd"] == ["true"]
    assert made["Config"]["Labels"]["role"] == "web" and made["Config"]["ExposedPorts"] == {"80/tcp": {}}
    assert columns(app.docker("history", "img:1").stdout) == ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]
    assert columns(app.docker("images").stdout) == ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]
    assert app.docker("run", "--rm", "img:1", "cat", "/new").stdout == "new\n"
    app.docker("rmi", "img:1")


def test_changes_and_events(app: Daemon, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    container = app.inspect("app")["Id"]
    assert app.docker("rename", "app", "box").stdout == ""
    assert app.docker("update", "-m", "128m", "--memory-swap", "128m", "box").stdout == "box\n"
    assert app.docker("pause", "box").stdout == "box\n"
    assert re.fullmatch(rf"Up {AGO.pattern} \(Paused\)\n", app.docker("ps", "--format", "{{.Status}}").stdout)
    assert app.docker("unpause", "box").stdout == "box\n"
    app.docker("top", "box")
    app.docker("exec", "box", "true")
    app.docker("cp", "box:/etc/passwd", str(tmp_path / "passwd"))
    app.docker("cp", str(tmp_path / "file"), "box:/tmp")
    app.docker("export", "-o", str(tmp_path / "tar"), "box")
    image = app.docker("commit", "-m", "words", "box", "img:2").stdout.strip()
    wait_until(lambda: app.docker("logs", "box").stdout == "out\n")
    app.docker("restart", "-t", "20", "box")
    wait_until(lambda: app.docker("logs", "box").stdout == "out\nout\n")
    time.sleep(0.5)  # it has set its trap
    waiter = app.popen_docker("wait", "box")
    assert app.docker("stop", "box").stdout == "box\n"
    assert waiter.communicate(timeout=30)[0] == b"7\n"
    assert re.fullmatch(rf"Exited \(7\) {AGO.pattern}\n", app.docker("ps", "-a", "--format", "{{.Status}}").stdout)
    assert app.docker("rm", "box").stdout == "box\n"
    app.docker("rmi", "img:2")

    told: list[dict] = []

    def all_told() -> bool:  # the client cuts the time to seconds
        text = app.docker("events", "--since", "1h", "--until", "0s", "--format", "{{json .}}").stdout
        told[:] = [event for event in map(json.loads, text.splitlines()) if event["Actor"]["ID"] in (container, image)]
        return told[-1]["Action"] == "delete"

    wait_until(all_told)
    base = {"image": HELLO, "org.opencontainers.image.title": str, "role": "web"}
    extra = {
        "rename": {"oldName": "/app"}, "exec_create: true": {"execID": ID}, "exec_start: true": {"execID": ID},
        "exec_die": {"execID": ID, "exitCode": "0"}, "kill": {"signal": "15"},
        "commit": {"comment": "words", "imageID": image, "imageRef": "img:2"},
        "die": {"exitCode": "7", "execDuration": re.compile(r"\d+")}}
    for event in told:
        name = {"untag": "img:2", "delete": image}.get(event["Action"]) if event["Type"] == "image" else re.compile("app|box")
        attributes = {"name": name} if event["Type"] == "image" else {**base, "name": name, **extra.get(event["Action"], {})}
        common = {"Type": str, "Action": str, "Actor": {"ID": str, "Attributes": attributes}, "scope": "local",
                  "time": int, "timeNano": int, "status": event["Action"], "id": event["Actor"]["ID"]}
        check(event, common | ({"from": HELLO} if event["Type"] == "container" else {}))
        assert event["time"] == event["timeNano"] // 10**9
    assert [event["Action"] for event in told] == [
        "create", "start", "rename", "update", "pause", "unpause", "top", "exec_create: true", "exec_start: true",
        "exec_die", "archive-path", "extract-to-dir", "export", "commit", "kill", "die", "stop", "start", "restart",
        "kill", "die", "stop", "destroy", "untag", "delete"]
    line = app.docker("events", "--since", "1h", "--until", "0s", "--filter", "event=rename").stdout
    assert re.fullmatch(rf"\S+Z container rename {container} \(image={HELLO}, name=box, oldName=/app, .*role=web\)\n", line)


def test_info_and_version(clean: Daemon) -> None:
    info = json_of(clean, "info")
    assert {"json-file", "local"} <= set(info["Plugins"]["Log"]) and info["CPUSet"] is True
    for name, kind in {"ID": str, "Containers": int, "ContainersRunning": int, "ContainersPaused": int,
                       "ContainersStopped": int, "Images": int, "Driver": str, "DriverStatus": list, "MemoryLimit": bool,
                       "NCPU": int, "MemTotal": int, "Name": str, "ServerVersion": str, "OperatingSystem": str,
                       "KernelVersion": str, "OSType": str, "Architecture": str, "DockerRootDir": str, "Swarm": dict,
                       "Runtimes": dict, "SecurityOptions": list, "LiveRestoreEnabled": bool}.items():
        check({name: info[name]}, {name: kind})
    check(json_of(clean, "version")["Server"], {
        "Platform": {"Name": str}, "Version": str, "ApiVersion": "1.50", "MinAPIVersion": "1.24", "Os": "linux",
        "Arch": str, "Components": list, **{name: Maybe(str) for name in ("GitCommit", "GoVersion", "KernelVersion",
                                                                       "BuildTime", "Experimental")}})
