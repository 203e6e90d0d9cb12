"""Bounds on rounding: above what data made for it do to float32, and results that a smaller bound got wrong."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from tests import reference
from variegate.geometry import cosine_distance_rows, largest_cosine, similar_pairs, unit_rows
from variegate.geometry.rounding import RUN, angle_error, error_share, runs_error_share, sum_share, wide_error_share
from variegate.geometry.vectors import products_in_runs, products_with
from variegate.strategies.facility_location import facility_location
from variegate.strategies.k_center import k_center
from variegate.strategies.novelselect.strategy import novelselect
from variegate.strategies.room import Room

# Half the distance of float32 numbers from 1/2 to 1: what is less than that is lost when it is added to one of them.
HALF = 2.0**-25
# Of a product, in these units: it is lost, and with a tenth more it is rounded up to 2.
LOST, UP = 0.95, 1.1


def base(d):
    """A unit row whose product with itself float32 makes too small: after the first product all others are lost."""
    row = np.full(d, math.sqrt(LOST * HALF))
    row[1] = 0
    row[0] = math.sqrt(1 - (row[1:] ** 2).sum())
    return row


def beside(d, first, share):
    """A unit row whose product with `base` begins with `first`, each other product being `share` times what it is there."""
    row = share * base(d)
    row[0] = first / base(d)[0]
    row[1] = math.sqrt(1 - (row**2).sum())
    return row


def two_beside(d):
    """Rows whose cosines to `base` are nearly the same, that of the first is larger, and float32 has it the other way round."""
    first, rest = 0.5001, LOST * HALF * (d - 2)
    return beside(d, first + rest * (UP - 1) + 1e-7, 1), beside(d, first, UP)


def copies_of(row, count=40):
    # Of different lengths, so that none is taken for another.
    return np.outer(np.linspace(1, 3, count), row)


def exactly(left, right):
    # Products of float32 numbers are float64 numbers.
    return math.fsum(left.astype(np.float64) * right)


DIMENSIONS = [256, 320, 1024]


@pytest.mark.parametrize("d", DIMENSIONS)
def test_copies_have_a_cosine_of_1_whatever_float32_makes_of_it(d):
    pairs = list(similar_pairs(copies_of(base(d)), 1.0))
    assert sum(len(rows) for rows, _, _ in pairs) == 40 * 39 // 2


@pytest.mark.parametrize("d", DIMENSIONS)
def test_facility_location_picks_what_float64_picks(d):
    other = UP * base(d)
    other[0] = math.sqrt(1 - (other[1:] ** 2).sum())
    x = np.vstack([other, copies_of(base(d))])
    unit = unit_rows(x)
    gains = (unit @ unit.T).sum(axis=0)
    assert gains[1] > gains[0] * (1 + 1e-10)
    assert facility_location(x, 1, seed=0).rows.tolist() == [1]


@pytest.mark.parametrize("d", DIMENSIONS)
def test_the_most_novel_row_is_that_by_float64(d):
    x = np.vstack([*two_beside(d), copies_of(base(d), 20)])
    novelty = np.array(reference.novelties(x))
    assert novelty.argmax() == 1
    assert novelty[1] > novelty[0] * (1 + 1e-10)
    found = novelselect(x, 1, seed=0, first="most_novel", beta=0, duplicates="keep")
    assert found.rows.tolist() == [1]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("d", DIMENSIONS)
def test_k_center_picks_what_float64_picks(d, metric):
    # With each row its opposite, so that the centre is 0. As many as a matrix product takes for a large one.
    near, far = two_beside(d)
    x = np.vstack([[base(d), -base(d)] * 20, [near, -near, far, -far] * 20])
    squared = np.square(x[:, None] - x[:2]).sum(axis=2).min(axis=1)
    assert squared.argmax() == 42
    assert squared[42] > squared[40] + 1e-8
    room = Room(len(x), 1, owned=np.arange(40))
    assert k_center(x, 1, seed=0, metric=metric, room=room).rows.tolist() == [42]


@pytest.mark.parametrize("block_bytes", [1, 4 * 63 * 7, None])
@pytest.mark.parametrize("d", DIMENSIONS)
def test_the_largest_cosine_is_that_by_float64(d, block_bytes):
    more, less = two_beside(d)
    points = np.vstack([np.eye(3, d)[1:], [less, more, more, less] * 15])
    queries = np.vstack([copies_of(base(d), 30), np.eye(3, d)[1:]])
    values, rows = largest_cosine(queries, points, block_bytes)
    cosines = unit_rows(queries) @ unit_rows(points).T
    assert rows.tolist() == [3] * 30 + [0, 1]
    np.testing.assert_allclose(values, cosines.max(axis=1), rtol=1e-12)


def test_the_largest_cosine_among_very_many_that_float32_cannot_tell_apart():
    rng = np.random.default_rng(0)
    points = base(64) + 1e-6 * rng.normal(size=(300, 64))
    queries = base(64) + 1e-6 * rng.normal(size=(50, 64))
    cosines = np.array([[1 - reference.cosine_distance(query, point) for point in points] for query in queries])
    wanted = cosines.max(axis=1)
    for block_bytes in (1, 4 * 300 * 7, None):
        values, rows = largest_cosine(queries, points, block_bytes)
        np.testing.assert_allclose(cosines[np.arange(50), rows], wanted, rtol=0, atol=2e-15)
        np.testing.assert_allclose(values, wanted, rtol=0, atol=2e-15)


@pytest.mark.parametrize("d", [*DIMENSIONS, 4096])
def test_distances_to_copies_are_next_to_nothing(d):
    ((_, distances),) = cosine_distance_rows(copies_of(base(d)))
    assert np.abs(distances).max() < 1e-12


@pytest.mark.parametrize("d", [64, 256, 1024, 4096, 16384])
def test_a_sum_in_order_breaks_a_root_of_the_dimensions_but_no_bound(d):
    rows = [row.astype(np.float32) for row in (base(d), *two_beside(d))]
    for other in rows:
        exact = exactly(rows[0], other)
        found = float(np.cumsum(rows[0] * other, dtype=np.float32)[-1])
        assert 2e-7 + 1e-7 * math.sqrt(d) < abs(found - exact) <= error_share(d)
    # The bound is no more than about twice as large as it has to be.
    assert error_share(d) < 3 * abs(float(np.cumsum(rows[0] * rows[0], dtype=np.float32)[-1]) - exactly(rows[0], rows[0]))


@pytest.mark.parametrize("d", [64, 256, 300, 1024, 5000])
def test_products_in_runs_keep_to_their_bound(d):
    rows = np.vstack([copies_of(base(d), 8), two_beside(d)]).astype(np.float32)
    rows /= np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1, keepdims=True)).astype(np.float32)
    exact = np.array([[exactly(a, b) for b in rows] for a in rows])
    assert np.abs(products_in_runs(rows, rows) - exact).max() <= runs_error_share(d)
    out = np.empty(exact.shape, np.float32)
    assert products_in_runs(rows, rows, out) is out
    assert np.abs(out - exact).max() <= runs_error_share(d)
    for at in range(len(rows)):
        assert np.abs(products_with(rows, rows[at]) - exact[at]).max() <= runs_error_share(d)
    assert runs_error_share(d) <= error_share(min(d, RUN) + 20)


def test_products_in_runs_do_not_depend_on_how_many_rows_are_held(monkeypatch):
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=(n, 700)).astype(np.float32) for n in (50, 31))
    monkeypatch.setattr("variegate.geometry.vectors.RUN_ROWS", 7)
    np.testing.assert_allclose(products_in_runs(left, right), left.astype(float) @ right.T, atol=1e-3)


@pytest.mark.parametrize("terms", [100, 5000])
def test_a_raised_sum_is_no_less_than_it_is(terms):
    numbers = np.full(terms, HALF * LOST, np.float32)
    numbers[0] = 0.5
    found = float(np.cumsum(numbers, dtype=np.float32)[-1])
    exact = float(numbers.sum(dtype=np.float64))
    assert found * (1 + sum_share(0)) < exact, "a bound that does not grow with the terms is too small"
    assert found < exact <= found * (1 + sum_share(terms))


def test_float64_sums_and_angles_keep_to_their_bounds():
    d = 4096
    row = np.full(d, math.sqrt(LOST * 2.0**-54))
    row[0] = math.sqrt(0.5)
    row[1] = math.sqrt(Fraction(1, 2) - sum(Fraction(value) ** 2 for value in row[2:].tolist()))
    exact = float(sum(Fraction(value) ** 2 for value in row.tolist()))
    off = abs(float(np.cumsum(row * row)[-1]) - exact)
    assert d / 4 * 2.0**-53 < off <= wide_error_share(d)
    # The angle of a row with itself is 0, and what float64 says where it is off by that.
    assert 1e-6 < math.acos(1 - wide_error_share(d)) <= angle_error(d)
    assert math.acos(0.3 - wide_error_share(d)) - math.acos(0.3) <= angle_error(d)
