"""Novelty [N]: proximity-weighted, density-aware distances of each row to the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.cosine import cosine_distance_rows
from variegate.geometry.vectors import Floats, Matrix, blocks

__all__ = ["proximity_weights", "weighted_novelty"]

COLUMNS = 8192


def proximity_weights(count: int, alpha: float) -> Floats:
    """Return the weight 1 / rank^alpha of the nearest, second nearest, ..., shape (count,)."""
    return np.arange(1, count + 1, dtype=np.float64) ** -alpha


def weighted_novelty(
    vectors: Matrix,
    sigma: Floats | None,
    *,
    alpha: float,
    density_of: str,
    include_self: bool,
    block_bytes: int | None = None,
) -> Floats:
    """Return each row's weighted mean distance to the others, the nearest weighing most, shape (n,).

    Args:
        vectors: (n, d), no zero rows.
        sigma: (n,) density of each row; None for no density.
        alpha: exponent of the proximity weights.
        density_of: "self" multiplies a row's distances by its own density, "other" each by the other row's.
        include_self: whether the row's distance 0 to itself holds rank 1.
        block_bytes: memory for one block of distances; None for the default.
    """
    n = len(vectors)
    weights = proximity_weights(n if include_self else n - 1, alpha)
    out = np.empty(n)
    distance_rows = cosine_distance_rows(vectors, block_bytes) if block_bytes else cosine_distance_rows(vectors)
    others = None if sigma is None or density_of == "self" else sigma.astype(np.float32)
    for rows, distances in distance_rows:
        if others is not None:
            distances *= others
        if not include_self:
            here = np.arange(rows.start, rows.stop)
            distances[here - rows.start, here] = np.inf
        distances.sort(axis=1)
        out[rows] = _weighted_sum(distances, weights)
    out /= weights.sum()
    return out * sigma if sigma is not None and density_of == "self" else out


def _weighted_sum(distances: NDArray[np.float32], weights: Floats) -> Floats:
    total = np.zeros(len(distances))
    for start, stop in blocks(len(weights), COLUMNS):
        total += distances[:, start:stop].astype(np.float64) @ weights[start:stop]
    return total
