"""Every metric stays within the range that the table names, on sets that are as bad or as good as can be.

There the value lies at an end of its range, and a processor that rounds another way takes it past the end.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

import variegate as vg
from tests.test_metric_properties import N, value_of, views
from variegate.geometry import largest_cosine, sharing
from variegate.metrics import METRICS, lexical
from variegate.metrics.entropy import entropy_bits, hill_number
from variegate.metrics.spectral import vendi_score
from variegate.views.tokens import Tokens

NAMES = list(METRICS)
HILLS = (0, 0.5, 0.999, 1, 1 + 1e-7, 2, 3, math.inf)
EPSILON = 1e-6


def ends(text, view, k=100, reference=None):
    """What the two ends of a range in the table stand for, for one view."""
    n = len(view)
    types = len(view.type_counts[0]) if isinstance(view, Tokens) else len(np.unique(view)) if isinstance(view, np.ndarray) else 0
    n_d = min(view.shape) if isinstance(view, np.ndarray) and view.ndim == 2 else 0
    known = {
        "-1": -1, "0": 0, "1": 1, "2": 2, "1/42": 1 / 42, "inf": math.inf, "n": n, "min(n, d)": n_d, "log2 k": math.log2(k),
        "n log eps": n * math.log(EPSILON), "n log(1 + eps)": n * math.log1p(EPSILON),
    }  # fmt: skip
    for name in ("types", "topics", "tags"):
        known |= {name: types, f"log2 {name}": math.log2(types or 1)}
    return tuple(known[end] for end in text[1:-1].split(", ", 1))


def outside(name, view, **options):
    """What a metric gives, where that is outside its range; None where it is inside or there is no value."""
    spec = METRICS[name]
    try:
        value = spec.function(view, **options)
    except vg.DataError:
        return None
    low, high = ends(spec.range, view, **{key: options[key] for key in ("k",) if key in options})
    inside = (low < value if spec.range[0] == "(" else low <= value) and (
        value < high if spec.range[-1] == ")" else value <= high
    )
    return None if inside else (value, low, high, options)


def vectors(seed):
    """Degenerate sets of vectors, by name."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(2, 40))
    row, several = rng.normal(size=(1, d)), rng.normal(size=(11, d))
    turned, _ = np.linalg.qr(rng.normal(size=(d, d)))
    sets = {
        "one row": row, "equal rows": np.repeat(row, 17, axis=0), "two equal rows": np.repeat(row, 2, axis=0),
        "a row and its multiple": np.vstack([row, row * 3.7]), "two opposite rows": np.vstack([row, -row]),
        "opposite rows of other lengths": np.vstack([row, row * -3.7]), "rows and their opposites": np.vstack([several, -several]),
        "every row twice": np.repeat(several, 2, axis=0), "multiples of rows": several[[0, 1, 1, 2]] * [[1], [1], [9], [0.3]],
        "right angles": turned, "two at right angles": turned[:2], "right angles, each twice": np.repeat(turned, 2, axis=0),
    }  # fmt: skip
    return {
        f"{name}, {kind.__name__}, seed {seed}": rows.astype(kind)
        for name, rows in sets.items()
        for kind in (np.float64, np.float32)
    }


def options_of_vectors(name, x):
    if name == "facility_location":
        return [{"reference": x}, {"reference": -x}, {"reference": x * x.dtype.type(3.7)}]
    if name in ("cluster_inertia", "partition_entropy"):
        return [{"k": k} for k in (1, 2, 3, 5)]
    if name == "knn_distance":
        return [{"k": k} for k in (1, 2, 3) if k < len(x)]
    if name == "vendi_score":
        return [{"q": q} for q in (0.1, *HILLS[1:])]
    return [{}]


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].view == "vectors"])
def test_degenerate_vectors(name):
    clusters = name in ("cluster_inertia", "partition_entropy")
    found = {
        (which, str(options)): outside(name, x, **options)
        for seed in range(2 if clusters else 8)
        for which, x in vectors(seed).items()
        for options in options_of_vectors(name, x)
    }
    assert {which: what for which, what in found.items() if what} == {}


def token_lists():
    """Degenerate texts, by name."""
    yield "one token", [[7]]
    yield "two tokens", [[7, 7]]
    for n in (*range(42, 140), 1000):
        yield f"{n} different tokens", [list(range(n))]
        yield f"{n} different texts of one token", [[at] for at in range(n)]
        yield f"{n} equal tokens", [[7] * n]
        yield f"{n} different tokens, twice", [list(range(n)), list(range(n))]
        yield f"{n} tokens of which one repeats", [[*range(n), 3]]
        yield f"{n} equal tokens and another", [[7] * n, [9]]
        yield f"types that occur {n}, {n} and {n + 1} times", [[1, 2, 3] * n, [1]]


def options_of_tokens(name, tokens):
    total = len(tokens.ids)
    if name == "ttr":
        return [{}, *({"budget": budget} for budget in {1, 2, 3, total // 2, total - 1, total} - {0})]
    if name in ("token_hill", "tag_hill"):
        return [{"q": q} for q in HILLS]
    if name == "ngram_ratio":
        return [{"orders": orders} for orders in (1, 2, 3, 4, 5)]
    return [{}]


@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].view in ("tokens", "tags")])
def test_degenerate_tokens_and_tags(name):
    found = {}
    for which, lists in token_lists():
        if name not in ("vocd_d", "self_bleu") or "1000" in which or "50" in which:
            tokens = Tokens.from_lists(lists)
            found |= {(which, str(options)): outside(name, tokens, **options) for options in options_of_tokens(name, tokens)}
    assert {which: what for which, what in found.items() if what} == {}


