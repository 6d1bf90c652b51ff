"""Other people's clients of the real devices drive the emulators: ``make peers``."""

import json
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".venv-peers" / "bin" / "python"
PATIENCE_S = 20.0


@pytest.fixture
def emulate(tmp_path):
    """Starts an emulator; gives its link and a way to read its diary."""
    started = []

    def start(kind: str) -> tuple[Path, Path]:
        link, diary = tmp_path / "port", tmp_path / "diary"
        command = [ROOT / ".venv/bin/myoloop", "emulate", kind, "--link", link, "--log", diary]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        until_s = time.monotonic() + PATIENCE_S
        while not link.exists():
            assert time.monotonic() < until_s
            time.sleep(0.02)
        return link, diary

    yield start
    for process in started:
        process.terminate()
        process.wait()


def drive(script: str, folder: Path, *arguments: object) -> dict:
    """What a client saw; it runs in a folder of its own, into which it may write."""
    command = [CLIENTS, Path(__file__).with_name(script), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("reply_mode", [0, 1, 2])
def test_psyonics_client_moves_the_hand_and_reads_it(emulate, tmp_path, reply_mode):
    link, diary = emulate("ability-hand")
    seen = drive("drive_ability_hand.py", tmp_path, link, reply_mode)
    assert seen["position"] == pytest.approx(seen["target"], abs=0.5)
    assert seen["replies"] > 100
    assert any("exits 1 timeouts 0" in line for line in diary.read_text().splitlines())


def test_hasomeds_client_stimulates_reads_and_is_refused(emulate, tmp_path):
    link, diary = emulate("sciencemode")
    seen = drive("drive_stimulator.py", tmp_path, link)
    assert seen == {
        "device": "EMULATOR01",
        "protocol": "4.0.0",
        "not ready": "Error MidLevelUpdate NOT_INITIALIZED",
        "active": [True, False, True, False, False, False, False, False],
        "status": "MID_LEVEL_RUNNING",
        "too much": "Error MidLevelUpdate PARAMETER_ERROR",
        "stopped": "NO_LEVEL_INITIALIZED",
        "pulse": ["NO_ERROR", 1, 1],
    }
    told = diary.read_text()
    assert "1:20mA/200us 3:12.5mA/200us" in told and "unbalanced 0" in told
    assert "1:5mA/200us" in told  # the ramp


def test_pysciencemode_needs_the_makers_library_which_is_not_published(tmp_path):
    command = [CLIENTS, "-c", "from pysciencemode import P24; P24('/dev/null')"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "name 'sciencemode' is not defined" in done.stderr
