"""Topics by UMAP and HDBSCAN."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import variegate as vg
from variegate.views import density_clusters as views
from variegate.views.density_clusters import umap_hdbscan_labels

pytest.importorskip("umap")
pytest.importorskip("hdbscan")

SIZES = (90, 50, 30)


def blobs(noise: int = 0):
    rng = np.random.default_rng(0)
    centres = np.eye(8)[:3] * 10
    parts = [centre + rng.normal(size=(size, 8)) * 0.3 for centre, size in zip(centres, (50, 90, 30), strict=True)]
    return np.vstack([*parts, rng.normal(size=(noise, 8)) * 4]).astype(np.float32)


def crowd(shake: float = 0.0):
    """30 groups of rows, a third of them copies of twenty rows; shaken, these differ in their last bits."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 64))[rng.integers(30, size=600)] + rng.normal(size=(600, 64)) * 0.3
    x = np.vstack([x, x[rng.integers(20, size=300)]])[rng.permutation(900)]
    return (x * (1 + shake * rng.normal(size=x.shape))).astype(np.float32)


@pytest.fixture(scope="module")
def found():
    return umap_hdbscan_labels(blobs())


def test_blobs_are_found_and_numbered_by_size(found):
    assert np.bincount(found).tolist() == list(SIZES)
    assert found[:50].tolist() == [1] * 50
    assert found[50:140].tolist() == [0] * 90


def test_the_same_on_every_run_and_number_of_threads(found):
    assert umap_hdbscan_labels(blobs()).tolist() == found.tolist()
    # Near copies are the hard case: which of them count as nearest hangs on the last bits.
    labels = umap_hdbscan_labels(crowd(1e-7))
    code = (
        "from tests.test_density_clusters import crowd; from variegate.views.density_clusters import umap_hdbscan_labels;"
        "print(umap_hdbscan_labels(crowd(1e-7)).tolist())"
    )
    threads = "1" if (os.cpu_count() or 1) > 1 else "2"
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, threads)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == str(labels.tolist())


@pytest.mark.parametrize("policy", ["nearest", "own", "drop"])
def test_what_becomes_of_outliers(policy, monkeypatch):
    x = blobs()[:, :2] * 0 + np.arange(170)[:, None]
    given = np.array([5] * 60 + [-1] * 10 + [2] * 80 + [-1] * 20)
    monkeypatch.setattr(views, "_reduced", lambda vectors, seed: x.astype(np.float32))
    monkeypatch.setattr(views, "_clustered", lambda points, size: given)
    labels = umap_hdbscan_labels(np.random.default_rng(0).normal(size=(170, 3)), outliers=policy)
    # The larger of the two is 0; rows 60 to 64 lie nearer to the first cluster, the rest of the gap and the end to the second.
    if policy == "nearest":
        assert labels.tolist() == [1] * 65 + [0] * 105
    elif policy == "own":
        assert labels.tolist() == [1] * 60 + list(range(2, 12)) + [0] * 80 + list(range(12, 32))
    else:
        assert labels.tolist() == [1] * 60 + [-1] * 10 + [0] * 80 + [-1] * 20


def test_what_becomes_of_outliers_that_have_copies(monkeypatch):
    x = np.random.default_rng(0).normal(size=(40, 3))
    given = np.array([7] * 15 + [-1] * 10 + [4] * 15)
    monkeypatch.setattr(views, "_clustered", lambda points, size: given)
    # Copies make the first cluster the larger one, and are one topic where the row that they repeat is in no cluster.
    labels = umap_hdbscan_labels(np.vstack([x, x[:2], x[[16, 16, 20]]]), outliers="own")
    assert labels.tolist() == [0] * 15 + list(range(2, 12)) + [1] * 15 + [0] * 2 + [3, 3, 7]
    labels = umap_hdbscan_labels(np.vstack([x, x[:2], x[[16, 16, 20]]]), outliers="drop")
    assert labels.tolist() == [0] * 15 + [-1] * 10 + [1] * 15 + [0] * 2 + [-1] * 3


def test_copies_share_a_label_and_make_no_topics():
    x = crowd()
    labels = umap_hdbscan_labels(x)
    assert len(set(labels.tolist())) == 30
    _, copy_of = np.unique(x, axis=0, return_inverse=True)
    assert len(set(zip(copy_of.ravel().tolist(), labels.tolist(), strict=True))) == 600
    # Rows of another length are copies too: the cosine is what counts.
    assert umap_hdbscan_labels(np.vstack([x, 2 * x, x])).tolist() == labels.tolist() * 3


