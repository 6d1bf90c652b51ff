"""A hand elsewhere in 40 lines: muscles follow what is valid, and relax when nothing is."""

import sys
import time
import uuid

import msgspec
import zmq

commands, feedback = sys.argv[1:] or ("tcp://127.0.0.1:5610", "tcp://127.0.0.1:5611")
hears, says = zmq.Context.instance().socket(zmq.SUB), zmq.Context.instance().socket(zmq.PUB)
hears.setsockopt(zmq.CONFLATE, 1)  # only the newest command; before connect, on this side only
hears.setsockopt(zmq.SUBSCRIBE, b"command\0")
hears.connect(commands), says.connect(feedback)
me, seq, session, newest, heard_s, until_s, lag_s = uuid.uuid4().hex, 0, "", -1, 0.0, 0.0, 1e99
activation = [0.0] * 39
while True:
    frame = hears.recv() if hears.poll(5) else b""
    now_s = time.monotonic()
    if now_s >= until_s:  # nothing valid: relax
        activation = [0.9 * a for a in activation]
    try:
        told = msgspec.msgpack.decode(frame.partition(b"\0")[2])
        age_s = now_s - told["t_mono_ns"] / 1e9  # but for a constant: their clock is another
        if told["session"] != session and now_s - heard_s > 0.5:  # a new daemon, ours is gone
            session, newest, lag_s = told["session"], -1, 1e99
        if told["version"] != 1 or told["session"] != session or told["seq"] <= newest:
            continue
    except (msgspec.MsgspecError, KeyError, TypeError):  # nothing came, or no command
        continue
    newest, heard_s = told["seq"], now_s
    lag_s = min(lag_s + 1e-6, age_s)  # of the quickest so far; clocks drift
    if age_s - lag_s > told["ttl_ms"] / 1e3:
        continue  # it lay somewhere for too long
    until_s = now_s + told["ttl_ms"] / 1e3 if told["valid"] else 0.0
    activation = told["excitation"] if told["valid"] else activation  # put your hardware here
    hand = {"time_s": now_s, "joint_pos": [0.0] * 23, "joint_vel": [0.0] * 23}
    answer = {name: told[name] for name in ("version", "session", "reset", "muscles", "joints")}
    answer |= {"peer": me, "seq": (seq := seq + 1), "reply_to": newest, "valid": True}
    answer |= {"t_mono_ns": time.monotonic_ns(), "hand": {**hand, "activation": activation}}
    says.send(b"feedback\0" + msgspec.msgpack.encode(answer))
