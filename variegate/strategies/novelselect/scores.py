"""What rows score by novelty: exactly, nearly, and at most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import coarse_unit_rows, proximity_weights, unit_rows
from variegate.geometry.rounding import ROUNDINGS, UNIT, error_share, sum_share
from variegate.geometry.threads import Threads
from variegate.strategies.novelselect.histograms import ROWS, TOGETHER, Histograms

__all__ = ["Lines", "Scores"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
F32 = NDArray[np.float32]

# Picks that are folded into bounds together.
PICKS = 256
# Histograms are laid anew each time that there are this many times as many picks, until there are enough for good.
MORE, ENOUGH = 4, 1024
# Lines are kept for ranks that grow by this factor, from this share of the picks up to all.
RANK_STEP, LOWEST_SHARE = 2.0, 1 / 16


@dataclass
class Lines:
    """Bounds on what a pick adds to the score of some rows, one by rank; see :class:`Scores`.

    Attributes:
        counts: (rows,) picks that there were when each row was scored.
        drops: (ranks, rows) what the later ranks lose; -inf where the row had no more picks than that.
        easing: (ranks, rows) by how much that shrinks at most with each pick since.
    """

    counts: Floats
    drops: Floats
    easing: Floats

    @classmethod
    def none(cls, ranks: int, rows: int) -> Lines:
        """Return lines that bound nothing."""
        return cls(np.zeros(rows), np.full((ranks, rows), -np.inf), np.zeros((ranks, rows)))

    def of(self, rows: NDArray[Any] | slice, ranks: slice = slice(None)) -> Lines:
        """Return a copy for some rows and ranks."""
        return Lines(self.counts[rows], self.drops[ranks, rows], self.easing[ranks, rows])

    def put(self, rows: NDArray[Any] | slice, lines: Lines, ranks: slice = slice(None)) -> None:
        """Replace the lines of some rows by others."""
        self.counts[rows] = lines.counts
        self.drops[ranks, rows] = lines.drops
        self.easing[ranks, rows] = lines.easing


class Scores:
    """Scores of rows with respect to the picks so far, and what bounds them.

    The score S of a row is the sum of w_r e_(r), e its weighted distances to the picks sorted ascending, w_r = 1 / r^alpha.
    Since the weights fall, of all orders the ascending one has the least sum: any other order of the same distances bounds
    S from above. All rows have a bound by the histogram of their distances (:class:`Histograms`), brought up to date for a
    block of picks at a time. Within a block two bounds on the next score put the new distance v somewhere into the order:

    - At the end, as rank t + 1: S grows by at most w_(t+1) v.
    - Behind rank r, whose followers move down by one: S grows by at most w_(r+1) v - sum_{j>r} e_(j) (w_j - w_(j+1)), a line in
      v for each r. C picks later the followers stand up to C ranks lower; the differences of the weights are convex, so that
      they lose at least w_j - w_(j+1) - C (w_j - 2 w_(j+1) + w_(j+2)) each. `Lines` holds both sums for a few ranks.

    The first is far too high where v is one of the smaller distances, the second is nearly exact.

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
        ranks: those that there are lines for.
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
        weights = proximity_weights(most + 2, alpha)
        self.weights = weights[:most]
        self.histograms, self.laid = Histograms(n, self.weights), 0
        steps = RANK_STEP ** np.arange(np.log(most) / np.log(RANK_STEP))
        self.ranks = np.unique(steps.astype(np.int64))
        self.falls = weights[:-1] - weights[1:]
        behind = np.arange(1, most + 1)[:, None] > self.ranks
        self.falls_behind = self.falls[:-1, None] * behind
        self.bends_behind = (self.falls[:-1] - self.falls[1:])[:, None] * behind
        self.remember(np.zeros(0, np.int64), Lines.none(len(self.ranks), 0))

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

    def remember(self, rows: Ints, lines: Lines) -> None:
        """Keep the lines of some rows, ascending, in place of those kept before."""
        self.remembered = rows, lines

    def recall(self, rows: Ints) -> Lines:
        """Return the lines of some rows, as far as they are remembered."""
        known, kept = self.remembered
        _, here, there = np.intersect1d(rows, known, assume_unique=True, return_indices=True)
        lines = Lines.none(len(self.ranks), len(rows))
        lines.put(here, kept.of(there))
        return lines

    def distances(self, rows: Ints, *, exact: bool) -> NDArray[Any]:
        """Return cosine distances of rows to all picks, shape (rows, count): in float64, or in float32 and as good as `slack`."""
        if exact:
            cosines: NDArray[Any] = unit_rows(self.x[rows]) @ self.picked[: self.count].T
        else:
            cosines = self.unit[rows] @ self.picked_coarsely[: self.count].T
        np.subtract(1, cosines, out=cosines)
        return np.asarray(np.maximum(cosines, 0, out=cosines))

    def measure(self, rows: Ints, distances: NDArray[Any], ranks: slice) -> tuple[Floats, Lines]:
        """Return the scores of rows and their lines for some ranks, given their distances to all picks, which are used up.

        By float64 distances scores are exact, by float32 ones they are bounds: no more than what rounding can add too high.
        """
        count, coarse = self.count, distances.dtype == np.float32
        density = self.sigma[self.rows[:count]]
        distances *= np.add.outer(self.own[rows].astype(distances.dtype), density.astype(distances.dtype))
        distances.sort(axis=1)
        distances = distances.astype(np.float64, copy=False)
        scores = distances @ self.weights[:count]
        drops = (distances @ self.falls_behind[:count, ranks]).T
        easing = (distances @ self.bends_behind[:count, ranks]).T
        if coarse:
            # Of the products, and again of two densities, their sum and the product. What stands at a rank moves by no more than
            # what moves most.
            off = (self.slack + ROUNDINGS * UNIT) * (self.own[rows] + density.max())
            scores += off * self.weights[:count].sum()
            drops -= off * self.weights[self.ranks[ranks], None]
            easing += off * self.falls[self.ranks[ranks], None]
        return scores, Lines(np.full(len(rows), float(count)), drops, easing)

    def growth(self, rows: NDArray[Any], lines: Lines, ranks: slice, unit: NDArray[np.float32], first: int) -> Floats:
        """Return by how much the scores of rows can have grown with the picks from `first` on, as their lines have it.

        Args:
            rows: which.
            lines: of these rows.
            ranks: those of the lines.
            unit: (rows, d) the rows' own vectors.
            first: the earliest pick that counts.
        """
        picks = self.rows[first : self.count]
        before = np.arange(first, self.count, dtype=np.float64)[:, None]
        distances = np.subtract(1 + self.slack, self.unit[picks] @ unit.T, dtype=np.float64)
        distances *= np.add.outer(self.sigma[picks], self.own[rows])
        growth = distances * self.weights[first : self.count, None]
        since = before - lines.counts
        line, eased = np.empty_like(distances), np.empty_like(distances)
        for rank, drop, easing in zip(self.ranks[ranks], lines.drops, lines.easing, strict=True):
            np.multiply(distances, self.weights[rank], out=line)
            line -= drop
            np.multiply(since, easing, out=eased)
            line += eased
            np.minimum(growth, line, out=growth)
        return np.asarray(growth.sum(axis=0))

    def useful(self) -> slice:
        """Return the ranks whose lines are worth their while: those of the larger part of the distances."""
        low, high = np.searchsorted(self.ranks, [LOWEST_SHARE * self.count, self.count])
        return slice(int(low), int(high))
