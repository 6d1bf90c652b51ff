"""``myoloop decode`` as people run it: a simulated subject, real LSL, what comes out."""

import os
import re
import signal
from pathlib import Path

import msgspec
import pytest
import yaml

from bridges.emg.amplifier import EmgOutlet
from bridges.emg.calibration import load, save
from bridges.emg.live import run
from bridges.emg.prompts import PROMPTS
from bridges.emg.settings import load_emg
from bridges.emg.simulated import LABELS
from controller.errors import MyoloopError, SettingsError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config(tmp_path: Path, lsl_session: str, source_id: str, calibration):
    """Writes a configuration and its calibration; keywords change the former."""
    save(calibration, tmp_path / "me.json")

    def write(**changes) -> Path:
        plain = yaml.safe_load((ROOT / "configs/emg.yaml").read_text())
        plain |= {"session": lsl_session, "calibration": "me.json"}
        plain["emg"] = {"source_id": f"{source_id}-emg", "wait_s": 0.5}
        plain["engage"] = {"use": "stream", "source_id": f"{source_id}-pedal"}
        plain["intention"] = {"source_id": source_id}
        path = tmp_path / "emg.yaml"
        path.write_text(yaml.safe_dump({**plain, **changes}))
        return path

    return write


def documented(source_id: str) -> str:
    """The decoder of docs/emg.md, with this test's streams."""
    text = (ROOT / "docs/emg.md").read_text(encoding="utf-8")
    example = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    assert len(example.splitlines()) <= 20  # as its text promises
    for name in ("emg", "pedal"):
        example = example.replace(f'"myoloop-{name}-1"', f'"{source_id}-{name}"')
    return example


def test_a_person_calibrates_then_steers_two_decoders_and_silence_lets_go(
    calibrating, start, environment, open_source, read_until, lsl_session, tmp_path
):
    screen = calibrating.terminal.wait(120.0)
    assert calibrating.terminal.process.returncode == 0, screen
    for word in ("JUDGING THE ELECTRODES", *(prompt.upper() for prompt in PROMPTS), "hold it"):
        assert word in screen
    assert "emg8" in screen and "● good" in screen
    assert "found left" in screen and "R²" in screen
    assert "lda, which the configuration asks for, is good enough" in screen
    assert load(calibrating.file).cut.electrodes.labels == LABELS

    source_id, report = calibrating.source_id, tmp_path / "report.json"
    decoder = start(
        *("-m", "controller.cli", "decode", str(calibrating.config), "--report", str(report))
    )
    subject = start(
        *("-m", "controller.cli", "emulate", "emg", "--loop", "--session", lsl_session),
        *("--source-id", f"{source_id}-emg", "--pedal", f"{source_id}-pedal"),
    )
    lsl = tmp_path / "lsl_api.cfg"
    lsl.write_text(f"[lab]\nSessionID = {lsl_session}\n[log]\nlevel = -3\n")
    start("-c", documented(source_id), env={**environment, "LSLAPICFG": str(lsl)})
    source = open_source(wait_s=90.0, source_id=source_id)
    example = open_source(wait_s=90.0, source_id="myoloop-intention-1")
    read_until(source, lambda i: i.engage == 1.0 and i.values[0] > 0.03)
    read_until(example, lambda i: i.engage == 1.0 and i.values[0] == pytest.approx(0.1))
    os.kill(subject.pid, signal.SIGKILL)
    read_until(source, lambda i: i.fresh and i.values[0] == 0.0 and i.engage == 0.0)
    decoder.send_signal(signal.SIGTERM)
    printed = decoder.communicate(timeout=30)[0].decode()
    assert decoder.returncode == 0, printed
    assert printed.startswith("hold: ")
    told = msgspec.json.decode(report.read_bytes())
    assert told["samples"] > 1000
    assert told["hops_by_reason"]["turn"] > 0

    outlet = EmgOutlet(f"{source_id}-emg", lsl_session, labels=[f"ch{k}" for k in range(8)])
    with pytest.raises(MyoloopError, match="labels emg1/.*the stream has ch0/.*calibrate again"):
        run(calibrating.config, 1.0, None, None, quiet=True)
    outlet.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"labels": [f"emg{k + 1}" for k in range(16)]}, "labels emg1/.*/emg16: calibrate again"),
        ({"unit": "volts"}, "units microvolts/.*the stream has volts/"),
        ({"rate_hz": 2000.0}, "rate_hz 1000, the stream has 2000"),
        ({"labels": ["emg1"] * 8}, "two channels are called 'emg1'"),
        ({"labels": [""] * 8}, "each channel needs desc/channels/channel/label"),
        ({"rate_hz": 100.0}, "rate_hz.*200"),
        ({"rate_hz": 0.0}, "rate_hz.*200"),
    ],
)
def test_other_electrodes_are_refused(config, source_id, lsl_session, options, said):
    outlet = EmgOutlet(f"{source_id}-emg", lsl_session, **options)
    with pytest.raises(MyoloopError, match=said):
        run(config(), 1.0, None, None, quiet=True)
    outlet.close()


