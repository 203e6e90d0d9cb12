"""Novelty [N]: proximity-weighted, density-aware distances of each row to the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.pairs import PairStatistic
from variegate.geometry.vectors import Floats, blocks

__all__ = ["Novelty", "proximity_weights"]

COLUMNS = 8192


def proximity_weights(count: int, alpha: float) -> Floats:
    """Return the weight 1 / rank^alpha of the nearest, second nearest, ..., shape (count,)."""
    return np.arange(1, count + 1, dtype=np.float64) ** -alpha


class Novelty(PairStatistic):
    """Each row's weighted mean distance to the others, the nearest weighing most.

    Args:
        n: number of rows.
        sigma: (n,) density of each row; None for no density.
        alpha: exponent of the proximity weights.
        density_of: "self" multiplies a row's distances by its own density, "other" each by the other row's.
        include_self: whether the row's distance 0 to itself holds rank 1.
    """

    spoils = True

    def __init__(self, n: int, sigma: Floats | None, *, alpha: float, density_of: str, include_self: bool) -> None:
        self.weights = proximity_weights(n if include_self else n - 1, alpha)
        self.sigma = sigma if density_of == "self" else None
        self.others = None if sigma is None or density_of == "self" else sigma.astype(np.float32)
        self.include_self = include_self
        self.novelty = np.empty(n)

    def see(self, rows: slice, distances: NDArray[np.float32]) -> None:
        """Take in a block, see :class:`PairStatistic`."""
        if self.others is not None:
            distances *= self.others
        if not self.include_self:
            here = np.arange(rows.start, rows.stop)
            distances[here - rows.start, here] = np.inf
        distances.sort(axis=1)
        self.novelty[rows] = _weighted_sum(distances, self.weights)

    def result(self) -> Floats:
        """Return the novelty of each row, shape (n,)."""
        novelty = self.novelty / self.weights.sum()
        return np.asarray(novelty if self.sigma is None else novelty * self.sigma)

    def value(self) -> float:
        """Return the mean novelty: NovelSum."""
        return float(self.result().mean())


def _weighted_sum(distances: NDArray[np.float32], weights: Floats) -> Floats:
    total = np.zeros(len(distances))
    for start, stop in blocks(len(weights), COLUMNS):
        total += distances[:, start:stop].astype(np.float64) @ weights[start:stop]
    return total
