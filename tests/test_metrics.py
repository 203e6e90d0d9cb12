"""Every metric against an independent value, and the properties that hold (or do not) for each."""

from __future__ import annotations

import numpy as np
import pytest

import variegate as vg
from tests import reference
from variegate.metrics import GROUPS, METRICS, novelty
from variegate.metrics.distance import distsum_cosine
from variegate.metrics.lexical import token_entropy
from variegate.metrics.novelty import novelsum
from variegate.metrics.spectral import vendi_score
from variegate.views.tokens import Tokens


def test_oracles(oracle):
    x, pool = oracle["subset"], oracle["reference"]
    found = {
        "distsum_cosine (mean over ordered distinct pairs)": distsum_cosine(x),
        "vendi_score q=1": vendi_score(x),
        "vendi_score q=2": vendi_score(x, q=2),
        "vendi_score q=inf": vendi_score(x, q=float("inf")),
        "novelsum alpha=1 beta=.5 K=10 (reference code: density of self, self at rank 1)": novelsum(x, pool),
        "novelsum alpha=1 beta=.5 K=10, self excluded": novelsum(x, pool, include_self=False),
        "novelsum alpha=1 beta=.5 K=10, density of other, self excluded": novelsum(
            x, pool, include_self=False, density_of="other"
        ),
        "novelsum alpha=2 beta=.25 K=5": novelsum(x, pool, alpha=2, beta=0.25, k=5),
        "novelsum alpha=1 beta=0 (no density)": novelsum(x, pool, beta=0),
    }
    for name, value in found.items():
        assert value == pytest.approx(oracle[name], rel=1e-5), name
    assert novelsum(x) == pytest.approx(oracle["novelsum alpha=1 beta=0 (no density)"], rel=1e-5)


@pytest.mark.parametrize("density_of", ["self", "other"])
@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize(("alpha", "beta", "k"), [(1.0, 0.5, 4), (0.0, 1.0, 1), (2.5, 0.25, 7)])
def test_novelty_against_plain_loops(density_of, include_self, alpha, beta, k):
    rng = np.random.default_rng(3)
    x, pool = rng.normal(size=(23, 5)), rng.normal(size=(40, 5))
    pool = np.vstack([pool, pool[:6], x[:9]])
    sigma = reference.densities(x, pool, k, beta)
    expected = reference.novelties(x, sigma, alpha, density_of, include_self)
    options = {"k": k, "alpha": alpha, "beta": beta, "density_of": density_of, "include_self": include_self}
    np.testing.assert_allclose(novelty(x, pool, **options), expected, rtol=2e-6)


def test_novelty_does_not_depend_on_the_block_size(monkeypatch):
    x = np.random.default_rng(0).normal(size=(150, 6)).astype(np.float32)
    whole = novelty(x, x)
    monkeypatch.setattr("variegate.geometry.cosine.cosine_distance_rows.__defaults__", (4 * 150 * 7,))
    np.testing.assert_allclose(novelty(x, x), whole, rtol=1e-6)


@pytest.mark.parametrize("q", [0.1, 0.5, 1, 2, 7, float("inf")])
@pytest.mark.parametrize("shape", [(30, 5), (5, 30), (12, 12)])
def test_vendi_against_the_whole_kernel(q, shape):
    x = np.random.default_rng(1).normal(size=shape) + 0.3
    assert vendi_score(x, q=q) == pytest.approx(reference.vendi(x, q), rel=1e-9)


def test_vendi_of_an_order_whose_powers_underflow_is_that_of_infinity():
    x = np.random.default_rng(1).normal(size=(30, 5))
    assert vendi_score(x, q=1e300) == pytest.approx(vendi_score(x, q=float("inf")), rel=1e-12)


def test_distsum_against_all_pairs():
    x = np.random.default_rng(2).normal(size=(17, 4)) + 1
    pairs = [reference.cosine_distance(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    assert distsum_cosine(x) == pytest.approx(np.mean(pairs), rel=1e-12)


def test_token_entropy_against_counting():
    rows = [[1, 1, 2], [3], [], [1, 3, 3, 9]]
    flat = [token for row in rows for token in row]
    shares = [flat.count(token) / len(flat) for token in set(flat)]
    expected = -sum(share * np.log2(share) for share in shares)
    assert token_entropy(Tokens.from_lists(rows)) == pytest.approx(expected, rel=1e-12)


# What happens to each metric when every sample stands in the set twice, and when vectors are scaled or turned.
SAME_WHEN_DOUBLED = {"vendi_score", "token_entropy", "sequence_length", "topic_count", "topic_entropy"}
LESS_WHEN_DOUBLED = {"novelsum", "distsum_cosine"}
SAME_WHEN_SCALED = {"novelsum", "distsum_cosine", "vendi_score"}
TAKES_NO_VECTORS = {"token_entropy", "sequence_length", "topic_count", "topic_entropy"}


def test_the_property_lists_partition_the_table():
    assert set(METRICS) == SAME_WHEN_DOUBLED | LESS_WHEN_DOUBLED
    assert not SAME_WHEN_DOUBLED & LESS_WHEN_DOUBLED
    assert set(METRICS) == SAME_WHEN_SCALED | TAKES_NO_VECTORS
    assert {name for names in (GROUPS["embedding"], GROUPS["lexical"], GROUPS["label"]) for name in names} == set(METRICS)


def views(n: int = 40, seed: int = 0):
    rng = np.random.default_rng(seed)
    return {
        "vectors": rng.normal(size=(n, 6)),
        "tokens": Tokens.from_lists([rng.integers(50, size=rng.integers(1, 20)).tolist() for _ in range(n)]),
        "topics": rng.integers(7, size=n),
    }


def taken(view, rows):
    return view.take(rows) if isinstance(view, Tokens) else view[rows]


@pytest.mark.parametrize("name", METRICS)
def test_order_does_not_matter_and_results_repeat(name):
    spec = METRICS[name]
    view = views()[spec.view]
    value = spec.function(view)
    assert spec.function(view) == value
    assert spec.function(taken(view, np.random.default_rng(5).permutation(40))) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("name", METRICS)
def test_doubling_every_sample(name):
    spec = METRICS[name]
    view = views()[spec.view]
    value, doubled = spec.function(view), spec.function(taken(view, np.repeat(np.arange(40), 2)))
    if name in SAME_WHEN_DOUBLED:
        assert doubled == pytest.approx(value, rel=1e-9)
    else:
        assert doubled < value * 0.99


@pytest.mark.parametrize("name", sorted(SAME_WHEN_SCALED))
def test_scaling_and_turning_vectors(name):
    x = views()["vectors"]
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))
    value = METRICS[name].function(x)
    assert METRICS[name].function(x * 1000) == pytest.approx(value, rel=1e-6)
    assert METRICS[name].function(x @ turn) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("name", GROUPS["embedding"])
