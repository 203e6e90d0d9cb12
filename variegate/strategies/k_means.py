"""Equally many rows of each k-means cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import kmeans
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks

__all__ = ["k_means"]

CLUSTERS = 100


def k_means(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    k: int | None = None,
    within: str | None = None,
    quality: NDArray[np.float64] | None = None,
    room: Room | None = None,
) -> Picks:
    """Choose equally many rows of each k-means cluster.

    Clusters take turns, the largest first; one that has no row left is passed over.

    Args:
        x: (n, d) vectors.
        size: how many to choose.
        seed: of the starting centroids and of the draw.
        k: clusters; None for 100, or `size` if that is less.
        within: "random", "nearest" for the rows nearest to the centroid first, "best" for those of the highest quality; None for
            "best" with a quality, "random" without.
        quality: (n,) larger is better.
        room: what may be picked, in place of `size`.

    Returns:
        Picks, one of each cluster, then a second of each, ...

    Raises:
        DataError: fewer rows than clusters.
        ParameterError: an option is outside its range.
    """
    within = within or ("random" if quality is None else "best")
    if within not in ("random", "nearest", "best"):
        raise bad_parameter("within", "k_means", "'random', 'nearest' or 'best'", within)
    if within == "best" and quality is None:
        raise bad_parameter("within", "k_means", "'random' or 'nearest' where no quality is given", within)
    room = Room.of(room, len(x), size)
    clusters = min(CLUSTERS, room.size) if k is None else k
    if isinstance(clusters, bool) or not isinstance(clusters, int) or clusters < 1:
        raise bad_parameter("k", "k_means", "an int of at least 1, or null", k)
    found = kmeans(x, clusters, seed)
    drawn = np.random.default_rng(seed).random(len(x))
    key = found.squared if within == "nearest" else drawn if within == "random" or quality is None else -quality
    sizes = np.bincount(found.labels, minlength=clusters)
    rank_of_cluster = np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")
    order = np.lexsort((np.arange(len(x)), key, found.labels))
    # The place of each row within its cluster is the round in which it would be taken.
    place = np.empty(len(x), np.int64)
    place[order] = np.arange(len(x)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rows = room.fill(np.lexsort((rank_of_cluster[found.labels], place)).tolist())
    return Picks(rows, [None] * len(rows), {"clusters": clusters, "within": within})
