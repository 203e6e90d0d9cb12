"""Two halves of a data set, told apart by a hash of the row: one to design on, one to test on."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.errors import DataError

__all__ = ["HALVES", "half_of", "in_half"]

HALVES = ("design", "test")


def in_half(text: str, half: str) -> bool:
    """Whether a row is in a half; white space makes no other row of it, so that near-copies do not fall apart.

    >>> in_half("Say hello.", "design") != in_half("Say hello.", "test")
    True
    """
    first = hashlib.sha256(" ".join(text.split()).encode()).digest()[0]
    return HALVES[first % 2] == half


def half_of(corpus: Corpus, half: str | None) -> Corpus:
    """Return the rows of a corpus that are in a half; all of them for None.

    Raises:
        DataError: there are none.
    """
    if half is None:
        return corpus
    kept: NDArray[np.int64] = np.flatnonzero([in_half(text, half) for text in corpus.texts("both").to_pylist()])
    if not len(kept):
        raise DataError(f"{corpus.name}: none of its {len(corpus):,} rows is in the half '{half}'. Leave 'half' out.")
    return corpus.take(kept, f"{corpus.name} ({half} half)")
