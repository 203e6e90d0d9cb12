"""The property table: what METRICS says of each metric, checked by trying it."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest

import variegate as vg
from tests.conftest import ROOT
from variegate.metrics import ALIASES, GROUPS, METRICS, metric_specs
from variegate.views.tokens import Tokens

N = 240
NAMES = list(METRICS)
# Tried at a size that the small sets here have.
OPTIONS = {"cluster_inertia": {"k": 12}, "partition_entropy": {"k": 12}}


def views(n: int = N, seed: int = 0):
    """Views of n samples of one source, with repetition at every level."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(25, 6)) * 2
    lists = [(rng.zipf(1.5, size=rng.integers(4, 30)) % 300).tolist() for _ in range(n)]
    return {
        "vectors": centres[rng.integers(25, size=n)] + rng.normal(size=(n, 6)),
        "tokens": Tokens.from_lists(lists),
        "texts": pa.chunked_array([[" ".join(map(str, one)) for one in lists]]),
        "topics": rng.zipf(1.3, size=n) % 100,
        "tags": Tokens.from_lists([(rng.zipf(1.3, size=rng.integers(5)) % 200).tolist() for _ in range(n)]),
    }


def taken(view, rows):
    return (
        view.take(pa.array(rows))
        if isinstance(view, pa.ChunkedArray)
        else view[rows]
        if isinstance(view, np.ndarray)
        else view.take(rows)
    )


def value_of(name, views_, reference=None):
    spec = METRICS[name]
    options = dict(OPTIONS.get(name, {}))
    if name == "facility_location":
        # Of itself it has no value: a pool that all the sets here are to cover.
        options["reference"] = views(400, seed=7)["vectors"]
    if name in ("token_types", "partition_entropy"):
        options["reference"] = views(400, seed=7)[spec.view]
    if reference is not None and spec.takes_reference and name != "novelsum":
        options["reference"] = reference[spec.view]
    return spec.function(views_[spec.view], **options)


def moved(views_, rows):
    return {name: taken(view, rows) for name, view in views_.items()}


@pytest.mark.parametrize("name", NAMES)
def test_results_repeat(name):
    assert value_of(name, views()) == value_of(name, views())


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_the_samples(name):
    value = value_of(name, views())
    others = [value_of(name, moved(views(), np.random.default_rng(seed).permutation(N))) for seed in range(3)]
    # k-means starts from other points; what it ends with is much the same.
    rel = 0.1 if name in OPTIONS else 1e-6
    if METRICS[name].ordered and name != "self_bleu":
        assert any(other != value for other in others)
        rel = 0.2
    assert others == pytest.approx([value] * 3, rel=rel)


def test_self_bleu_depends_on_the_order_only_where_it_samples():
    tokens = views()["tokens"]
    mixed = tokens.take(np.random.default_rng(1).permutation(N))
    function = METRICS["self_bleu"].function
    assert function(mixed) == pytest.approx(function(tokens), rel=1e-12)
    assert function(mixed, hypotheses=20, references=20) != function(tokens, hypotheses=20, references=20)


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_twice(name):
    spec = METRICS[name]
    # Copies lie far apart, as they do in a shuffled pool, yet within reach of a compressor.
    before, after = value_of(name, views()), value_of(name, moved(views(), np.tile(np.arange(N), 2)))
    if spec.doubled == "same":
        assert after == pytest.approx(before, rel=0.06 if name in (*OPTIONS, "vocd_d", "hdd") else 1e-9)
    elif spec.doubled == "lower":
        assert after < before - 0.001 * abs(before)
    elif spec.doubled == "higher":
        assert after > before + 0.005 * abs(before)
    else:
        raised, lowered = (
            (spec.function(Tokens.from_lists(lists)), spec.function(Tokens.from_lists(lists * 2))) for lists in EITHER_WAY[name]
        )
        assert raised[0] < raised[1]
        assert lowered[0] > lowered[1]