def test_two_amplifiers_of_one_identity_are_refused(config, source_id, lsl_session):
    outlets = [EmgOutlet(f"{source_id}-emg", lsl_session) for _ in range(2)]
    with pytest.raises(MyoloopError, match="2 streams are called .*, only one may"):
        run(config(), 1.0, None, None, quiet=True)
    for outlet in outlets:
        outlet.close()


def test_no_stream_is_one_line_that_lists_what_there_is(config, source_id, lsl_session):
    outlet = EmgOutlet(f"{source_id}-other", lsl_session)
    with pytest.raises(MyoloopError, match=f"no stream .*'{source_id}-emg'.*-other") as caught:
        run(config(), 1.0, None, None, quiet=True)
    assert "\n" not in str(caught.value)
    outlet.close()


@pytest.mark.parametrize(("unit", "said"), [("", "unit ''"), ("counts", "unit 'counts'")])
def test_a_stream_without_a_known_unit_is_refused(config, source_id, lsl_session, unit, said):
    outlet = EmgOutlet(f"{source_id}-emg", lsl_session, unit=unit)
    with pytest.raises(MyoloopError, match=f"'emg1': {said}; allowed: microvolts"):
        run(config(), 1.0, None, None, quiet=True)
    outlet.close()


def test_a_calibration_that_was_not_good_enough_or_cut_otherwise_is_refused(
    config, calibration, tmp_path
):
    with pytest.raises(MyoloopError, match=r"window_ms 100.*now 200"):
        run(config(window_ms=200), 1.0, None, None, quiet=True)
    reasons = {"lda": [], "logistic": [], "ridge": ["R² 0.10"]}
    bad = msgspec.structs.replace(calibration.verdict, reasons=reasons)
    save(msgspec.structs.replace(calibration, verdict=bad), tmp_path / "me.json")
    with pytest.raises(MyoloopError, match=r"ridge is not good enough: R² 0.10"):
        run(config(model="ridge"), 1.0, None, None, quiet=True)
    with pytest.raises(SettingsError, match="calibrate-emg"):
        run(config(calibration="none.json"), 1.0, None, None, quiet=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": "svm"}, "model"),
        ({"band_hz": [400, 20]}, "band_hz"),
        ({"engage": {"use": "voice"}}, "engage"),
        ({"gain": 2}, "gain: unknown key"),
        ({"mains_hz": 55}, "mains_hz"),
    ],
)
def test_wrong_settings_are_refused_by_name(config, changes, said):
    with pytest.raises(SettingsError, match=said):
        load_emg(config(**changes))


def test_the_shipped_file_is_valid():
    settings = load_emg(ROOT / "configs/emg.yaml")
    assert settings.model == "lda"
    assert Path(settings.calibration).parent == ROOT / "configs"
