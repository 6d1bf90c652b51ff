"""The control plane against a running daemon, as a person and as a program use it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import zmq
import zmq.auth

from bridges.control.client import Client
from bridges.lsl_api import MarkerOutlet
from controller import rundir
from controller.errors import HostError, MyoloopError
from controller.rundir import Endpoint
from controller.supervisor.states import State

ROOT = Path(__file__).parents[3]
POLICY = ROOT / "policies/baoding.onnx"


def myoloop(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "controller.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_day_at_the_control_port(run):
    # nobody starts with a held dead-man
    run.feed(0.0, 1.0, lambda record: record["fresh"])
    refused = run.ask("arm", engage=1.0)
    assert not refused.ok and "the dead-man has to be let go first" in refused.message
    assert run.ask("status", engage=1.0).status["missing"] == ["engage_low"]

    # arming alone moves nothing; an e-stop at work latches
    run.work()
    again = run.ask("arm", engage=1.0)
    assert not again.ok and "not disarmed" in again.message and again.state == "ACTIVE"
    stopped = run.ask("estop", engage=1.0)
    assert stopped.ok and stopped.state == "FAULT"
    assert not run.newest()["excitation"].any()

    # out of FAULT leads only a reset, to nothing but DISARMED
    assert not run.ask("arm").ok
    assert run.newest()["state"] == State.FAULT
    assert run.ask("reset").state == "DISARMED"
    time.sleep(0.2)
    assert run.newest()["state"] == State.DISARMED

    # the same by commands of the shell
    for verb in ("estop", "reset", "disarm"):
        assert myoloop(verb, "--session", run.name).returncode == 0
    done = myoloop("status", "--json", "--session", run.name)
    status = json.loads(done.stdout)
    assert status["state"] == "DISARMED" and status["session"] == run.name
    assert status["followers"]["control"]["state"] == "READY"
    assert "DISARMED" in myoloop("status", "--session", run.name).stdout
    silent = myoloop("arm", "--session", run.name)  # nobody feeds the stream meanwhile
    assert silent.returncode == 2 and "the intention stream is not fresh" in silent.stderr

    # a signal is an e-stop as well, and the daemon lives on
    run.work()
    run.process.send_signal(signal.SIGUSR1)
    run.feed(0.0, 1.0, run.is_in(State.FAULT))
    assert "FAULT (estop: e-stop)" in myoloop("status", "--session", run.name).stdout
    assert run.end()["gate"]["estop"] >= 1


def test_a_swap_waits_for_a_relaxed_hand_and_a_bad_file_changes_nothing(run, tmp_path):
    run.work()
    before = run.newest()["policy_sha256"]
    for name, content in (("empty.onnx", b""), ("readme.onnx", (ROOT / "README.md").read_bytes())):
        path = tmp_path / name
        path.write_bytes(content)
        refused = run.ask("swap", str(path), engage=1.0)
        assert not refused.ok and name in refused.message
    refused = run.ask("swap", str(tmp_path / "none.onnx"), engage=1.0)
    assert not refused.ok and "none.onnx" in refused.message
    checked = run.ask("swap", str(POLICY), engage=1.0)
    assert checked.ok and "takes over as soon as" in checked.message
    record = run.newest()
    assert record["state"] == State.ACTIVE and record["policy"] == 0
    assert record["policy_sha256"] == before
    run.feed(0.0, 0.0, lambda record: record["policy"] == 1)
    run.work()
    run.end()


def test_a_client_without_a_listed_key_is_not_heard(make_run, tmp_path):
    clients = tmp_path / "clients"
    clients.mkdir()
    _, server = zmq.auth.create_certificates(tmp_path, "daemon")
    _, desk = zmq.auth.create_certificates(clients, "desk")
    _, stranger = zmq.auth.create_certificates(tmp_path, "stranger")
    run = make_run(
        control={"bind": "tcp://127.0.0.1:*", "server_key": server, "clients": str(clients)}
    )
    assert run.ask("status", key=desk).ok
    assert run.ask("estop", key=desk).state == "FAULT"
    endpoint = rundir.endpoint(rundir.find(run.name))
    with pytest.raises(MyoloopError, match="give --key"):
        Client(endpoint)
    for client in (Client(endpoint, stranger), Client(Endpoint(address=endpoint.address))):
        client.send("reset")
        time.sleep(0.5)
        assert client.answer() is None
        client.close()
    assert run.newest()["state"] == State.FAULT
    assert run.ask("reset", key=desk).ok
    run.end()


def test_the_loss_of_the_dead_man_client_latches(make_run, start):
    run = make_run(control={"attended": True})
    run.feed(0.0, 0.0, lambda record: record["fresh"])
    refused = run.ask("arm")
    assert not refused.ok and "arm --attend" in refused.message
    attend = ["-m", "controller.cli", "arm", "--attend", "--session", run.name]
    client = start(*attend)
    run.feed(0.0, 0.0, run.is_in(State.ARMING))
    run.feed(0.0, 1.0, run.is_in(State.ACTIVE))
    client.kill()
    record = run.feed(0.0, 1.0, run.is_in(State.FAULT))
    assert b"dead-man client" in bytes(record["note"])
    run.feed(0.0, 1.0, lambda record: not record["excitation"].any())  # the ramp is over
    assert run.ask("reset").ok
    # as a shell starts a job in the background: it need not be told of Ctrl-C
    client = start(*attend, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    run.feed(0.0, 0.0, run.is_in(State.ARMING))
    run.feed(0.0, 1.0, run.is_in(State.ACTIVE))
    client.send_signal(signal.SIGINT)  # let go in order: no fault
    run.feed(0.0, 1.0, run.at_rest)
    assert run.end()["state"] == "DISARMED"


def test_an_lsl_marker_stops(make_run, lsl_session, source_id):
    buttons = MarkerOutlet("buttons", f"{source_id}-buttons")
    stream = {"source_id": f"{source_id}-buttons", "session": lsl_session}
    run = make_run(control={"estop_stream": stream})
    run.work()
    for marker in ("trial 3", '{"event": "start"}'):
        buttons.push(marker)
    time.sleep(0.3)
    run.feed(0.0, 1.0, run.is_in(State.ACTIVE))
    buttons.push('{"event": "estop", "by": "button 2"}')
    run.feed(0.0, 1.0, run.is_in(State.FAULT))
    run.end()


def test_a_second_daemon_of_the_session_is_told_who_has_it(run, session_file, start):
    run.feed(0.0, 0.0, lambda record: record["fresh"])
    second = start("-m", "controller.cli", "run", str(session_file()))
    printed = second.communicate(timeout=60)[0].decode()
    assert second.returncode == 2
    assert f"process {run.process.pid}" in printed and "session.yaml" in printed
    assert run.ask("status").ok  # the first did not notice
    run.process.kill()
    run.process.wait()
    assert run.name not in rundir.running()  # a killed one leaves no lock behind


def test_garbage_and_a_flood_leave_the_port_open(run):
    run.work()
    endpoint = rundir.endpoint(rundir.find(run.name))
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.linger = 0
    socket.connect(endpoint.address)
    for number in range(3000):
        socket.send_multipart([b"", os.urandom(number % 300)])
    socket.send_multipart([b"", msgspec.msgpack.encode({"verb": "arm", "version": 99})])
    assert run.ask("status", engage=1.0).state == "ACTIVE"
    assert run.ask("estop", engage=1.0).state == "FAULT"
    socket.close()
    run.end()


def test_nobody_there_is_told(run):
    run.feed(0.0, 0.0, lambda record: record["fresh"])
    run.end()
    done = myoloop("status", "--session", "no-such")
    assert done.returncode == 2 and "no session 'no-such' runs here" in done.stderr
    client = Client(Endpoint(address="tcp://127.0.0.1:9"))
    with pytest.raises(HostError, match="does not answer"):
        client.ask("status")
    client.close()
