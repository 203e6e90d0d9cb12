"""What people compare with: each by its rule, against slow code that follows the definition step by step."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from tests.reference import cosine_distance
from variegate.strategies.blend import blend
from variegate.strategies.instag import instag
from variegate.strategies.objectives.greedy import lazy_greedy
from variegate.strategies.room import Room
from variegate.strategies.token_coverage import token_coverage
from variegate.views.tokens import Tokens


def points(n=60, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 5)) + 0.4


def similarities(x):
    return np.array([[1 - cosine_distance(a, b) for b in x] for a in x])


def greedy(size, score, n, start=()):
    """Score every row at every step; the lowest of the best."""
    picks = list(start)
    while len(picks) < size:
        scores = {row: score(picks, row) for row in range(n) if row not in picks}
        best = max(scores.values())
        picks.append(min(row for row, value in scores.items() if value >= best - 1e-9))
    return picks


def test_oracles(oracle):
    pool = oracle["reference"]
    name = "dpp_map (cosine kernel) on reference[:120], k=20, first=0"
    assert vg.select(pool[:120], 20, "dpp", first=0).indices.tolist() == oracle[name]
    name = "facility_location of 40 greedy picks from reference[:600] (mean of max cosine similarity, clipped at 0)"
    chosen = vg.select(pool[:600], 40, "facility_location")
    assert sum(chosen.gains) == pytest.approx(oracle[name], rel=1e-5)


@pytest.mark.parametrize("first", [None, 7])
@pytest.mark.parametrize("alpha", [None, 0.0, 0.3, 1.0])
def test_facility_location_and_qdit(first, alpha, monkeypatch):
    monkeypatch.setattr("variegate.strategies.objectives.greedy.BATCH", 3)
    x = points()
    k = np.maximum(similarities(x), 0)
    quality = np.random.default_rng(5).random(60).round(3)
    quality = (quality - quality.min()) / (quality.max() - quality.min())

    def score(picks, row):
        gain = (np.maximum(k[:, row], k[:, picks].max(axis=1, initial=0)) - k[:, picks].max(axis=1, initial=0)).mean()
        return gain if alpha is None else (1 - alpha) * gain + alpha * quality[row]

    expected = greedy(20, score, 60, [] if first is None else [first])
    from variegate.strategies.facility_location import facility_location

    options = {} if alpha is None else {"quality": quality, "alpha": alpha}
    found = facility_location(x, 20, seed=0, first=first, **options)
    assert found.rows.tolist() == expected
    assert found.gains[-1] == pytest.approx(score(expected[:-1], expected[-1]), rel=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
def test_dpp_is_the_greedy_determinant(weighted):
    x = points(40)
    quality = np.random.default_rng(5).random(40)
    weights = np.exp(quality) if weighted else np.ones(40)
    kernel = similarities(x) * np.outer(weights, weights)

    def score(picks, row):
        rows = [*picks, row]
        return np.linalg.slogdet(kernel[np.ix_(rows, rows)])[1]

    from variegate.strategies.dpp import dpp

    found = dpp(x, 5, seed=0, first=None, quality=quality if weighted else None)
    assert found.rows.tolist() == greedy(5, score, 40)
    assert sum(found.gains) == pytest.approx(score(found.rows[:-1].tolist(), found.rows[-1]), rel=1e-6)


def test_dpp_says_how_many_rows_have_volume():
    with pytest.raises(vg.DataError, match=r"vectors: dpp can choose 5 rows of this pool, not the 6 asked for"):
        vg.select(points(), 6, "dpp")
    flat = np.hstack([points(30)[:, :2], np.zeros((30, 3))])
    with pytest.raises(vg.DataError, match="dpp can choose 2 rows"):
        vg.select(flat, 3, "dpp")


def test_max_sum_is_the_greedy_sum():
    x = points()
    distance = 1 - similarities(x)
    expected = greedy(15, lambda picks, row: distance[row, picks].sum(), 60, [4])
    found = vg.select(x, 15, "max_sum", first=4)
    assert found.indices.tolist() == expected
    assert found.gains[-1] == pytest.approx(distance[expected[-1], expected[:-1]].sum())


@pytest.mark.parametrize("by_quality", [False, True])
def test_repr_filter_keeps_what_is_unlike_the_kept(by_quality):
    from variegate.strategies.repr_filter import repr_filter

    x = points()
    k = similarities(x)
    quality = np.random.default_rng(5).integers(4, size=60) / 3
    order = np.argsort(-quality, kind="stable") if by_quality else np.random.default_rng(3).permutation(60)
    kept: list[int] = []
    for row in order.tolist():
        if all(k[row, other] <= 0.8 for other in kept):
            kept.append(row)
    found = repr_filter(x, len(kept), seed=3, threshold=0.8, quality=quality if by_quality else None)
    assert found.rows.tolist() == kept
    with pytest.raises(
        vg.DataError, match=f"repr_filter: {len(kept)} rows are at most 0.8 alike, fewer than the {len(kept) + 1}"
    ):
        repr_filter(x, len(kept) + 1, seed=3, threshold=0.8, quality=quality if by_quality else None)


@pytest.mark.parametrize("within", ["random", "nearest"])
def test_k_means_gives_clusters_equal_quotas(within):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(3), [50, 30, 4])
    x = np.eye(4)[groups] * 9 + rng.normal(size=(84, 4)) * 0.1
    chosen = vg.select(x, 20, "k_means", k=3, within=within).indices
    # The small cluster has four rows only; the others share the rest.
    assert np.bincount(groups[chosen]).tolist() == [8, 8, 4]
    assert sorted(groups[chosen[:3]].tolist()) == [0, 1, 2]
    if within == "nearest":
        first = chosen[groups[chosen] == 0]
        distance = np.linalg.norm(x[:50] - x[:50].mean(axis=0), axis=1)
        assert first.tolist() == np.argsort(distance, kind="stable")[:8].tolist()
    assert len(vg.select(x, 84, "k_means").indices) == 84


def test_semdedup_drops_the_most_redundant():
    x = points(50)
    x[40:] = x[:10] * 2
    found = vg.select(x, 40, "semdedup", k=1)
    centre = x.mean(axis=0)
    order = sorted(range(50), key=lambda row: (-float(np.square(x[row] - centre).sum()), row))
    k = similarities(x)
    redundancy = {row: max((k[row, other] for other in order[:at]), default=-1.0) for at, row in enumerate(order)}
    expected = sorted(range(50), key=lambda row: (round(redundancy[row], 9), row))[:40]
    assert sorted(found.indices.tolist()) == sorted(expected)
    assert found.params["threshold_realised"] == pytest.approx(redundancy[expected[-1]])
    # Of each row and its copy one goes.
    assert all((row in found.indices) != (row + 40 in found.indices) for row in range(10))
    left = sum(value <= 0.9 for value in redundancy.values())
    assert len(vg.select(x, left, "semdedup", k=1, threshold=0.9).indices) == left
    with pytest.raises(vg.DataError, match=f"{left} rows are at most 0.9 redundant, fewer than the {left + 1}"):
        vg.select(x, left + 1, "semdedup", k=1, threshold=0.9)


def test_instag_passes_again_and_again():
    tags = Tokens.from_lists([[1], [1, 2, 3], [2, 3], [4, 5], [], [1, 4], [6]])
    found = instag(tags, 6, seed=0)
    # First pass: the three tags, then two new ones, then what brings a single one; the rest in passes of their own.
    assert found.rows[0] == 1
    assert set(found.rows[:4].tolist()) >= {1, 6}
    assert sorted(found.rows.tolist()) == [0, 1, 2, 3, 5, 6]
    assert found.gains[0] == 3
    assert found.params["passes"] >= 2
    with pytest.raises(vg.DataError, match="instag: 6 of 7 rows have tags, so 7 cannot be chosen"):
        instag(tags, 7, seed=0)


def token_score(rows, g, low, high):
    counts: dict[int, int] = {}
    for row in rows:
        for token in row:
            counts[token] = counts.get(token, 0) + 1
    band = {token for token, count in counts.items() if low <= count <= (high or math.inf)}

    def score(picks, row):
        def value(chosen):
            held: dict[int, int] = {}
            for one in chosen:
                for token in rows[one]:
                    held[token] = held.get(token, 0) + 1
            return sum(g(count) for token, count in held.items() if token in band)

        return value([*picks, row]) - value(picks)

    return score


@pytest.mark.parametrize("concave", ["log", "sqrt"])
@pytest.mark.parametrize("high", [None, 20])
def test_token_coverage_is_the_greedy_maximum(concave, high, monkeypatch):
    monkeypatch.setattr("variegate.strategies.objectives.greedy.BATCH", 4)
    rng = np.random.default_rng(0)
    rows = [(rng.zipf(1.4, size=rng.integers(0, 12)) % 60).tolist() for _ in range(50)]
    score = token_score(rows, math.log1p if concave == "log" else math.sqrt, 2, high)
    found = token_coverage(Tokens.from_lists(rows), 12, seed=0, concave=concave, low=2, high=high)
    assert found.rows.tolist() == greedy(12, score, 50)
    assert found.gains[5] == pytest.approx(score(found.rows[:5].tolist(), found.rows[5]))


def test_blend_is_the_greedy_maximum_of_both():
    rng = np.random.default_rng(0)
    rows = [(rng.zipf(1.4, size=rng.integers(1, 12)) % 60).tolist() for _ in range(40)]
    x = points(40)
    k = np.maximum(similarities(x), 0)
    words = token_score(rows, math.log1p, 1, None)
    everything = sum(math.log1p(sum(row.count(t) for row in rows)) for t in {t for row in rows for t in row})

    def score(picks, row):
        near = (np.maximum(k[:, row], k[:, picks].max(axis=1, initial=0)) - k[:, picks].max(axis=1, initial=0)).sum()
        return 0.3 * words(picks, row) / everything + 0.7 * near / 40

    found = blend((x, Tokens.from_lists(rows)), 10, seed=0, weight=0.3, low=1, high=None)
    assert found.rows.tolist() == greedy(10, score, 40)


def test_lazy_greedy_breaks_ties_to_the_lowest_row():
    done = lazy_greedy(np.ones(7), Room(7, 4), lambda rows: np.ones(len(rows)), lambda row: None, start=[5])
    assert done.rows.tolist() == [5, 0, 1, 2]
    assert done.gains == [None, 1.0, 1.0, 1.0]
    assert done.total == 4


@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        ("facility_location", {"alpha": 2}, r"'alpha' parameter of facility_location must be a number in \[0, 1\]"),
        ("repr_filter", {"threshold": -1}, "'threshold' parameter of repr_filter"),
        ("k_means", {"within": "last"}, "'within' parameter of k_means"),
        ("k_means", {"k": 0}, "'k' parameter of k_means"),
        ("semdedup", {"threshold": 2}, "'threshold' parameter of semdedup"),
        ("k_center", {"quality": "q"}, "'quality' parameter of k_center must be left out, since it weighs no quality"),
        ("repr_filter", {"quality": "q"}, "holds vectors only, so it has no field 'q'"),
    ],
)
def test_options_that_cannot_be(strategy, options, message):
    with pytest.raises(vg.VariegateError, match=message):
        vg.select(points(), 5, strategy, **options)


def test_null_means_no_bound_where_a_strategy_takes_it():
    every = vg.select(SAMPLE, 5, "token_coverage", low=1, high=None)
    assert every.params["types"] == len(vg.load(SAMPLE).tokens("both", "llama2").type_counts[0])
    assert vg.select(SAMPLE, 5, "micro", low=2, high=None).params["types"] < every.params["types"]
    with pytest.raises(vg.ParameterError, match=r"'low' parameter of token_coverage must be a whole number\. Got None"):
        vg.select(SAMPLE, 5, "token_coverage", low=None)


def test_quality_is_a_column_of_numbers(tmp_path):
    rows = [{"text": f"row {at} of {at * at}", "score": 5 - at} for at in range(6)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = vg.select(tmp_path / "a.jsonl", 2, "repr_filter", quality="score", threshold=1)
    assert found.indices.tolist() == [0, 1]
    assert found.params["quality"] == "score"
    rows[3]["score"] = "good"
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(vg.DataError, match=r"a\.jsonl, line 4: the quality 'score' must be a finite number. Got 'good'"):
        vg.select(tmp_path / "a.jsonl", 2, "repr_filter", quality="score")


@pytest.mark.parametrize("name", sorted(set(vg.STRATEGIES) - {"macro", "dpp"}))
def test_every_strategy_on_texts_gives_exactly_what_was_asked_for(name):
    chosen = vg.select(SAMPLE, 25, name, side="response", seed=3)
    again = vg.select(SAMPLE, 25, name, side="response", seed=3)
    assert len(set(chosen.indices.tolist())) == chosen.n == 25
    assert again.indices.tolist() == chosen.indices.tolist()
    json.dumps(chosen.as_dict(), allow_nan=False)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("duplicates", ["near", "exact"])
def test_novelselect_weighs_quality(gamma, duplicates, monkeypatch):
    from variegate.geometry import density
    from variegate.strategies.novelselect.strategy import novelselect

    monkeypatch.setattr("variegate.strategies.novelselect.strategy.BATCH", 3)
    x = points(50)
    quality = np.random.default_rng(5).random(50)
    quality[7] = 0
    sigma = density(x, x, k=4, beta=0.5)
    distance = 1 - similarities(x)

    def score(picks, row):
        weighted = np.sort(distance[row, picks] * (sigma[row] + sigma[picks]))
        return float((weighted / np.arange(1, len(picks) + 1)).sum()) * quality[row] ** gamma

    expected = greedy(30, score, 50, [2])
    found = novelselect(x, 30, seed=0, k=4, first=2, duplicates=duplicates, quality=quality, gamma=gamma)
    assert found.rows.tolist() == expected
    assert found.gains[-1] == pytest.approx(score(expected[:-1], expected[-1]), rel=1e-9)
    plain = novelselect(x, 30, seed=0, k=4, first=2, duplicates=duplicates)
    assert (
        novelselect(x, 30, seed=0, k=4, first=2, duplicates=duplicates, quality=quality, gamma=0.0).rows.tolist()
        == plain.rows.tolist()
    )
    assert novelselect(x, 50, seed=0, k=4, first=2, duplicates=duplicates, quality=quality).rows[-1] == 7


def test_novelselect_by_a_column(tmp_path):
    rows = [{"text": f"row {at} of {at * at} and {at % 7}", "score": at % 5} for at in range(60)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = vg.select(tmp_path / "a.jsonl", 12, "novelselect", quality="score", gamma=4)
    assert (found.params["quality"], found.params["gamma"]) == ("score", 4)
    assert all(rows[index]["score"] > 0 for index in found.indices[1:])
    with pytest.raises(vg.ParameterError, match="'gamma' parameter of novelselect"):
        vg.select(tmp_path / "a.jsonl", 12, "novelselect", quality="score", gamma=-1)
