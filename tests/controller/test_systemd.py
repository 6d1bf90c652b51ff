import socket
from contextlib import closing

import pytest

from controller.systemd import EVERY_NS, Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path, monkeypatch):
    """What systemd listens on."""
    address = str(tmp_path / "notify") if request.param == "path" else f"\0{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(address)
        found.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
        yield found


def test_ready_with_the_first_tick_then_alive_now_and_then(manager):
    with closing(Notifier()) as notifier:
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        for tick in range(9):
            notifier.alive(1 + tick * EVERY_NS // 4)
    assert manager.recv(100) == b"READY=1\nWATCHDOG=1"
    assert [manager.recv(100) for _ in range(2)] == [b"WATCHDOG=1"] * 2
    with pytest.raises(BlockingIOError):
        manager.recv(100)


def test_a_manager_that_reads_nothing_holds_nothing_up(manager):
    with closing(Notifier()) as notifier:
        for tick in range(2000):
            notifier.alive(1 + tick * EVERY_NS)


def test_without_a_manager_nothing_is_said(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    with closing(Notifier()) as notifier:
        notifier.alive(1)
