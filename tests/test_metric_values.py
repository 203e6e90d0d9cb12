"""Every metric against values computed elsewhere, or by slow code that shares nothing with it."""

from __future__ import annotations

import gzip
import itertools
import json
import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

import variegate as vg
from tests import reference
from tests.conftest import SHARED
from variegate.geometry import kmeans
from variegate.metrics import novelty
from variegate.metrics.clustering import cluster_inertia, partition_entropy
from variegate.metrics.compression import compression_ratio
from variegate.metrics.coverage import facility_location
from variegate.metrics.distance import distsum_cosine, distsum_l2, knn_distance
from variegate.metrics.entropy import hill_number
from variegate.metrics.lexical import hdd, sequence_length, token_entropy, token_hill, token_types, ttr
from variegate.metrics.ngrams import ngram_ratio, self_bleu
from variegate.metrics.novelty import novelsum
from variegate.metrics.sequence import mtld, vocd_d
from variegate.metrics.spectral import log_det, radius, vendi_score
from variegate.views.tokens import Tokens


def test_oracles(oracle):
    x, pool = oracle["subset"], oracle["reference"]
    found = {
        "distsum_cosine (mean over ordered distinct pairs)": distsum_cosine(x),
        "distsum_l2 (mean over ordered distinct pairs)": distsum_l2(x),
        "knn_distance cosine k=1": knn_distance(x),
        "knn_distance cosine k=10 (mean over the 10)": knn_distance(x, k=10),
        "radius (geometric mean of per-dimension std, ddof=0)": radius(x),
        "facility_location (mean over reference of max cosine similarity)": facility_location(x, pool),
        "log_det of cosine kernel + 1e-6 I": log_det(x),
        "log_det first 24 rows, + 1e-6 I": log_det(x[:24]),
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
    monkeypatch.setattr("variegate.geometry.memory.BLOCK_BYTES", 4 * 150 * 7)
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


@pytest.fixture(scope="module")
def text_oracle():
    folder = SHARED / "oracles" / "text"
    if not folder.is_dir():
        pytest.skip("the oracles are not beside this checkout")
    read = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("tokens", "texts", "expected")}
    return read["tokens"], read["texts"], read["expected"]


def test_oracles_of_text(text_oracle):
    lists, texts, expected = text_oracle
    tokens = Tokens.from_lists(lists)
    assert ttr(tokens) == expected["ttr"]
    assert sequence_length(tokens) == expected["sequence_length"]
    assert token_types(tokens) == expected["token_types in band 10..500"]
    assert ngram_ratio(tokens) == pytest.approx(expected["ngram_ratio (mean of n=1..4, within documents)"], rel=1e-12)
    assert token_entropy(tokens) == pytest.approx(expected["token_entropy bits"], rel=1e-12)
    assert [token_hill(tokens, q=q) for q in (0, 1, 2)] == pytest.approx(expected["hill q=0,1,2 of tokens"], rel=1e-12)
    assert mtld(tokens) == pytest.approx(expected["mtld"], rel=1e-12)
    assert hdd(tokens) == pytest.approx(expected["hdd (42 draws)"], rel=1e-9)
    assert vocd_d(tokens) == pytest.approx(expected["vocd_d (random: 3 % tolerance)"], rel=0.03)
    # Other builds of zlib find other matches.
    assert compression_ratio(pa.chunked_array([texts])) == pytest.approx(
        expected["compression_ratio (texts joined by newline, gzip 9, once)"], rel=0.03
    )
    name = "self_bleu of the first 80 texts, split by spaces, each against the other 79 (method 1)"
    assert self_bleu(tokens.take(np.arange(80))) == pytest.approx(expected[name], rel=1e-12)


def test_oracles_of_text_by_the_library(text_oracle, tmp_path):
    _, texts, expected = text_oracle
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    results = vg.measure(tmp_path / "texts.jsonl", ["lexical", "token_hill@2", "ttr@500"], tokenizer="words")
    found = {result.metric: result.value for result in results}
    assert found["ttr"] == expected["ttr"]
    assert found["token_types"] == expected["token_types in band 10..500"]
    assert found["mtld"] == pytest.approx(expected["mtld"], rel=1e-12)
    assert found["token_hill@2"] == pytest.approx(expected["hill q=0,1,2 of tokens"][2], rel=1e-12)
    assert found["ttr"] < found["ttr@500"] < 1


# --- vectors


