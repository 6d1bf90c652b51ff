"""Wrist turns of real people: calibrated as ``calibrate-emg`` does, decoded as ``decode`` does.

github.com/aljazfrancic/myo-readings-dataset (MIT) holds 125 sessions of some 40 people with an
eight-channel Myo armband round the forearm at 200 Hz. A file is a minute in which 5 s of rest and
5 s of one gesture take turns, each sample labelled. Flexion is right here, extension left.

What the recordings can't tell: how fast anybody wished to turn (each contraction stands for the
comfortable and the faster turn), and microvolts: one count of the armband is taken as 5 of them.
Only the signal check's thresholds depend on that.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from bridges.emg.calibration import MODELS, Calibration, Electrodes
from bridges.emg.examples import Trial
from bridges.emg.fit import fit
from bridges.emg.measure import decoder_of
from bridges.emg.rehearsal import cut

RATE_HZ = 200.0
COUNT_UV = 5.0
CHANNELS = 8
HOP = 2  # samples
FILES = {"moving": 0, "right": 1, "left": 2}
SIDES = {"right": -1.0, "left": 1.0}
CALIBRATED = 4  # repetitions that are learned from, as in calibrate-emg; the others are decoded
REACTION_S = 1.0  # after a change of the label: people follow a prompt
ENDING_S = 0.25  # before it: people foresee it
SHORTEST_S = 3.0  # a shorter stretch of one label is a slip

LABELS = tuple(f"myo{k + 1}" for k in range(CHANNELS))
ELECTRODES = Electrodes(labels=LABELS, units=("uV",) * CHANNELS, rate_hz=RATE_HZ)


@dataclass(frozen=True, slots=True)
class Recording:
    """A file: EMG [uV], (n, channels), whether the gesture was asked for, (n,), its stretches."""

    rows: np.ndarray
    active: np.ndarray
    stretches: list[tuple[int, int]]


def read(session: Path, name: str) -> Recording:
    """A file of a session; a line that is torn, as a few are, is left out."""
    lines = (session / f"{FILES[name]}.txt").read_text(encoding="ascii").splitlines()
    cells = [cells for line in lines if len(cells := line.split(",")) == CHANNELS + 1]
    table = np.array(cells, dtype=np.int64)
    active = table[:, CHANNELS] != 0
    edges = [0, *(np.flatnonzero(np.diff(active)) + 1), len(active)]
    spans = list(zip(edges[:-1], edges[1:], strict=True))
    long = [span for span in spans if span[1] - span[0] >= SHORTEST_S * RATE_HZ]
    return Recording(COUNT_UV * table[:, :CHANNELS], active, long)


def calibrate(right: Recording, left: Recording) -> Calibration:
    """From the first repetitions of a session."""
    trials = [trial for k in range(CALIBRATED) for trial in _trials(right, left, k)]
    return fit(trials, msgspec.structs.replace(cut(100.0), electrodes=ELECTRODES))


def _trials(right: Recording, left: Recording, k: int) -> Iterator[Trial]:
    for side, recording in (("right", right), ("left", left)):
        yield Trial("rest", k, _stretch(recording, False, k))
        yield Trial(f"turn {side}", k, _stretch(recording, True, k))
        yield Trial(f"{side}, faster", k, _stretch(recording, True, k))


def _stretch(recording: Recording, active: bool, k: int) -> np.ndarray:
    first, last = _span(recording, active, k)
    return recording.rows[first + round(REACTION_S * RATE_HZ) : last - round(ENDING_S * RATE_HZ)]


def _span(recording: Recording, active: bool, k: int) -> tuple[int, int]:
    return [span for span in recording.stretches if recording.active[span[0]] == active][k]


def decode(calibration: Calibration, model: str, recording: Recording, side: float, start: int):
    """Decode from a sample on, in the recording's own time; count what came of it.

    Args:
        side: sign of the rotation that the gesture means.
    """
    decoder, counts, changed = decoder_of(calibration, model), Counter(), start
    for k in range(start, len(recording.rows) - HOP, HOP):
        stamps_s = (k + 1 + np.arange(HOP)) / RATE_HZ
        said = decoder.step(recording.rows[k : k + HOP], stamps_s, float(stamps_s[-1]), pedal=1.0)
        if recording.active[k] != recording.active[k - HOP]:
            changed = k
        if k - changed < REACTION_S * RATE_HZ:
            continue
        if recording.active[k]:
            counts["turn"] += 1
            counts["right"] += np.sign(said.rotation) == side
            counts["wrong"] += np.sign(said.rotation) == -side
        else:
            counts["rest"] += 1
            counts["moved"] += said.rotation != 0.0
    return counts


def of_turns(calibration: Calibration, model: str, recordings: dict[str, Recording], all_of: bool):
    """Both gestures; only the repetitions that were not learned from unless ``all_of``."""
    counts = Counter()
    for name, side in SIDES.items():
        recording = recordings[name]
        learned = max(_span(recording, active, CALIBRATED - 1)[1] for active in (False, True))
        start = HOP if all_of else learned
        counts += decode(calibration, model, recording, side, start)
    return counts


def prove(folder: Path) -> None:
    """Print what became of each session, then of all of them."""
    told, refused, people = {key: [] for key in (*MODELS, "moving", "again")}, Counter(), {}
    for session in sorted(folder.glob("_readings_*/*")):
        recordings = {name: read(session, name) for name in FILES}
        calibration = calibrate(recordings["right"], recordings["left"])
        person = session.parent.name, session.name.partition("-")[0]
        if person in people:  # the armband was taken off and put on again
            told["again"].append(of_turns(people[person], "lda", recordings, all_of=True))
        for model in MODELS:
            if calibration.verdict.good_enough(model):
                told[model].append(of_turns(calibration, model, recordings, all_of=False))
            else:
                refused[model] += 1
        if reasons := calibration.verdict.reasons["lda"]:
            print(f"{session.name}: refused: {'; '.join(reasons)}", flush=True)
            continue
        people.setdefault(person, calibration)
        told["moving"].append(decode(calibration, "lda", recordings["moving"], 0.0, HOP))
        print(f"{session.name}: {_words(told['lda'][-1:])}", flush=True)
    _summary(told, refused)


def _summary(told: dict[str, list[Counter]], refused: Counter) -> None:
    for model in MODELS:
        print(
            f"{model}: good enough in {len(told[model])} sessions, refused in {refused[model]}; "
            f"repetitions that were not learned from: {_words(told[model])}"
        )
    print(f"lda, the armband put on again: {_words(told['again'])}")
    moved = sum(told["moving"], Counter())
    share = moved["moved"] / moved["rest"]
    print(f"lda, a minute of small movements of the hand each: turns in {share:.2%} of the hops")


def _words(counted: Sequence[Counter]) -> str:
    total = sum(counted, Counter())
    worst = min(one["right"] / one["turn"] for one in counted)
    middle = np.median([one["right"] / one["turn"] for one in counted])
    words = f"right {total['right'] / total['turn']:.1%}"
    if len(counted) > 1:
        words += f" (median {middle:.1%}, worst {worst:.1%})"
    return (
        f"{words}, wrong {total['wrong'] / total['turn']:.2%}, "
        f"moves at rest {total['moved'] / total['rest']:.2%}"
    )
