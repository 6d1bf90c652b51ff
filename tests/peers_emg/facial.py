"""What the signal check says of facial muscles, as recorded.

The wheel of EMGFlow 1.1.2 ships four recordings of 10 s of two facial muscles at 2 kHz, in
millivolts, with samples missing on purpose. They carry no labels: nothing can be decoded from
them, but gaps, hum and good channels can be told apart.
"""

import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

from bridges.emg.calibration import Cut, Electrodes
from bridges.emg.intake import Intake

RATE_HZ = 2000.0
MAINS_HZ = 50.0
HOP = 20


def prove(wheel: Path) -> None:
    """Print a line for each recording."""
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(n for n in archive.namelist() if n.endswith(".csv")):
            text = archive.read(name).decode("utf-8-sig")
            print(f"{name.rpartition('/')[2]}: {judged(text)}")


def judged(text: str) -> str:
    """Each channel's verdicts over a recording, and how long the window was usable."""
    table = np.genfromtxt(io.StringIO(text), delimiter=",", names=True)
    labels = table.dtype.names[1:]
    electrodes = Electrodes(labels=labels, units=("mV",) * len(labels), rate_hz=RATE_HZ)
    cut = Cut(electrodes=electrodes, band_hz=(20.0, 450.0), mains_hz=MAINS_HZ, window_ms=100.0)
    intake = Intake(cut)
    rows = np.stack([table[label] for label in labels], axis=1)
    counts, ready, hops = [Counter() for _ in labels], 0, len(rows) // HOP
    for k in range(hops):
        part = slice(k * HOP, (k + 1) * HOP)
        intake.take(rows[part], table["Time"][part], float(table["Time"][part][-1]))
        ready += intake.windows.ready
        for count, word in zip(counts, intake.bad, strict=True):
            count[word or "good"] += 1
    words = "; ".join(
        f"{label} " + ", ".join(f"{word} {n / hops:.0%}" for word, n in count.most_common())
        for label, count in zip(labels, counts, strict=True)
    )
    return f"{words}; window usable {ready / hops:.0%}"
