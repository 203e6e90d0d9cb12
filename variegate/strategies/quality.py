"""Quality: a column of numbers that strategies weigh."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.errors import DataError

__all__ = ["quality_of"]

LARGEST = float(np.finfo(np.float64).max) / 2


def quality_of(corpus: Corpus, column: str) -> NDArray[np.float64]:
    """Return a column of numbers, scaled so that the least is 0 and the largest 1.

    Numbers that are written as text, as everything in a CSV file is, and decimals are numbers too.

    Raises:
        DataError: a value is no finite number; the message names the row.
    """
    numbers = np.array([_finite(value) for value in corpus.column(column)], np.float64)
    for row in np.flatnonzero(np.isnan(numbers)).tolist():
        value = corpus.column(column)[row]
        raise DataError(f"{corpus.where(row)}: the quality '{column}' must be a finite number. Got {value!r} instead.")
    spread = numbers.max() - numbers.min()
    return (numbers - numbers.min()) / spread if spread else np.ones(len(numbers))


def _finite(value: Any) -> float:
    """Return a number, or NaN for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    # The largest less the least must be a number too.
    return number if abs(number) <= LARGEST else math.nan
