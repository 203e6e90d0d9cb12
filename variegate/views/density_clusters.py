"""Topics as BERTopic makes them: UMAP, then HDBSCAN; the same on every run and on any number of threads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter, missing_extra
from variegate.geometry import distinct_rows, nearest

__all__ = ["umap_hdbscan_labels"]

Ints = NDArray[np.int64]

# BERTopic's settings (Grootendorst 2022).
NEIGHBOURS, COMPONENTS, MIN_DIST = 15, 5, 0.0
# Its smallest cluster, which is grown with the data, so that large pools do not fall into thousands.
SMALLEST_CLUSTER, ROWS_A_CLUSTER_ROW = 10, 1000
OUTLIERS = ("nearest", "own", "drop")


def umap_hdbscan_labels(
    vectors: NDArray[Any], *, min_cluster_size: int | None = None, outliers: str = "nearest", seed: int = 0
) -> Ints:
    """Cluster vectors by density: UMAP to five dimensions on exact cosine neighbours, then HDBSCAN.

    Args:
        vectors: (n, d), n > 15, no zero rows.
        min_cluster_size: rows of the smallest cluster; by default a thousandth of n, at least 10.
        outliers: what becomes of rows in no cluster: "nearest" gives them to the cluster of the nearest row that is in one,
            "own" makes each a cluster of its own, "drop" labels them -1.
        seed: of UMAP's layout.

    Returns:
        (n,) labels, from 0 for the largest cluster down; clusters of one size go by their first row.

    Raises:
        ParameterError: an option is outside its range.
        DataError: not more than 15 different rows, or no cluster is found.
        MissingExtraError: umap-learn or hdbscan is not installed.

    Reference: McInnes et al. 2018, "UMAP"; Campello et al. 2013 and McInnes et al. 2017, "hdbscan".
    """
    if outliers not in OUTLIERS:
        raise bad_parameter("outliers", "umap-hdbscan", "'nearest', 'own' or 'drop'", outliers)
    size = max(SMALLEST_CLUSTER, len(vectors) // ROWS_A_CLUSTER_ROW) if min_cluster_size is None else min_cluster_size
    if size < 2:
        raise bad_parameter("min_cluster_size", "umap-hdbscan", "an int of at least 2", min_cluster_size)
    distinct = len(distinct_rows(vectors))
    if distinct <= NEIGHBOURS:
        raise DataError(
            f"umap-hdbscan needs more than {NEIGHBOURS} different rows, but there are {distinct}. Use kmeans:K instead."
        )
    reduced = _reduced(vectors, seed)
    labels = _clustered(reduced, size)
    if labels.max() < 0:
        raise DataError(
            f"umap-hdbscan finds no cluster of at least {size} rows among {len(vectors)}. Pass a smaller size, or use kmeans:K."
        )
    labels = _by_size(labels)
    lost = labels < 0
    if outliers == "own":
        labels[lost] = labels.max() + 1 + np.arange(lost.sum())
    elif outliers == "nearest" and lost.any():
        labels[lost] = labels[~lost][nearest(reduced[lost], reduced[~lost], 1)[1][:, 0]]
        labels = _by_size(labels)
    return labels


def _reduced(vectors: NDArray[Any], seed: int) -> NDArray[np.float32]:
    try:
        with _quiet():
            from umap import UMAP
    except ImportError:
        raise missing_extra("umap-learn", "clusters", "umap-hdbscan") from None
    from threadpoolctl import threadpool_limits

    unit = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
    # Exact neighbours are as quick as approximate ones on one thread, which is all that a seed allows, and always the same.
    squared, rows = nearest(unit, unit, NEIGHBOURS)
    layout = UMAP(
        n_neighbors=NEIGHBOURS, n_components=min(COMPONENTS, vectors.shape[1]), min_dist=MIN_DIST, metric="euclidean", init="pca",
        random_state=seed, n_jobs=1, precomputed_knn=(rows, np.sqrt(squared).astype(np.float32), None),
    )  # fmt: skip
    # One thread: the layout blows any difference in the last bits up.
    with threadpool_limits(1), _quiet():
        return np.asarray(layout.fit_transform(unit), np.float32)


def _clustered(points: NDArray[np.float32], size: int) -> Ints:
    try:
        with _quiet():
            from hdbscan import HDBSCAN
    except ImportError:
        raise missing_extra("hdbscan", "clusters", "umap-hdbscan") from None
    with _quiet():
        return np.asarray(HDBSCAN(min_cluster_size=size, core_dist_n_jobs=1).fit_predict(points.astype(np.float64)), np.int64)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the warnings of the two packages from users, who can do nothing about them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _by_size(labels: Ints) -> Ints:
    """Number clusters by falling size, equal ones by their first row; -1 stays."""
    real = labels >= 0
    names, first, inverse, counts = np.unique(labels[real], return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -counts))
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    out = np.full(len(labels), -1, np.int64)
    out[real] = rank[inverse]
    return out
