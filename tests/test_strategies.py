"""Every strategy: to its definition, exact in number, picks that are known."""

from __future__ import annotations

import json

import numpy as np
import pytest

import variegate as vg
from tests import reference
from variegate.geometry import density, near_duplicates
from variegate.strategies import STRATEGIES

RNG = np.random.default_rng
# Those that can choose any number of rows by their vectors; the others are tried in test_levels and test_baselines.
LIMITED = {"dpp", "repr_filter"}
ON_VECTORS = [name for name, spec in STRATEGIES.items() if spec.view in ("vectors", None) and name not in LIMITED]


def test_oracles(oracle):
    pool = oracle["reference"]
    for name, options in {
        "novelselect on reference, first=0, alpha=1 beta=.5 K=10": {},
        "novelselect on reference, first=0, alpha=2": {"alpha": 2},
    }.items():
        # The pool has no near-duplicates, so both rules give the authors' picks.
        for duplicates in ("exact", "near"):
            picks = vg.select(pool, len(oracle[name]), "novelselect", first=0, duplicates=duplicates, **options)
            assert picks.indices.tolist() == oracle[name], (name, duplicates)
    expected = oracle["k_center (euclidean) on reference, first=0"]
    assert vg.select(pool, len(expected), "k_center", first=0).indices.tolist() == expected


@pytest.mark.parametrize("density_of", ["both", "other"])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("duplicates", ["exact", "near", "keep"])
def test_novelselect_against_scoring_everything(density_of, alpha, duplicates, monkeypatch):
    monkeypatch.setattr("variegate.strategies.novelselect.strategy.BATCH", 3)
    base = RNG(1).normal(size=(70, 5))
    x = np.vstack([base, base[:20] * (1 + 1e-7), base[:5]])
    groups = near_duplicates(x, k=4).representative
    heads = sorted(set(groups.tolist()))
    points = {"exact": np.unique(x, axis=0), "near": x[heads], "keep": x}[duplicates]
    sigma = density(x, points, k=4, beta=0.5)
    candidates = heads if duplicates == "near" else None
    # A fifth of the rows are copies: the pool is redundant.
    spacing = 2 * near_duplicates(x, k=4).radius if duplicates == "near" else 0.0
    expected = reference.novelselect(x, sigma, 90, 2, alpha, density_of, candidates, spacing)
    options = {"first": 2, "alpha": alpha, "k": 4, "density_of": density_of, "duplicates": duplicates}
    assert vg.select(x, 90, "novelselect", **options).indices.tolist() == expected


def test_novelselect_takes_densities_in_the_reference():
    x, other = RNG(0).normal(size=(50, 4)), RNG(1).normal(size=(80, 4)) * [3, 1, 1, 0.2]
    sigma = density(x, other, k=10, beta=0.5)
    chosen = vg.select(x, 20, "novelselect", reference=other, first=0, duplicates="exact")
    assert chosen.indices.tolist() == reference.novelselect(x, sigma, 20, 0)
    assert chosen.params["reference"] == "vectors"


def test_gains_are_scores():
    x = RNG(0).normal(size=(60, 4))
    chosen = vg.select(x, 10, "novelselect", first=5, duplicates="keep", beta=0)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    picks = chosen.indices
    for at in range(1, 10):
        distances = np.sort(2 * (1 - unit[picks[:at]] @ unit[picks[at]]))
        assert chosen.gains[at] == pytest.approx((distances / np.arange(1, at + 1)).sum(), rel=1e-12)
    assert chosen.gains[0] is None


@pytest.fixture
def redundant_pool():
    """1,500 rows of their own, and 40 rows that stand in the pool 26 times each, every time with other last bits."""
    rng = RNG(8)
    own = rng.normal(size=(1500, 16))
    templates = np.repeat(rng.normal(size=(40, 16)), 26, axis=0)
    x = np.vstack([own, templates])
    return (x * (1 + 1e-7 * rng.normal(size=x.shape))).astype(np.float32)


def copies_among(picks: np.ndarray) -> int:
    templates = (picks[picks >= 1500] - 1500) // 26
    return len(templates) - len(set(templates.tolist()))


def test_the_authors_rule_is_defeated_by_noise_in_the_last_bits(redundant_pool):
    chosen = vg.select(redundant_pool, 100, "novelselect", first=0, duplicates="exact")
    assert chosen.params["density_max"] > 100 * chosen.params["density_median"]
    assert copies_among(chosen.indices) > 50


def test_near_duplicates_do_not_win_by_default(redundant_pool):
    chosen = vg.select(redundant_pool, 100, "novelselect", first=0)
    assert chosen.params["density_max"] < 3 * chosen.params["density_median"]
    assert copies_among(chosen.indices) == 0
    assert chosen.params["near_duplicate_rows"] == 40 * 25
    assert "1,000 of 2,540 rows are near-duplicates" in chosen.notes[0]


def test_noise_does_not_change_what_is_picked(redundant_pool):
    again = (redundant_pool.astype(np.float64) * (1 + 1e-7 * RNG(9).normal(size=redundant_pool.shape))).astype(np.float32)
    one, two = (vg.select(x, 100, "novelselect", first=0).indices.tolist() for x in (redundant_pool, again))
    assert one == two


