"""The page of a machine, in a real browser: a plain QEMU with its firmware's screen is the machine."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import BIN, BUILD, SHARE, wait_until

MODULES = BUILD / "web" / "node_modules"
DRIVER = Path(__file__).parent.parent / "web" / "test" / "driver.mjs"
CHROMIUM = shutil.which("chromium")
SHOTS = os.environ.get("HAKO_SHOTS")  # a folder for screenshots, to look at

pytestmark = pytest.mark.skipif(not (SHARE / "web" / "viewer.js").exists(),
                                reason="the viewer's page is not built: node, npm or the packages that npm fetches are missing")


class Browser:
    def __init__(self) -> None:
        # Node looks for modules beside the script.
        self.script = MODULES.parent / "driver.mjs"
        shutil.copy(DRIVER, self.script)
        self.process = subprocess.Popen(["node", self.script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, command: str, **options: object) -> object:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"command": command, **options}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the browser has ended"
        answer = json.loads(line)
        assert "error" not in answer, f"{command} {options}: {answer['error']}"
        return answer["result"]

    def shot(self, name: str) -> None:
        if SHOTS:
            self("shot", path=f"{SHOTS}/{name}.png")

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(60)


class Api:
    """A stand-in for hakod: notes what the power buttons ask for."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()

    def next_request(self) -> str:
        self.listener.settimeout(60)
        connection, _ = self.listener.accept()
        with connection:
            line = connection.recv(4096).split(b"\r\n")[0].decode()
            connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        return line


