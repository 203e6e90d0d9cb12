"""Neighbours, near-duplicates and distances against plain loops, on any block size."""

from __future__ import annotations

import numpy as np
import pytest

from tests import reference
from variegate.geometry import (
    cosine_distance_rows,
    density,
    distinct_rows,
    near_duplicates,
    nearest,
    similar_pairs,
    typical_neighbour_distance,
    unit_rows,
)
from variegate.geometry.copies import copies
from variegate.geometry.neighbours.bounds import Screen

RNG = np.random.default_rng


@pytest.mark.parametrize("rows", [7, 64, 8192])
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_nearest_against_sorting_everything(rows, offset, monkeypatch):
    monkeypatch.setattr("variegate.geometry.neighbours.bounds.POINT_ROWS", rows)
    points = RNG(0).normal(size=(203, 6)) + offset
    points[50:60] = points[40:50]  # ties go to the lower row
    queries = np.vstack([points[:30], RNG(1).normal(size=(11, 6)) + offset])
    squared, at = nearest(queries, points, 9)
    whole = ((queries[:, None, :] - points[None]) ** 2).sum(axis=2)
    expected = np.argsort(whole, axis=1, kind="stable")[:, :9]
    np.testing.assert_array_equal(at, expected)
    np.testing.assert_allclose(squared, np.take_along_axis(whole, expected, axis=1), atol=1e-18)


def crowd(d=12):
    """Rows of their own, copies, and near copies nearer than float32 products can tell; every float64 distance is exact."""
    rng = RNG(3)
    own = rng.integers(-4, 5, size=(90, d)) / 4.0
    near = np.repeat(own[:3], 60, axis=0) + rng.integers(-3, 4, size=(180, d)) * 2.0**-22
    rows = np.vstack([own, near, np.repeat(own[3:5], 70, axis=0), near[::2], own[5:9] * 1000])
    return rows[rng.permutation(len(rows))].astype(np.float32)


@pytest.mark.parametrize("sizes", [(2048, 2048, 1024, 256, 64, 8192), (7, 5, 11, 3, 2, 11), (64, 33, 64, 300, 64, 64)])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("beyond", "points_at"), [(0.0, None), (2.0**-20, None), (0.7, None), (0.0, "all"), (0.0, "some"), (2.0**-20, "all")]
)
def test_nearest_is_exact_among_copies_and_near_copies(sizes, threads, beyond, points_at, monkeypatch):
    from threadpoolctl import threadpool_limits

    names = (
        "nearest.QUERY_ROWS", "bounds.POINT_ROWS", "among.POINT_ROWS", "nearest.AGAIN_ROWS", "nearest.FEWEST_POINTS",
        "nearest.MOST_POINTS",
    )  # fmt: skip
    for name, size in zip(names, sizes, strict=True):
        monkeypatch.setattr(f"variegate.geometry.neighbours.{name}", size)
    queries = crowd()
    rows = np.flatnonzero(RNG(4).uniform(size=len(queries)) < 0.7) if points_at == "some" else np.arange(len(queries))
    with threadpool_limits(threads):
        squared, at = nearest(queries, queries[rows], 12, beyond=beyond, points_at=rows if points_at else None)
    wide = queries.astype(np.float64)
    whole = ((wide[:, None] - wide[None, rows]) ** 2).sum(axis=2)
    whole[whole <= beyond**2] = np.inf if beyond else 0.0
    expected = np.argsort(whole, axis=1, kind="stable")[:, :12]
    np.testing.assert_array_equal(at, expected)
    np.testing.assert_array_equal(squared, np.take_along_axis(whole, expected, axis=1))


@pytest.mark.parametrize("scale", [1e-14, 1.0, 1e14])
def test_bounds_are_never_above_the_distance(scale):
    points = (RNG(0).normal(size=(300, 40)) * scale).astype(np.float32)
    points[100:200] = points[:100] * (1 + 1e-6 * RNG(1).normal(size=(100, 40)))
    screen = Screen(points)
    queries = screen.queries(points)
    bounds = screen.bounds(queries, 0, 300) + screen.offset(queries)[:, None]
    wide = points.astype(np.float64)
    assert (bounds <= ((wide[:, None] - wide[None]) ** 2).sum(axis=2)).all()
    # Nor are they far below it.
    assert (bounds >= ((wide[:, None] - wide[None]) ** 2).sum(axis=2) - 1e-3 * scale**2).all()


def test_nearest_beyond_a_distance_passes_over_copies():
    points = np.array([[0.0, 0], [1e-9, 0], [3, 0], [3, 1e-9], [10, 0]])
    squared, at = nearest(points[:1], points, 4, beyond=0.01)
    assert at.tolist() == [[2, 3, 4, -1]]
    assert squared[0, :3].tolist() == [9.0, 9.0, 100.0]
    assert np.isinf(squared[0, 3])


def test_nearest_of_fewer_points_than_spares():
    squared, at = nearest(np.eye(3), np.eye(3), 3)
    assert at.tolist() == [[0, 1, 2], [1, 0, 2], [2, 0, 1]]
    assert squared.tolist() == [[0, 2, 2], [0, 2, 2], [0, 2, 2]]