def test_equal_rows_have_no_diversity(name):
    lowest = 1.0 if name == "vendi_score" else 0.0
    assert METRICS[name].function(np.full((30, 4), 0.3)) == pytest.approx(lowest, abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: novelsum(np.ones((1, 2))), "at least 2 samples, got 1"),
        (lambda: distsum_cosine(np.ones((1, 2))), "at least 2 samples, got 1"),
        (lambda: novelsum(np.eye(5), np.eye(5), k=5), "more than k = 5 distinct reference rows, but there are 5"),
        (lambda: novelsum(np.eye(5), np.eye(5), k=0), "'k' parameter of novelsum"),
        (lambda: novelsum(np.eye(5), beta=-1), "'beta' parameter of novelsum"),
        (lambda: novelsum(np.eye(5), density_of="mine"), "'self' or 'other'"),
        (lambda: novelsum(np.eye(5), duplicates="all"), "'exact', 'near' or 'keep'"),
        (lambda: vendi_score(np.eye(5), q=0), "'q' parameter of vendi_score"),
        (lambda: token_entropy(Tokens.from_lists([[], []])), "at least one token"),
        (lambda: vg.measure(np.eye(5), "novelsumm"), "Did you mean novelsum"),
        (lambda: vg.measure(np.eye(5), "token_entropy"), "holds vectors only"),
        (lambda: vg.measure(np.eye(5), "novelsum", params={"novelsum": {"gamma": 1}}), "Unknown parameter of novelsum"),
        (lambda: vg.measure(np.eye(5), "novelsum", size_matched=6), "has 5 rows, fewer than the 6"),
        (lambda: vg.measure(np.zeros((3, 2)), "novelsum"), "rows 1, 2, 3 are zero"),
        (lambda: vg.measure(np.array([[1.0, np.nan], [1, 2]]), "novelsum"), "row 1 hold values that are not finite"),
        (lambda: vg.measure(np.ones(4), "novelsum"), "shape"),
    ],
)
def test_what_cannot_be_computed_is_an_error(call, message):
    with pytest.raises(vg.VariegateError, match=message):
        call()


def test_a_metric_that_gives_nan_is_an_error():
    with pytest.raises(vg.DataError, match="broken came out as nan"):
        vg.measure(np.eye(3), vg.MetricSpec("broken", lambda x: float("nan"), "vectors", "", "", "", "", ""))


def test_functions_are_metrics_too():
    def rows(x):
        return len(x)

    (result,) = vg.measure(np.eye(3), rows)
    assert (result.metric, result.value) == ("rows", 3.0)


def test_size_matched_draws_have_an_interval_around_the_mean():
    x = np.random.default_rng(0).normal(size=(300, 5))
    (result,) = vg.measure(x, "vendi_score", size_matched=50, seeds=8)
    draws = [vendi_score(x[np.sort(np.random.default_rng(seed).choice(300, 50, replace=False))]) for seed in range(8)]
    assert result.value == pytest.approx(np.mean(draws))
    half = 2.3646 * np.std(draws, ddof=1) / 8**0.5  # Student t, 7 degrees of freedom
    assert result.interval == pytest.approx((np.mean(draws) - half, np.mean(draws) + half), rel=1e-4)
    assert (result.n, result.seeds, result.params["size_matched"]) == (50, 8, 50)


def test_results_say_how_they_were_made():
    x = np.random.default_rng(0).normal(size=(30, 5))
    (result,) = vg.measure(x, "novelsum", reference=x, params={"novelsum": {"k": 3}})
    assert result.params == {
        "k": 3, "alpha": 1.0, "beta": 0.5, "density_of": "self", "include_self": True, "duplicates": "exact",
        "embedder": "given vectors", "reference": "vectors", "reference_n": 30,
    }  # fmt: skip
    assert set(result.as_dict()) == {"dataset", "metric", "side", "value", "n", "params", "version"}
