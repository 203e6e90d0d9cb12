"""Bounds on what all rows score by novelty, from histograms of their distances to the picks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.rounding import WIDE_UNIT, sum_share

__all__ = ["Histograms"]

F32 = NDArray[np.float32]
Floats = NDArray[np.float64]

# Bins, the last of which is open, and the distance at which it begins, in units of a row's own scale.
BINS, TOP = 40, 1.28
# Distances that are put into bins together: few enough to stay in a processor's cache; and rows at most.
TOGETHER, ROWS = 1 << 16, 4096


class Histograms:
    """For each row how its weighted distances to the picks are distributed: the number and the sum of those in each bin.

    A score is the sum of w_r e_(r), e ascending, w falling. Let a bin hold the ranks from N to M. Its distances ascend while
    their weights fall, so that by Chebyshev's inequality for sums they add at most their mean times w_N + ... + w_M. The sum of
    that over bins bounds the score, however distances are put into bins; with 40 bins and alpha = 1 by less than a percent too
    high. Nothing is sorted.

    Args:
        n: rows.
        weights: of the ranks, falling.
    """

    def __init__(self, n: int, weights: Floats) -> None:
        self.counts, self.sums = np.zeros((n, BINS), np.float32), np.zeros((n, BINS), np.float32)
        self.scale = np.ones(n)
        self.added = 0
        self.cumulated = np.concatenate([[0.0], np.cumsum(weights)])
        # What a difference of these may be off by: one rounding for each term of both.
        self.error = 2 * WIDE_UNIT * len(self.cumulated) * float(self.cumulated[-1])

    def start_anew(self, scale: Floats) -> None:
        """Forget all distances, and lay the bins by other scales, (n,); 0 where nothing is known."""
        self.counts[:], self.sums[:] = 0, 0
        self.added = 0
        self.scale = np.where(scale > 0, scale, 1.0)

    def begin_adding(self) -> None:
        """Count once more that sums were rounded."""
        self.added += 1

    def add(self, rows: slice, tiles: Iterator[tuple[slice, F32]]) -> None:
        """Take in distances of some rows.

        Args:
            rows: which.
            tiles: which of these rows, and their distances to some picks, (rows, picks), used up.
        """
        memory: dict[tuple[int, ...], tuple[Any, ...]] = {}
        counts, sums = self.counts[rows], self.sums[rows]
        inverse = (1 / self.scale[rows]).astype(np.float32)
        for part, tile in tiles:
            if tile.shape not in memory:
                m = len(tile)
                first = np.arange(m, dtype=np.float32)[:, None] * BINS
                last = np.full(tile.shape, BINS - 0.5, np.float32)
                memory = {tile.shape: (np.empty_like(tile), np.empty(tile.shape, np.intp), np.empty(tile.shape), first, last)}
            bins, index, wide, first, last = memory[tile.shape]
            tile *= inverse[part, None]
            np.multiply(tile, np.float32(BINS / TOP), out=bins)
            # With an array, since numpy's minimum with a single number is slow.
            np.minimum(bins, last, out=bins)
            bins += first
            np.copyto(index, bins, casting="unsafe")
            found, total = _binned(tile, index.ravel(), wide)
            counts[part] += found
            sums[part] += total

    def bounds(self, rows: slice) -> Floats:
        """Return what some rows score at most, by all that was added."""
        counts = self.counts[rows]
        behind = self.cumulated[np.cumsum(counts, axis=1).astype(np.intp)]
        behind[:, 1:] -= behind[:, :-1].copy()
        # Of a bin. Besides by the additions it was rounded three times: by the scale's inverse, by multiplying with it, and here.
        means = self.sums[rows] / (counts + (counts == 0))
        behind *= means
        # The means ascend, so that what all the differences are off by comes to no more than one of them times the largest mean.
        bounds = behind.sum(axis=1) + self.error * means.max(axis=1)
        return np.asarray(bounds * self.scale[rows] * (1 + sum_share(self.added)))


def _binned(tile: F32, index: NDArray[np.intp], wide: Floats) -> tuple[Floats, Floats]:
    """Return the number and the sum of a tile's distances in each row's bins, given the bin of each."""
    m, width = len(tile), len(tile) * BINS
    largest = float(tile.max()) * tile.shape[1]
    if largest < 1 << 16:
        # Both at once: the number in the leading digits, the sum in those behind. They stay below twice the number times 2^16, so
        # that each addition may lose half of the last digit of that, which is put back.
        offset, lost = 1 << 16, (tile.shape[1] + 1) * 2.0**-36
        np.add(tile, offset, out=wide, dtype=np.float64)
        both = np.bincount(index, wide.ravel(), width)
        found = np.floor(both / offset)
        total = both - found * offset + found * lost
    else:
        found = np.bincount(index, minlength=width).astype(np.float64)
        total = np.bincount(index, tile.ravel(), width)
    return found.reshape(m, BINS), total.reshape(m, BINS)
