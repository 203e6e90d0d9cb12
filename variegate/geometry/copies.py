"""Rows that are the same, bit by bit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from variegate.geometry.sharing import shared
from variegate.geometry.vectors import Ints, Matrix
from variegate.ragged import gather, starts_of

__all__ = ["Copies", "copies", "distinct_rows"]


@dataclass(frozen=True)
class Copies:
    """Sets of bit-identical rows, by their first row.

    Attributes:
        first: (sets,) the first row of each, ascending.
        rows: (n,) the rows of the first set, ascending, then of the second, ...
        starts: (sets + 1,) where each set's rows start.
    """

    first: Ints
    rows: Ints
    starts: Ints

    def members(self, sets: Ints, most: int) -> tuple[Ints, Ints]:
        """Return the lowest rows of some sets, at most so many of each, one set's after the other's; and how many of each."""
        at, counts = gather(self.starts, sets, most)
        return self.rows[at], counts


@shared
def copies(vectors: Matrix) -> Copies:
    """Return which rows are bit-identical."""
    seen: dict[bytes, int] = {}
    first: list[int] = []
    group = np.empty(len(vectors), np.int64)
    for at, row in enumerate(np.ascontiguousarray(vectors)):
        key = hashlib.blake2b(row.data, digest_size=16).digest()
        group[at] = seen.setdefault(key, len(first))
        if group[at] == len(first):
            first.append(at)
    starts = starts_of(np.bincount(group, minlength=len(first)))
    return Copies(np.array(first, np.int64), np.argsort(group, kind="stable"), starts)


def distinct_rows(vectors: Matrix) -> Ints:
    """Return the first row of each set of bit-identical rows, ascending."""
    return copies(vectors).first
