"""Rarefaction: a metric against the number of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from variegate.errors import DataError, bad_parameter
from variegate.geometry import sharing
from variegate.loading import load_each, separate
from variegate.metrics.measure import measure
from variegate.metrics.spec import Measurement

__all__ = ["curve_sizes", "rarefaction"]

STEPS = 8
SMALLEST = 50
SEEDS = 5


def curve_sizes(n: int, steps: int = STEPS) -> list[int]:
    """Return sample sizes at equal ratios from 50 (or a tenth of n) to n, ascending.

    >>> curve_sizes(6400, 8)
    [50, 100, 200, 400, 800, 1600, 3200, 6400]
    """
    smallest = max(2, min(SMALLEST, n // 10))
    return sorted({round(size) for size in np.geomspace(smallest, n, steps)}) if n > smallest else [n]


def rarefaction(
    data: Any, metrics: Any = None, *, sizes: Sequence[int] | None = None, seeds: int = SEEDS, **options: Any
) -> list[Measurement]:
    """Measure random subsamples of growing size: how much of a difference between two sets is their size alone.

    Args:
        data: as for :func:`measure`; several data sets get the same sizes, up to the smallest one's.
        metrics: as for :func:`measure`.
        sizes: numbers of rows; by default 8 at equal ratios, up to all rows of the smallest data set.
        seeds: draws of each size, at least 2; their spread is the band.
        options: everything else that :func:`measure` takes, but `size_matched`.

    Returns:
        One measurement per size, data set, side and metric; `n` is the size, `value` the mean over draws, `interval` the 95 %
        interval of that mean.

    Raises:
        ParameterError: fewer than two draws, or a size below 2.
        DataError: a size is larger than a data set.
    """
    reference = options.pop("reference", None)
    *corpora, against = load_each(*separate(data), reference)
    smallest = min(corpora, key=len)
    chosen = curve_sizes(len(smallest)) if sizes is None else sorted(set(sizes))
    if not isinstance(seeds, int) or seeds < 2:
        raise bad_parameter("seeds", "rarefaction", "an int of at least 2", seeds)
    if not chosen or chosen[0] < 2:
        raise bad_parameter("sizes", "rarefaction", "numbers of at least 2", sizes)
    if chosen[-1] > len(smallest):
        raise DataError(f"{smallest.name}: has {len(smallest)} rows, fewer than the {chosen[-1]} asked for.")
    results: list[Measurement] = []
    with sharing():
        for size in chosen:
            results += measure(corpora, metrics, reference=against, size_matched=size, seeds=seeds, **options)
    return results
