from pathlib import Path

import numpy as np
import pytest

from controller.errors import SettingsError
from training.posture import search
from training.posture.law import FILE, FIRST, Law, load_law


def test_a_law_is_its_vector() -> None:
    law = load_law()
    assert Law.of(law.vector()) == law
    assert Law.of(law.vector() + 0.01) != law


def test_a_law_written_is_the_law_read(tmp_path: Path) -> None:
    law = Law.of(load_law().vector() + 0.1)
    law.save(tmp_path / "law.yaml")
    assert load_law(tmp_path / "law.yaml") == law


def test_each_digit_gets_its_own_numbers() -> None:
    law = load_law()
    gain, weight, _, detour = law.by_joint()
    assert gain[:3].tolist() == [law.wrist_gain] * 3
    for first, digit in zip(FIRST, law.digits(), strict=True):
        assert tuple(weight[first : first + 4]) == digit.weight
        assert detour[first, first + 3] == digit.detour[0][3]
    assert np.count_nonzero(detour) <= 5 * 12


def test_what_can_not_be_is_named(tmp_path: Path) -> None:
    file = tmp_path / "law.yaml"
    file.write_text(FILE.read_text().replace("lead:", "lag:"))
    with pytest.raises(SettingsError, match="lag"):
        load_law(file)


def test_a_chain_never_asks_for_the_digit_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "OTHERS", 0.0)
    monkeypatch.setattr(search, "BLENDS", 0.0)
    chains = search.chains(0)
    assert chains.shape == (search.LENGTH, search.HANDS, 23)
    assert (np.diff(chains, axis=0) != 0.0).any(axis=2).all()
    assert np.array_equal(chains, search.chains(0))


def test_nearer_costs_less() -> None:
    costs = [search.cost(np.full((3, 10, 4), away)) for away in (0.1, 0.6, 0.7, 0.8, 2.0)]
    assert costs == sorted(costs)


def test_a_law_is_judged_by_where_the_hands_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "HANDS", 4)
    monkeypatch.setattr(search, "LENGTH", 1)
    judge = search.Judge()
    good = judge.distances(load_law(), seed=0)
    vector = load_law().vector()
    vector[6] -= 2.0  # the thumb's gain
    weak = Law.of(vector)
    assert good.shape == (1, search.JUDGED_STEPS, 4)
    assert np.array_equal(judge.distances(load_law(), seed=0), good)
    assert not np.array_equal(judge.distances(weak, seed=0), good)
