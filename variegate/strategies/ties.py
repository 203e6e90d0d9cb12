"""Ties: which of several rows is picked where no score is better."""

from __future__ import annotations

import numpy as np

__all__ = ["TIE", "lowest_of_best"]

# Scores closer than this share are equal: the order of float64 additions must not decide between copies of one row.
TIE = 1e-12


def lowest_of_best(rows: np.ndarray, scores: np.ndarray, scale: float = 0.0) -> int:
    """Return the lowest row among those whose score is the best but for rounding.

    Args:
        rows: to choose from.
        scores: of each.
        scale: size of the numbers that scores are differences of, where these are larger.
    """
    best = scores.max()
    return int(rows[scores >= best - max(abs(best), scale) * TIE].min())
