"""Metrics of pairwise distances between vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.geometry import MeanL2, NearestOthers, over_pairs, row_blocks, unit_rows

__all__ = ["distsum_cosine", "distsum_l2", "distsum_l2_over_pairs", "knn_distance", "knn_over_pairs"]


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
    _at_least_two("distsum_cosine", n)
    total = np.zeros(x.shape[1])
    for start, stop in row_blocks(x):
        total += unit_rows(x[start:stop]).sum(axis=0)
    # For equal rows rounding leaves a trace below zero, which no mean of distances can be.
    return max(0.0, float((n - total @ total / n) / (n - 1)))


def distsum_l2(x: NDArray[Any]) -> float:
    """Return the mean L2 distance over ordered pairs of distinct samples.

    Range [0, inf), in the vectors' own unit; larger = more diverse. Does not depend on n in expectation.

    Args:
        x: (n, d) vectors, n >= 2, no zero rows.

    Returns:
        Mean distance.

    Raises:
        DataError: fewer than two samples.

    Reference: DistSum of Yang et al. 2025, divided by its number of pairs.

    >>> import numpy as np
    >>> round(distsum_l2(np.array([[3.0, 0.0], [0.0, 4.0]])), 6), distsum_l2(np.ones((3, 4)))
    (5.0, 0.0)
    """
    statistic = distsum_l2_over_pairs(x)
    over_pairs(x, [statistic])
    return statistic.value()


def distsum_l2_over_pairs(x: NDArray[Any]) -> MeanL2:
    """Prepare :func:`distsum_l2` for a pass over pairs that it shares with others; same arguments and errors."""
    _at_least_two("distsum_l2", len(x))
    return MeanL2(x)


def knn_distance(x: NDArray[Any], *, k: int = 1) -> float:
    """Return the mean, over samples, of the mean cosine distance to their k nearest others.

    Range [0, 2]; larger = more diverse. Falls as n grows, since the next sample comes ever nearer; copies bring it to 0.

    Args:
        x: (n, d) vectors, n > k, no zero rows.
        k: how many others.

    Returns:
        Mean of 1 - cosine similarity, no unit.

    Raises:
        DataError: fewer than two samples.
        ParameterError: k is not in [1, n - 1].

    Reference: KNN distance of Yang et al. 2025.

    >>> import numpy as np
    >>> knn_distance(np.eye(3)), knn_distance(np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]]))
    (1.0, 0.0)
    """
    statistic = knn_over_pairs(x, k=k)
    over_pairs(x, [statistic])
    return statistic.value()


def knn_over_pairs(x: NDArray[Any], *, k: int = 1) -> NearestOthers:
    """Prepare :func:`knn_distance` for a pass over pairs that it shares with others; same arguments and errors."""
    n = len(x)
    _at_least_two("knn_distance", n)
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k < n:
        raise bad_parameter("k", "knn_distance", f"an int in [1, {n - 1}]", k)
    return NearestOthers(x, k)


def _at_least_two(name: str, n: int) -> None:
    if n < 2:
        raise DataError(f"{name} needs at least 2 samples, got {n}.")
