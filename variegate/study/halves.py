"""Two halves of a data set, told apart by a hash of the row: one to design on, one to test on."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.errors import DataError

__all__ = ["HALVES", "half_of", "in_half", "lowest"]

HALVES = ("design", "test")


def in_half(text: str, half: str) -> bool:
    """Whether a row is in a half; white space makes no other row of it, so that near-copies do not fall apart.

    >>> in_half("Say hello.", "design") != in_half("Say hello.", "test")
    True
    """
    first = hashlib.sha256(" ".join(text.split()).encode()).digest()[0]
    return HALVES[first % 2] == half


def lowest(corpus: Corpus, rows: int | None) -> Corpus:
    """Return so many rows of a corpus, those of the lowest hashes: which these are does not depend on the order of the rows.

    Raises:
        DataError: there are fewer.
    """
    if rows is None:
        return corpus
    if rows > len(corpus):
        raise DataError(f"{corpus.name}: 'pool.rows' asks for {rows:,} rows, and there are {len(corpus):,}. Ask for fewer.")
    hashes = [hashlib.sha256(text.encode()).digest()[1:] for text in corpus.texts("both").to_pylist()]
    kept = np.sort(np.array(sorted(range(len(hashes)), key=lambda at: (hashes[at], at))[:rows], np.int64))
    return corpus.take(kept, f"{corpus.name}, {rows:,} rows")


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
