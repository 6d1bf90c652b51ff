"""A decoder that speaks ZeroMQ: opens and closes a hand through configs/passthrough_motors.yaml."""

import math
import sys
import time
import uuid

import msgspec
import zmq

CHANNELS = ("index", "middle", "ring", "pinky", "thumb_flexor", "thumb_rotator")
says = zmq.Context.instance().socket(zmq.PUB)
says.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5613")
low_s = float(sys.argv[2]) if len(sys.argv) > 2 else 20.0  # engage low: `myoloop arm`
session, began, seq = uuid.uuid4().hex, time.monotonic(), 0
while True:
    now_s = time.monotonic() - began
    closing = 50.0 - 40.0 * math.cos(0.5 * math.pi * now_s)  # deg; once in 4 s
    message = {
        "version": 1,
        "session": session,  # made anew at every start
        "seq": (seq := seq + 1),
        "t_mono_ns": time.monotonic_ns(),
        "valid": True,
        "channels": CHANNELS,
        "values": [closing] * 4 + [0.5 * closing, -closing],
        "engage": float(now_s > low_s),
    }
    says.send(b"intention\0" + msgspec.msgpack.encode(message))
    time.sleep(0.01 - now_s % 0.01)  # 100 a second, no drift
