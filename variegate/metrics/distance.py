"""Metrics of pairwise distances between vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.geometry import unit_rows

__all__ = ["distsum_cosine"]

ROWS = 8192


def distsum_cosine(x: NDArray[Any]) -> float:
    """Return the mean cosine distance over ordered pairs of distinct samples.

    (n^2 - |sum_i u_i|^2) / (n (n - 1)) with u_i the unit vectors: the same as the mean over all pairs, without the pairs.
    Range [0, 2] (up to n / (n - 1) on average); larger = more diverse. Does not depend on n in expectation.

    Args:
        x: (n, d) vectors, n >= 2, no zero rows.

    Returns:
        Mean of 1 - cosine similarity, no unit.

    Raises:
        DataError: fewer than two samples.

    Reference: DistSum of Yang et al. 2025, divided by its number of pairs; "embedding distance" of Li et al. 2025.

    >>> import numpy as np
    >>> distsum_cosine(np.eye(3)), distsum_cosine(np.ones((3, 4)))
    (1.0, 0.0)
    """
    n = len(x)
    if n < 2:
        raise DataError(f"distsum_cosine needs at least 2 samples, got {n}.")
    total = np.zeros(x.shape[1])
    for start in range(0, n, ROWS):
        total += unit_rows(x[start : start + ROWS]).sum(axis=0)
    # For equal rows rounding leaves a trace below zero, which no mean of distances can be.
    return max(0.0, float((n - total @ total / n) / (n - 1)))
