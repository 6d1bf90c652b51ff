"""Orders are counted, never queued: none is lost, none hides an e-stop."""

import itertools
import time

import pytest

from controller.errors import HostError
from controller.orders import ORDERS, PATH, SWAP, TTL_NS, OrderReader, Orders, OrderWriter
from controller.supervisor.states import Order


@pytest.fixture
def ends(tmp_path):
    return OrderWriter(tmp_path / "orders"), OrderReader(tmp_path / "orders")


def test_before_the_control_port_is_there_nothing_is_ordered(tmp_path):
    reader = OrderReader(tmp_path / "orders")
    assert reader.read(time.monotonic_ns()) == Orders()
    writer = OrderWriter(tmp_path / "orders")
    assert reader.read(time.monotonic_ns()) == Orders()
    writer.give(Order.ARM)
    assert reader.read(time.monotonic_ns()) == Orders(Order.ARM)


def test_an_order_is_taken_once(ends):
    writer, reader = ends
    for order in ORDERS:
        count = writer.give(order)
        assert reader.read(time.monotonic_ns()).order == order
        assert reader.taken[ORDERS.index(order)] == count
        assert reader.read(time.monotonic_ns()).order == Order(0)


def test_whatever_comes_between_two_ticks_is_seen_together(ends):
    writer, reader = ends
    for sequence in itertools.permutations(ORDERS):
        for order in sequence:
            writer.give(order)
            writer.give(order)
        assert (
            reader.read(time.monotonic_ns()).order
            == Order.ESTOP | Order.DISARM | Order.RESET | Order.ARM
        )


def test_attendance_lasts_until_it_ends(ends):
    writer, reader = ends
    writer.attend(True)
    writer.give(Order.DISARM)
    assert reader.read(time.monotonic_ns()) == Orders(Order.DISARM, attended=True)
    writer.attend(True)
    assert reader.read(time.monotonic_ns()).attended
    writer.attend(False)
    assert not reader.read(time.monotonic_ns()).attended


def test_a_swap_names_its_policy_once(ends):
    writer, reader = ends
    count = writer.swap("abc /policies/ä.onnx")
    assert reader.read(time.monotonic_ns()).swap_to == "abc /policies/ä.onnx"
    assert reader.taken[SWAP] == count and reader.read(time.monotonic_ns()).swap_to == ""
    writer.swap("x")
    assert reader.read(time.monotonic_ns()).swap_to == "x"


def test_a_path_that_does_not_fit_is_refused(ends):
    writer, reader = ends
    writer.swap("ä" * (PATH // 2 - 1))
    assert len(reader.read(time.monotonic_ns()).swap_to) == PATH // 2 - 1
    with pytest.raises(HostError, match="longer than"):
        writer.swap("x" * PATH)
    assert reader.read(time.monotonic_ns()).swap_to == ""


def test_what_may_lead_to_motion_expires_what_stops_never(ends):
    writer, reader = ends
    for order in ORDERS:
        writer.give(order)
    writer.swap("abc /policies/x.onnx")
    late_ns = time.monotonic_ns() + TTL_NS
    assert reader.read(late_ns) == Orders(Order.ESTOP | Order.DISARM)
    assert reader.read(late_ns) == Orders()  # nor does it come up again
    writer.give(Order.ARM)
    assert reader.read(time.monotonic_ns()).order == Order.ARM
