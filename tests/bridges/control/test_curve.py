import pytest
import zmq.auth

from bridges.control import curve
from controller.errors import SettingsError
from controller.session import ControlSettings


@pytest.fixture
def keys(tmp_path):
    clients = tmp_path / "clients"
    clients.mkdir()
    public, secret = zmq.auth.create_certificates(tmp_path, "daemon")
    zmq.auth.create_certificates(clients, "desk")
    return public, secret, str(clients)


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [
        ("tcp://127.0.0.1:*", True),
        ("tcp://localhost:5601", True),
        ("tcp://[::1]:5601", True),
        ("ipc:///tmp/port", True),
        ("tcp://*:5601", False),
        ("tcp://0.0.0.0:5601", False),
        ("tcp://127.0.0.1.evil.org:5601", False),
        ("tcp://10.0.0.2:5601", False),
    ],
)
def test_what_is_loopback(address, is_loopback):
    assert curve.is_loopback(address) is is_loopback


def test_a_port_beyond_this_machine_needs_keys(keys):
    _, secret, clients = keys
    with pytest.raises(SettingsError, match=r"control.bind: 'tcp://\*:5601' is reachable"):
        curve.check(ControlSettings(bind="tcp://*:5601"), "control")
    settings = ControlSettings(bind="tcp://*:5601", server_key=secret, clients=clients)
    curve.check(settings, "control")


@pytest.mark.parametrize("given", ["server_key", "clients"])
def test_half_of_the_keys_is_refused(keys, given):
    _, secret, clients = keys
    half = {"server_key": secret, "clients": clients}[given]
    with pytest.raises(SettingsError, match="belong together"):
        curve.check(ControlSettings(**{given: half}), "control")


def test_wrong_key_files_are_named(keys, tmp_path):
    public, secret, clients = keys
    empty = tmp_path / "empty"
    empty.mkdir()
    garbage = tmp_path / "garbage"
    garbage.write_text("?")
    for key, folder, words in (
        (public, clients, "no secret key in it"),
        (str(garbage), clients, "garbage: not a key file"),
        (str(tmp_path / "none"), clients, "none: not a key file"),
        (secret, str(empty), r"empty: no \*\.key file"),
    ):
        with pytest.raises(SettingsError, match=words):
            curve.check(ControlSettings(server_key=key, clients=folder), "control")


@pytest.mark.parametrize(
    ("address", "server_key", "words"),
    [
        ("nonsense", "", "'nonsense': no endpoint"),
        ("tcp://127.0.0.1:5601", "short", "--server-key 'short': no public key"),
    ],
)
def test_what_a_client_can_not_connect_with_is_named(keys, address, server_key, words):
    key = keys[1] if server_key else ""
    with (
        zmq.Context() as context,
        context.socket(zmq.DEALER) as socket,
        pytest.raises(SettingsError, match=words),
    ):
        curve.connect(socket, address, key, server_key)
