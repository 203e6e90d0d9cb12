"""One pass over all pairs of rows for everything that looks at pairs."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from variegate.geometry.cosine import CosineRows, cosine_distance_rows, row_lengths, unit_rows
from variegate.geometry.device import active_device, least, set_own, smallest, to_numpy
from variegate.geometry.memory import bytes_a_block
from variegate.geometry.threads import Threads
from variegate.geometry.vectors import Floats, Matrix, blocks
from variegate.progress import track

__all__ = ["MeanL2", "NearestOthers", "PairStatistic", "over_pairs"]

# Lengths that agree to this much count as equal, as those of unit rows do: no distance moves by more than this share of them.
# A choice of what to measure, and no bound on rounding.
SAME_LENGTH = 1e-6


class PairStatistic(ABC):
    """Something gathered over blocks of pairwise cosine distances.

    Attributes:
        spoils: whether :meth:`see` changes the block that it gets.
    """

    spoils: ClassVar[bool] = False

    @abstractmethod
    def see(self, rows: slice, distances: Any) -> None:
        """Take in the cosine distances of some rows to all rows, shape (rows, n); the distance to itself is 0.

        Several threads do so at once, each with other rows.
        """

    @abstractmethod
    def value(self) -> float:
        """Return what a metric makes of it, after all rows were seen."""


def over_pairs(vectors: Matrix, statistics: Sequence[PairStatistic], block_bytes: int | None = None) -> None:
    """Show every pair of rows to all statistics, in one pass.

    Args:
        vectors: (n, d), no zero rows.
        statistics: what gathers; results are taken from them afterwards.
        block_bytes: memory for the distances held at once; by default what :func:`use_memory` allows.
    """
    if active_device() is not None:
        for rows, distances in cosine_distance_rows(vectors, block_bytes):
            _show(statistics, rows, distances)
        return
    n, of_vectors, local = len(vectors), CosineRows(vectors), threading.local()
    threads = Threads()
    size = max(1, min(n, (block_bytes or bytes_a_block()) // (4 * n * threads.count)))

    def see(part: tuple[int, int]) -> int:
        start, stop = part
        if not hasattr(local, "memory"):
            # Fresh pages cost as much as the product.
            local.memory = np.empty((size, n), np.float32)
        _show(statistics, slice(start, stop), of_vectors.to_all(start, stop, local.memory[: stop - start]))
        return stop - start

    with threads, track("pairs", n) as advance:
        for count in threads.each(see, blocks(n, size)):
            advance(count)


def _show(statistics: Sequence[PairStatistic], rows: slice, distances: Any) -> None:
    spoiling = [one for one in statistics if one.spoils]
    for one in statistics:
        if not one.spoils:
            one.see(rows, distances)
    for one in spoiling[:-1]:
        one.see(rows, distances.copy() if isinstance(distances, np.ndarray) else distances.clone())
    for one in spoiling[-1:]:
        one.see(rows, distances)


class NearestOthers(PairStatistic):
    """Cosine distance of each row to its k nearest other rows.

    Float32 finds the rows, and their distances are computed again in float64, so that they do not depend on blocks or threads.

    Attributes:
        k: how many.
        least: (n,) float64, the distance to the nearest.
        mean: (n,) float64, the mean distance to the k nearest.
        rows: (n,) the nearest other row, the first of equals.
    """

    def __init__(self, vectors: Matrix, k: int) -> None:
        self.vectors, self.k = vectors, k
        self.least, self.mean = np.empty(len(vectors)), np.empty(len(vectors))
        self.rows = np.empty(len(vectors), np.int64)

    def see(self, rows: slice, distances: Any) -> None:
        """Take in a block, see :class:`PairStatistic`."""
        set_own(distances, rows, np.inf)
        self.rows[rows] = least(distances)[1]
        at = self.rows[rows, None] if self.k == 1 else to_numpy(smallest(distances, self.k))
        set_own(distances, rows, 0)
        exact = self._exact(rows.start, at.ravel()).reshape(at.shape)
        # Sorted, so that their sum does not depend on the order in which they were found.
        exact.sort(axis=1)
        self.least[rows], self.mean[rows] = exact[:, 0], exact.mean(axis=1)

    def value(self) -> float:
        """Return the mean distance."""
        return float(self.mean.mean())

    def _exact(self, start: int, others: Any) -> Floats:
        """Return the distances of the rows from `start` on to k others each, one row's after the other's."""
        out = np.empty(len(others))
        own = start + np.arange(len(others)) // self.k
        for low, high in blocks(len(others), max(1, bytes_a_block() // (32 * self.vectors.shape[1]))):
            difference = unit_rows(self.vectors[own[low:high]]) - unit_rows(self.vectors[others[low:high]])
            out[low:high] = 0.5 * np.einsum("pd,pd->p", difference, difference)
        # The length of a unit row is 1 but for rounding, and so the distance of opposite rows may be next above 2.
        return np.minimum(out, 2, out=out)


class MeanL2(PairStatistic):
    """Mean L2 distance over ordered pairs of distinct rows.

    |a - b|^2 = (|a| - |b|)^2 + 2 |a| |b| cosdist(a, b): both terms are positive, so nothing is lost by subtraction.
    """

    def __init__(self, vectors: Matrix) -> None:
        lengths = row_lengths(vectors)
        self.lengths = lengths.astype(np.float32)
        self.held: Any = self.lengths
        self.alike = float(lengths.max() - lengths.min()) <= SAME_LENGTH * float(lengths.max())
        self.mean_length = float(lengths.mean())
        self.totals = np.zeros(len(vectors))

    def see(self, rows: slice, distances: Any) -> None:
        """Take in a block, see :class:`PairStatistic`."""
        if self.alike:
            squares = distances
        else:
            if type(self.held) is not type(distances):
                # On the device, once.
                self.held = distances.new_tensor(self.lengths)
            own = self.held[rows, None]
            squares = 2 * distances
            squares *= own
            squares *= self.held
            apart = own - self.held
            apart *= apart
            squares += apart
        if isinstance(squares, np.ndarray):
            self.totals[rows] = np.sqrt(squares).sum(axis=1, dtype=np.float64)
        else:
            self.totals[rows] = to_numpy(squares.sqrt().double().sum(1))

    def value(self) -> float:
        """Return the mean distance."""
        n = len(self.lengths)
        scale = np.sqrt(2) * self.mean_length if self.alike else 1.0
        return float(scale * self.totals.sum() / (n * (n - 1)))