def test_a_pool_of_few_distinct_rows_still_gives_what_was_asked_for(redundant_pool):
    chosen = vg.select(redundant_pool, 1700, "novelselect", first=0)
    assert len(set(chosen.indices.tolist())) == 1700
    assert copies_among(chosen.indices[:1540]) == 0
    assert "picks are at least" in chosen.notes[1]
    assert chosen.params["spaced_picks"] <= 1540


def test_picks_are_spaced_while_they_can_be():
    x = RNG(3).normal(size=(400, 3))
    chosen = vg.select(x, 120, "novelselect", first=0, spacing=2)
    spaced, radius = chosen.params["spaced_picks"], chosen.params["near_duplicate_radius"]
    points = x[chosen.indices]
    apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2)) + 99 * np.eye(120)
    assert spaced > 20
    assert apart[:spaced, :spaced].min() > 2 * radius
    exact = vg.select(x, 120, "novelselect", first=0, duplicates="exact").indices
    assert np.sqrt(((x[exact][:, None] - x[exact][None]) ** 2).sum(axis=2) + 99 * np.eye(120)).min() < 2 * radius


def test_copies_of_one_row_can_be_chosen_from():
    assert sorted(vg.select(np.ones((12, 3)), 12, "k_center").indices.tolist()) == list(range(12))
    with pytest.raises(vg.DataError, match="more than k = 10 distinct reference rows, but there are 1"):
        vg.select(np.ones((12, 3)), 5, "novelselect")
    assert vg.select(np.ones((12, 3)), 5, "novelselect", beta=0, first=3, k=1).indices.tolist() == [3, 0, 1, 2, 4]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_k_center_against_plain_loops(metric):
    x = np.round(RNG(2).normal(size=(60, 3)), 1)  # rounding makes ties
    x = np.vstack([x, x[:7]])
    x = x[np.abs(x).sum(axis=1) > 0]
    chosen = vg.select(x, 45, "k_center", first=4, metric=metric)
    assert chosen.indices.tolist() == reference.farthest_first(x, 45, 4, metric)


def test_random_is_a_prefix_of_a_larger_draw():
    small, large = (vg.select(np.eye(50), size, "random", seed=3).indices.tolist() for size in (5, 30))
    assert large[:5] == small


GOLDEN = {
    "novelselect_rich": [33, 11, 36, 28, 30, 22, 0, 39],
    "novelselect": [33, 11, 36, 28, 30, 22, 0, 39],
    "k_center": [33, 27, 31, 9, 12, 39, 13, 2],
    "random": [22, 32, 23, 7, 34, 12, 33, 6],
    "facility_location": [14, 25, 19, 3, 9, 0, 5, 20],
    "max_sum": [33, 11, 38, 39, 8, 2, 34, 30],
    "k_means": [7, 36, 28, 20, 19, 29, 8, 11],
    "semdedup": [9, 27, 10, 39, 33, 13, 21, 19],
}


def test_every_strategy_of_vectors_has_golden_picks():
    assert set(GOLDEN) == set(ON_VECTORS)


@pytest.mark.parametrize("name", ON_VECTORS)
def test_picks_are_exact_in_number_distinct_and_golden(name):
    x = RNG(0).normal(size=(40, 5))
    chosen = vg.select(x, 8, name, seed=2)
    assert chosen.indices.tolist() == GOLDEN[name]
    whole = vg.select(x, 40, name)
    assert sorted(whole.indices.tolist()) == list(range(40))
    assert len(whole.gains) == 40
    json.dumps(whole.as_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, r"int in \[1, 40\], the rows of vectors. Got 0"),
        ({"size": 41}, r"Got 41 instead"),
        ({"strategy": "novelselct"}, "Did you mean novelselect"),
        ({"strategy": "k_center", "metric": "manhattan"}, "'euclidean' or 'cosine'"),
        ({"strategy": "k_center", "first": 40}, r"row in \[0, 39\]. Got 40"),
        ({"strategy": "novelselect", "alfa": 2}, "Did you mean alpha"),
        ({"strategy": "novelselect", "k": 40}, "more than k = 40 distinct reference rows"),
        ({"strategy": "novelselect", "closeness": 0}, "'closeness' parameter"),
        ({"strategy": "novelselect", "spacing": -1}, "'spacing' parameter of novelselect must be a number of at least 0"),
        ({"strategy": "novelselect", "spacing": 2, "duplicates": "exact"}, "left out unless duplicates is 'near'"),
        ({"strategy": "random", "reference": np.eye(5)}, "takes no reference"),
        ({"strategy": "random", "first": 0}, "has no parameters"),
        ({"side": "middle"}, "one of instruction, response, both"),
    ],
)
def test_what_cannot_be_done_is_an_error(options, message):
    with pytest.raises(vg.VariegateError, match=message):
        vg.select(RNG(0).normal(size=(40, 5)), **{"size": 5, **options})


def test_functions_are_strategies_too_and_are_held_to_the_same_promise():
    def last(x, size, seed):
        return range(len(x) - size, len(x))

    def twice(x, size, seed):
        return [0] * size

    assert vg.select(np.eye(5), 2, last).indices.tolist() == [3, 4]
    with pytest.raises(vg.VariegateError, match="twice did not return 2 distinct rows"):
        vg.select(np.eye(5), 2, twice)