class Viewer:
    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder = folder
        self.progress_file = folder / "progress.json"
        self.vnc = folder / "vnc.sock"
        self.keys = folder / "keys"
        self.api = Api(folder / "api.sock")
        self.qemu: subprocess.Popen | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = folder / "log"
        self.process = subprocess.Popen(
            [BIN / "hako-viewer", "--listen", f"tcp://127.0.0.1:{self.port}", "--container", "mac",
             "--progress", self.progress_file, "--vnc", self.vnc, "--api", f"unix://{folder}/api.sock", *flags],
            stdout=self.log.open("w"), stderr=subprocess.STDOUT)
        wait_until(lambda: "the viewer is at" in self.log.read_text(), what="the viewer serves")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def password(self) -> str:
        found = re.findall(r"the viewer's password is (\S+)", self.log.read_text())
        assert len(found) == 1, "told once"
        return found[0]

    def tell(self, stage: str, message: str, **rest: object) -> None:
        state = {"stage": stage, "title": "macOS 14 (Sonoma)", "message": message, "bytes_done": 0, "bytes_total": None,
                 "bytes_per_second": None, "changed_at": "2026-01-01T00:00:00Z", **rest}
        new = self.progress_file.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.rename(self.progress_file)

    def boot(self, *, machine: str = "q35", screen: str = "", flags: tuple[str, ...] = ()) -> None:
        self.qemu = subprocess.Popen(
            ["qemu-system-x86_64", "-M", machine, "-accel", "tcg", "-m", "128", "-nodefaults", "-vga", "std",
             *flags, "-vnc", f"unix:{self.vnc}{screen}", "-boot", "menu=on,splash-time=65000",
             "-device", "qemu-xhci", "-device", "usb-kbd",
             "-trace", f"enable=input_event_key_qcode,file={self.keys}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.keys.open("w"))
        wait_until(self.vnc.exists, what="QEMU listens")

    def pressed(self) -> list[str]:
        return re.findall(r"key qcode (\S+?),? down (?:1|true)", self.keys.read_text())

    def halt(self) -> None:
        if self.qemu:
            self.qemu.kill()
            self.qemu.wait()
            self.vnc.unlink(missing_ok=True)

    def request(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def enter(self, browser: Browser) -> None:
        browser("open", url=self.url)
        browser("fill", at="#password", text=self.password)
        browser("click", at="#login button")

    def close(self) -> None:
        self.halt()
        self.process.terminate()
        assert self.process.wait(30) == 0


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    folder = Path(tempfile.mkdtemp(prefix="hk-", dir="/tmp"))
    made = Viewer(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


@pytest.fixture
def browser() -> Iterator[Browser]:
    if not CHROMIUM or not (MODULES / "playwright-core").exists():
        pytest.skip("chromium or playwright-core is not installed")
    made = Browser()
    yield made
    made.close()


def bright_pixels(png: Path) -> int:
    """Of an 8-bit RGB(A) PNG without interlacing: those that are not nearly black."""
    data = png.read_bytes()
    width, _, _, kind = struct.unpack(">IIBB", data[16:26])
    size, compressed, at = 4 if kind == 6 else 3, b"", 8
    while at < len(data):
        length = int.from_bytes(data[at:at + 4], "big")
        if data[at + 4:at + 8] == b"IDAT":
            compressed += data[at + 8:at + 8 + length]
        at += 12 + length
    raw, stride, count, before = zlib.decompress(compressed), width * size, 0, bytearray(width * size)
    for row in range(0, len(raw), stride + 1):
        line = bytearray(raw[row + 1:row + 1 + stride])
        for i in range(stride):
            left = line[i - size] if i >= size else 0
            up, corner = before[i], before[i - size] if i >= size else 0
            guess = left + up - corner
            near = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]
            line[i] = (line[i] + (0, left, up, (left + up) // 2, near)[raw[row]]) & 255
        count += sum(max(line[i:i + 3]) > 100 for i in range(0, stride, size))
        before = line
    return count


def test_from_the_download_to_the_screen(viewer: Viewer, browser: Browser) -> None:
    viewer.tell("downloading", "Downloading the recovery system", bytes_done=412_000_000, bytes_total=720_000_000,
                bytes_per_second=8_100_000)
    browser("open", url=viewer.url)
    browser("see", at="#password")
    browser.shot("login")
    browser("fill", at="#password", text="wrong")
    browser("click", at="#login button")
    browser("until", at="#refusal", text="the password is wrong")
    browser("fill", at="#password", text=viewer.password)
    browser("click", at="#login button")

    browser("until", at="#headline", text="Downloading")
    assert browser("text", at="#title") == "macOS 14 (Sonoma)"
    figures = browser("text", at="#figures")
    assert figures == "57.2 % · 412 MB of 720 MB · 8.1 MB/s · 38 s left", figures
    browser.shot("downloading-light")
    browser("scheme", scheme="dark")
    browser.shot("downloading-dark")
    viewer.tell("failed", "The disk is full: free 12 GB and start the machine again")
    browser("until", at="#message", text="The disk is full")
    browser.shot("failed-dark")

    viewer.boot()
    viewer.tell("running", "")
    browser("see", at="body[data-view=screen] #screen canvas")
    shot = viewer.folder / "screen.png"
    def shows_firmware() -> bool:
        assert str(browser("download", at="#shot", path=str(shot))).endswith(".png")
        return bright_pixels(shot) > 100
    wait_until(shows_firmware, 90, "the firmware's text")
    browser.shot("screen")

    browser("click", at="#type")
    browser("fill", at="#text", text="aB-\n")
    browser("click", at="#typing button.main")
    wait_until(lambda: viewer.pressed()[-5:] == ["a", "shift", "b", "minus", "ret"], what=f"keys: {viewer.keys.read_text()[-500:]}")
    browser("choose", at="#keys", value="ControlLeft+AltLeft+Delete")
    wait_until(lambda: viewer.pressed()[-3:] == ["ctrl", "alt", "delete"], what="Ctrl-Alt-Del")
    browser("press", key="x")
    wait_until(lambda: viewer.pressed()[-1] == "x", what="a key of the keyboard")
    browser("choose", at="#size", value="actual")
    viewer.tell("waiting", "macOS is paused: the host's disk with /s/data.img is full")
    browser("until", at="#state", text="macOS is paused: the host's disk with /s/data.img is full")
    browser.shot("full-disk")
    viewer.tell("running", "")
    browser("there", at="body[data-stage=running] #state:empty")
    browser("choose", at="#power", value="stop")
    assert viewer.api.next_request() == "POST /containers/mac/stop HTTP/1.1"

    viewer.tell("stopping", "macOS is asked to shut down")
    browser("until", at="#state", text="Shutting down")

    viewer.tell("stopped", "The machine has been shut down")
    viewer.halt()
    browser("until", at="#headline", text="Stopped")
    browser.shot("stopped-dark")
    viewer.boot()
    viewer.tell("running", "")
    browser("see", at="body[data-view=screen] #screen canvas")
    assert browser("errors") == []


def fits(browser: Browser, at: str, width: int, height: int) -> dict[str, list[float]]:
    """Where what is visible of it lies: all of it in the window, nothing over something else."""
    boxes: dict[str, list[float]] = {id: box for id, *box in browser("boxes", at=at)}  # type: ignore[attr-defined]
    assert browser("width") == width, "nothing has to be scrolled aside"
    for id, (left, top, right, bottom) in boxes.items():
        assert 0 <= left < right <= width and 0 <= top < bottom <= height, (id, left, top, right, bottom)
        for other, (left2, top2, right2, bottom2) in boxes.items():
            apart = right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top
            assert other == id or apart, (id, other)
    return boxes


def test_all_of_it_is_at_hand_in_a_small_window(viewer: Viewer, browser: Browser) -> None:
    width, height = 420, 700
    browser("size", width=width, height=height)
    viewer.tell("downloading", "Downloading the recovery system from Apple", bytes_done=412_000_000, bytes_total=720_000_000,
                bytes_per_second=8_100_000)
    browser("open", url=viewer.url)
    browser("see", at="#password")
    assert "login" in fits(browser, "#login", width, height)
    fits(browser, "#login input, #login button", width, height)
    browser.shot("small-login")
    viewer.enter(browser)
    browser("until", at="#headline", text="Downloading")
    assert "power" in fits(browser, "#card, #bar nav > *", width, height)
    browser.shot("small-downloading")

    viewer.boot()
    viewer.tell("running", "")
    browser("see", at="body[data-view=screen] #screen canvas")
    controls = "#title, #dot, #state, #bar nav > *"
    shown = fits(browser, controls, width, height)
    assert {"keys", "type", "size", "shot", "full", "power"} <= set(shown)
    assert "state" not in shown, "it has nothing to say"
    (bar,) = browser("boxes", at="#bar")  # type: ignore[misc]
    assert bar[4] <= height / 5, "the bar leaves the window to the screen"
    browser.shot("small-screen")
    browser("click", at="#type")
    fits(browser, "#typing", width, height)
    fits(browser, "#typing textarea, #typing button", width, height)
    browser.shot("small-typing")
    browser("click", at="#typing button[value=cancel]")

    viewer.tell("waiting", "macOS is paused: the host's disk with /srv/machines/mac/14/data.img is full")
    browser("until", at="#state", text="macOS is paused")
    assert "state" in fits(browser, controls, width, height), "what went wrong is said here, too"
    browser.shot("small-full-disk")
    viewer.tell("running", "")
    browser("there", at="body[data-stage=running] #state:empty")
    # And what a button could not do.
    viewer.api.listener.close()
    (viewer.folder / "api.sock").unlink()
    browser("choose", at="#power", value="restart")
    browser("there", at="body[data-refused]")
    assert "state" in fits(browser, controls, width, height)
    assert browser("text", at="#state")
    browser.shot("small-refused")
    viewer.tell("stopping", "macOS is asked to shut down")
    browser("there", at="body[data-stage=stopping]")
    assert "state" in fits(browser, controls, width, height)
    assert browser("errors") == []


def test_a_viewer_that_ended_with_its_machine_says_how_it_starts(viewer: Viewer, browser: Browser) -> None:
    viewer.tell("preparing", "")
    viewer.enter(browser)
    browser("until", at="#headline", text="Preparing")
    browser("there", at="#start:not([hidden])")
    (viewer.folder / "own").mkdir()
    ending = Viewer(viewer.folder / "own", "--starter", "docker start mac")
    try:
        ending.tell("stopping", "macOS is asked to shut down")
        ending.enter(browser)
        browser("there", at="#start[hidden]")
        browser("until", at="#headline", text="Shutting down")
    finally:
        ending.close()
    browser("until", at="#message", text="The machine is off. Start it with docker start mac")

    (viewer.folder / "failed").mkdir()
    failing = Viewer(viewer.folder / "failed", "--starter", "docker start mac")
    try:
        failing.tell("failed", "The disk is full: free 12 GB")
        failing.enter(browser)
        browser("until", at="#message", text="The disk is full: free 12 GB")
    finally:
        failing.close()
    browser("until", at="#figures", text="Start it again with docker start mac")
    assert browser("text", at="#message") == "The disk is full: free 12 GB", "it still says why"
    browser.shot("failed-and-gone")


def test_strangers_get_nothing(viewer: Viewer) -> None:
    viewer.tell("running", "")
    assert viewer.request("GET", "/")[0] == 200, "the page itself"
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13",
               "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    for method, path in (("GET", "/progress"), ("GET", "/screen"), ("POST", "/power?action=kill")):
        status, body = viewer.request(method, path, **upgrade)
        assert status == 401 and "password" in body
    foreign = {"Origin": "http://evil.example"}
    assert viewer.request("POST", "/login", json.dumps({"password": viewer.password}), **foreign)[0] == 403
    statuses = [viewer.request("POST", "/login", '{"password":"guess"}')[0] for _ in range(40)]
    assert statuses[:10] == [401] * 10 and 429 in statuses[10:12]
    assert viewer.password not in viewer.request("GET", "/")[1]


def test_only_loopback_without_a_password(tmp_path: Path) -> None:
    done = subprocess.run(
        [BIN / "hako-viewer", "--listen", "tcp://0.0.0.0:0", "--no-password", "--container", "m", "--progress",
         tmp_path / "p", "--vnc", tmp_path / "v"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and "not a loopback address" in done.stdout + done.stderr
