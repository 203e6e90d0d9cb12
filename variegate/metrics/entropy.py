"""Entropy of counts, which token, topic and tag metrics share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["entropy_bits"]


def entropy_bits(counts: NDArray[Any]) -> float:
    """Return the Shannon entropy in bits of a distribution given by counts, shape (types,), all greater than 0.

    >>> import numpy as np
    >>> entropy_bits(np.array([2, 2])), entropy_bits(np.array([5]))
    (1.0, 0.0)
    """
    shares = counts / counts.sum()
    return max(0.0, float(-(shares * np.log2(shares)).sum()))
