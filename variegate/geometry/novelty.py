"""Novelty [N]: proximity-weighted, density-aware distances of each row to the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from variegate.geometry.cosine import unit_rows
from variegate.geometry.device import set_own, sort_rows, to_numpy
from variegate.geometry.pairs import PairStatistic
from variegate.geometry.vectors import Floats, Ints, Matrix, blocks, row_blocks

__all__ = ["Novelty", "exact_novelty", "proximity_weights"]

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
        self.others: Any = None if sigma is None or density_of == "self" else sigma.astype(np.float32)
        self.include_self = include_self
        self.novelty = np.empty(n)

    def see(self, rows: slice, distances: Any) -> None:
        """Take in a block, see :class:`PairStatistic`."""
        if self.others is not None:
            if type(self.others) is not type(distances):
                # On the device, once.
                self.others = distances.new_tensor(self.others)
            distances *= self.others
        if not self.include_self:
            set_own(distances, rows, np.inf)
        self.novelty[rows] = _weighted_sum(sort_rows(distances), self.weights)

    def result(self) -> Floats:
        """Return the novelty of each row, shape (n,)."""
        novelty = self.novelty / self.weights.sum()
        return np.asarray(novelty if self.sigma is None else novelty * self.sigma)

    def value(self) -> float:
        """Return the mean novelty: NovelSum."""
        return float(self.result().mean())


def exact_novelty(vectors: Matrix, rows: Ints, sigma: Floats, *, alpha: float) -> Floats:
    """Return the novelty of some rows by their own density, themselves at rank 1, in float64 throughout, shape (rows,).

    Args:
        vectors: (n, d), no zero rows.
        rows: which.
        sigma: (n,) density of each row.
        alpha: exponent of the proximity weights.
    """
    n = len(vectors)
    weights = proximity_weights(n, alpha)
    out = np.empty(len(rows))
    distances = np.empty(n)
    for at, row in enumerate(rows.tolist()):
        own = unit_rows(vectors[row : row + 1])
        for start, stop in row_blocks(vectors):
            difference = unit_rows(vectors[start:stop]) - own
            distances[start:stop] = 0.5 * np.einsum("nd,nd->n", difference, difference)
        distances.sort()
        out[at] = sigma[row] * (distances * weights).sum() / weights.sum()
    return out


def _weighted_sum(distances: Any, weights: Floats) -> Floats:
    """Return each row's sum by weights, of its first entries where there are fewer weights; a block of columns at a time."""
    parts = blocks(len(weights), COLUMNS)
    if isinstance(distances, np.ndarray):
        total = np.zeros(len(distances))
        for start, stop in parts:
            total += distances[:, start:stop].astype(np.float64) @ weights[start:stop]
        return total
    import torch

    held = torch.from_numpy(weights).to(distances.device)
    return to_numpy(sum(distances[:, start:stop].double() @ held[start:stop] for start, stop in parts))
