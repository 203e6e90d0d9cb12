"""Where the entries of some rows stand in an array that holds those of all rows, one row after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["entries_of"]

Ints = NDArray[np.int64]


def entries_of(starts: Ints, chosen: NDArray[Any]) -> tuple[Ints, Ints]:
    """Return the positions of some slices of an array that holds many, one after the other, and their lengths."""
    lengths = starts[chosen + 1] - starts[chosen]
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts[chosen] - (ends - lengths), lengths), lengths
