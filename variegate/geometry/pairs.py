"""One pass over all pairs of rows for everything that looks at pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.cosine import cosine_distance_rows
from variegate.geometry.vectors import BLOCK_BYTES, Matrix, blocks

__all__ = ["MeanL2", "NearestOthers", "PairStatistic", "over_pairs"]

F32 = NDArray[np.float32]

ROWS = 8192
# Lengths that agree to this much count as equal: float32 could not tell the difference in a distance.
SAME_LENGTH = 1e-6


class PairStatistic(ABC):
    """Something gathered over blocks of pairwise cosine distances.

    Attributes:
        spoils: whether :meth:`see` changes the block that it gets.
    """

    spoils: ClassVar[bool] = False

    @abstractmethod
    def see(self, rows: slice, distances: F32) -> None:
        """Take in the cosine distances of some rows to all rows, shape (rows, n); the distance to itself is 0."""

    @abstractmethod
    def value(self) -> float:
        """Return what a metric makes of it, after all rows were seen."""


def over_pairs(vectors: Matrix, statistics: Sequence[PairStatistic], block_bytes: int = BLOCK_BYTES) -> None:
    """Show every pair of rows to all statistics, in one pass.

    Args:
        vectors: (n, d), no zero rows.
        statistics: what gathers; results are taken from them afterwards.
        block_bytes: memory for one block of distances.
    """
    careful = [one for one in statistics if not one.spoils]
    spoiling = [one for one in statistics if one.spoils]
    for rows, distances in cosine_distance_rows(vectors, block_bytes):
        for one in careful:
            one.see(rows, distances)
        for one in spoiling[:-1]:
            one.see(rows, distances.copy())
        for one in spoiling[-1:]:
            one.see(rows, distances)


class NearestOthers(PairStatistic):
    """Cosine distance of each row to its k nearest other rows.

    Attributes:
        distances: (n, k) float64, ascending.
        rows: (n,) the nearest other row, the first of equals.
    """

    def __init__(self, n: int, k: int) -> None:
        self.distances = np.empty((n, k))
        self.rows = np.empty(n, np.int64)

    def see(self, rows: slice, distances: F32) -> None:
        """Take in a block, see :class:`PairStatistic`."""
        k = self.distances.shape[1]
        own = (np.arange(rows.stop - rows.start), np.arange(rows.start, rows.stop))
        distances[own] = np.inf
        nearest = distances.argmin(axis=1)
        self.rows[rows] = nearest
        if k == 1:
            self.distances[rows] = distances[own[0], nearest][:, None]
        else:
            self.distances[rows] = np.sort(np.partition(distances, k - 1, axis=1)[:, :k], axis=1)
        distances[own] = 0

    def value(self) -> float:
        """Return the mean distance."""
        return float(self.distances.mean())


class MeanL2(PairStatistic):
    """Mean L2 distance over ordered pairs of distinct rows.

    |a - b|^2 = (|a| - |b|)^2 + 2 |a| |b| cosdist(a, b): both terms are positive, so nothing is lost by subtraction.
    """

    def __init__(self, vectors: Matrix) -> None:
        n = len(vectors)
        lengths = np.empty(n)
        for start, stop in blocks(n, ROWS):
            lengths[start:stop] = np.linalg.norm(np.asarray(vectors[start:stop], np.float64), axis=1)
        self.lengths = lengths.astype(np.float32)
        self.alike = float(lengths.max() - lengths.min()) <= SAME_LENGTH * float(lengths.max())
        self.mean_length = float(lengths.mean())
        self.total = 0.0

    def see(self, rows: slice, distances: F32) -> None:
        """Take in a block, see :class:`PairStatistic`."""
        if self.alike:
            roots = np.sqrt(distances)
        else:
            own = self.lengths[rows, None]
            roots = 2 * distances
            roots *= own
            roots *= self.lengths
            apart = own - self.lengths
            apart *= apart
            roots += apart
            np.sqrt(roots, out=roots)
        self.total += float(roots.sum(axis=1, dtype=np.float64).sum())

    def value(self) -> float:
        """Return the mean distance."""
        n = len(self.lengths)
        scale = np.sqrt(2) * self.mean_length if self.alike else 1.0
        return float(scale * self.total / (n * (n - 1)))
