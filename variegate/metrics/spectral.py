"""Metrics of the eigenvalues of the similarity kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import unit_rows

__all__ = ["vendi_score"]

ROWS = 8192


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
    n, d = x.shape
    if n <= d:
        unit = unit_rows(x)
        moment = unit @ unit.T
    else:
        moment = np.zeros((d, d))
        for start in range(0, n, ROWS):
            unit = unit_rows(x[start : start + ROWS])
            moment += unit.T @ unit
    values = np.linalg.eigvalsh(moment / n)
    # Rounding leaves eigenvalues that are zero at about +-1e-17; they carry no weight, but no logarithm either.
    shares = values[values > 1e-15]
    if np.isinf(q):
        return float(1 / shares.max())
    if q == 1:
        return float(np.exp(-(shares * np.log(shares)).sum()))
    # By logarithms, relative to the largest share, because its power underflows for large orders.
    logs = np.log(shares)
    top = logs.max()
    return float(np.exp((q * top + np.log(np.exp(q * (logs - top)).sum())) / (1 - q)))
