"""The shared names; their order is held against the compiled model in tests/bridges."""

import pytest

from controller import errors
from controller.names import JOINTS, MUSCLES


def test_as_many_as_the_hand_has():
    assert (len(MUSCLES), len(JOINTS)) == (39, 23)


@pytest.mark.parametrize("names", [MUSCLES, JOINTS])
def test_no_name_twice(names):
    assert len(set(names)) == len(names)
    assert all(name.isascii() and name.replace("_", "").isalnum() for name in names)


def test_one_except_catches_every_expected_error():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert len(kinds) > 1
    assert all(issubclass(kind, errors.MyoloopError) for kind in kinds)
