"""Measuring: which metrics on which view, draws and intervals, references, what cannot be computed."""

from __future__ import annotations

import numpy as np
import pytest

import variegate as vg
from variegate.metrics import GROUPS
from variegate.metrics.distance import distsum_cosine
from variegate.metrics.lexical import token_entropy
from variegate.metrics.novelty import novelsum
from variegate.metrics.spectral import vendi_score
from variegate.views.tokens import Tokens


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


# --- shared work


@pytest.fixture
def counted(monkeypatch):
    """Count the calls of a function, wherever it is used."""
    calls: list[str] = []

    def count(module, name):
        function = getattr(module, name)

        def counting(*arguments, **options):
            calls.append(name)
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, counting)

    count.calls = calls
    return count


def test_all_metrics_look_at_the_pairs_once(counted):
    from variegate.geometry import pairs, spectrum

    counted(pairs, "CosineRows")
    counted(spectrum, "unit_rows")
    x = np.random.default_rng(0).normal(size=(60, 5))
    names = ["novelsum", "distsum_l2", "knn_distance", "knn_distance@3", "vendi_score", "vendi_score@2", "log_det"]
    results = vg.measure(x, names)
    assert sorted(counted.calls) == ["CosineRows", "unit_rows"]
    alone = [vg.measure(x, name)[0].value for name in names]
    assert [result.value for result in results] == pytest.approx(alone, rel=1e-12)


def test_all_metrics_cluster_and_tokenize_once(counted, tmp_path):
    import json

    import sklearn.cluster

    from variegate.views import tokens

    fits = []

    class Counting(sklearn.cluster.KMeans):
        def fit(self, *arguments, **options):
            fits.append(self.n_clusters)
            return super().fit(*arguments, **options)

    rows = [{"instruction": f"Say {at} and {at * at}.", "response": "x " * (at + 5)} for at in range(30)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    counted(tokens, "cached_arrays")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sklearn.cluster, "KMeans", Counting)
        options = {"cluster_inertia": {"k": 8}, "partition_entropy": {"k": 8}}
        metrics = ["lexical", "cluster_inertia", "partition_entropy", "topic_count", "topic_entropy", "topic_hill"]
        results = vg.measure(tmp_path / "a.jsonl", metrics, topics="kmeans:8", params=options)
    assert fits == [8]
    # Once, for the metrics and the static embedder.
    assert counted.calls.count("cached_arrays") == 1
    found = {result.metric: result.value for result in results}
    assert found["partition_entropy"] == pytest.approx(found["topic_entropy"], rel=1e-12)


def test_results_are_not_shared_beyond_a_measurement():
    x = np.random.default_rng(0).normal(size=(60, 5))
    first = vendi_score(x)
    x[:, 0] = 7
    assert vendi_score(x) < 0.9 * first
    assert vg.measure(x, "vendi_score")[0].value == pytest.approx(vendi_score(x), rel=1e-12)


# --- references and samples


def test_the_result_says_what_was_the_reference():
    x = vg.Corpus.from_vectors(np.random.default_rng(0).normal(size=(40, 5)), "mine")
    pool = vg.Corpus.from_vectors(np.random.default_rng(1).normal(size=(90, 5)), "pool")
    options = {"partition_entropy": {"k": 5}}
    names = ["novelsum", "partition_entropy", "facility_location"]
    for result in vg.measure(x, names, reference=pool, params=options):
        assert (result.params["reference"], result.params["reference_n"]) == ("pool", 90)
    novel, partition = vg.measure(x, names[:2], params=options)
    assert novel.params["reference"] is None
    assert partition.params["reference"] == "mine"
    with pytest.raises(vg.DataError, match="mine: facility_location needs a reference"):
        vg.measure(x, "facility_location")


def test_subsamples_without_a_reference_are_seen_against_the_whole_set():
    x = np.random.default_rng(0).normal(size=(400, 3))
    (result,) = vg.measure(x, "partition_entropy", size_matched=50, params={"partition_entropy": {"k": 20}})
    from variegate.metrics.clustering import partition_entropy

    rows = np.sort(np.random.default_rng(0).choice(400, 50, replace=False))
    assert result.value == pytest.approx(partition_entropy(x[rows], x, k=20), rel=1e-12)


@pytest.mark.parametrize("seeds", [None, 3])
def test_metrics_over_pairs_look_at_a_sample_of_many_rows_and_say_so(seeds):
    x = np.random.default_rng(0).normal(size=(300, 4))
    knn, vendi = vg.measure(x, ["knn_distance", "vendi_score"], max_pair_rows=100, seeds=seeds)
    assert (knn.n, knn.params["sampled_from"], knn.params["sample_seed"]) == (100, 300, 0)
    assert (vendi.n, "sampled_from" in vendi.params) == (300, False)
    draws = [
        vg.measure(x[np.sort(np.random.default_rng(seed).choice(300, 100, replace=False))], "knn_distance")[0].value
        for seed in range(seeds or 1)
    ]
    assert knn.draws == pytest.approx(draws, rel=1e-12)
    (whole,) = vg.measure(x, "knn_distance", max_pair_rows=0)
    assert (whole.n, "sampled_from" in whole.params) == (300, False)


def test_options_go_by_the_metric_and_then_by_the_name_that_was_asked_for():
    x = np.random.default_rng(0).normal(size=(30, 4))
    results = vg.measure(x, ["knn_distance", "knn_distance@2", "knn_distance@3"], params={"knn_distance": {"k": 5}})
    assert [result.params["k"] for result in results] == [5, 2, 3]
    assert [result.metric for result in results] == ["knn_distance", "knn_distance@2", "knn_distance@3"]


def test_a_metric_that_fails_leaves_the_others():
    x = np.random.default_rng(0).normal(size=(30, 4))
    failed = []
    results = vg.measure(x, "embedding", on_failure=lambda what, error: failed.append((what, str(error))))
    left_out = {"facility_location", "cluster_inertia", "partition_entropy"}
    assert {what.split(",")[0] for what, _ in failed} == left_out
    assert [result.metric for result in results] == [name for name in GROUPS["embedding"] if name not in left_out]
    assert any("200 clusters need at least 200 samples, but there are 30" in error for _, error in failed)


def test_the_two_names_of_a_metric():
    x = np.random.default_rng(0).normal(size=(30, 4))
    first, second = vg.measure(x, ["embedding_distance", "distsum_cosine"])
    assert (first.metric, first.value) == ("embedding_distance", pytest.approx(second.value, rel=1e-12))
