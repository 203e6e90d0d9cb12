"""Near-duplicates dropped inside k-means clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.geometry import bytes_a_block, kmeans, unit_rows
from variegate.geometry.rounding import wide_error_share
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks

__all__ = ["semdedup"]

Ints = NDArray[np.int64]
# Of a cluster, whose similarities are looked at together, at most.
ROWS = 1024
# Of rows, whose similarity is computed once more together.
PAIRS = 1 << 14


def semdedup(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    k: int | None = None,
    threshold: float | None = None,
    quality: NDArray[np.float64] | None = None,
    room: Room | None = None,
) -> Picks:
    """Drop semantic near-duplicates inside k-means clusters, until so many rows are left.

    In each cluster rows go by falling distance to the centroid, or by falling quality; a row's redundancy is its largest cosine
    similarity to an earlier one. Rows are kept from the least redundant up: to exactly `size`, and none above a threshold.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose.
        seed: of the starting centroids.
        k: clusters; None for a thousandth of the rows, at least 1.
        threshold: largest redundancy of a kept row, in (-1, 1]; None for whatever `size` comes to.
        quality: (n,) of near-duplicates the better is kept; None to keep the one farther from the centroid.
        room: what may be picked, in place of `size`; rows that are owned come before all others.

    Returns:
        Picks, the least redundant first; a pick's gain is 1 - its redundancy, and `threshold_realised` that of the last.

    Raises:
        DataError: fewer rows than asked for stay below the threshold; the message says how many do.
        ParameterError: an option is outside its range.

    Reference: Abbas et al. 2023, "SemDeDup".
    """
    clusters = max(1, len(x) // 1000) if k is None else k
    if isinstance(clusters, bool) or not isinstance(clusters, int) or clusters < 1:
        raise bad_parameter("k", "semdedup", "an int of at least 1, or null", k)
    if threshold is not None and not -1 < threshold <= 1:
        raise bad_parameter("threshold", "semdedup", "a number in (-1, 1], or null", threshold)
    room = Room.of(room, len(x), size)
    owned = np.isin(np.arange(len(x)), room.owned)
    found = kmeans(x, clusters, seed)
    key = -(found.squared if quality is None else quality)
    redundancy = np.full(len(x), -1.0)
    for cluster in range(clusters):
        rows = np.flatnonzero(found.labels == cluster)
        rows = rows[np.lexsort((rows, key[rows], ~owned[rows]))]
        unit = unit_rows(x[rows])
        step = max(1, min(ROWS, bytes_a_block() // (8 * max(1, len(rows)))))
        for start in range(0, len(rows), step):
            block = unit[start : start + step] @ unit[: start + step].T
            block[np.arange(block.shape[1]) >= np.arange(start, start + len(block))[:, None]] = -np.inf
            redundancy[rows[start : start + step]] = _largest(block, unit, start)
    order = np.lexsort((np.arange(len(x)), redundancy))
    if threshold is not None:
        order = order[redundancy[order] <= threshold + 1e-12]
    rows = room.fill(order.tolist())
    if not room.full:
        raise DataError(
            f"semdedup: {room.had(len(rows))} are at most {threshold} redundant, fewer than {room.asked}. Pass a larger "
            "threshold."
        )
    gains: list[float | None] = (1 - redundancy[rows]).tolist()
    return Picks(rows, gains, {"clusters": clusters, "threshold_realised": float(redundancy[rows].max())})


def _largest(similarities: NDArray[np.float64], unit: NDArray[np.float64], start: int) -> NDArray[np.float64]:
    """Return the largest similarity of each row of a block, -1 where there is none; the same in a block of any size."""
    best = similarities.max(axis=1)
    # A product's last bits depend on its shape and the threads; sums along single rows do not.
    # Of two cosines each may be off, in the product and in the sum.
    at, other = np.nonzero(similarities >= np.maximum(best, -2)[:, None] - 2 * wide_error_share(unit.shape[1]))
    out = np.full(len(best), -1.0)
    for low in range(0, len(at), PAIRS):
        some = slice(low, low + PAIRS)
        np.maximum.at(out, at[some], np.einsum("pd,pd->p", unit[start + at[some]], unit[other[some]]))
    return out
