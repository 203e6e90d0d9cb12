"""The first pick of a greedy strategy."""

from __future__ import annotations

import numpy as np

from variegate.errors import bad_parameter

__all__ = ["TIE", "first_pick", "lowest_of_best"]

# Scores closer than this share are equal: the order of float64 additions must not decide between copies of one row.
TIE = 1e-12


def first_pick(first: int | str | None, rows: int, seed: int, owner: str) -> int:
    """Return the row to begin with: the one given, or one drawn by the seed."""
    if first is None or first == "random":
        return int(np.random.default_rng(seed).integers(rows))
    if not isinstance(first, int) or isinstance(first, bool) or not 0 <= first < rows:
        raise bad_parameter("first", owner, f"'random' or a row in [0, {rows - 1}]", first)
    return first


def lowest_of_best(rows: np.ndarray, scores: np.ndarray) -> int:
    """Return the lowest row among those whose score is the best but for rounding."""
    best = scores.max()
    return int(rows[scores >= best - abs(best) * TIE].min())
