"""The largest sum of cosine distances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import coarse_products, row_lengths
from variegate.geometry.rounding import error_share
from variegate.geometry.threads import Threads
from variegate.progress import track
from variegate.strategies.first import first_of
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks
from variegate.strategies.ties import TIE, lowest_of_best

__all__ = ["max_sum"]

# Rows whose sums are kept up to date at every pick, and the most picks until those of all others are.
ACTIVE, LONGEST = 4096, 256
# What float64 makes of a product with the picks' sum, and of LONGEST additions to it, as a share of the number of picks, which is
# no less than the sum's length: (d + LONGEST + 16) 2^-52 at most, which is less in up to a million dimensions.
SAFE = 1e-9


def max_sum(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    first: int | str | None = None,
    quality: NDArray[np.float64] | None = None,
    alpha: float = 0.5,
    room: Room | None = None,
) -> Picks:
    """Choose rows greedily by the sum of cosine distances to the picks so far.

    The sum is t - u . s, with t picks whose unit vectors add up to s: at most one product a pick, and far fewer where rows
    differ. It favours the rim of the pool, and does not mind picks that are copies of each other. With a quality each pick
    maximises (1 - alpha) * (mean distance to the picks so far) + alpha * quality. Under a budget of tokens picks go by this
    alone: the sum grows with every pick, so that gain per token would mean tiny rows.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose.
        seed: draws the first row where `first` is None or "random".
        first: the row to begin with.
        quality: (n,) in [0, 1]; None for distance alone.
        alpha: weight of the quality, in [0, 1]; of no account without one.
        room: what may be picked, in place of `size`.

    Returns:
        Picks; a pick's gain is its summed distance to the earlier picks.

    Reference: max-sum dispersion, Ravi et al. 1994; DistSum greedy in Yang et al. 2025.
    """
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 <= alpha <= 1:
        raise bad_parameter("alpha", "max_sum", "a number in [0, 1]", alpha)
    room = Room.of(room, len(x), size)
    threads = Threads()
    sums = _Sums(x, room.owned, quality, alpha, threads)
    picks: list[int] = []
    gained: list[float | None] = []
    start = first_of(first, room, seed, "max_sum", drawn=True)
    with threads, track("max_sum", room.size, "picks") as advance:
        while not room.full:
            if start:
                row = start.pop()
                gained.append(None)
            else:
                row, gain = sums.best(room)
                gained.append(gain)
            sums.take(row)
            room.take(row)
            picks.append(row)
            advance(1)
    return Picks(np.array(picks, np.int64), gained)


class _Sums:
    """Products of every row with the sum of the picks: kept up to date for a few rows, bounded for all others.

    Since the last look at all rows, a sum of new picks of length l can have changed no row's product by more than l. So as long
    as an active row beats the best of the others by that much, the others need not be looked at; and one product brings them
    up to date, however many picks there were.
    """

    def __init__(self, x: NDArray[Any], owned: NDArray[np.int64], quality: Any, alpha: float, threads: Threads) -> None:
        self.x, self.lengths, self.threads = x, row_lengths(x), threads
        self.count, self.quality, self.alpha = len(owned), quality, alpha
        # Of the picks' unit vectors.
        self.sum = np.zeros(x.shape[1])
        for start in range(0, len(owned), ACTIVE):
            self.sum += self._unit(owned[start : start + ACTIVE]).sum(axis=0)
        # The share of two lengths that a float32 product of this dimension is off by at most.
        self.slack = error_share(x.shape[1])
        self.new, self.since = np.zeros(x.shape[1]), 0
        self.active = np.zeros(0, np.int64)
        self.active_unit, self.active_products = np.zeros((0, x.shape[1])), np.zeros(0)
        # The best score of the others with the products of that look, then and LONGEST picks later.
        self.others = (np.inf, np.inf)

    def best(self, room: Room) -> tuple[int, float]:
        """Return the row to pick, and its summed distance to the picks so far."""
        if self.since < LONGEST:
            at = np.flatnonzero(room.open[self.active])
            if len(at):
                score = self._score(self.active[at], self.active_products[at])
                best = float(score.max())
                if best - (self.count if self.quality is None else 1) * SAFE > self._bound():
                    row = lowest_of_best(self.active[at], score)
                    return row, float(self.count - self.active_products[np.searchsorted(self.active, row)])
        return self._look_at_all(np.flatnonzero(room.open))

    def take(self, row: int) -> None:
        """Add a pick."""
        own = self._unit(np.array([row]))[0]
        self.new += own
        self.sum += own
        # One thread: for so little work others cost more than they bring.
        self.active_products += np.einsum("nd,d->n", self.active_unit, own)
        self.since += 1
        self.count += 1

    def _score(self, rows: NDArray[np.int64], products: NDArray[np.float64], later: int = 0) -> NDArray[np.float64]:
        distance = self.count + later - products
        if self.quality is None:
            return np.asarray(distance - later)
        return np.asarray((1 - self.alpha) * distance / (self.count + later) + self.alpha * self.quality[rows])

    def _bound(self) -> float:
        """Return what no row that is not active can exceed."""
        if self.others[0] == -np.inf:
            return -np.inf
        length = float(np.linalg.norm(self.new))
        if self.quality is None:
            return self.others[0] + self.since + length
        # The largest of straight lines in 1 / count lies below its chord.
        start, end = 1 / (self.count - self.since), 1 / (self.count - self.since + LONGEST)
        share = (start - 1 / self.count) / (start - end)
        chord = self.others[0] + share * (self.others[1] - self.others[0])
        return float(chord + (1 - self.alpha) * length / self.count)

    def _look_at_all(self, rows: NDArray[np.int64]) -> tuple[int, float]:
        self.new[:], self.since = 0, 0
        products = coarse_products(self.x, self.sum, self.threads.each)[rows] / self.lengths[rows]
        off = self.slack * float(np.linalg.norm(self.sum)) / (1 if self.quality is None else self.count)
        score = self._score(rows, products)
        best = float(score.max())
        close = rows[score >= best - 2 * off - 2 * abs(best) * TIE]
        exact = np.concatenate([self._exact(close[at : at + ACTIVE]) for at in range(0, len(close), ACTIVE)])
        row = lowest_of_best(close, self._score(close, exact))
        if len(rows) > ACTIVE:
            split = np.argpartition(-score, ACTIVE)
            chosen, others = np.sort(rows[split[:ACTIVE]]), split[ACTIVE:]
            later = self._score(rows[others], products[others], LONGEST)
            self.others = (float(score[others].max()) + off, float(later.max()) + off)
        else:
            chosen, self.others = rows, (-np.inf, -np.inf)
        self.active, self.active_unit = chosen, self._unit(chosen)
        self.active_products = np.einsum("nd,d->n", self.active_unit, self.sum)
        return row, float(self.count - exact[np.searchsorted(close, row)])

    def _unit(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(self.x[rows] / self.lengths[rows, None], np.float64)

    def _exact(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the products of some rows with the picks' sum, each by itself."""
        return np.asarray(np.einsum("nd,d->n", self._unit(rows), self.sum))
