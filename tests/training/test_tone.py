import pytest

from training import tone
from training.batch import Hands


def test_a_passive_hand_keeps_the_balls_longer_than_a_tense_one(
    hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tone, "STEPS", 20)
    passive, tense = (tone.kept_steps(hands, action, 0.0) for action in (-0.4, 0.4))
    assert 0.0 < tense < passive <= 20.0
    assert tone.kept_steps(hands, -0.4, 0.0) == passive


def test_the_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in {"HANDS": 2, "STEPS": 2, "SIGMAS": (0.0, 0.2)}.items():
        monkeypatch.setattr(tone, name, value)
    tone.main()
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["action", "excitation", "sigma", "0.00", "sigma", "0.20"]
    assert [float(row.split()[0]) for row in rows] == list(tone.ACTIONS)
    assert [row.split()[1] for row in rows][:3] == ["0.007", "0.011", "0.076"]
