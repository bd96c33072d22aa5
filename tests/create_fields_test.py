"""Every field of POST /containers/create with values it cannot have: 400 that names the field, and nothing is kept."""

from __future__ import annotations

import pytest

from hako import HELLO, Daemon

HUGE = 1 << 70  # no integer of the API
TEXT, FLAG, NUMBER, TEXTS, MAP, OBJECT, OBJECTS = "text", "flag", "number", "texts", "map", "object", "objects"

# What each kind of field cannot be.
WRONG: dict[str, list[object]] = {
    TEXT: [7, True, ["x"], {"a": "b"}],
    FLAG: ["yes", 1, [], {}],
    NUMBER: ["1", True, 1.5, HUGE, -HUGE, [1], {}],
    TEXTS: [7, {"a": 1}, [7], [["x"]], [None]],
    MAP: [7, "a=b", ["a=b"], {"a": 7}, {"a": ["b"]}],
    OBJECT: [7, "x", ["x"], True],
    OBJECTS: [7, "x", {"a": 1}, ["x"], [7]],
}
FIELDS = {
    "Hostname": TEXT, "Domainname": TEXT, "User": TEXT, "Image": TEXT, "WorkingDir": TEXT, "StopSignal": TEXT,
    "StopTimeout": NUMBER, "Env": TEXTS, "Labels": MAP, "Tty": FLAG, "OpenStdin": FLAG, "StdinOnce": FLAG,
    "AttachStdin": FLAG, "AttachStdout": FLAG, "AttachStderr": FLAG, "ExposedPorts": OBJECT, "Healthcheck": OBJECT,
    "Volumes": OBJECT, "HostConfig": OBJECT, "NetworkingConfig": OBJECT,
}
HOST_FIELDS = {
    "Memory": NUMBER, "NanoCpus": NUMBER, "CpuShares": NUMBER, "CpuPeriod": NUMBER, "CpuQuota": NUMBER,
    "PidsLimit": NUMBER, "MemorySwap": NUMBER, "ShmSize": NUMBER, "OomScoreAdj": NUMBER, "Ulimits": OBJECTS,
    "CapAdd": TEXTS, "CapDrop": TEXTS, "GroupAdd": TEXTS, "SecurityOpt": TEXTS, "ExtraHosts": TEXTS, "Tmpfs": MAP,
    "Sysctls": MAP, "Annotations": MAP, "StorageOpt": MAP, "MaskedPaths": TEXTS, "ReadonlyPaths": TEXTS,
    "Privileged": FLAG, "ReadonlyRootfs": FLAG, "AutoRemove": FLAG, "Init": FLAG, "NetworkMode": TEXT,
    "RestartPolicy": OBJECT, "LogConfig": OBJECT, "PidMode": TEXT, "IpcMode": TEXT, "UTSMode": TEXT,
    "UsernsMode": TEXT, "CgroupnsMode": TEXT,
}
# Of the right type, but out of range, or against another field. Where Docker has words of its own, these name it.
IMPOSSIBLE: list[tuple[str, dict[str, object]]] = [
    ("Hostname", {"Hostname": "a b"}),
    ("Hostname", {"Hostname": "x" * 300}),
    ("working directory", {"WorkingDir": "relative"}),
    ("invalid signal", {"StopSignal": "SIGNONSENSE"}),
    ("StopTimeout", {"StopTimeout": -2}),
    ("Env", {"Env": ["A=x\x00y"]}),
    ("environment", {"Env": ["=x"]}),
    ("Labels", {"Labels": {"": "x"}}),
    ("ExposedPorts", {"ExposedPorts": {"70000/tcp": {}}}),
    ("ExposedPorts", {"ExposedPorts": {"80/carrier-pigeon": {}}}),
    ("Healthcheck", {"Healthcheck": {"Test": "x"}}),
    ("Healthcheck", {"Healthcheck": {"Test": ["CMD", "x"], "Interval": -5}}),
]
IMPOSSIBLE_HOST: list[tuple[str, dict[str, object]]] = [
    ("Memory", {"Memory": -1}),
    ("memory", {"Memory": 1}),
    ("Memory", {"Memory": 1 << 62}),
    ("MemorySwap", {"MemorySwap": 1 << 30}),
    ("MemorySwap", {"Memory": 1 << 30, "MemorySwap": 1 << 20}),
    ("MemorySwap", {"MemorySwap": -2}),
    ("NanoCpus", {"NanoCpus": -1}),
    ("CPUs", {"NanoCpus": 10**18}),
    ("NanoCpus", {"NanoCpus": 10**9, "CpuQuota": 50000}),
    ("CpuShares", {"CpuShares": -1}),
    ("cfs period", {"CpuPeriod": 1}),
    ("cfs quota", {"CpuQuota": 1}),
    ("ShmSize", {"ShmSize": -1}),
    ("OomScoreAdj", {"OomScoreAdj": 1001}),
    ("Ulimits", {"Ulimits": [{"Soft": 1, "Hard": 1}]}),
    ("Ulimits", {"Ulimits": [{"Name": "nofile", "Soft": 2, "Hard": 1}]}),
    ("ulimit type", {"Ulimits": [{"Name": "nonsense", "Soft": 1, "Hard": 1}]}),
    ("NOPE", {"CapAdd": ["NOPE"]}),
    ("NOPE", {"CapDrop": ["NOPE"]}),
    ("security-opt", {"SecurityOpt": ["nonsense=1"]}),
    ("ExtraHosts", {"ExtraHosts": ["no-address"]}),
    ("mount path", {"Tmpfs": {"relative": ""}}),
    ("Sysctls", {"Sysctls": {"../../etc/passwd": "1"}}),
    ("size", {"StorageOpt": {"size": "-1"}}),
    ("storage option", {"StorageOpt": {"nonsense": "1"}}),
    ("RestartPolicy", {"RestartPolicy": {"Name": "sometimes"}}),
    ("RestartPolicy", {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 3}}),
    ("AutoRemove", {"AutoRemove": True, "RestartPolicy": {"Name": "always"}}),
    ("LogConfig", {"LogConfig": {"Type": "carrier-pigeon"}}),
    ("max-size", {"LogConfig": {"Type": "json-file", "Config": {"max-size": "much"}}}),
    ("ConsoleSize", {"ConsoleSize": [1, 2, 3]}),
    ("PidMode", {"PidMode": "host"}),
    ("IpcMode", {"IpcMode": "host"}),
]


