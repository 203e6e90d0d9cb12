"""What rows score by novelty: exactly, nearly, and at most."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import coarse_unit_rows, proximity_weights, unit_rows
from variegate.geometry.rounding import ROUNDINGS, UNIT, error_share, sum_share
from variegate.geometry.threads import Threads
from variegate.strategies.novelselect.histograms import ROWS, TOGETHER, Histograms

__all__ = ["Scores"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
F32 = NDArray[np.float32]

# Picks that are folded into bounds together.
PICKS = 256
# Histograms are laid anew each time that there are this many times as many picks, until there are enough for good.
MORE, ENOUGH = 4, 1024


class Scores:
    """Scores of rows with respect to the picks so far, and what bounds them.

    The score S of a row is the sum of w_r e_(r), e its weighted distances to the picks sorted
    ascending, w_r = 1 / r^alpha. Since the weights fall, of all orders the ascending one has the
    least sum: any other order of the same distances bounds S from above. All rows have a bound by
    the histogram of their distances (:class:`Histograms`), brought up to date for a block of picks
    at a time. Within a block a new distance v is put at the end of the order, as rank t + 1: S
    grows by at most w_(t+1) v.

    Args:
        x: (n, d) vectors, no zero rows.
        sigma: (n,) densities.
        most: picks that there will be at most.
        alpha: how fast the weights fall.
        density_of: "both" or "other".
        threads: that share the work.

    Attributes:
        count: picks so far.
        bound: (n,) at least the score of each row with respect to the first `folded` picks.
        histograms: of the distances to the first `folded` picks.
        weights: (most,) of the ranks.
        slack: what a float32 product of two unit vectors can be off by.
        own: (n,) the part of a row's own density in its weighted distances.
    """

    def __init__(self, x: NDArray[Any], sigma: Floats, most: int, alpha: float, density_of: str, threads: Threads) -> None:
        n, d = x.shape
        self.x, self.sigma, self.threads = x, sigma, threads
        self.own = sigma if density_of == "both" else np.zeros(n)
        self.unit = coarse_unit_rows(x)
        self.slack = error_share(d)
        self.rows = np.empty(most, np.int64)
        self.picked, self.picked_coarsely = np.empty((most, d)), np.empty((most, d), np.float32)
        self.count = self.folded = 0
        self.bound = np.zeros(n)
        self.weights = proximity_weights(most, alpha)
        self.histograms, self.laid = Histograms(n, self.weights), 0

    def add(self, row: int) -> None:
        """Take a row as the next pick; the bounds follow with the next :meth:`fold`."""
        self.rows[self.count] = row
        self.picked[self.count] = self.picked_coarsely[self.count] = unit_rows(self.x[row : row + 1])[0]
        self.count += 1

    def fold(self) -> None:
        """Bring the bounds of all rows up to date, reading the matrix once for a block of picks."""
        if self.folded == self.count:
            return
        first = self.folded
        if self.laid < ENOUGH and self.count >= MORE * self.laid:
            self.histograms.start_anew(self._mean_distances())
            self.laid, first = self.count, 0
        for low in range(first, self.count, PICKS):
            self._fold(slice(low, min(low + PICKS, self.count)))
        self.folded = self.count

    def _mean_distances(self) -> Floats:
        """Return each row's mean weighted distance to the picks, shape (n,)."""
        density = self.sigma[self.rows[: self.count]]
        picked = self.picked[: self.count]
        towards = np.stack([picked.sum(axis=0), density @ picked], axis=1).astype(np.float32)
        products = self.unit @ towards
        total = self.own * (self.count - products[:, 0]) + density.sum() - products[:, 1]
        return np.asarray(np.maximum(total, 0) / self.count)

    def _fold(self, picks: slice) -> None:
        """Add some picks to the histograms; what of them is new to the bounds raises these too, if that comes to less."""
        self.histograms.begin_adding()
        weights = np.where(np.arange(picks.start, picks.stop) < self.folded, 0, self.weights[picks]).astype(np.float32)
        # More parts than threads: they are not equally fast.
        parts = np.linspace(0, len(self.bound), 4 * self.threads.count + 1).astype(np.int64)
        last = picks.stop == self.count

        def fold(part: slice) -> None:
            grown = self.bound[part]
            self.histograms.add(part, self._tiles(part, picks, weights, grown))
            if last:
                np.minimum(grown, self.histograms.bounds(part), out=grown)

        list(self.threads.each(fold, [slice(low, high) for low, high in pairwise(parts.tolist()) if low < high]))

    def _tiles(self, rows: slice, picks: slice, weights: F32, grown: Floats) -> Iterator[tuple[slice, F32]]:
        """Yield no less than the weighted distances of some rows to some picks, a tile at a time, and add w v to `grown`."""
        towards, density = self.picked_coarsely[picks].T, self.sigma[self.rows[picks]].astype(np.float32)
        own, unit = self.own[rows].astype(np.float32), self.unit[rows]
        size = max(1, min(TOGETHER // len(density), ROWS))
        memory = np.empty((2, size, len(density)), np.float32)
        # Twice the slack: once for the products, and once for what multiplies their distances of at most 2: two densities, their
        # sum, the product, a rounding each.
        far, share = np.float32(1 + 2 * self.slack), 1 + sum_share(len(density))
        for start in range(0, len(unit), size):
            part = slice(start, min(start + size, len(unit)))
            tile, density_of_both = memory[:, : part.stop - start]
            np.matmul(unit[part], towards, out=tile)
            np.subtract(far, tile, out=tile)
            np.add(own[part, None], density, out=density_of_both)
            tile *= density_of_both
            grown[part] += (tile @ weights) * share
            yield part, tile

    def angles(self) -> Floats:
        """Return the angles of all rows from a centre, or a little more, shape (n,)."""
        centre = self.unit.mean(axis=0, dtype=np.float64)
        length = np.linalg.norm(centre)
        centre = centre / length if length > 1e-6 else np.eye(1, len(centre))[0]
        cosines = self.unit @ centre.astype(np.float32) - self.slack
        return np.asarray(np.arccos(np.clip(cosines, -1, 1), dtype=np.float64))

    def distances(self, rows: Ints) -> F32:
        """Return the cosine distances of rows to all picks, as good as `slack`, shape (rows, count)."""
        cosines = self.unit[rows] @ self.picked_coarsely[: self.count].T
        np.subtract(1, cosines, out=cosines)
        return np.asarray(np.maximum(cosines, 0, out=cosines))

    def at_most(self, rows: Ints, distances: F32) -> Floats:
        """Return what rows score at most, given their distances to all picks, which are used up, shape (rows,)."""
        density, own = self.sigma[self.rows[: self.count]], self.own[rows]
        weights = self.weights[: self.count]
        distances *= np.add.outer(own.astype(np.float32), density.astype(np.float32))
        distances.sort(axis=1)
        # Of the products, and again of two densities, their sum and the product. What stands at a
        # rank moves by no more than what moves most.
        off = (self.slack + ROUNDINGS * UNIT) * (own + density.max())
        return np.asarray(distances.astype(np.float64) @ weights + off * weights.sum())

    def growth(self, unit: F32, own: Floats) -> Floats:
        """Return by how much the last pick can have raised the scores of rows, given as `unit` and `own` hold them, (rows,)."""
        last = self.count - 1
        distances = 1 + self.slack - (unit @ self.picked_coarsely[last]).astype(np.float64)
        return np.asarray(self.weights[last] * distances * (own + self.sigma[self.rows[last]]))
