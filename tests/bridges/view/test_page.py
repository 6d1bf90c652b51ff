"""The page in a real Chromium, of a real daemon: what a person sees and presses."""

import re
import shutil
import socket
import threading
import time
from contextlib import contextmanager

import pytest
from websockets.exceptions import InvalidHandshake
from websockets.sync.client import connect

from controller.supervisor.states import Reason, State

pytest.importorskip("playwright")
from playwright.sync_api import expect, sync_playwright  # noqa: E402

CHROMIUM = shutil.which("chromium")
START_MS = 60_000
BUTTONS = ["E-STOP [E]", "Arm [A]", "Disarm [D]", "Reset [R]"]
ARGUMENTS = [
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
]


@pytest.fixture
def browser(tmp_path):
    """Draws in software, so it comes last: a person's draws on a graphics card."""
    chromium = tmp_path / "chromium"
    chromium.write_text(f'#!/bin/sh\nexec nice -n 19 {CHROMIUM} "$@"\n')
    chromium.chmod(0o755)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(start):
    """Address of ``myoloop view``, on a port of its own."""

    def run(session: str) -> str:
        process = start("-m", "controller.cli", "view", "--session", session, "--port", "0")
        return re.search(r"http://127.0.0.1:\d+", process.stdout.readline().decode())[0]

    return run


@contextmanager
def sending(run, engage):
    """Somebody goes on sending, with the dead-man high or low."""
    over = threading.Event()
    thread = threading.Thread(target=run.feed, args=(0.0, engage, lambda _record: over.is_set()))
    thread.start()
    yield
    over.set()
    thread.join()


def press(page, run, key, state):
    """Press a key, if need be again: an arming is refused while a busy machine misses deadlines."""
    deadline = time.monotonic() + START_MS / 1e3
    while run.newest()["state"] != state:
        assert time.monotonic() < deadline, f"{key} does not lead to {state.name}"
        page.keyboard.press(key)
        time.sleep(0.3)


def tab_to(page, words):
    """Go on with the tabulator until a button is in focus; what is passed on the way."""
    passed = []
    while words not in passed:
        assert len(passed) < 20, passed
        page.keyboard.press("Tab")
        passed.append(page.evaluate("document.activeElement.innerText"))
    return passed


@pytest.mark.timeout(300)  # drawn in software, beside whatever else the machine does
@pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium")
def test_buttons_and_keys_really_work(run, open_page, browser):
    url, asked = open_page(run.name), []
    page = browser.new_page(viewport={"width": 390, "height": 640})  # a phone's
    page.set_default_timeout(START_MS)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    status = page.get_by_role("status")
    expect(status).to_contain_text("DISARMED", timeout=START_MS)
    button = page.get_by_role("button", name="E-STOP")
    expect(button).to_be_in_viewport()
    top = page.evaluate("document.querySelector('[role=status]').getBoundingClientRect().top")
    assert top > 200  # the hand has the upper part
    with sending(run, 0.0):
        for key, state in (
            ("a", State.ARMING),
            ("d", State.DISARMED),
            ("e", State.FAULT),
            ("r", State.DISARMED),
        ):
            press(page, run, key, state)
    run.work()
    with sending(run, 1.0):
        assert run.newest()["state"] == State.ACTIVE
        button.click(force=True)  # without waiting for frames, which take long in software
        expect(status).to_contain_text("FAULT", timeout=START_MS)
    record = run.newest()
    assert record["state"] == State.FAULT
    assert Reason(int(record["reasons"])) & Reason.ESTOP
    run.feed(0.0, 0.0, lambda record: not record["excitation"].any())
    assert tab_to(page, BUTTONS[-1]) == BUTTONS[1:]  # from the one that was clicked
    assert page.evaluate("document.activeElement.matches(':focus-visible')")
    page.keyboard.press("Enter")
    expect(status).to_contain_text("DISARMED", timeout=START_MS)
    expect(page.get_by_text("rotation +0.00, hold")).to_be_attached()
    assert all(one.startswith((url, "data:", f"blob:{url}")) for one in asked), asked
    only_pages_from_here_may_press(url.replace("http", "ws"))
    assert run.end()["fault"] == ""


def only_pages_from_here_may_press(url: str) -> None:
    for origin in ("http://evil.example", "http://127.0.0.1.evil.example", "null"):
        with pytest.raises(InvalidHandshake), connect(url, origin=origin):
            pass
    for origin in (url.replace("ws", "http"), "http://localhost:9999"):  # the latter by ssh -L
        with connect(url, origin=origin) as connection:
            assert connection.response.status_code == 101


def test_a_port_that_is_taken_is_an_error(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start("-m", "controller.cli", "view", "--port", str(port))
        printed = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 2
    assert f"port {port}" in printed and "--port" in printed
    assert len(printed.splitlines()) == 1, printed
