def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_storage_ports_and_shares_are_dockurs(machines: Machines, tmp_path: Path) -> None:
    daemon = machines.daemon
    storage, shared = tmp_path / "s", tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, 1234, 1234)
    web, ssh = free_port(), free_port()
    flags = ["-v", f"{storage}:/storage", "-v", f"{shared}:/shared", "-v", f"{machines.recovery}:/boot.dmg",
             "-p", f"127.0.0.1:{web}:8006", "-p", f"127.0.0.1:{ssh}:22"]
    machines.run("mac", *flags, RECOVERY="", PASSWORD="a word", TIMEOUT="3600")
    machines.says("mac", "macOS is running")
    log = machines.logs("mac")
    assert f"The viewer is at http://127.0.0.1:{web}/" in log
    assert "a word" not in log
    with socket.create_connection(("127.0.0.1", ssh), timeout=10):
        pass
    pid, command = machines.qemu("mac")
    assert f"path={shared}" in " ".join(command)
    assert uid_of(pid) == 1234, "QEMU is the owner of what it shares"

    # Another one does not get at the same disks, and is told whose they are.
    machines.run("other", "-v", f"{storage}:/storage")
    wait_until(lambda: daemon.state("other") == "exited", 60)
    assert f"container mac uses {storage}" in daemon.inspect("other")["State"]["Error"]
    assert str(next(p for p, line in daemon.machines().items() if "hako-macos" in line)) in machines.logs("other")

    daemon.hako("rm", "-f", "mac")
    assert (storage / "14/data.img").exists(), "the user's folder stays"
    daemon.hako("start", "other")
    machines.says("other", "macOS is running")


def test_a_storage_that_cannot_be_written_is_named(machines: Machines, tmp_path: Path) -> None:
    daemon = machines.daemon
    (tmp_path / "file").write_text("")
    machines.run("mac", "-v", f"{tmp_path / 'file'}:/storage")
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    assert str(tmp_path / "file") in daemon.inspect("mac")["State"]["Error"]
    refused = daemon.hako("create", *machines.words("-p", "22"), check=False)
    assert "-p 2222:22" in refused.stderr


def test_kill_9_at_any_time_loses_no_disk(machines: Machines, server: RecoveryServer, tmp_path: Path) -> None:  # noqa: F811
    """In the download, and while disks are made: the next start goes on."""
    daemon = machines.daemon
    storage = tmp_path / "s"
    server.image = SlowImage(server.image)
    machines.run("mac", "-v", f"{storage}:/storage", RECOVERY="", RECOVERY_SERVER=server.url, ALLOW_UNVERIFIED="Y",
                 DISPLAY="none", TIMEOUT="3600")
    machines.says("mac", "Downloading")
    for pid in daemon.machines():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    assert not (daemon.root / "macos/14/BaseSystem.dmg").exists()
    server.image = bytes(server.image)
    seen = len(server.seen)
    # What a cut left of a disk that was being made.
    (storage / "14").mkdir(parents=True, exist_ok=True)
    (storage / "14/data.img.partial").write_bytes(b"half")
    daemon.hako("start", "mac")
    machines.says("mac", "macOS is running")
    assert len(server.seen) > seen
    assert (storage / "14/data.img").stat().st_size == 64 << 30
    with (storage / "14/data.img").open("r+b") as disk:
        disk.write(b"guest")
    for pid in daemon.machines():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: daemon.state("mac") == "exited", 60)
    daemon.hako("start", "mac")
    wait_until(lambda: machines.logs("mac").count("macOS is running") == 2, 120, "it runs again")
    with (storage / "14/data.img").open("rb") as disk:
        assert disk.read(5) == b"guest"
