"""What the page of a machine plays: of a plain QEMU with a beeping PC speaker, and of a stand-in for QEMU's screen."""

from __future__ import annotations

import shutil
import socket
import struct
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hako import wait_until
from viewer_test import Browser, Viewer, browser, pytestmark  # noqa: F401 (a fixture)

RATE, FRAME = 48000, 4
# To a monitor: the timer's third channel, at 1000 Hz, to the speaker.
BEEP = b"o/b 0x43 0xb6\no/b 0x42 0xa9\no/b 0x42 0x04\no/b 0x61 0x03\n"
SOUND = -259  # the pseudo-encoding of those that want sound


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    folder = Path(tempfile.mkdtemp(prefix="hk-", dir="/tmp"))
    made = Viewer(folder, "--sound")
    yield made
    made.close()
    shutil.rmtree(folder)


class Screen:
    """Speaks as much RFB as a page needs that looks and listens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.looking: list[socket.socket] = []
        self.listening: list[socket.socket] = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            connection.settimeout(60)
            stream = connection.makefile("rb")
            connection.sendall(b"RFB 003.008\n")
            if stream.read(12) != b"RFB 003.008\n":
                return  # close() asked
            connection.sendall(b"\1\1")
            assert stream.read(1) == b"\1"
            connection.sendall(bytes(4))
            stream.read(1)
            pixels = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
            connection.sendall(struct.pack(">HH", 64, 48) + pixels + struct.pack(">I", 3) + b"mac")
            kind = stream.read(1)[0]
            if kind == 0:  # another pixel format
                stream.read(19)
                kind = stream.read(1)[0]
            assert kind == 2
            encodings = struct.unpack(f">{(count := struct.unpack('>xH', stream.read(3))[0])}i", stream.read(4 * count))
            if SOUND not in encodings:
                self.looking.append(connection)
                continue
            connection.sendall(struct.pack(">BxHHHHHi", 0, 1, 0, 0, 64, 48, SOUND))
            assert stream.read(10) == struct.pack(">BBHBBI", 255, 1, 2, 3, 2, RATE)
            assert stream.read(4) == struct.pack(">BBH", 255, 1, 0)
            self.listening.append(connection)

    def play(self, samples: bytes) -> None:
        self.listening[-1].sendall(struct.pack(">BBHI", 255, 1, 2, len(samples)) + samples)

    def halt(self) -> None:
        for connection in self.looking + self.listening:
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.looking, self.listening = [], []

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(str(self.path))
            last.sendall(b"that is all.")
            self.thread.join(30)
        self.halt()
        self.listener.close()


@pytest.fixture
def screen(viewer: Viewer) -> Iterator[Screen]:
    made = Screen(viewer.vnc)
    yield made
    made.close()


def tone(hertz: int, seconds: float) -> bytes:
    half = RATE // hertz // 2
    frames = (struct.pack("<hh", *(2 * [20000 if i // half % 2 else -20000])) for i in range(int(seconds * RATE)))
    return b"".join(frames)


def heard(browser: Browser) -> list[tuple[float, float, float, float]]:  # noqa: F811
    """(seconds ahead, its length, its peak, its tone) of each piece that was played since the last time."""
    return [tuple(piece) for piece in browser("heard")]  # type: ignore[attr-defined]


def test_a_beep_is_heard_by_who_wants_it(viewer: Viewer, browser: Browser) -> None:  # noqa: F811
    monitor = viewer.folder / "monitor.sock"
    viewer.boot(machine="q35,pcspk-audiodev=speaker", screen=",audiodev=speaker",
                flags=("-audiodev", "none,id=speaker", "-monitor", f"unix:{monitor},server=on,wait=off"))
    with socket.socket(socket.AF_UNIX) as person:
        person.connect(str(monitor))
        person.sendall(BEEP)
        viewer.tell("running", "")
        viewer.enter(browser)
        browser("see", at="body[data-view=screen] #sound[aria-pressed=false]")
        assert heard(browser) == [], "it is quiet until somebody wants it"
        browser("click", at="#sound")
        browser("see", at="#sound[aria-pressed=true]")
        browser.shot("sound")

        pieces: list[tuple[float, float, float, float]] = []

        def beeps() -> bool:
            loud = [piece for piece in heard(browser) if piece[2] > 0.1]
            if not loud:
                person.sendall(BEEP)  # the firmware may have set it since
            pieces.extend(loud)
            seconds = sum(piece[1] for piece in pieces)
            return seconds > 0.5 and abs(sum(piece[1] * piece[3] for piece in pieces) / seconds - 1000) < 120
        wait_until(beeps, 90, "a tone of 1000 Hz")
        browser("click", at="#sound")
        browser("see", at="#sound[aria-pressed=false]")
        heard(browser)
        browser("press", key="x")
        wait_until(lambda: viewer.pressed()[-1:] == ["x"], what="the keyboard is the screen's again")
        assert heard(browser) == []
    assert browser("errors") == []


def test_sound_stays_with_the_picture_and_comes_back(viewer: Viewer, browser: Browser, screen: Screen) -> None:  # noqa: F811
    viewer.tell("running", "")
    viewer.enter(browser)
    browser("click", at="#sound")
    wait_until(lambda: screen.listening, 60, "somebody listens")
    for _ in range(20):
        screen.play(tone(480, 0.25))
    pieces: list[tuple[float, float, float, float]] = []

    def plays() -> bool:
        pieces.extend(heard(browser))
        return len(pieces) >= 2  # who gets all at once plays so many and drops the others
    wait_until(plays, 60, "it plays")
    assert all(0 <= piece[0] <= 0.51 for piece in pieces), "what comes too early is not played late"
    assert sum(piece[1] for piece in pieces) < 5, "it is dropped"
    assert {round(piece[3], -1) for piece in pieces if piece[1] > 0.05} <= {470, 480, 490}

    # The machine starts again: who listened listens.
    screen.halt()
    wait_until(lambda: screen.looking and screen.listening, 60, "screen and sound are there again")
    heard(browser)
    screen.play(tone(960, 0.2))
    wait_until(lambda: any(900 < piece[3] < 1000 for piece in heard(browser)), 60, "it plays on")

    browser("click", at="#sound")
    last = screen.listening[-1]
    assert last.recv(1) == b"", "nobody listens any more"
    assert browser("errors") == []


def test_no_button_without_sound(browser: Browser) -> None:  # noqa: F811
    folder = Path(tempfile.mkdtemp(prefix="hk-", dir="/tmp"))
    viewer = Viewer(folder)
    try:
        screen = Screen(viewer.vnc)
        viewer.tell("running", "")
        viewer.enter(browser)
        browser("see", at="body[data-view=screen] #shot")
        browser("there", at="#sound[hidden]")
        screen.close()
    finally:
        viewer.close()
        shutil.rmtree(folder)
