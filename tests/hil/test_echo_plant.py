import dataclasses

import numpy as np
import pytest

from bridges.mujoco_hand import MujocoHand
from controller import registry
from controller.daemon import check_plant
from controller.errors import SettingsError
from controller.names import MUSCLES
from hil.echo_plant import create


def test_it_starts_where_the_simulated_hand_does():
    echo, hand = create({}, 40.0, "test").read(), MujocoHand(40.0).read()
    for field in dataclasses.fields(echo):
        found, wanted = getattr(echo, field.name), getattr(hand, field.name)
        if field.name == "fault":
            assert found == wanted == ""
        else:
            np.testing.assert_allclose(found, wanted, atol=1e-12, err_msg=field.name)


def test_it_gives_back_what_it_was_told_at_any_rate():
    plant = registry.find("plants", "echo", "test")({}, 1000.0, "test")
    check_plant(plant.info, 1000.0)
    told = np.linspace(0, 1, len(MUSCLES), dtype=np.float32)
    before = plant.read()
    assert plant.write(told) is told
    after = plant.read()
    np.testing.assert_array_equal(after.activation, told)
    assert after.time_s == pytest.approx(0.001)
    assert not before.activation.any() and before.time_s == 0.0  # as it was
    plant.reset()
    assert not plant.read().activation.any() and plant.read().time_s == 0.0
    plant.close()


def test_an_option_is_refused():
    with pytest.raises(SettingsError, match="speed"):
        create({"speed": 1}, 40.0, "test.yaml: plant.options")
