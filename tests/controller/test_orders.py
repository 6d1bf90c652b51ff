"""Orders are counted, never queued: none is lost, none hides an e-stop."""

import itertools

import pytest

from controller.errors import HostError
from controller.orders import ORDERS, PATH, SWAP, OrderReader, Orders, OrderWriter
from controller.supervisor.states import Order


@pytest.fixture
def ends(tmp_path):
    return OrderWriter(tmp_path / "orders"), OrderReader(tmp_path / "orders")


def test_before_the_control_port_is_there_nothing_is_ordered(tmp_path):
    reader = OrderReader(tmp_path / "orders")
    assert reader.read() == Orders()
    writer = OrderWriter(tmp_path / "orders")
    assert reader.read() == Orders()
    writer.give(Order.ARM)
    assert reader.read() == Orders(Order.ARM)


def test_an_order_is_taken_once(ends):
    writer, reader = ends
    for order in ORDERS:
        count = writer.give(order)
        assert reader.read().order == order
        assert reader.taken[ORDERS.index(order)] == count
        assert reader.read().order == Order(0)


def test_whatever_comes_between_two_ticks_is_seen_together(ends):
    writer, reader = ends
    for sequence in itertools.permutations(ORDERS):
        for order in sequence:
            writer.give(order)
            writer.give(order)
        assert reader.read().order == Order.ESTOP | Order.DISARM | Order.RESET | Order.ARM


def test_attendance_lasts_until_it_ends(ends):
    writer, reader = ends
    writer.attend(True)
    writer.give(Order.DISARM)
    assert reader.read() == Orders(Order.DISARM, attended=True)
    writer.attend(True)
    assert reader.read().attended
    writer.attend(False)
    assert not reader.read().attended


def test_a_swap_names_its_policy_once(ends):
    writer, reader = ends
    count = writer.swap("abc /policies/ä.onnx")
    assert reader.read().swap_to == "abc /policies/ä.onnx"
    assert reader.taken[SWAP] == count and reader.read().swap_to == ""
    writer.swap("x")
    assert reader.read().swap_to == "x"


def test_a_path_that_does_not_fit_is_refused(ends):
    writer, reader = ends
    writer.swap("ä" * (PATH // 2 - 1))
    assert len(reader.read().swap_to) == PATH // 2 - 1
    with pytest.raises(HostError, match="longer than"):
        writer.swap("x" * PATH)
    assert reader.read().swap_to == ""
