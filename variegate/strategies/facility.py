"""Facility location: rows that together are near to every row of the pool (QDIT with a quality)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import unit_rows
from variegate.progress import track
from variegate.strategies.first import first_of
from variegate.strategies.greedy import Greedy, by_tokens, lazy_greedy
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks

__all__ = ["NOISE", "Coverage", "facility_location"]

F32 = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROWS = 1024
# Error of a mean over rows of float32 similarities.
NOISE = 1e-7
# Coordinates are rounded to multiples of 1 / GRID, about as float32 would. Their products are multiples of 1 / GRID^2, which
# float64 adds up to 1 without rounding, in whatever order.
GRID = 2.0**24
# Rows whose exact gains are computed together.
EXACT_ROWS = 16


class Coverage:
    """How near the picks are to every row: sum over rows of the largest cosine similarity to a pick, at least 0.

    Similarities are float32, their sums float64; exact gains are float64 throughout, and the same in any batch.
    """

    def __init__(self, x: NDArray[Any]) -> None:
        self.unit = (np.round(unit_rows(x) * GRID) / GRID).astype(np.float32)
        self.start_with(np.zeros(0, np.int64))

    def start_with(self, rows: Ints) -> None:
        """Forget all picks but these."""
        self.best = np.zeros(len(self.unit), np.float32)
        self.exact_best = np.zeros(len(self.unit))
        # Picks that `exact_best` does not account for yet.
        self.missing = rows.tolist()
        for start in range(0, len(rows), ROWS):
            np.maximum(self.best, (self.unit[rows[start : start + ROWS]] @ self.unit.T).max(axis=0), out=self.best)

    def all_gains(self) -> Floats:
        """Return what each row would add, shape (n,)."""
        out = np.empty(len(self.unit))
        with track("facility location", len(out)) as advance:
            for start in range(0, len(out), ROWS):
                stop = min(start + ROWS, len(out))
                out[start:stop] = self.gains(np.arange(start, stop))
                advance(stop - start)
        return out

    def gains(self, rows: Ints) -> Floats:
        """Return what each of some rows would add, shape (rows,)."""
        more = self.unit[rows] @ self.unit.T
        more -= self.best
        np.maximum(more, 0, out=more)
        return np.asarray(more.sum(axis=1, dtype=np.float64))

    def take(self, row: int) -> None:
        """Add a pick."""
        np.maximum(self.best, self.unit @ self.unit[row], out=self.best)
        self.missing.append(row)

    def exact_gains(self, rows: Ints) -> Floats:
        """Return what each of some rows would add, shape (rows,), with no rounding but that of the sum over the pool."""
        for start in range(0, len(self.missing), EXACT_ROWS):
            some = self.unit[self.missing[start : start + EXACT_ROWS]]
            np.maximum(self.exact_best, self._exact_similarities(some).max(axis=0), out=self.exact_best)
        self.missing.clear()
        # Copies have one gain.
        distinct, which = np.unique(self.unit[rows], axis=0, return_inverse=True)
        out = np.empty(len(distinct))
        for start in range(0, len(distinct), EXACT_ROWS):
            more = self._exact_similarities(distinct[start : start + EXACT_ROWS])
            more -= self.exact_best
            out[start : start + EXACT_ROWS] = np.maximum(more, 0, out=more).sum(axis=1)
        return np.asarray(out[which.ravel()])

    def _exact_similarities(self, unit: F32) -> Floats:
        """Return the cosine similarities of some unit rows to the pool, shape (rows, n)."""
        wide, out = unit.astype(np.float64), np.empty((len(unit), len(self.unit)))
        for start in range(0, len(self.unit), ROWS):
            out[:, start : start + ROWS] = wide @ self.unit[start : start + ROWS].T.astype(np.float64)
        return out


def facility_location(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    first: int | str | None = None,
    quality: NDArray[np.float64] | None = None,
    alpha: float = 0.5,
    per_token: bool | None = None,
    room: Room | None = None,
) -> Picks:
    """Choose rows so that every row of the pool is near to one of them: exact greedy, lazily.

    The objective, sum over rows of the largest cosine similarity to a pick (at least 0), is monotone and submodular, so greedy
    comes to at least 63 % of the best possible. With a quality it is QDIT: each pick maximises
    (1 - alpha) * gain / n + alpha * quality.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose.
        seed: draws the first row where `first` is "random".
        first: the row to begin with, "random", or None for the row with the largest gain.
        quality: (n,) in [0, 1]; None for coverage alone.
        alpha: weight of the quality, in [0, 1]; of no account without one.
        per_token: under a budget, whether picks go by gain per token; None for the better of both ways.
        room: what may be picked, in place of `size`.

    Returns:
        Picks; a pick's gain is what it adds to the objective's mean over rows.

    Reference: Nemhauser et al. 1978; Bukharin & Zhao 2024, "Data diversity matters for robust instruction tuning" (QDIT).
    """
    if not 0 <= alpha <= 1:
        raise bad_parameter("alpha", "facility_location", "a number in [0, 1]", alpha)
    room = Room.of(room, len(x), size)
    cover = Coverage(x)
    share = 1.0 if quality is None else 1 - alpha
    extra = np.zeros(len(x)) if quality is None else alpha * quality
    start = first_of(first, room, seed, "facility_location")
    cover.start_with(room.owned)
    bounds = share * cover.all_gains() / len(x) + extra

    def gains_of(rows: Ints) -> Floats:
        return share * cover.gains(rows) / len(x) + extra[rows]

    def exact_of(rows: Ints) -> Floats:
        return share * cover.exact_gains(rows) / len(x) + extra[rows]

    def run(within: Room, weighed: bool) -> tuple[Greedy, Picks]:
        cover.start_with(room.owned)
        done = lazy_greedy(
            bounds,
            within,
            gains_of,
            cover.take,
            start=start,
            noise=NOISE,
            exact_of=exact_of,
            per_token=weighed,
            label="facility_location",
        )
        return done, Picks(done.rows, done.gains)

    return by_tokens(run, room, per_token)
