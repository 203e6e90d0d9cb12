"""Plain rules on distances: the largest sum, and no two alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.geometry import unit_rows
from variegate.progress import track
from variegate.strategies.first import first_pick, lowest_of_best
from variegate.strategies.spec import Picks

__all__ = ["max_sum", "repr_filter"]

THRESHOLD = 0.9


def max_sum(x: NDArray[Any], size: int, *, seed: int, first: int | str | None = None) -> Picks:
    """Choose rows greedily by the sum of cosine distances to the picks so far.

    The sum is t - u . s, with t picks whose unit vectors add up to s: one product a pick. It favours the rim of the pool, and
    does not mind picks that are copies of each other.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose.
        seed: draws the first row where `first` is None or "random".
        first: the row to begin with.

    Returns:
        Picks; a pick's gain is its summed distance to the earlier picks.

    Reference: max-sum dispersion, Ravi et al. 1994; DistSum greedy in Yang et al. 2025.
    """
    unit = unit_rows(x)
    row = first_pick(first, len(x), seed, "max_sum")
    picks = [row]
    products = np.zeros(len(x))
    free = np.ones(len(x), bool)
    gained: list[float | None] = [None]
    with track("max_sum", size, "picks") as advance:
        while len(picks) < size:
            free[row] = False
            products += unit @ unit[row]
            rows = np.flatnonzero(free)
            row = lowest_of_best(rows, len(picks) - products[rows])
            gained.append(float(len(picks) - products[row]))
            picks.append(row)
            advance(1)
    return Picks(np.array(picks, np.int64), gained)


def repr_filter(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    threshold: float = THRESHOLD,
    quality: NDArray[np.float64] | None = None,
) -> Picks:
    """Keep rows in order of quality (or at random) whose largest cosine similarity to the kept ones is at most a threshold.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose.
        seed: of the order, where there is no quality.
        threshold: largest cosine similarity of two kept rows, in (-1, 1].
        quality: (n,), the best first, equal ones by row; None for a random order.

    Returns:
        Picks; a pick's gain is its cosine distance to the nearest earlier pick.

    Raises:
        DataError: fewer rows than asked for pass; the message says how many do.
        ParameterError: the threshold is outside its range.

    Reference: Liu et al. 2024, "What makes good data for alignment?" (DEITA).
    """
    if not -1 < threshold <= 1:
        raise bad_parameter("threshold", "repr_filter", "a number in (-1, 1]", threshold)
    order = np.random.default_rng(seed).permutation(len(x)) if quality is None else np.argsort(-quality, kind="stable")
    kept = np.empty((size, x.shape[1]))
    picks: list[int] = []
    gains: list[float | None] = []
    with track("repr_filter", len(order)) as advance:
        for row in order.tolist():
            unit = unit_rows(x[row : row + 1])[0]
            closest = float((kept[: len(picks)] @ unit).max()) if picks else -np.inf
            # Rows that are the same but for rounding are as similar as can be.
            if closest <= threshold + 1e-12:
                kept[len(picks)] = unit
                picks.append(row)
                gains.append(None if len(picks) == 1 else 1 - closest)
                if len(picks) == size:
                    return Picks(np.array(picks, np.int64), gains)
            advance(1)
    raise DataError(
        f"repr_filter: {len(picks)} rows are at most {threshold} alike, fewer than the {size} asked for. Pass a larger threshold."
    )
