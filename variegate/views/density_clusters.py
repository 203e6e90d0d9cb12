"""Topics as BERTopic makes them: UMAP, then HDBSCAN; the same on every run and on any number of threads.

Different rows are clustered, and copies get the label of their first row. Among many copies the nearest 15 neighbours
would be an arbitrary 15, the copies of one text would fall into several topics, and a pool that is merely repeated
would gain topics.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter, missing_extra
from variegate.geometry import coarse_unit_rows, copies, nearest

__all__ = ["OUTLIERS", "umap_hdbscan_labels"]

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

    The search for neighbours takes time that grows with the square of the rows. A smallest cluster of about a hundredth
    of the rows or more often leaves one cluster that holds most of them.

    Args:
        vectors: (n, d), more than 15 different directions, no zero rows.
        min_cluster_size: different rows of the smallest cluster; by default a thousandth of them, at least 10.
        outliers: what becomes of rows in no cluster: "nearest" gives them to the cluster of the nearest row that is in one,
            "own" makes each different one a cluster of its own, numbered by first row after the others, "drop" labels
            them -1.
        seed: of UMAP's layout.

    Returns:
        (n,) labels, from 0 for the largest cluster down; clusters of one size go by their first row. Equal rows have
        equal labels.

    Raises:
        ParameterError: an option is outside its range.
        DataError: not more than 15 different rows, or no cluster is found.
        MissingExtraError: umap-learn or hdbscan is not installed.

    Reference: McInnes et al. 2018, "UMAP"; Campello et al. 2013 and McInnes et al. 2017, "hdbscan".
    """
    if outliers not in OUTLIERS:
        raise bad_parameter("outliers", "umap-hdbscan", "'nearest', 'own' or 'drop'", outliers)
    if min_cluster_size is not None and (not isinstance(min_cluster_size, int) or min_cluster_size < 2):
        raise bad_parameter("min_cluster_size", "umap-hdbscan", "an int of at least 2", min_cluster_size)
    first, copy_of, unit = _different(vectors)
    distinct = len(first)
    if distinct <= NEIGHBOURS:
        raise DataError(
            f"umap-hdbscan needs more than {NEIGHBOURS} different rows, but there are {distinct}. Use kmeans:K instead."
        )
    size = max(SMALLEST_CLUSTER, distinct // ROWS_A_CLUSTER_ROW) if min_cluster_size is None else min_cluster_size
    reduced = _reduced(unit, seed)
    labels = _clustered(reduced, size)
    if labels.max() < 0:
        raise DataError(
            f"umap-hdbscan finds no cluster of at least {size} rows among {distinct} different ones. "
            "Pass a smaller size, or use kmeans:K."
        )
    lost = labels < 0
    if outliers == "nearest" and lost.any():
        labels[lost] = labels[~lost][nearest(reduced[lost], reduced[~lost], 1)[1][:, 0]]
    labels = _by_size(labels[copy_of])
    if outliers == "own":
        own = labels.max() + np.cumsum(lost)
        labels = np.where(lost[copy_of], own[copy_of], labels)
    return labels


def _different(vectors: NDArray[Any]) -> tuple[Ints, Ints, NDArray[np.float32]]:
    """Return the first row of each direction, ascending (m,), which of them each row equals (n,), and the m as unit rows."""
    unit = coarse_unit_rows(vectors)
    same = copies(unit)
    copy_of = np.empty(len(unit), np.int64)
    copy_of[same.rows] = np.repeat(np.arange(len(same.first)), np.diff(same.starts))
    return same.first, copy_of, unit[same.first]


def _reduced(unit: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Return the layout, shape (m, at most 5), of different unit rows (m, d)."""
    try:
        with _quiet():
            from umap import UMAP
    except ImportError:
        raise missing_extra("umap-learn", "clusters", "umap-hdbscan") from None
    # Exact neighbours need no compiling by pynndescent: quicker at 20,000 rows, half a minute slower at 117,000.
    squared, rows = nearest(unit, unit, NEIGHBOURS)
    layout = UMAP(
        n_neighbors=NEIGHBOURS, n_components=min(COMPONENTS, unit.shape[1]), min_dist=MIN_DIST, metric="euclidean", init="pca",
        random_state=seed, n_jobs=1, precomputed_knn=(rows, np.sqrt(squared).astype(np.float32), None),
    )  # fmt: skip
    with _quiet(), _one_thread():
        return np.asarray(layout.fit_transform(unit), np.float32)


def _clustered(points: NDArray[np.float32], size: int) -> Ints:
    try:
        with _quiet():
            from hdbscan import HDBSCAN
    except ImportError:
        raise missing_extra("hdbscan", "clusters", "umap-hdbscan") from None
    with _quiet(), _one_thread():
        return np.asarray(HDBSCAN(min_cluster_size=size, core_dist_n_jobs=1).fit_predict(points.astype(np.float64)), np.int64)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep sums in one order: the layout starts from principal components, and blows up any difference of last bits."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


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