def test_density_against_sorting_everything():
    points = RNG(0).normal(size=(90, 4))
    expected = reference.densities(points[:20], points, 5, 0.7)
    np.testing.assert_allclose(density(points[:20], points, k=5, beta=0.7), expected, rtol=1e-9)


def test_members_of_sets_of_copies():
    same = copies(np.array([5.0, 1, 5, 7, 1, 5])[:, None])
    assert same.first.tolist() == [0, 1, 3]
    rows, counts = same.members(np.array([2, 0, 1]), 2)
    assert rows.tolist() == [3, 0, 2, 1, 4]
    assert counts.tolist() == [1, 2, 2]


def test_distinct_rows_are_bit_identical_ones():
    x = np.array([[1.0, 2], [1, 2], [3, 4], [1, np.nextafter(2, 3)]])
    assert distinct_rows(x).tolist() == [0, 2, 3]


@pytest.mark.parametrize("rows", [5, 64, 1024])
def test_near_duplicates_against_plain_loops(rows, monkeypatch):
    monkeypatch.setattr("variegate.geometry.duplicates.ROWS", rows)
    base = RNG(4).normal(size=(60, 5))
    x = np.vstack([base, base[:30] + RNG(5).normal(scale=0.1, size=(30, 5)), base[:10] * (1 + 1e-7)])[RNG(6).permutation(100)]
    groups = near_duplicates(x, k=5)
    assert groups.radius == pytest.approx(typical_neighbour_distance(x, k=5) / 3)
    assert groups.representative.tolist() == reference.leaders(x, groups.radius)
    heads = x[groups.representatives]
    apart = np.sqrt(((heads[:, None] - heads[None]) ** 2).sum(axis=2))[~np.eye(len(heads), dtype=bool)]
    assert apart.min() > groups.radius
    assert groups.collapsed == 100 - len(heads) >= 40


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_near_duplicates_follow_the_scale_of_the_vectors(scale, shift):
    base = RNG(4).normal(size=(80, 5)).astype(np.float32)
    x = np.vstack([base, base[:20] * (1 + 1e-6)])
    plain = near_duplicates(x).representative
    np.testing.assert_array_equal(near_duplicates((x.astype(np.float64) + shift) * scale).representative, plain)


def test_copies_of_one_row_are_one_group():
    x = np.full((30, 4), 0.3) * (1 + 1e-7 * RNG(0).normal(size=(30, 4)))
    assert near_duplicates(x).collapsed == 29
    assert near_duplicates(np.ones((5, 2))).collapsed == 4


def test_the_scale_is_not_fooled_by_copies_of_everything():
    base = RNG(0).normal(size=(100, 8))
    copies = np.vstack([base * (1 + 1e-7 * RNG(at).normal(size=base.shape)) for at in range(12)])
    assert near_duplicates(copies).collapsed == 1100


@pytest.mark.parametrize("block_bytes", [4 * 50, 4 * 50 * 7, 1 << 20])
def test_cosine_distances_keep_small_ones_sharp(block_bytes):
    x = RNG(0).normal(size=(50, 8)).astype(np.float32)
    x[10] = x[3] * np.float32(2)
    x[11] = x[3] + np.float32(1e-4) * x[4]
    unit = unit_rows(x)
    exact = 0.5 * ((unit[:, None] - unit[None]) ** 2).sum(axis=2)
    for rows, block in cosine_distance_rows(x, block_bytes):
        np.testing.assert_allclose(block, exact[rows], rtol=3e-3, atol=1e-12)
        small = exact[rows] < 5e-5
        np.testing.assert_allclose(block[small], exact[rows][small], rtol=1e-6, atol=1e-14)


def test_cosine_distances_of_very_many_copies_are_sharp_too():
    x = np.repeat(RNG(0).normal(size=(2, 8)), 40, axis=0)
    ((_, block),) = cosine_distance_rows(x)
    # What the rounding of a float64 product leaves.
    assert abs(block[:40, :40]).max() < 1e-14
    assert block[:40, 40:].min() > 0.01


@pytest.mark.parametrize("block_bytes", [1, 4 * 60 * 7, 1 << 20])
@pytest.mark.parametrize("threshold", [-1, 0.0, 0.5, 0.9, 1.0])
def test_similar_pairs_against_plain_loops(block_bytes, threshold):
    x = np.random.default_rng(0).normal(size=(60, 4))
    # Copies of another length are alike but for rounding.
    x[50:] = x[:10] * 3.7
    cosines = {(i, j): 1 - reference.cosine_distance(x[i], x[j]) for i in range(60) for j in range(i + 1, 60)}
    expected = {pair: cosine for pair, cosine in cosines.items() if cosine >= threshold - 1e-12}
    blocks = list(similar_pairs(x.astype(np.float64), threshold, block_bytes))
    rows, others, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
    assert list(zip(rows.tolist(), others.tolist(), strict=True)) == list(expected)
    assert values == pytest.approx(np.array(list(expected.values())), abs=1e-12)
    assert values.max() <= 1
