"""A daemon whose hand is a process of its own, and has to show its key."""

import signal

import zmq.auth

from controller.supervisor.states import State


def test_it_is_the_hand_of_a_daemon_and_when_it_falls_silent_the_hand_relaxes(
    make_run, start, tmp_path
):
    ends = {name: f"ipc://{tmp_path}/{name}" for name in ("commands", "feedback")}
    log, clients = tmp_path / "diary", tmp_path / "clients"
    clients.mkdir()
    public, secret = zmq.auth.create_certificates(tmp_path, "daemon")
    _, desk = zmq.auth.create_certificates(clients, "desk")
    server_key = zmq.auth.load_certificate(public)[0].decode()
    options = [f"--{name}={address}" for name, address in ends.items()]
    options += [f"--key={desk}", f"--server-key={server_key}"]
    keys = {"server_key": secret, "clients": str(clients)}
    peer = start(
        *("-m", "controller.cli", "emulate", "zmq-plant", "--hand=echo", f"--log={log}", *options)
    )
    run = make_run(plant={"use": "zmq", "options": {**ends, **keys, "wait_s": 60}})
    run.work()
    record = run.feed(0.0, 1.0, lambda record: record["activation"].any())
    assert record["feedback_age_s"] < 0.1
    peer.send_signal(signal.SIGSTOP)
    record = run.feed(0.0, 1.0, run.is_in(State.DISARMED))
    assert bytes(record["note"]).startswith(b"feedback stale: the peer was silent for ")
    assert not run.ask("arm").ok
    peer.send_signal(signal.SIGCONT)
    run.work()
    run.feed(0.0, 0.0, run.at_rest)
    report = run.end()
    assert report["rejected"] == {"plant": {}}
    assert "rest steps" in log.read_text().splitlines()[-1]
