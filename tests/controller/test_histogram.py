"""Percentiles against numpy."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.histogram import Histogram

QUANTILES = (0.0, 1.0, 50.0, 95.0, 99.0, 99.9, 100.0)


def of(values):
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_are_within_two_per_cent(seed):
    values = np.random.default_rng(seed).lognormal(3.0, 2.0, 2001).clip(0.1)
    histogram = of(values)
    for q in QUANTILES:
        exact = np.percentile(values, q, method="inverted_cdf")
        assert exact <= histogram.percentile(q) * (1 + 1e-9)
        assert histogram.percentile(q) == pytest.approx(exact, rel=0.02)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.floats(0.1, 1e9), min_size=1, max_size=50), st.floats(0, 100))
def test_any_percentile_brackets_the_exact_one(values, q):
    found = of(values).percentile(q)
    rank = max(1, math.ceil(q / 100 * len(values)))
    exact = sorted(values)[rank - 1]
    assert exact * (1 - 1e-9) <= found <= exact * 1.02 * (1 + 1e-9)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=20))
def test_maximum_is_exact(values):
    assert of(values).max == max(values)
    assert of(values).percentile(100.0) <= max(values)


def test_nothing_counted():
    histogram = Histogram()
    assert math.isnan(histogram.percentile(50.0))
    assert histogram.summary() == {"p50": None, "p99": None, "p999": None, "max": None}
    assert histogram.count == 0


def test_summary_of_one_value():
    assert of([12.3456]).summary() == {"p50": 12.346, "p99": 12.346, "p999": 12.346, "max": 12.346}


def test_summary_tells_the_quantiles_apart():
    summary = of([1.0] * 980 + [10.0] * 18 + [100.0, 1000.0]).summary()
    assert summary["p50"] == pytest.approx(1.0, rel=0.02)
    assert summary["p99"] == pytest.approx(10.0, rel=0.02)
    assert summary["p999"] == pytest.approx(100.0, rel=0.02)
    assert summary["max"] == 1000.0


@pytest.mark.parametrize("ones, median", [(500, 1.0), (499, 2.0)])
def test_the_median_is_the_middle(ones, median):
    summary = of([1.0] * ones + [2.0] * (1000 - ones)).summary()
    assert summary["p50"] == pytest.approx(median, rel=0.02)


@pytest.mark.parametrize("value", [0.0, -1.0, 0.05, 0.1])
def test_the_smallest_share_a_bin(value):
    histogram = of([value, 5.0])
    assert histogram.percentile(50.0) == 0.1
    assert histogram.count == 2


def test_percentile_never_exceeds_the_maximum():
    assert of([0.03]).percentile(50.0) == 0.03
    assert of([0.0]).summary() == {"p50": 0.0, "p99": 0.0, "p999": 0.0, "max": 0.0}


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_counts_as_the_largest(value):
    histogram = of([1.0, value, 2.0])
    assert histogram.count == 3
    assert histogram.max > 1e9 and math.isfinite(histogram.max)
    assert histogram.percentile(50.0) == pytest.approx(2.0, rel=0.02)
    assert histogram.percentile(99.0) > 1e9
    assert all(math.isfinite(number) for number in histogram.summary().values())


def test_beyond_the_last_bin_the_maximum_is_still_exact():
    histogram = of([1.0, 1e15])
    assert histogram.max == 1e15
    assert histogram.percentile(100.0) > 1e9


def test_numpy_scalars_become_plain_numbers():
    summary = of([np.float64(3.0), np.float32(2.0)]).summary()
    assert {type(number) for number in summary.values()} == {float}
