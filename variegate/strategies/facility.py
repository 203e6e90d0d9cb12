"""Facility location: rows that together are near to every row of the pool (QDIT with a quality)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import unit_rows
from variegate.progress import track
from variegate.strategies.first import first_pick
from variegate.strategies.greedy import lazy_greedy
from variegate.strategies.spec import Picks

__all__ = ["NOISE", "Coverage", "facility_location"]

F32 = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROWS = 1024
# Error of a mean over rows of float32 similarities.
NOISE = 1e-7


class Coverage:
    """How near the picks are to every row: sum over rows of the largest cosine similarity to a pick, at least 0.

    Similarities are float32, their sums float64.
    """

    def __init__(self, x: NDArray[Any]) -> None:
        self.unit = unit_rows(x).astype(np.float32)
        self.best = np.zeros(len(x), np.float32)

    def gains_alone(self) -> Floats:
        """Return what each row would add to the empty set, shape (n,)."""
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


def facility_location(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    first: int | str | None = None,
    quality: NDArray[np.float64] | None = None,
    alpha: float = 0.5,
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

    Returns:
        Picks; a pick's gain is what it adds to the objective's mean over rows.

    Reference: Nemhauser et al. 1978; Bukharin & Zhao 2024, "Data diversity matters for robust instruction tuning" (QDIT).
    """
    if not 0 <= alpha <= 1:
        raise bad_parameter("alpha", "facility_location", "a number in [0, 1]", alpha)
    cover = Coverage(x)
    share = 1.0 if quality is None else 1 - alpha
    extra = np.zeros(len(x)) if quality is None else alpha * quality

    def gains_of(rows: Ints) -> Floats:
        return share * cover.gains(rows) / len(x) + extra[rows]

    start = [] if first is None else [first_pick(first, len(x), seed, "facility_location")]
    bounds = share * cover.gains_alone() / len(x) + extra
    rows, gains = lazy_greedy(bounds, size, gains_of, cover.take, start=start, noise=NOISE, label="facility_location")
    return Picks(rows, gains)
