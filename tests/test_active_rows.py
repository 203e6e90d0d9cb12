"""k-center, max-sum and the representation filter look at few rows at most picks: the picks are those of looking at all."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference import farthest_first
from variegate.strategies.k_center import k_center
from variegate.strategies.max_sum import max_sum
from variegate.strategies.repr_filter import repr_filter
from variegate.strategies.room import Room

RNG = np.random.default_rng


@pytest.fixture
def x():
    rows = RNG(1).normal(size=(120, 6)) + 0.3
    return np.vstack([rows, rows[:30] * 2, np.round(rows[:30], 1)])


@pytest.mark.parametrize("active", [1, 3, 40])
@pytest.mark.parametrize("pending", [1, 7, 500])
def test_k_center(active, pending, x, monkeypatch):
    monkeypatch.setattr("variegate.strategies.k_center.ACTIVE", active)
    monkeypatch.setattr("variegate.strategies.k_center.PENDING", pending)
    monkeypatch.setattr("variegate.strategies.k_center.ROWS", 19)
    monkeypatch.setattr("variegate.strategies.k_center.PAIRS", 5)
    found = k_center(x, 100, seed=0, first=4)
    assert found.rows.tolist() == farthest_first(x, 100, 4)
    at = found.rows
    nearest = [np.linalg.norm(x[at[:t]] - x[at[t]], axis=1).min() for t in range(1, 100)]
    np.testing.assert_allclose(found.gains[1:], nearest, rtol=1e-12)


def greedy_sums(x, quality, alpha, room, first):
    """Add every pick to every row's sum, and look at all."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    distance = 1 - unit @ unit.T
    sums, count = distance[:, room.owned].sum(axis=1), len(room.owned)
    picks: list[int] = []
    while not room.full:
        score = sums if quality is None else (1 - alpha) * sums / max(count, 1) + alpha * quality
        score = np.where(room.open, score, -np.inf)
        row = int(np.flatnonzero(score >= score.max() - 1e-9)[0]) if picks or count else first
        picks.append(row)
        room.take(row)
        sums = sums + distance[:, row]
        count += 1
    return picks


@pytest.mark.parametrize("active", [1, 4, 50])
@pytest.mark.parametrize("longest", [1, 5, 256])
@pytest.mark.parametrize("alpha", [None, 0.0, 0.2, 0.9, 1.0])
@pytest.mark.parametrize("limit", ["size", "owned", "budget"])
def test_max_sum(active, longest, alpha, limit, x, monkeypatch):
    monkeypatch.setattr("variegate.strategies.max_sum.ACTIVE", active)
    monkeypatch.setattr("variegate.strategies.max_sum.LONGEST", longest)
    costs = RNG(3).integers(1, 90, size=len(x))
    room = {
        "size": Room(len(x), 90),
        "owned": Room(len(x), 60, owned=np.arange(5, 25)),
        "budget": Room(len(x), costs=costs, budget=2000),
    }[limit]
    quality = None if alpha is None else RNG(2).random(len(x)).round(2)
    first = None if limit == "owned" else 7
    expected = greedy_sums(x, quality, alpha, room.copy(), first)
    found = max_sum(x, 90, seed=0, first=first, quality=quality, alpha=0.5 if alpha is None else alpha, room=room)
    assert found.rows.tolist() == expected


@pytest.mark.parametrize("rows", [1, 7, 512])
def test_repr_filter(rows, x, monkeypatch):
    whole = repr_filter(x, 60, seed=2, threshold=0.85)
    budget = Room(len(x), costs=RNG(3).integers(1, 90, size=len(x)), budget=900)
    within = repr_filter(x, len(x), seed=2, threshold=0.85, room=budget)
    monkeypatch.setattr("variegate.strategies.repr_filter.ROWS", rows)
    again = repr_filter(x, 60, seed=2, threshold=0.85)
    assert again.rows.tolist() == whole.rows.tolist()
    np.testing.assert_allclose(again.gains[1:], whole.gains[1:], rtol=1e-12)
    assert repr_filter(x, len(x), seed=2, threshold=0.85, room=budget).rows.tolist() == within.rows.tolist()
