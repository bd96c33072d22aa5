"""The kernel's configuration is well formed, and has what hako requires of any kernel."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BUILD = HERE / "build.sh"
SOURCE = Path("/usr/src/linux-source-6.1.tar.xz")
GROUPS = sorted((HERE / "config").glob("*.config"))
OPTION = re.compile(r'^(CONFIG_[A-Z0-9_a-z]+)=(y|-?[0-9]+|"[^"]*")$')


def options_of(text):
    """The options of a .config file as a dictionary of name and value."""
    return dict(line.split("=", 1) for line in text.splitlines() if line.startswith("CONFIG_"))


def our_options():
    return options_of("".join(group.read_text() for group in GROUPS))


def requirements():
    """Lists of alternatives, as required.txt names them."""
    lines = (HERE / "required.txt").read_text().splitlines()
    return [line.split()[0].split("|") for line in lines if line and not line.startswith("#")]


def missing(options):
    return [
        "|".join(names)
        for names in requirements()
        if all(options.get(name) != "y" for name in names)
    ]


def run_build(*arguments, **environment):
    return subprocess.run(
        [BUILD, *arguments],
        env=os.environ | environment, capture_output=True, text=True, timeout=60,
    )


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_group_consists_of_commented_sorted_blocks(group):
    text = group.read_text()
    for line in text.splitlines():
        assert not line or line.startswith("#") or OPTION.match(line), f"not an option: {line}"
        assert len(line) <= 100, f"too long: {line}"
    for block in re.split(r"\n\n+", text.strip()):
        lines = block.splitlines()
        options = [line for line in lines if not line.startswith("#")]
        assert lines[0].startswith("# "), f"a block without a comment: {lines[0]}"
        assert lines[len(lines) - len(options):] == options, f"a comment within a block: {lines[0]}"
        names = [line.split("=")[0] for line in options]
        assert names == sorted(names), f"not sorted: {lines[0]}"


def test_each_option_is_asked_for_once():
    names = [
        line.split("=")[0]
        for group in GROUPS
        for line in group.read_text().splitlines()
        if line.startswith("CONFIG_")
    ]
    assert len(names) > 300
    assert sorted(set(names)) == sorted(names)


def test_requirements_are_well_formed():
    for line in (HERE / "required.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.match(r"^CONFIG_\w+(\|CONFIG_\w+)* +\S", line), line


def test_our_configuration_satisfies_the_requirements():
    assert missing(our_options()) == []


def test_a_kernel_without_a_requirement_is_named():
    options = our_options()
    del options["CONFIG_OVERLAY_FS"]
    options["CONFIG_EXT4_FS"] = "m"
    assert missing(options) == ["CONFIG_EXT4_FS", "CONFIG_OVERLAY_FS"]


def test_one_alternative_is_enough():
    options = our_options()
    del options["CONFIG_VIRTIO_FS"]
    assert missing(options) == []
    del options["CONFIG_NET_9P_VIRTIO"]
    assert missing(options) == ["CONFIG_VIRTIO_FS|CONFIG_NET_9P_VIRTIO"]


def test_key_does_not_depend_on_the_cache_and_path_does(tmp_path):
    key = run_build("--key", HAKO_CACHE=str(tmp_path / "a")).stdout.strip()
    assert re.fullmatch(r"[0-9a-f]{16}", key)
    path = run_build("--print", HAKO_CACHE=str(tmp_path / "b")).stdout.strip()
    assert path == f"{tmp_path}/b/kernel/{key}/vmlinux"
    assert list(tmp_path.iterdir()) == [], "asking must not write"


def test_key_follows_the_options_but_not_the_comments(tmp_path):
    copy = tmp_path / "kernel"
    subprocess.run(["cp", "-r", HERE, copy], check=True)

    def key():
        command = [copy / "build.sh", "--key"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert key() == run_build("--key").stdout
    group = copy / "config" / "base.config"
    group.write_text("# Another comment.\n\n" + group.read_text())
    assert key() == run_build("--key").stdout
    group.write_text(group.read_text().replace("CONFIG_HZ_250=y", "CONFIG_HZ_100=y"))
    assert key() != run_build("--key").stdout


def test_cached_kernel_is_answered_without_a_build(tmp_path):
    path = Path(run_build("--print", HAKO_CACHE=str(tmp_path)).stdout.strip())
    path.parent.mkdir(parents=True)
    path.touch()
    answer = run_build(HAKO_CACHE=str(tmp_path))
    assert answer.returncode == 0
    assert answer.stdout.splitlines()[-1] == str(path)
    assert answer.stderr == ""


@pytest.mark.skipif(not SOURCE.exists(), reason="the kernel's source package is not installed")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build_leaves_only_its_lock(tmp_path, number):
    environment = os.environ | {"HAKO_CACHE": str(tmp_path)}
    with subprocess.Popen([BUILD], env=environment, stdout=subprocess.PIPE) as build:
        while not list(tmp_path.glob("kernel/.*.partial/source/*")):
            assert build.poll() is None, "the build ended by itself"
            time.sleep(0.05)
        build.send_signal(number)
        assert build.wait(timeout=120) == 130
        assert build.stdout.read() == b""
    assert [path.suffix for path in tmp_path.glob("kernel/*")] == [".lock"]


@pytest.mark.parametrize("arguments", [["--nonsense"], ["--key", "--print"], [""]])
def test_wrong_usage_exits_with_2(arguments):
    answer = run_build(*arguments)
    assert answer.returncode == 2
    assert "--print" in answer.stderr
    assert answer.stdout == ""


def test_built_kernel_has_all_options():
    """Only where the kernel is in the cache: this test builds nothing."""
    config = Path(run_build("--print").stdout.strip()).with_name("config")
    if not config.exists():
        pytest.skip("the kernel is not built")
    built = options_of(config.read_text())
    assert missing(built) == []
    assert {name: built.get(name) for name in our_options()} == our_options()
    assert "m" not in built.values()
    image = config.with_name("vmlinux").read_bytes()
    assert b"IKCFG_ST\x1f\x8b" in image and b"IKCFG_ED" in image