@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].view == "topics"])
def test_degenerate_topics(name):
    found = {}
    for n in (1, 2, *range(3, 100)):
        for which, topics in {
            "different": np.arange(n), "equal": np.zeros(n, int), "all but one equal": np.arange(n) // max(1, n - 1),
            "each twice": np.arange(2 * n) // 2, "without a topic": np.full(n, -1), "almost even": np.arange(4 * n + 1) % n,
        }.items():  # fmt: skip
            for options in [{"q": q} for q in HILLS] if name == "topic_hill" else [{}]:
                found[which, n, str(options)] = outside(name, topics, **options)
    assert {which: what for which, what in found.items() if what} == {}


@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].view == "texts"])
@pytest.mark.parametrize("texts", [["a"], ["a" * 100_000], [""] * 3 + ["é"], [chr(0x4E00 + at) for at in range(2000)]])
def test_degenerate_texts(texts, name):
    assert outside(name, pa.chunked_array([texts])) is None


def test_every_view_has_its_degenerate_sets():
    assert {spec.view for spec in METRICS.values()} == {"vectors", "tokens", "tags", "topics", "texts"}


@pytest.mark.parametrize("name", NAMES)
def test_usual_sets(name):
    low, high = ends(METRICS[name].range, views()[METRICS[name].view], k=12)
    assert low <= value_of(name, views()) <= high


# --- What lies at an end is exact where it can be


def test_hdd_and_ttr_of_different_tokens_are_1():
    for n in range(42, 400):
        tokens = Tokens.from_lists([list(range(n))])
        # A quotient of equal integers: no library has anything to round.
        assert (lexical.hdd(tokens), lexical.ttr(tokens, budget=n - 1), lexical.ttr(tokens)) == (1, 1, 1), n


@pytest.mark.parametrize("q", HILLS)
@pytest.mark.parametrize("types", [1, 2, 3, 7, 49, 1000, 99_991])
def test_equal_types_are_as_many_as_they_are(types, q):
    # The shares relative to the largest are 1, whose logarithm is 0 everywhere.
    assert hill_number(np.full(types, 3), q, "x") == types
    assert entropy_bits(np.full(types, 3)) == math.log2(types)


@pytest.mark.parametrize("weight", [0.1, 0.3, 1 / 3, 1e-9])
def test_hill_numbers_of_equal_shares_that_are_no_counts(weight):
    for types in range(1, 60):
        values = [hill_number(np.full(types, weight), q, "x") for q in HILLS]
        assert max(values) <= types == pytest.approx(min(values), rel=1e-12)


@pytest.mark.parametrize("q", [1 - 1e-3, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12, 1 + 1e-12, 1 + 1e-9, 1 + 1e-6, 1 + 1e-3])
def test_hill_numbers_of_orders_next_to_1_pass_into_that_of_order_1(q):
    counts = np.random.default_rng(0).zipf(1.3, size=400) % 1000 + 1
    shares = counts / counts.sum()
    at_1 = hill_number(counts, 1, "x")
    # d log(hill) / dq at q = 1 is half the variance of -log p.
    slope = -0.5 * (shares @ np.log(shares) ** 2 - (shares @ np.log(shares)) ** 2)
    assert math.log(hill_number(counts, q, "x") / at_1) == pytest.approx(slope * (q - 1), rel=0.01, abs=1e-13)


@pytest.mark.parametrize(("c", "drawn"), [(5001, 5001), (6000, 10_000), (1_000_000, 5001), (20_000, 3_000_000)])
@pytest.mark.parametrize("types", [1000, 200_000])
def test_the_expected_types_of_many_tokens_keep_their_digits(types, c, drawn):
    """Log factorials of a thousand million differ by what is lost in them."""
    total = types * c
    few, many = sorted((c, drawn))
    log_missing = math.fsum(math.log1p(-many / (total - at)) for at in range(few))
    found = lexical._expected_types(np.full(types, c), total, drawn)
    assert found == pytest.approx(max(1, types * -math.expm1(log_missing)), rel=1e-12)


def test_copies_in_a_large_space_are_one_direction():
    row = np.abs(np.random.default_rng(0).normal(size=(1, 1500)))
    x = row * np.random.default_rng(1).uniform(0.5, 2, size=(1100, 1))
    with sharing():
        found = [vendi_score(x, q=q) for q in (0.05, 0.1, 0.5, 1)]
    # What the solver leaves of the other eigenvalues made 1.2 directions of order 0.05.
    assert found == pytest.approx([1, 1, 1, 1], abs=1e-6)


def test_a_set_covers_itself_to_1_and_its_opposite_to_minus_1():
    x = np.random.default_rng(0).normal(size=(N, 13))
    for queries, sign in ((x, 1), (3.7 * x, 1), (-x[:1], -1)):
        values, _ = largest_cosine(queries, x if sign == 1 else x[:1])
        assert abs(values).max() <= 1
        assert values == pytest.approx(np.full(len(queries), sign), abs=1e-14)