# Texts whose doubling raises the metric, and texts whose doubling lowers it.
EITHER_WAY = {
    # A band of 10 to 500 occurrences: what was too rare comes into it, what was frequent leaves it.
    "token_types": ([[1] * 6], [[1] * 300]),
    # One text that goes on: what its last words had begun is counted as a part until the copy ends it.
    "mtld": ([[8, 4, 4, 4, 5, 4]], [[6, 6, 7, 2, 4]]),
}


def test_what_doubling_does_is_said_of_every_metric():
    assert {name for name, spec in METRICS.items() if spec.doubled not in ("same", "lower", "higher")} == set(EITHER_WAY)


@pytest.mark.parametrize("name", NAMES)
def test_many_copies_of_one_sample_make_no_set_more_diverse(name):
    """The axiom that people expect: 200 more copies of a sample are no gain, whichever sample it is."""
    before = value_of(name, views())
    after = [value_of(name, moved(views(), np.append(np.arange(N), np.full(200, row)))) for row in range(6)]
    gain = max((value - before) * (1 if METRICS[name].higher_is_more_diverse else -1) for value in after)
    assert (gain > 1e-9 * abs(before)) == (name in BREAKS_THE_COPIES_AXIOM), gain


# Named on the page about metrics: a sum grows with every row; the others follow the copied one, such as a text of many words.
BREAKS_THE_COPIES_AXIOM = {
    "cluster_inertia", "sequence_length", "mtld", "vocd_d", "hdd", "token_entropy", "token_hill",
}  # fmt: skip


def test_the_page_names_the_metrics_that_copies_raise():
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"\*\*Copies add nothing\.\*\*(.*?)\n- ", page, flags=re.DOTALL)
    assert set(re.findall(r"`(\w+)`", said)) == BREAKS_THE_COPIES_AXIOM


@pytest.mark.parametrize("name", GROUPS["embedding"])
def test_scaling_the_vectors(name):
    assert METRICS[name].scaled is not None
    scaled = {"vectors": views()["vectors"] * 8}
    pool = {"vectors": views(400, seed=7)["vectors"] * 8}
    before, after = value_of(name, views()), value_of(name, scaled, pool if name != "novelsum" else None)
    if METRICS[name].scaled:
        assert after == pytest.approx(before, rel=1e-5)
    else:
        assert after == pytest.approx(before * (64 if name == "cluster_inertia" else 8), rel=1e-5)


@pytest.mark.parametrize("name", GROUPS["embedding"])
def test_turning_the_vectors(name):
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))
    pool = {"vectors": views(400, seed=7)["vectors"] @ turn}
    before = value_of(name, views())
    after = value_of(name, {"vectors": views()["vectors"] @ turn}, pool if name != "novelsum" else None)
    if METRICS[name].turned:
        assert after == pytest.approx(before, rel=1e-3 if name in OPTIONS else 1e-5)
    else:
        assert abs(after - before) > 1e-3 * before


@pytest.mark.parametrize("name", NAMES)
def test_more_samples_of_one_source(name):
    few = np.mean([value_of(name, views(60, seed)) for seed in range(10, 18)])
    many = np.mean([value_of(name, views(480, seed)) for seed in range(20, 24)])
    change = (many - few) / abs(few)
    expected = METRICS[name].size
    assert expected != "either"
    # Named "same": what differs is the chance of the draws, or what a small set has not met yet.
    assert {"same": abs(change) < 0.08, "higher": change > 0.02, "lower": change < -0.02}[expected], change


LOWEST = {
    "novelsum": 0, "distsum_cosine": 0, "distsum_l2": 0, "knn_distance": 0, "cluster_inertia": 0, "radius": 0, "vendi_score": 1,
    "partition_entropy": 0, "topic_count": 1, "topic_entropy": 0, "topic_hill": 1, "tag_count": 1, "tag_entropy": 0, "tag_hill": 1,
    "token_entropy": 0, "token_hill": 1, "token_types": 0, "hdd": 1 / 42,
}  # fmt: skip
# A set of equal samples: as bad as it gets in another way than by a lowest value.
NO_LOWEST = {
    "facility_location",
    "log_det",
    "ttr",
    "vocd_d",
    "mtld",
    "ngram_ratio",
    "self_bleu",
    "compression_ratio",
    "sequence_length",
}