@pytest.mark.parametrize("policy", ["nearest", "own", "drop"])
def test_barely_enough_rows(policy):
    # Two heaps of eight rows, each row many times.
    x = np.vstack([blobs()[:8], blobs()[50:58]])
    labels = umap_hdbscan_labels(np.tile(x, (100, 1)), min_cluster_size=3, outliers=policy)
    assert labels.reshape(100, 16).tolist() == [labels[:16].tolist()] * 100


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        (blobs()[:0], {}, "more than 15 different rows, but there are 0"),
        (blobs()[:15], {}, "more than 15 different rows, but there are 15"),
        (np.ones((50, 4)), {}, "more than 15 different rows, but there are 1"),
        (blobs()[:, :1] ** 2 + 1, {}, "more than 15 different rows, but there are 1"),
        (blobs(), {"min_cluster_size": 160}, "finds no cluster of at least 160 rows among 170 .* smaller size, or use kmeans:K"),
        (blobs(), {"min_cluster_size": 171}, "finds no cluster of at least 171 rows among 170 "),
        (blobs(), {"min_cluster_size": 1}, "'min_cluster_size' parameter"),
        (blobs(), {"min_cluster_size": True}, "'min_cluster_size' parameter"),
        (blobs(), {"min_cluster_size": 20.0}, "'min_cluster_size' parameter"),
        (blobs(), {"outliers": "keep"}, "'nearest', 'own' or 'drop'"),
    ],
)
def test_what_cannot_be_clustered(x, options, message):
    with pytest.raises(vg.VariegateError, match=message):
        umap_hdbscan_labels(x, **options)


@pytest.mark.parametrize("package", ["umap", "hdbscan"])
def test_without_the_packages_the_command_that_installs_them(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(views, "_reduced", views._reduced if package == "umap" else lambda vectors, seed: vectors)
    with pytest.raises(vg.MissingExtraError, match=r"variegate\[clusters\]"):
        umap_hdbscan_labels(blobs())


def test_topics_by_the_library(monkeypatch):
    results = vg.measure(blobs(), ["topic_count", "topic_hill@0"], topics="umap-hdbscan:20")
    assert [result.value for result in results] == [3, 3]
    assert results[0].params == {"topics": "umap-hdbscan:20", "embedder": "given vectors", "fitted_on": "vectors"}
    # The labels are cached: nothing is clustered again.
    monkeypatch.setattr(views, "umap_hdbscan_labels", None)
    assert vg.measure(blobs(), "topic_count", topics="umap-hdbscan:20")[0].value == 3
    # Rows of another set get the cluster of the nearest row that was clustered.
    part = vg.measure(blobs()[40:60] + 0.01, "topic_count", topics="umap-hdbscan:20", reference=blobs())
    assert part[0].value == 2
    with pytest.raises(vg.ParameterError, match=r"'umap-hdbscan\[:SIZE\]\[:OUTLIERS\]' with a whole number SIZE"):
        vg.measure(blobs(), "topic_count", topics="umap-hdbscan:few")
    with pytest.raises(vg.ParameterError, match="'topics' parameter"):
        vg.measure(blobs(), "topic_count", topics="umap-hdbscan:20:keep")


def test_the_policy_for_outliers_is_part_of_the_topics(monkeypatch):
    x = np.random.default_rng(0).normal(size=(40, 3))
    monkeypatch.setattr(views, "_clustered", lambda points, size: np.array([7] * 15 + [-1] * 10 + [4] * 15))
    counts = [
        vg.measure(x, "topic_count", topics=f"umap-hdbscan:5{policy}")[0].value for policy in ("", ":nearest", ":own", ":drop")
    ]
    # Rows without a topic do not count as one.
    assert counts == [2, 2, 12, 2]
    # Nor are they chosen.
    assert not set(vg.select(x, 30, "macro", topics="umap-hdbscan:drop:5").indices.tolist()) & set(range(15, 25))
    assert vg.select(x, 12, "macro", topics="umap-hdbscan:5:own").params["k_realised"] == 12


def test_topics_of_nobody_are_no_number():
    for name in ("topic_count", "topic_entropy", "topic_hill"):
        with pytest.raises(vg.DataError, match=f"{name} needs a sample with a topic"):
            vg.METRICS[name].function(np.array([-1, -1]))
