"""Metrics of the spread of the vectors over the directions of their space."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.geometry import cosine_spectrum, row_blocks
from variegate.metrics.entropy import hill_number

__all__ = ["log_det", "radius", "vendi_score"]

LOG_DET_EPSILON = 1e-6


def vendi_score(x: NDArray[Any], *, q: float = 1.0) -> float:
    """Return the Vendi score: the effective number of dissimilar samples.

    exp of the Renyi entropy of order q of the eigenvalues of K / n, K the cosine kernel. The eigenvalues are those of the
    smaller of the n x n kernel and the d x d second moment matrix. Range [1, min(n, d)]; larger = more diverse.

    Args:
        x: (n, d) vectors, no zero rows.
        q: order in (0, inf]; small orders count rare directions for more, inf only the strongest.

    Returns:
        Effective number of samples.

    Raises:
        ParameterError: q is not greater than 0.

    Reference: Friedman & Dieng 2023, "The Vendi Score"; orders after Pasarkar & Dieng 2024.

    >>> import numpy as np
    >>> round(vendi_score(np.eye(3)), 12), round(vendi_score(np.ones((5, 2))), 12)
    (3.0, 1.0)
    """
    if not q > 0:
        raise bad_parameter("q", "vendi_score", "a number greater than 0, inf included", q)
    values = cosine_spectrum(x) / len(x)
    # What an eigenvalue solver cannot tell from 0 (the rule by which LAPACK's users take a rank); small orders would count it.
    zero = len(values) * np.finfo(np.float64).eps * values[-1]
    return hill_number(values[values > zero], q, "vendi_score")


def log_det(x: NDArray[Any], *, epsilon: float = LOG_DET_EPSILON) -> float:
    """Return the log-determinant of the cosine kernel plus epsilon on its diagonal: the log volume that the samples span.

    log det(K + epsilon I) from the eigenvalues of K; where n > d the other n - d are 0 and add log(epsilon) each. Range
    [n log(epsilon), n log(1 + epsilon)], in nats; larger = more diverse. Falls steeply with n once n > d: compare sets of
    one size only.

    Args:
        x: (n, d) vectors, no zero rows.
        epsilon: keeps a singular kernel's value finite.

    Returns:
        Nats.

    Raises:
        ParameterError: epsilon is not greater than 0.

    Reference: Wang et al. 2024, "Diversity measurement and subset selection"; DPP metric of Yang et al. 2025.

    >>> import numpy as np
    >>> round(log_det(np.eye(3)), 4), log_det(np.ones((3, 2))) < -20
    (0.0, True)
    """
    if not 0 < epsilon < np.inf:
        raise bad_parameter("epsilon", "log_det", "a number greater than 0", epsilon)
    values = np.maximum(cosine_spectrum(x), 0)
    n, lowest = len(x), float(np.log(epsilon))
    value = float(np.log(values + epsilon).sum()) + (n - len(values)) * lowest
    # Eigenvalues of mean 1 have a product of at most 1: rows at right angles are at the upper end, which rounding may pass.
    return min(max(value, n * lowest), n * float(np.log1p(epsilon)))


def radius(x: NDArray[Any]) -> float:
    """Return the geometric mean, over dimensions, of the standard deviation of the vectors.

    Range [0, inf), in the vectors' own unit; larger = more diverse. It is 0 if any dimension is constant, and changes when
    the vectors are turned. Does not depend on n, but for small n.

    Args:
        x: (n, d) vectors, n >= 2.

    Returns:
        Standard deviation.

    Raises:
        DataError: fewer than two samples.

    Reference: Lai et al. 2020, "Diversity, density, and homogeneity"; one of the existing metrics in Yang et al. 2025.

    >>> import numpy as np
    >>> round(radius(np.array([[0.0, 0.0], [2.0, 8.0]])), 12), radius(np.ones((3, 2)))
    (2.0, 0.0)
    """
    n = len(x)
    if n < 2:
        raise DataError(f"radius needs at least 2 samples, got {n}.")
    # Measured from the first row, so that rows which are all equal have a spread of exactly 0.
    first = np.asarray(x[0], np.float64)
    sums, squares = np.zeros(len(first)), np.zeros(len(first))
    for start, stop in row_blocks(x):
        sums += (x[start:stop] - first).sum(axis=0)
    mean = sums / n
    for start, stop in row_blocks(x):
        squares += np.square(x[start:stop] - first - mean).sum(axis=0)
    variances = squares / n
    return float(np.exp(np.log(variances).mean() / 2)) if variances.all() else 0.0