def pairs_of(x):
    return [(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]


@pytest.mark.parametrize("lengths", ["equal", "different"])
def test_distsum_l2_against_all_pairs(lengths):
    x = np.random.default_rng(2).normal(size=(31, 4))
    x = x / np.linalg.norm(x, axis=1, keepdims=True) if lengths == "equal" else np.vstack([x, x[:3] * 2, x[:3]])
    assert distsum_l2(x) == pytest.approx(np.mean([math.dist(a, b) for a, b in pairs_of(x)]), rel=1e-6)


@pytest.mark.parametrize("k", [1, 2, 29])
def test_knn_distance_against_sorting(k):
    x = np.random.default_rng(2).normal(size=(30, 4))
    x[7] = 3 * x[8]
    nearest = [sorted(reference.cosine_distance(a, b) for j, b in enumerate(x) if j != i)[:k] for i, a in enumerate(x)]
    assert knn_distance(x, k=k) == pytest.approx(np.mean(nearest), rel=1e-6)


@pytest.mark.parametrize("shape", [(9, 5), (5, 9), (6, 6)])
@pytest.mark.parametrize("epsilon", [1e-6, 0.5])
def test_log_det_against_the_determinant(shape, epsilon):
    x = np.random.default_rng(4).normal(size=shape)
    kernel = np.array([[1 - reference.cosine_distance(a, b) for b in x] for a in x])
    assert log_det(x, epsilon=epsilon) == pytest.approx(np.linalg.slogdet(kernel + epsilon * np.eye(len(x)))[1], rel=1e-6)


def test_radius_against_its_definition():
    x = np.random.default_rng(4).normal(size=(20, 3)).astype(np.float32) + 1000
    wide = x.astype(np.float64)
    spreads = [math.sqrt(sum((v - column.mean()) ** 2 for v in column) / 20) for column in wide.T]
    assert radius(x) == pytest.approx(math.prod(spreads) ** (1 / 3), rel=1e-9)


def test_facility_location_against_loops():
    rng = np.random.default_rng(4)
    x, pool = rng.normal(size=(7, 3)), rng.normal(size=(40, 3))
    best = [max(1 - reference.cosine_distance(row, one) for one in x) for row in pool]
    assert facility_location(x, pool) == pytest.approx(np.mean(best), rel=1e-9)


def test_clusters_against_what_is_known_of_them():
    rng = np.random.default_rng(5)
    centres = rng.normal(size=(4, 3)) * 50
    x = np.vstack([centre + rng.normal(size=(size, 3)) for centre, size in zip(centres, (40, 20, 20, 10), strict=True)])
    groups = np.repeat(np.arange(4), (40, 20, 20, 10))
    inertia = sum(np.square(x[groups == at] - x[groups == at].mean(axis=0)).sum() for at in range(4))
    assert cluster_inertia(x, k=4) == pytest.approx(inertia, rel=1e-6)
    shares = np.array([40, 20, 20, 10]) / 90
    entropy = -(shares * np.log2(shares)).sum()
    assert partition_entropy(x, k=4) == pytest.approx(entropy, rel=1e-12)
    assert partition_entropy(x[:60], x, k=4) == pytest.approx(-(2 / 3 * np.log2(2 / 3) + 1 / 3 * np.log2(1 / 3)), rel=1e-12)
    fitted = kmeans(x, 4)
    assert (fitted.labels == np.argmin(((x[:, None] - fitted.centroids) ** 2).sum(axis=2), axis=1)).all()


@pytest.mark.parametrize("distinct", [1, 2, 10, 19, 20])
def test_fewer_distinct_points_than_clusters_are_a_cluster_each(distinct):
    """scikit-learn leaves centroids behind that are not those of its labels: an inertia of 1.7 in place of 0."""
    points = np.random.default_rng(0).normal(size=(distinct, 4))
    x = points[np.arange(100) % distinct]
    assert cluster_inertia(x, k=20) == pytest.approx(0, abs=1e-9)
    fitted = kmeans(x, 20)
    assert len(fitted.centroids) == len(set(fitted.labels.tolist())) == distinct
    np.testing.assert_allclose(fitted.centroids[fitted.labels], x, rtol=1e-6)
    shares = np.bincount(np.arange(100) % distinct) / 100
    assert partition_entropy(x, k=20) == pytest.approx(-(shares * np.log2(shares)).sum(), abs=1e-12)


# --- tokens

LISTS = [[5, 1, 5, 2, 2, 9], [], [7], [5, 1, 5, 2], [3, 3, 3, 3, 3, 3, 3], [2, 9, 5, 1, 8], [11, 12], [4, 5, 1, 5]]


def test_ngram_ratio_against_counting():
    ratios = [len(c := reference.ngram_counts(LISTS, n)) / sum(c.values()) for n in (1, 2, 3, 4)]
    assert ngram_ratio(Tokens.from_lists(LISTS)) == pytest.approx(np.mean(ratios), rel=1e-12)


@pytest.mark.parametrize("lists", [LISTS, LISTS[:4], [[1, 2], [1, 2], [9]], [[i % 7, i % 3, i % 5, i] for i in range(40)]])
def test_self_bleu_against_its_definition(lists):
    lists = [one for one in lists if one]
    assert self_bleu(Tokens.from_lists(lists)) == pytest.approx(reference.self_bleu(lists), rel=1e-12)


def test_self_bleu_of_a_sample_is_that_of_the_sampled_rows():
    lists = [np.random.default_rng(at).integers(20, size=12).tolist() for at in range(60)]
    order = np.random.default_rng(4).permutation(60)
    expected = reference.self_bleu([lists[at] for at in order[:25]])
    assert self_bleu(Tokens.from_lists(lists), hypotheses=25, references=25, seed=4) == pytest.approx(expected, rel=1e-12)
    # More references than hypotheses: only the first are scored, each against all the others.
    some = self_bleu(Tokens.from_lists(lists), hypotheses=3, references=60, seed=4)
    assert some == pytest.approx(reference.self_bleu([lists[at] for at in order], scored=3), rel=1e-12)


@pytest.mark.parametrize("budget", [1, 2, 42, 300, 3999, 4000])
@pytest.mark.parametrize("terms", [10, 5000])
def test_expected_types_against_exact_fractions(budget, terms, monkeypatch):
    monkeypatch.setattr("variegate.metrics.lexical.TERMS", terms)
    ids = np.random.default_rng(0).zipf(1.4, size=4000) % 700
    counts = list(Counter(ids.tolist()).values())
    tokens = Tokens.from_lists([ids.tolist()])
    assert ttr(tokens, budget=budget) == pytest.approx(reference.expected_types(counts, budget) / budget, rel=1e-9)
    assert hdd(tokens, draws=budget) == pytest.approx(ttr(tokens, budget=budget), rel=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_mtld_against_its_definition(seed):
    ids = (np.random.default_rng(seed).zipf(1.5, size=400) % 60).tolist()
    tokens = Tokens.from_lists([ids[:7], ids[7:300], ids[300:]])
    assert mtld(tokens) == pytest.approx(reference.mtld(ids), rel=1e-12)


def test_vocd_finds_the_d_that_its_curve_was_made_with():
    # Of types that are all equally frequent the expected ratio is known, and so is the D that fits it.
    types = 80
    ids = np.repeat(np.arange(types), 400)
    sizes = np.arange(35, 51)
    ratios = types * (1 - (1 - 1 / types) ** sizes) / sizes
    ds = np.linspace(20, 120, 100_001)[:, None]
    squares = np.square(ds / sizes * (np.sqrt(1 + 2 * sizes / ds) - 1) - ratios).sum(axis=1)
    assert vocd_d(Tokens.from_lists([ids.tolist()])) == pytest.approx(float(ds[squares.argmin(), 0]), rel=0.02)


def test_compression_is_that_of_gzip_over_the_joined_texts(monkeypatch):
    texts = [f"Line {at % 13}, naïve\n" * (at % 4) for at in range(50)]
    joined = "\n".join(texts).encode()
    # Some builds of zlib pack what they get in pieces a little otherwise.
    expected = pytest.approx(len(joined) / len(gzip.compress(joined, 9, mtime=0)), rel=0.03)
    assert compression_ratio(pa.chunked_array([texts])) == expected
    monkeypatch.setattr("variegate.metrics.compression.CHUNK", 7)
    assert compression_ratio(pa.chunked_array([texts[:20], texts[20:]])) == expected


def test_the_band_is_that_of_the_reference():
    pool = Tokens.from_lists([[1] * 9, [2] * 10, [3] * 500, [4] * 501, [5] * 30])
    assert token_types(pool) == 3
    assert token_types(Tokens.from_lists([[1, 2, 4, 5, 6]]), pool) == 2
    assert token_types(Tokens.from_lists([[1, 2, 4, 5, 6]]), pool, low=1, high=1000) == 4


@pytest.mark.parametrize("q", [0, 0.5, 1, 1 + 1e-7, 2, 50, float("inf")])
def test_hill_numbers_against_their_definition(q):
    shares = np.array([0.5, 0.25, 0.125, 0.125])
    if q == 1:
        expected = math.prod(p**-p for p in shares)
    elif math.isinf(q):
        expected = 2.0
    else:
        expected = sum(p**q for p in shares) ** (1 / (1 - q))
    assert hill_number(shares * 80, q, "x") == pytest.approx(expected, rel=1e-6)
    # Of equal types there are as many as there are, whatever the order.
    assert hill_number(np.full(7, 3), q, "x") == pytest.approx(7, rel=1e-7)


def test_entropies_and_hill_numbers_agree():
    lists = [[1, 2], [2, 3, 3], [9]]
    tokens = Tokens.from_lists(lists)
    flat = list(itertools.chain(*lists))
    assert 2 ** token_entropy(tokens) == pytest.approx(token_hill(tokens), rel=1e-12)
    assert token_hill(tokens, q=0) == len(set(flat))