def test_the_lists_of_lowest_values_partition_the_table():
    assert set(LOWEST) | NO_LOWEST == set(METRICS)
    assert not set(LOWEST) & NO_LOWEST


def equal(n: int = N):
    return {
        "vectors": np.full((n, 6), 0.3), "tokens": Tokens.from_lists([[4] * 6] * n), "texts": pa.chunked_array([["a a a a"] * n]),
        "topics": np.full(n, 3), "tags": Tokens.from_lists([[4]] * n),
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_set_of_equal_samples_is_the_least_diverse(name):
    # What is to be covered is of many kinds; of all else the reference is as uniform.
    pool = None if name == "facility_location" else equal()
    value, usual = value_of(name, equal(), pool), value_of(name, views())
    if name in LOWEST:
        # The root of the rounding of a cosine, 1e-16, which the kernel of the product has a say in.
        assert value == pytest.approx(LOWEST[name], abs=1e-7 if name == "distsum_l2" else 1e-9)
    elif name == "sequence_length":
        assert value == 6, "equal samples are as long as one of them"
    else:
        sign = 1 if METRICS[name].higher_is_more_diverse else -1
        assert sign * value < sign * usual


@pytest.mark.parametrize("name", NAMES)
def test_one_sample_has_a_value_or_an_error_that_says_why(name):
    one = moved(views(), np.array([3]))
    needs = {
        **dict.fromkeys(("novelsum", "distsum_cosine", "distsum_l2", "knn_distance", "radius", "self_bleu"), "at least 2 samples"),
        "cluster_inertia": "12 clusters need at least 12 samples", "vocd_d": "at least 50 tokens", "hdd": "at least 42 tokens",
    }  # fmt: skip
    if name in needs:
        with pytest.raises(vg.DataError, match=needs[name]):
            value_of(name, one)
    else:
        assert np.isfinite(value_of(name, one))


@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].view in ("tokens", "texts", "tags")])
def test_nothing_but_empty_texts(name):
    empty = {"tokens": Tokens.from_lists([[], []]), "texts": pa.chunked_array([[""]]), "tags": Tokens.from_lists([[], []])}
    if name in ("sequence_length", "tag_count", "token_types", "self_bleu"):
        assert value_of(name, empty) == 0
    else:
        with pytest.raises(vg.DataError, match=f"{name} (needs|at)"):
            value_of(name, empty)


@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].view == "tokens"])
def test_texts_of_one_token(name):
    words = {"tokens": Tokens.from_lists([[at % 40] for at in range(120)])}
    if name == "ngram_ratio":
        with pytest.raises(vg.DataError, match="ngram_ratio needs a text of at least 2 tokens, but the longest has 1"):
            value_of(name, words)
    else:
        assert np.isfinite(value_of(name, words))


@pytest.mark.parametrize("name", GROUPS["embedding"])
def test_float32_and_float64_agree(name):
    x = views()["vectors"].astype(np.float32)
    assert value_of(name, {"vectors": x}) == pytest.approx(value_of(name, {"vectors": x.astype(np.float64)}), rel=1e-5)


def test_groups_hold_every_metric_once():
    for parts in (("embedding", "lexical", "label"), ("macro", "meso", "micro")):
        names = [name for part in parts for name in GROUPS[part]]
        assert sorted(names) == sorted(METRICS)


def test_another_name_is_the_same_function():
    for alias, name in ALIASES.items():
        (spec,) = metric_specs(alias)
        assert spec.function is METRICS[name].function
        assert spec.name == alias


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("novelsum@3", "novelsum has no option that '@' could set"),
        ("knn_distance@many", "'@' sets the option 'k' of knn_distance, a number. Got 'many'"),
        ("knn_distence@3", "Unknown metric 'knn_distence@3'"),
        ("ttr@0", "'budget' parameter of ttr must be an int of at least 1"),
        ("vendi_score@-1", "'q' parameter of vendi_score"),
    ],
)
def test_values_in_names_that_cannot_be(name, message, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a b"}\n{"text": "c"}\n', encoding="utf-8")
    with pytest.raises(vg.ParameterError, match=message):
        vg.measure(tmp_path / "a.jsonl", name)
