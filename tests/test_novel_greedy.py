"""NovelSelect's greedy loop: the picks of scoring every row at every step, whatever the sizes of its blocks; bounds that hold."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tests import reference
from variegate.geometry import density, near_duplicates
from variegate.geometry.threads import Threads
from variegate.strategies.novelselect.candidates import Candidates
from variegate.strategies.novelselect.front import Front
from variegate.strategies.novelselect.loop import greedy
from variegate.strategies.novelselect.rest import Rest
from variegate.strategies.novelselect.scores import Scores
from variegate.strategies.room import Room

RNG = np.random.default_rng
# Rows in the front, picks in a block, rows scored together in float32 and in float64, when scores are too old.
SIZES = [(1, 1, 1, 1, 0.0), (5, 3, 2, 2, 0.1), (16, 7, 4, 3, 0.5), (40, 1000, 9, 50, 1.0)]


@pytest.fixture(params=SIZES, ids=str)
def batch(request, monkeypatch):
    """Set the sizes; the value is that of a batch in float64, which is an argument."""
    front, block, coarse, exact, stale = request.param
    monkeypatch.setattr("variegate.strategies.novelselect.loop.FRONT", front)
    monkeypatch.setattr("variegate.strategies.novelselect.loop.BLOCK", block)
    monkeypatch.setattr("variegate.strategies.novelselect.front.COARSE", coarse)
    monkeypatch.setattr("variegate.strategies.novelselect.front.STALE", stale)
    monkeypatch.setattr("variegate.strategies.novelselect.rest.GROUPS", max(1, front // 4))
    monkeypatch.setattr("variegate.strategies.novelselect.front.TOGETHER", exact)
    monkeypatch.setattr("variegate.strategies.novelselect.exact.MOST", front + 1)
    monkeypatch.setattr("variegate.strategies.novelselect.scores.ROWS", 13)
    monkeypatch.setattr("variegate.strategies.novelselect.scores.PICKS", max(2, block))
    monkeypatch.setattr("variegate.strategies.novelselect.scores.TOGETHER", 40 * front)
    return exact


@pytest.fixture
def threads():
    with Threads() as several:
        yield several


def pool(seed, n=90, copies=12, d=5, away=0.0):
    """Rows around a point away from the origin, the last of them copies and near-copies of the first."""
    x = RNG(seed).normal(size=(n, d)) + away
    x[-copies:] = x[:copies]
    x[-copies // 2 :] *= 1 + 1e-7
    return x


def score_of(x, sigma, picks, row, alpha=1.0, density_of="both"):
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    factor = sigma[row] + sigma[picks] if density_of == "both" else sigma[picks]
    weighted = np.sort(np.maximum(1 - unit[picks] @ unit[row], 0) * factor)
    return float((weighted / np.arange(1, len(picks) + 1) ** alpha).sum())


def by_trying_all(x, sigma, room, worth, start=None):
    """Score every row that there is room for, at every step."""
    room, picks = room.copy(), []
    if start is not None:
        room.take(start)
        picks.append(start)
    while not room.full:
        seen = [*room.owned.tolist(), *picks]
        found = {row: score_of(x, sigma, seen, row) * worth[row] for row in np.flatnonzero(room.open).tolist()}
        best = max(found.values())
        pick = min(row for row, score in found.items() if score >= best - 1e-12 * abs(best))
        room.take(pick)
        picks.append(pick)
    return picks


@pytest.mark.parametrize("density_of", ["both", "other"])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 3.0, 40.0])
def test_picks_are_those_of_the_definition(alpha, density_of, batch):
    x = pool(1)
    sigma = RNG(2).uniform(0.5, 3, size=90)
    sigma[-12:] = sigma[:12]
    expected = reference.novelselect(x, sigma, 70, 4, alpha, density_of)
    rows, gains, spaced = greedy(x, sigma, Room(90, 70), 4, alpha, density_of, batch=batch)
    assert rows.tolist() == expected
    assert spaced == 70
    picks = np.array(expected)
    for at in (1, 30, 69):
        assert gains[at] == pytest.approx(score_of(x, sigma, picks[:at], picks[at], alpha, density_of), rel=1e-12)


@pytest.mark.parametrize("spacing", [0.0, 1.0, 2.0, 8.0])
@pytest.mark.parametrize("lengths", [False, True])
def test_spacing_and_copies(spacing, lengths, batch):
    x = pool(3, d=3)
    if lengths:
        x *= RNG(4).uniform(0.2, 3, size=(90, 1))
    groups = near_duplicates(x, k=4)
    sigma = density(x, x[groups.representatives], k=4, beta=0.5)
    distance = spacing * groups.radius
    heads = groups.representatives.tolist()
    expected = reference.novelselect(x, sigma, 85, heads[2], candidates=heads, spacing=distance)
    rows, _, spaced = greedy(x, sigma, Room(90, 85), heads[2], 1.0, "both", groups, distance, batch=batch)
    assert rows.tolist() == expected
    points = x[rows]
    apart = np.linalg.norm(points[:, None] - points[None], axis=2) + 99 * np.eye(85)
    if spacing:
        assert apart[:spaced, :spaced].min() > distance
        assert apart[: spaced + 1, : spaced + 1].min() <= distance
        assert 2 < spaced < 85


@pytest.mark.parametrize("owned", [0, 30])
@pytest.mark.parametrize("limit", ["rows", "budget", "quotas"])
@pytest.mark.parametrize("weighted", [False, True])
def test_room_owned_rows_and_worth(owned, limit, weighted, batch):
    rng = RNG(5)
    x, sigma = pool(6), rng.uniform(0.5, 3, size=90)
    have = rng.permutation(90)[:owned]
    given = {
        "rows": {"size": 40},
        "budget": {"costs": rng.integers(1, 60, size=90), "budget": 900},
        "quotas": {"size": 30, "kinds": rng.integers(0, 3, size=90), "quotas": np.array([5, 14, 11])},
    }[limit]
    worth = rng.choice([0.0, 0.3, 1.0, 1.7], size=90) if weighted else np.ones(90)
    start = None if owned else int(np.argmin(given.get("costs", np.ones(90))))
    expected = by_trying_all(x, sigma, Room(90, owned=have, **given), worth, start)
    room = Room(90, owned=have, **given)
    rows, gains, _ = greedy(x, sigma, room, start, 1.0, "both", worth=worth if weighted else None, batch=batch)
    assert rows.tolist() == expected
    assert len(rows) > 15
    assert room.full
    last = score_of(x, sigma, [*have.tolist(), *expected[:-1]], expected[-1]) * worth[expected[-1]]
    assert gains[-1] == pytest.approx(last, rel=1e-12, abs=1e-15)


def test_ties_go_to_the_lowest_row(batch):
    x = np.repeat(np.eye(4), 10, axis=0)
    rows, _, _ = greedy(x, np.ones(40), Room(40, 12), 39, 1.0, "both", batch=batch)
    assert rows.tolist() == [39, 0, 10, 20, 1, 11, 21, 30, 2, 12, 22, 31]
    assert rows.tolist() == reference.novelselect(x, np.ones(40), 12, 39)


@pytest.mark.parametrize("threads", [1, 2])
def test_real_sizes_of_blocks_on_more_rows(threads, monkeypatch):
    x = pool(7, n=3000, copies=200, d=12, away=0.4).astype(np.float32)
    groups = near_duplicates(x)
    sigma = density(x, x[groups.representatives], k=10, beta=0.5)
    arguments = (3, 1.0, "both", groups, 1.5 * groups.radius)
    with threadpool_limits(threads):
        rows, gains, spaced = greedy(x, sigma, Room(3000, 400), *arguments)
        monkeypatch.setattr("variegate.strategies.novelselect.loop.FRONT", 150)
        monkeypatch.setattr("variegate.strategies.novelselect.loop.BLOCK", 10)
        again, others, also = greedy(x, sigma, Room(3000, 400), *arguments, batch=64)
    assert rows.tolist() == again.tolist()
    assert spaced == also
    assert gains[1:] == pytest.approx(others[1:], rel=1e-12)


@pytest.mark.parametrize("density_of", ["both", "other"])
@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0, 4.0])
@pytest.mark.parametrize("away", [0.0, 2.0])
def test_no_bound_is_below_the_score(alpha, density_of, away, threads):
    rng = RNG(8)
    x = pool(9, n=160, copies=20, away=away).astype(np.float32)
    sigma, worth = rng.uniform(0.3, 4, size=160), rng.uniform(0.1, 2, size=160)
    scores = Scores(x, sigma, 120, alpha, density_of, threads)
    front = Front(scores, Candidates(x, None, 0.0, Room(160, 120)), worth, 3)
    order = rng.permutation(160)
    wide = x.astype(np.float64)

    def exact():
        picks = scores.rows[: scores.count]
        return np.array([score_of(wide, sigma, picks, row, alpha, density_of) for row in range(160)])

    scores.add(int(order[0]))
    closest, rest = [], front.rest
    for block in range(8):
        front.begin(60, scores.count)
        others = np.setdiff1d(np.arange(160), front.rows)
        for pick in order[1 + 14 * block : 15 + 14 * block].tolist():
            # Some rows of the front are scored at each pick: their bounds are of all ages.
            front.best()
            front.follow(pick)
            true = exact()
            allowed = true * (1 - 1e-12)
            assert (front.bound >= allowed[front.rows]).all()
            assert rest.limits.max() >= (allowed * worth)[others].max()
            scored = front.scored[front.rows] > 0
            closest.append(np.min(front.bound[scored] / true[front.rows][scored]))
        front.close()
        assert (scores.bound >= exact() * (1 - 1e-12)).all()
    # They are worth something too.
    assert np.median(closest) < 1.01


def test_scores_in_float32_are_bounds_and_a_pick_adds_no_more_than_said(threads):
    rng = RNG(10)
    x, sigma = rng.normal(size=(200, 6)), rng.uniform(0.5, 2, size=200)
    scores = Scores(x, sigma, 180, 1.0, "both", threads)
    for row in range(100):
        scores.add(row)
    rows = np.arange(150, 200)
    found = scores.at_most(rows, scores.distances(rows))
    before = np.array([score_of(x, sigma, np.arange(100), row) for row in rows])
    np.testing.assert_allclose(found, before, rtol=1e-4)
    assert (found >= before * (1 - 1e-13)).all()
    for row in range(100, 104):
        scores.add(row)
        found += scores.growth(scores.unit[rows], scores.own[rows])
        after = np.array([score_of(x, sigma, np.arange(row + 1), one) for one in rows])
        assert (found >= after).all()
    assert np.median(found / after) < 1.02


@pytest.mark.parametrize("groups", [1, 7, 90, 1000])
def test_the_rest_has_every_row_in_a_group(groups, monkeypatch):
    monkeypatch.setattr("variegate.strategies.novelselect.rest.GROUPS", groups)
    rest = Rest(np.zeros(90), RNG(11).uniform(size=90), np.ones(90))
    for row in range(90):
        limits = np.full(90, -np.inf)
        limits[row] = row
        rest.begin(limits)
        assert rest.limits.max() == row
        assert len(rest.limits) <= groups
