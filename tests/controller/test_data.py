from pathlib import Path

import pytest

from controller import data
from controller.errors import SettingsError


def test_the_checkout_comes_before_the_installed_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, installed = tmp_path, tmp_path / "myoloop_data"
    monkeypatch.setattr(data, "PLACES", (checkout, installed))
    for place in (installed, checkout):
        (place / "configs").mkdir(parents=True)
        (place / "configs" / "a.yaml").touch()
        assert data.find("configs/a.yaml") == place / "configs" / "a.yaml"


def test_a_folder_given_comes_first(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    assert data.find("pyproject.toml", tmp_path) == tmp_path / "pyproject.toml"


def test_an_absolute_path_stays(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").touch()
    assert data.find(str(tmp_path / "a.onnx"), Path("configs")) == tmp_path / "a.onnx"


def test_nowhere_names_every_place(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        data.find("configs/none.yaml", tmp_path)
    for place in (tmp_path, *data.PLACES):
        assert str(place / "configs/none.yaml") in str(caught.value)
