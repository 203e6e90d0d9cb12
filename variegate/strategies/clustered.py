"""Strategies on k-means clusters: equal quotas, and dropping near-duplicates inside clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.geometry import kmeans, unit_rows
from variegate.strategies.spec import Picks

__all__ = ["k_means", "semdedup"]

Ints = NDArray[np.int64]

CLUSTERS = 100


def k_means(x: NDArray[Any], size: int, *, seed: int, k: int | None = None, within: str = "random") -> Picks:
    """Choose equally many rows of each k-means cluster.

    Clusters take turns, the largest first; one that has no row left is passed over.

    Args:
        x: (n, d) vectors.
        size: how many to choose.
        seed: of the starting centroids and of the draw.
        k: clusters; None for 100, or `size` if that is less.
        within: "random", or "nearest" for the rows nearest to the centroid first.

    Returns:
        Picks, one of each cluster, then a second of each, ...

    Raises:
        DataError: fewer rows than clusters.
        ParameterError: an option is outside its range.
    """
    if within not in ("random", "nearest"):
        raise bad_parameter("within", "k_means", "'random' or 'nearest'", within)
    clusters = min(CLUSTERS, size) if k is None else k
    if not isinstance(clusters, int) or clusters < 1:
        raise bad_parameter("k", "k_means", "an int of at least 1, or null", k)
    found = kmeans(x, clusters, seed)
    key = found.squared if within == "nearest" else np.random.default_rng(seed).random(len(x))
    sizes = np.bincount(found.labels, minlength=clusters)
    rank_of_cluster = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    order = np.lexsort((np.arange(len(x)), key, found.labels))
    # The place of each row within its cluster is the round in which it would be taken.
    place = np.empty(len(x), np.int64)
    place[order] = np.arange(len(x)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rows = np.lexsort((rank_of_cluster[found.labels], place))[:size]
    return Picks(np.asarray(rows, np.int64), [None] * size, {"clusters": clusters})


def semdedup(x: NDArray[Any], size: int, *, seed: int, k: int | None = None, threshold: float | None = None) -> Picks:
    """Drop semantic near-duplicates inside k-means clusters, until so many rows are left.

    In each cluster rows go by falling distance to the centroid; a row's redundancy is its largest cosine similarity to an
    earlier one. Rows are kept from the least redundant up: to exactly `size`, and with a threshold none above it.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose.
        seed: of the starting centroids.
        k: clusters; None for a thousandth of the rows, at least 1.
        threshold: largest redundancy of a kept row, in (-1, 1]; None for whatever `size` comes to.

    Returns:
        Picks, the least redundant first; a pick's gain is 1 - its redundancy, and `threshold_realised` that of the last.

    Raises:
        DataError: fewer rows than asked for stay below the threshold; the message says how many do.
        ParameterError: an option is outside its range.

    Reference: Abbas et al. 2023, "SemDeDup".
    """
    clusters = max(1, len(x) // 1000) if k is None else k
    if not isinstance(clusters, int) or clusters < 1:
        raise bad_parameter("k", "semdedup", "an int of at least 1, or null", k)
    if threshold is not None and not -1 < threshold <= 1:
        raise bad_parameter("threshold", "semdedup", "a number in (-1, 1], or null", threshold)
    found = kmeans(x, clusters, seed)
    redundancy = np.full(len(x), -1.0)
    for cluster in range(clusters):
        rows = np.flatnonzero(found.labels == cluster)
        rows = rows[np.lexsort((rows, -found.squared[rows]))]
        unit = unit_rows(x[rows])
        for start in range(0, len(rows), 1024):
            block = unit[start : start + 1024] @ unit[: start + 1024].T
            earlier = np.arange(block.shape[1]) < np.arange(start, start + len(block))[:, None]
            redundancy[rows[start : start + 1024]] = np.where(earlier, block, -1.0).max(axis=1)
    if threshold is not None:
        left = int((redundancy <= threshold + 1e-12).sum())
        if left < size:
            raise DataError(
                f"semdedup: {left} rows are at most {threshold} redundant, fewer than the {size} asked for. Pass a larger "
                "threshold."
            )
    rows = np.lexsort((np.arange(len(x)), redundancy))[:size]
    gains: list[float | None] = (1 - redundancy[rows]).tolist()
    return Picks(np.asarray(rows, np.int64), gains, {"clusters": clusters, "threshold_realised": float(redundancy[rows[-1]])})
