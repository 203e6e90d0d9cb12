"""Metrics of one label per sample: topics, clusters, sources."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.metrics.entropy import entropy_bits

__all__ = ["topic_count", "topic_entropy"]


def topic_count(topics: NDArray[Any]) -> float:
    """Return the number of different topics that the samples have.

    Range [1, n]; larger = more diverse. Grows with n.

    Args:
        topics: (n,) integer labels, n >= 1.

    Returns:
        Topics.

    Reference: the macro level of Li et al. 2025, "From Macro to Micro"; Hill number of order 0.

    >>> import numpy as np
    >>> topic_count(np.array([3, 3, 5]))
    2.0
    """
    return float(len(np.unique(topics)))


def topic_entropy(topics: NDArray[Any]) -> float:
    """Return the Shannon entropy of the samples' distribution over topics.

    Range [0, log2(number of topics)] bits; larger = more even over more topics. Grows with n while topics are rare.

    Args:
        topics: (n,) integer labels, n >= 1.

    Returns:
        Entropy in bits.

    Reference: the macro level of Li et al. 2025, "From Macro to Micro".

    >>> import numpy as np
    >>> topic_entropy(np.array([3, 3, 5, 5])), topic_entropy(np.array([1, 1]))
    (1.0, 0.0)
    """
    return entropy_bits(np.unique(topics, return_counts=True)[1])