def refuses(daemon: Daemon, word: str, body: dict[str, object]) -> str:
    """What is wrong with the answer; empty when it is as it should be."""
    status, answer = daemon.api("POST", "/containers/create?name=half", {"Image": HELLO, **body})
    message = answer.get("message", "") if isinstance(answer, dict) else str(answer)
    if status == 201:
        daemon.api("DELETE", "/containers/half")
    return "" if status == 400 and word in message else f"{str(body)[:120]}: {status} {message[:200]}"


def refuses_all(daemon: Daemon, cases: list[tuple[str, dict[str, object]]]) -> None:
    wrong = [text for word, body in cases if (text := refuses(daemon, word, body))]
    assert not wrong, "\n".join(wrong)
    assert daemon.hako("ps", "-aq").stdout == ""
    assert not daemon.leftovers()


@pytest.mark.parametrize("kind", WRONG)
def test_values_of_a_wrong_type(clean: Daemon, kind: str) -> None:
    refuses_all(clean, [(name, {name: value}) for name, of in FIELDS.items() if of == kind for value in WRONG[kind]]
                + [(name, {"HostConfig": {name: value}}) for name, of in HOST_FIELDS.items() if of == kind
                   for value in WRONG[kind]])


def test_values_that_cannot_be(clean: Daemon) -> None:
    refuses_all(clean, IMPOSSIBLE + [(word, {"HostConfig": body}) for word, body in IMPOSSIBLE_HOST])


def test_huge_values(clean: Daemon) -> None:
    """Larger than a request may be is refused as a whole."""
    try:
        status, answer = clean.api("POST", "/containers/create", {"Image": HELLO, "Env": ["A=" + "x" * (64 << 20)]})
        assert status in (400, 413), answer
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before it was read
    assert clean.hako("ps", "-aq").stdout == ""
    assert clean.answers()
