"""What rows score by novelty: exactly, nearly, and at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import proximity_weights, unit_rows

__all__ = ["Lines", "Scores"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROWS = 8192
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

    def of(self, rows: NDArray[Any], ranks: slice = slice(None)) -> Lines:
        """Return a copy for some rows and ranks."""
        return Lines(self.counts[rows], self.drops[ranks, rows], self.easing[ranks, rows])

    def put(self, rows: NDArray[Any], lines: Lines, ranks: slice = slice(None)) -> None:
        """Replace the lines of some rows by others."""
        self.counts[rows] = lines.counts
        self.drops[ranks, rows] = lines.drops
        self.easing[ranks, rows] = lines.easing


class Scores:
    """Scores of rows with respect to the picks so far, and what bounds them.

    The score S of a row is the sum of w_r e_(r), e its weighted distances to the picks sorted ascending, w_r = 1 / r^alpha.
    Since the weights fall, of all orders the ascending one has the least sum: any other order of the same distances bounds
    S from above. Both bounds on the next score put the new distance v somewhere into the order of before:

    - At the end, as rank t + 1: S grows by at most w_(t+1) v. This is linear in the picks' vectors, so that any number of
      picks is folded into the bounds of all rows by one product of the matrix with two vectors.
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

    Attributes:
        count: picks so far.
        bound: (n,) at least the score of each row with respect to the first `folded` picks.
        lines: of all rows, from when they were last scored.
        weights: (most,) of the ranks.
        ranks: those that there are lines for.
        slack: what a float32 product of two unit vectors can be off by.
        own: (n,) the part of a row's own density in its weighted distances.
    """

    def __init__(self, x: NDArray[Any], sigma: Floats, most: int, alpha: float, density_of: str) -> None:
        n, d = x.shape
        self.x, self.sigma = x, sigma
        self.own = sigma if density_of == "both" else np.zeros(n)
        self.unit = np.empty((n, d), np.float32)
        for low in range(0, n, ROWS):
            self.unit[low : low + ROWS] = unit_rows(x[low : low + ROWS])
        self.slack = 2e-7 + 1e-7 * d**0.5
        self.rows = np.empty(most, np.int64)
        self.picked, self.picked_coarsely = np.empty((most, d)), np.empty((most, d), np.float32)
        self.count = self.folded = 0
        self.bound = np.zeros(n)
        weights = proximity_weights(most + 2, alpha)
        self.weights = weights[:most]
        steps = RANK_STEP ** np.arange(np.log(most) / np.log(RANK_STEP))
        self.ranks = np.unique(steps.astype(np.int64))
        self.falls = weights[:-1] - weights[1:]
        behind = np.arange(1, most + 1)[:, None] > self.ranks
        self.falls_behind = self.falls[:-1, None] * behind
        self.bends_behind = (self.falls[:-1] - self.falls[1:])[:, None] * behind
        never = np.full((len(self.ranks), n), -np.inf)
        self.lines = Lines(np.zeros(n), never, np.zeros((len(self.ranks), n)))

    def add(self, row: int) -> None:
        """Take a row as the next pick; the bounds follow with the next :meth:`fold`."""
        self.rows[self.count] = row
        self.picked[self.count] = self.picked_coarsely[self.count] = unit_rows(self.x[row : row + 1])[0]
        self.count += 1

    def fold(self) -> None:
        """Raise the bounds of all rows by what the picks since the last time can have added, reading the matrix once."""
        if self.folded == self.count:
            return
        new = slice(self.folded, self.count)
        weights = self.weights[new]
        weighted = weights * self.sigma[self.rows[new]]
        towards = np.stack([weights @ self.picked[new], weighted @ self.picked[new]], axis=1).astype(np.float32)
        products = self.unit @ towards
        self.bound += self.own * ((1 + self.slack) * weights.sum() - products[:, 0])
        self.bound += (1 + self.slack) * weighted.sum() - products[:, 1]
        self.folded = self.count

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
            off = (self.slack + 1e-6) * (self.own[rows] + density.max())
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
