"""Ragged arrays: lists of different lengths that stand in one array, one after the other, and where each begins.

List i of an array is `array[starts[i]:starts[i + 1]]`. So are kept: the tokens of texts, the tags of rows, the rows of tags.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["gather", "starts_of"]

Ints = NDArray[np.int64]


def starts_of(lengths: Any) -> Ints:
    """Return where each list begins, and where the last one ends: (n + 1,) int64 for the lengths of n lists.

    >>> starts_of([2, 0, 3]).tolist()
    [0, 2, 2, 5]
    """
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def gather(starts: Ints, chosen: NDArray[Any], most: int | None = None) -> tuple[Ints, Ints]:
    """Return where the entries of some lists stand, one list's after the other's, and how many there are of each.

    Args:
        starts: (n + 1,) where each list begins.
        chosen: (k,) which lists, in any order; one may come several times.
        most: of a list at most so many entries, the first ones; None for all.

    Returns:
        (total,) positions in the array that holds all lists; (k,) numbers of entries.

    >>> gather(starts_of([2, 0, 3]), np.array([2, 0]))[0].tolist()
    [2, 3, 4, 0, 1]
    """
    lengths = starts[chosen + 1] - starts[chosen]
    if most is not None:
        lengths = np.minimum(lengths, most)
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts[chosen] - (ends - lengths), lengths), lengths
