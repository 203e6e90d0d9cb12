"""Facility location by lists of pairs: the picks of scoring every row by the definition, whenever the lists begin."""

from __future__ import annotations

import numpy as np
import pytest

import variegate as vg
from variegate.strategies.facility_location import facility_location
from variegate.strategies.objectives.similarity import Coverage, _pairs_above
from variegate.strategies.room import Room

RNG = np.random.default_rng


@pytest.fixture
def x():
    rows = RNG(1).normal(size=(220, 6)) + 0.3
    # Copies, and rows that differ from others by less than float32 can tell.
    return np.vstack([rows, rows[:40] * 2, rows[:20] * (1 + 1e-7 * RNG(2).normal(size=(20, 6)))])


def near(x):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.maximum(unit @ unit.T, 0)


def greedy(similar, size, columns, before=()):
    """Score every row at every step; the columns are those that count."""
    picks = list(before)
    while len(picks) < size:
        best = similar[columns][:, picks].max(axis=1, initial=0)
        gains = np.maximum(similar[columns] - best[:, None], 0).sum(axis=0)
        gains[picks] = -1
        picks.append(int(np.flatnonzero(gains >= gains.max() * (1 - 1e-11))[0]))
    return picks


def by_definition(similar, picks):
    best = [similar[:, picks[:count]].max(axis=1, initial=0).mean() for count in range(len(picks) + 1)]
    return np.diff(best)


@pytest.fixture(params=[0, 500, 4000, 10**6], ids=lambda most: f"{most} pairs")
def most(request, monkeypatch):
    monkeypatch.setattr("variegate.strategies.objectives.similarity.PAIRS", request.param)
    return request.param


@pytest.mark.parametrize("rows", [7, 512])
def test_the_picks_are_the_best_whenever_lists_begin(rows, most, x, monkeypatch):
    monkeypatch.setattr("variegate.strategies.objectives.similarity.ROWS", rows)
    monkeypatch.setattr("variegate.strategies.objectives.similarity.COLUMNS", 2 * rows)
    monkeypatch.setattr("variegate.strategies.objectives.similarity.TOGETHER", rows)
    monkeypatch.setattr("variegate.strategies.objectives.similarity.BLOCK", 3 * rows)
    similar = near(x)
    expected = greedy(similar, 120, np.arange(len(x)))
    found = facility_location(x, 120, seed=0)
    assert found.rows.tolist() == expected
    np.testing.assert_allclose(found.gains, by_definition(similar, expected), rtol=1e-9)
    assert found.notes == []


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 5, 300])
def test_what_is_scored_together_decides_nothing(threads, batch, most, x, monkeypatch):
    from threadpoolctl import threadpool_limits

    expected = facility_location(x, 90, seed=0).rows.tolist()
    monkeypatch.setattr("variegate.strategies.objectives.greedy.BATCH", batch)
    monkeypatch.setattr("variegate.strategies.objectives.greedy.MANY", batch)
    with threadpool_limits(threads):
        assert facility_location(x, 90, seed=0).rows.tolist() == expected


def test_what_is_owned_comes_first(most, x):
    owned = np.arange(30, 60)
    expected = greedy(near(x), 70, np.arange(len(x)), owned.tolist())[30:]
    room = Room(len(x), 40, owned=owned)
    assert facility_location(x, 40, seed=0, room=room).rows.tolist() == expected


def test_a_sample_stands_for_all_until_there_are_lists(x, monkeypatch):
    monkeypatch.setattr("variegate.strategies.objectives.similarity.PAIRS", 4000)
    similar = near(x)
    found = facility_location(x, 80, seed=5, exact_rows=100, sample=60)
    first = found.params["sampled_picks"]
    assert 3 < first < 60
    sample = np.sort(RNG(5).choice(len(x), 60, replace=False))
    start = greedy(similar, first, sample)
    assert start != greedy(similar, first, np.arange(len(x)))
    assert found.rows.tolist() == greedy(similar, 80, np.arange(len(x)), start)
    # Gains are by all rows from the first pick on.
    np.testing.assert_allclose(found.gains, by_definition(similar, found.rows.tolist()), rtol=1e-9)
    assert f"the first {first} picks were the best for 60 rows drawn from the 280" in found.notes[0]
    loss = 1 - sum(found.gains) / sum(facility_location(x, 80, seed=5).gains)
    assert loss < 0.01


def test_the_record_says_what_was_sampled(x):
    whole = vg.select(x, 20, "facility_location")
    assert (whole.params["exact_rows"], whole.params["sample"]) == (50_000, 4096)
    assert "sampled_picks" not in whole.params
    sampled = vg.select(x, 20, "facility_location", exact_rows=0, sample=50)
    assert sampled.params["sampled_picks"] >= 1
    assert "a larger exact_rows makes every pick exact" in sampled.notes[0]
    for name, value in (("exact_rows", -1), ("sample", 0), ("sample", True)):
        with pytest.raises(vg.ParameterError, match=f"'{name}' parameter of facility_location"):
            vg.select(x, 20, "facility_location", **{name: value})


@pytest.mark.parametrize("pairs", [0, 3000, 10**6])
def test_gains_are_within_their_slack(pairs, x):
    cover = Coverage(x, pairs=pairs)
    similar = near(x)
    rows = np.arange(len(x))
    for count, pick in enumerate(RNG(3).permutation(len(x))[:60].tolist()):
        before = cover.gains(rows)
        touched = cover.take(pick)
        renewed = cover.renewed()
        after = cover.gains(rows)
        if renewed is None and touched is not None:
            np.testing.assert_array_equal(np.delete(before, touched), np.delete(after, touched))
        best = similar[:, RNG(3).permutation(len(x))[: count + 1]].max(axis=1)
        exact = np.maximum(similar - best[:, None], 0).sum(axis=0)
        assert (np.abs(after - exact) <= cover.slack() + 1e-9).all()
        np.testing.assert_allclose(cover.exact(rows), exact, atol=1e-9)
    assert (cover.lists is None) == (pairs == 0)


def test_pairs_above(x, monkeypatch):
    monkeypatch.setattr("variegate.strategies.objectives.similarity.BLOCK", 26)
    unit = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    least = RNG(4).uniform(0.2, 0.9, size=len(x)).astype(np.float32)
    few, found = _pairs_above(unit, least, 10**6, 10**6)
    assert few and found is not None
    dense = np.zeros((len(x), len(x)), np.float32)
    dense[found[0], found[1]] = found[2]
    similar = unit @ unit.T
    sure = np.abs(similar - least[:, None]) > 1e-5
    np.testing.assert_allclose(dense[sure], np.where(similar > least[:, None], similar, 0)[sure], atol=1e-6)
    assert len(found[0]) == (dense > 0).sum()
    count = len(found[0])
    assert _pairs_above(unit, least, count - 1, count) == (False, None)
    assert _pairs_above(unit, least, count, count - 1) == (True, None)
    assert len(_pairs_above(unit, least, count, count)[1][0]) == count
