"""Entropy and effective numbers of counts, which token, topic and tag metrics share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter

__all__ = ["entropy_bits", "hill_number"]


def entropy_bits(counts: NDArray[Any]) -> float:
    """Return the Shannon entropy in bits of a distribution given by counts, shape (types,), all greater than 0.

    >>> import numpy as np
    >>> entropy_bits(np.array([2, 2])), entropy_bits(np.array([5]))
    (1.0, 0.0)
    """
    shares = counts / counts.sum()
    return max(0.0, float(-(shares * np.log2(shares)).sum()))


def hill_number(weights: NDArray[Any], q: float, owner: str) -> float:
    """Return the Hill number (effective number) of order q of a distribution given by weights greater than 0, shape (types,).

    exp of the Renyi entropy of order q: (sum p^q)^(1 / (1 - q)); at q = 1 its limit, exp of the Shannon entropy; at inf
    1 / max p. Range [1, types].

    Raises:
        ParameterError: q is negative; the message names `owner`.

    >>> import numpy as np
    >>> [round(hill_number(np.array([1, 1, 2]), q, "tags"), 6) for q in (0.0, 1.0, 2.0, np.inf)]
    [3.0, 2.828427, 2.666667, 2.0]
    """
    if not q >= 0:
        raise bad_parameter("q", owner, "a number of at least 0, inf included", q)
    if q == 0:
        return float(len(weights))
    logs = np.log(weights / weights.sum())
    # Next to 1 the general form divides rounding by next to nothing.
    if abs(q - 1) < 1e-9:
        return float(np.exp(-(np.exp(logs) * logs).sum()))
    top = logs.max()
    if np.isinf(q):
        return float(np.exp(-top))
    # By logarithms, relative to the largest share, because its power underflows for large orders.
    return float(np.exp((q * top + np.log(np.exp(q * (logs - top)).sum())) / (1 - q)))
