"""Greedy MAP of a determinantal point process."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.geometry import unit_rows
from variegate.progress import track
from variegate.strategies.first import first_pick, lowest_of_best
from variegate.strategies.spec import Picks

__all__ = ["dpp"]

# Squared volume below which a row lies in the span of the picks but for rounding.
FLAT = 1e-10


def dpp(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    first: int | str | None = None,
    quality: NDArray[np.float64] | None = None,
) -> Picks:
    """Choose rows whose vectors span the largest volume: greedy MAP of a DPP with the cosine kernel.

    Each pick maximises the log-determinant of the picks' kernel, by an incremental Cholesky factor: O(n) a pick and earlier
    pick. A kernel of rank r has no volume in more than r rows, so at most r can be chosen.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose, at most the rank of the kernel (at most d).
        seed: draws the first row where `first` is "random".
        first: the row to begin with, "random", or None for the best.
        quality: (n,) in [0, 1]; the kernel's rows and columns are scaled by exp(quality), so that none vanishes. None for 1.

    Returns:
        Picks; a pick's gain is what it adds to the log-determinant.

    Raises:
        DataError: more rows are asked for than the kernel's rank; the message says how many there can be.

    Reference: Chen, Zhang & Zhou 2018, "Fast greedy MAP inference for determinantal point process".
    """
    kernel_rows = unit_rows(x) * (1.0 if quality is None else np.exp(quality)[:, None])
    n = len(x)
    left = np.einsum("nd,nd->n", kernel_rows, kernel_rows)
    factors = np.empty((size, n))
    taken = np.zeros(n, bool)
    picks: list[int] = []
    gains: list[float | None] = []
    with track("dpp", size, "picks") as advance:
        for count in range(size):
            if count == 0 and first is not None:
                row = first_pick(first, n, seed, "dpp")
            else:
                row = lowest_of_best(np.flatnonzero(~taken), left[~taken])
            if left[row] <= FLAT:
                raise DataError(
                    f"dpp can choose {count} rows of this pool, not the {size} asked for: the kernel has no volume in more."
                )
            gains.append(None if count == 0 and first is not None else float(np.log(left[row])))
            new = (kernel_rows @ kernel_rows[row] - factors[:count, row] @ factors[:count]) / np.sqrt(left[row])
            factors[count] = new
            left -= new * new
            taken[row] = True
            picks.append(row)
            advance(1)
    return Picks(np.array(picks, np.int64), gains)
