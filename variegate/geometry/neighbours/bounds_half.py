"""Neighbours among float16 vectors on a device, by products of the vectors as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.device import active_device, full_float32, kernels_run, to_device
from variegate.geometry.device_rows import held
from variegate.geometry.neighbours.bounds import Queries, Screen
from variegate.geometry.rounding import UNDERFLOW, UNIT
from variegate.geometry.vectors import Floats, Ints, Matrix

__all__ = ["HalfScreen", "screen_of"]

# Bytes of differences measured together.
BLOCK_BYTES = 256 << 20


def screen_of(queries: Matrix, points: Matrix, beyond: float = 0.0) -> Screen:
    """Return the screen for points: on a device, and where they and the queries are float16, one that takes them as they are."""
    if active_device() is not None and queries.dtype == points.dtype == np.float16:
        return HalfScreen(points, beyond)
    return Screen(points, beyond)


class HalfQueries(Queries):
    """A block of float16 queries on the device, as they are.

    Attributes:
        doubled: (n, d) float16, the rows; nothing is doubled.
        lengths: (n,) float64, their squared lengths.
    """

    def __init__(self, rows: Matrix) -> None:
        self.doubled = to_device(rows)
        self.lengths = self.doubled.double().square().sum(1).cpu().numpy()


class HalfScreen(Screen):
    """The bounds of :class:`Screen` by products of float16 rows, summed in float32.

    The rows are not moved: products of their coordinates are exact as they are, and nothing is copied. What the bounds give away
    is a share of the squared lengths of the rows as they are; where these lie far from the origin, close together, more points
    stay undecided, so more of them are looked at.
    """

    spare = 54

    def __init__(self, points: Matrix, beyond: float = 0.0) -> None:
        self.device = active_device()
        self.beyond = beyond
        self.pool = held(points)
        self.points = self.pool.rows
        self.share = self.pool.product_share
        d = points.shape[1]
        lengths = self.pool.norms**2
        # Changed by `keep_only`, so it is this screen's own; rounded to the side that keeps it a bound.
        self.least = ((1 - self.share) * lengths - d * UNDERFLOW).float()
        self.gap = (2 * self.share * lengths + 2 * d * UNDERFLOW).float()

    def queries(self, rows: Matrix) -> Queries:
        """Bring a block of queries to the device."""
        return HalfQueries(rows)

    def bounds(self, queries: Queries, start: int, stop: int, out: NDArray[np.float32] | None = None) -> Any:
        """Return the bounds less each query's offset for some points, as :meth:`Screen.bounds` does."""
        import torch

        least, gap, points = self.least[start:stop], self.gap[start:stop], self.points[start:stop]
        near = None
        if self.beyond:
            limits = self.beyond**2 * (1 - 4 * UNIT) - (1 + self.share) * queries.lengths
            near = to_device(limits.astype(np.float32))
        if kernels_run():
            from variegate.geometry.neighbours import kernels

            bounds = torch.empty((len(queries.lengths), stop - start), dtype=torch.float32, device=self.device)
            kernels.screen(queries.doubled, points, least, gap, near, bounds)
            return bounds
        with full_float32():
            bounds = -2 * (queries.doubled.float() @ points.float().T)
        bounds += least
        if near is not None:
            bounds[bounds + gap <= near[:, None]] = torch.inf
        return bounds

    def squared(self, queries: Queries | None, rows: Matrix, points: Matrix, at: Ints, at_points: Ints) -> Floats:
        """Return the squared distances of given pairs in float64, summed on the device."""
        import torch

        assert isinstance(queries, HalfQueries)
        left, right = to_device(at), to_device(at_points)
        count, step = len(at), max(1, BLOCK_BYTES // (8 * self.points.shape[1]))
        if count > step:
            # Sums of one shape add up in one order: copies of a row are equally far away.
            fill = torch.zeros(-count % step, dtype=torch.int64, device=left.device)
            left, right = torch.cat([left, fill]), torch.cat([right, fill])
        out = torch.empty(len(left), dtype=torch.float64, device=left.device)
        for start in range(0, len(left), step):
            part = slice(start, start + step)
            difference = queries.doubled[left[part]].double() - self.points[right[part]].double()
            out[part] = difference.square_().sum(1)
        return np.asarray(out[:count].cpu().numpy())
