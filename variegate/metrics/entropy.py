"""Entropy and effective numbers of counts, which token, topic and tag metrics share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter

__all__ = ["entropy_bits", "hill_number"]


def entropy_bits(counts: NDArray[Any]) -> float:
    """Return the Shannon entropy in bits of a distribution given by counts, shape (types,), all greater than 0.

    log2(1 / max p) - sum p log2(p / max p): two parts, neither below 0. Range [0, log2(types)].

    >>> import numpy as np
    >>> entropy_bits(np.array([2, 2])), entropy_bits(np.array([5]))
    (1.0, 0.0)
    """
    total, top = counts.sum(), counts.max()
    entropy = math.log2(total / top) - float((counts / total * np.log2(counts / top)).sum())
    # Of types that are almost equally frequent it is next to the upper end, which rounding may pass.
    return min(entropy, math.log2(len(counts)))


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
    total, top, types = weights.sum(), weights.max(), float(len(weights))
    # What types as frequent as the most frequent one would come to; the others add a factor of at least 1.
    least = float(total / top)
    if np.isinf(q):
        return min(least, types)
    shares, logs = weights / total, np.log(weights / top)
    if q == 1:
        surplus = -(shares * logs).sum()
    else:
        # log(sum p (p / max p)^(q - 1)) / (1 - q): no power over- or underflows, and nothing is lost as q comes near 1.
        surplus = np.log1p((shares * np.expm1((q - 1) * logs)).sum()) / (1 - q)
    # Of types that are almost equally frequent it is next to their number, which rounding may pass.
    return min(least * float(np.exp(surplus)), types)
