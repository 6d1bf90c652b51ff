"""How far the strength that the decoder reads follows the force that was measured.

The wheel of openhdemg 0.1.2 ships one recording: 64 electrodes on a thigh (vastus lateralis) at
2048 Hz for 32 s, and the force of the leg on a ramp to a quarter of its maximum, held and let go.
"""

import io
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from bridges.emg.calibration import Cut, Electrodes
from bridges.emg.features import level_uv
from bridges.emg.intake import Intake

RECORDING = "openhdemg/library/decomposed_test_files/otb_testfile.mat"
CHANNELS, FORCE = 64, 74  # columns of its Data
HOP_S = 0.01
WINDOWS_MS = (100.0, 250.0)


def prove(wheel: Path) -> None:
    """Print how well the two agree, and what the signal check says."""
    with zipfile.ZipFile(wheel) as archive:
        found = loadmat(io.BytesIO(archive.read(RECORDING)), simplify_cells=True)
    table, times_s, rate_hz = found["Data"], found["Time"], float(found["SamplingFrequency"])
    for window_ms in WINDOWS_MS:
        print(f"thigh: {_followed(table, times_s, rate_hz, window_ms)}")


def _followed(table: np.ndarray, times_s: np.ndarray, rate_hz: float, window_ms: float) -> str:
    labels = tuple(f"e{k + 1}" for k in range(CHANNELS))
    electrodes = Electrodes(labels=labels, units=("uV",) * CHANNELS, rate_hz=rate_hz)
    cut = Cut(electrodes=electrodes, band_hz=(20.0, 450.0), mains_hz=50.0, window_ms=window_ms)
    intake, hop = Intake(cut), round(HOP_S * rate_hz)
    levels, forces, bad, hops = [], [], Counter(), len(table) // hop
    for k in range(hops):
        part = slice(k * hop, (k + 1) * hop)
        intake.take(table[part, :CHANNELS], times_s[part], float(times_s[part][-1]))
        bad.update(
            f"{label} {word}" for label, word in zip(labels, intake.bad, strict=True) if word
        )
        if intake.windows.ready:
            levels.append(level_uv(intake.windows.newest))
            forces.append(table[part, FORCE].mean())
    words = ", ".join(f"{name} {count / hops:.0%}" for name, count in bad.most_common()) or "none"
    r2 = np.corrcoef(levels, forces)[0, 1] ** 2
    return (
        f"{window_ms:g} ms windows: strength {min(levels):.0f}-{max(levels):.0f} µV against force "
        f"{min(forces):.0f}-{max(forces):.0f} % of the maximum: R² {r2:.2f}; bad channels: {words}"
    )
