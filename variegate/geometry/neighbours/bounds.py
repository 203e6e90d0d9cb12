"""Lower bounds on squared distances by float32 products: quick, and never above the truth."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.device import active_device, full_float32, to_numpy
from variegate.geometry.rounding import UNDERFLOW, UNIT, error_share
from variegate.geometry.vectors import (
    Floats,
    Ints,
    Matrix,
    blocks,
    centre_of,
    centred_on,
    exact_squared_distances,
    growing_blocks,
)

__all__ = ["Queries", "Screen", "merge_dense", "merge_sparse"]

F32 = NDArray[np.float32]

POINT_ROWS, FIRST_POINTS = 2048, 256
# Bytes of bounds on a device.
DEVICE_BYTES = 2 << 30


class Queries:
    """A block of queries, moved as the points are.

    Attributes:
        doubled: (n, d) float32, -2 times the moved rows.
        lengths: (n,) float64, their squared lengths.
    """

    def __init__(self, rows: Matrix, centre: Floats) -> None:
        self.doubled: Any = centred_on(rows, centre)
        self.lengths: Floats = np.einsum("nd,nd->n", self.doubled, self.doubled, dtype=np.float64)
        self.doubled *= -2

    def part(self, start: int, stop: int) -> Queries:
        """Return some of the queries."""
        some = copy(self)
        some.doubled, some.lengths = self.doubled[start:stop], self.lengths[start:stop]
        return some


class Screen:
    """Lower bounds on the squared L2 distances of queries to points.

    Let q and p be a query and a point, moved so that the points' centre is 0. The squared distance is at least what float32 says
    less the share :func:`error_share` of the two squared lengths.

    Args:
        points: (m, d).
        beyond: points that are surely this near to a query, or nearer, are passed over.

    Attributes:
        spare: how many points to ask :meth:`lowest` for beyond those that are needed, so that few queries need a second look.
    """

    spare = 4

    def __init__(self, points: Matrix, beyond: float = 0.0) -> None:
        # Distances do not change when all is moved; small coordinates lose less in float32.
        self.centre, _ = centre_of(points)
        self.beyond = beyond
        self.share = error_share(points.shape[1])
        self.points: Any = centred_on(points, self.centre)
        lengths = np.einsum("md,md->m", self.points, self.points, dtype=np.float64)
        # What `offset` is where the points are the queries.
        self.own_offset: Floats = (1 - self.share) * lengths
        self.least: Any = ((1 - self.share) * lengths - points.shape[1] * UNDERFLOW).astype(np.float32)
        # From a lower bound to an upper one.
        self.gap: Any = (2 * self.share * lengths + 2 * points.shape[1] * UNDERFLOW).astype(np.float32)
        self.device = active_device()
        if self.device is not None:
            import torch

            self.points, self.least, self.gap = (
                torch.from_numpy(one).to(self.device) for one in (self.points, self.least, self.gap)
            )

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.points)

    def keep_only(self, rows: Ints) -> None:
        """Pass over all points but these."""
        others = np.ones(len(self), bool)
        others[rows] = False
        self.least[self._moved(others)] = np.inf

    def queries(self, rows: Matrix) -> Queries:
        """Move a block of queries."""
        return Queries(rows, self.centre)

    def offset(self, queries: Queries) -> Floats:
        """Return what is to be added to a query's bounds, shape (n,): they are computed without its own length."""
        return np.asarray((1 - self.share) * queries.lengths)

    def bounds(self, queries: Queries, start: int, stop: int, out: F32 | None = None) -> Any:
        """Return the bounds less each query's offset for some points, shape (n, stop - start); infinite for those passed over."""
        if self.device is None:
            bounds = np.matmul(queries.doubled, self.points[start:stop].T, out=out)
        else:
            with full_float32():
                bounds = self._moved(queries.doubled) @ self.points[start:stop].T
        bounds += self.least[start:stop]
        if self.beyond:
            # Passed over are those that the upper bounds place within; the limit, too, is rounded to float32.
            near = self.beyond**2 * (1 - 4 * UNIT) - (1 + self.share) * queries.lengths
            bounds[bounds + self.gap[start:stop] <= self._moved(near.astype(np.float32)[:, None])] = np.inf
        return bounds

    def below(self, queries: Queries, limits: Floats, start: int, stop: int) -> tuple[Ints, Ints]:
        """Return the pairs of a query and one of some points whose squared distance may be up to the query's limit."""
        limits = np.nextafter((limits - self.offset(queries)).astype(np.float32), np.float32(np.inf))
        near = to_numpy(self.bounds(queries, start, stop) <= self._moved(limits[:, None]))
        at, column = np.nonzero(near)
        return at, start + column

    def lowest(self, queries: Queries, k: int) -> tuple[Ints, Floats]:
        """Return the k points with the lowest bounds, (n, k), -1 where there are fewer, and what no other one is below, (n,)."""
        best, rows = self._lowest(queries, k) if self.device is None else self._lowest_on_device(queries, k)
        return rows, best.max(axis=1) + self.offset(queries)

    def _lowest(self, queries: Queries, k: int) -> tuple[F32, Ints]:
        n, m = len(queries.lengths), len(self)
        best = np.full((n, k), np.inf, np.float32)
        rows = np.full((n, k), -1, np.int64)
        buffer = np.empty((n, min(POINT_ROWS, m)), np.float32)
        # A few points first: after them most are no candidates.
        for start, stop in growing_blocks(m, FIRST_POINTS, POINT_ROWS):
            whole = stop - start == buffer.shape[1]
            bounds = self.bounds(queries, start, stop, buffer if whole else None)
            flat = np.flatnonzero((bounds < best.max(axis=1, keepdims=True)).ravel())
            if len(flat) > n * k * 4:
                merge_dense(best, rows, bounds, start)
            elif len(flat):
                row, column = np.divmod(flat, stop - start)
                merge_sparse(best, rows, row, start + column, bounds.ravel()[flat])
        return best, rows

    def _lowest_on_device(self, queries: Queries, k: int) -> tuple[F32, Ints]:
        n = len(queries.lengths)
        best, rows = np.empty((n, k), np.float32), np.empty((n, k), np.int64)
        for start, stop in blocks(n, max(1, DEVICE_BYTES // (4 * len(self)))):
            values, found = self.bounds(queries.part(start, stop), 0, len(self)).topk(k, dim=1, largest=False)
            found[values.isinf()] = -1
            best[start:stop], rows[start:stop] = to_numpy(values), to_numpy(found)
        return best, rows

    def squared(self, queries: Queries | None, rows: Matrix, points: Matrix, at: Ints, at_points: Ints) -> Floats:
        """Return the squared distances of given pairs of a query and a point in float64, (pairs,); both also as they are here.

        On the CPU nothing but these rows is needed, and queries may be None.
        """
        return exact_squared_distances(rows, points, at, at_points)

    def _moved(self, array: NDArray[Any]) -> Any:
        if self.device is None:
            return array
        import torch

        return torch.from_numpy(array).to(self.device)


def merge_dense(best: F32, rows: Ints, bounds: F32, start: int) -> None:
    """Merge the bounds of some consecutive points, (n, points), into the lowest so far, (n, k)."""
    k = best.shape[1]
    at = np.argpartition(bounds, min(k, bounds.shape[1]) - 1, axis=1)[:, :k]
    _keep_best(best, rows, slice(None), np.take_along_axis(bounds, at, axis=1), at + start)


def merge_sparse(best: F32, rows: Ints, row: Ints, point: Ints, value: F32) -> None:
    """Merge bounds that are given by row, point and value: cheap where they are few, once most of the points have been seen."""
    if not len(row):
        return
    order = np.lexsort((value, row))
    row, point, value = row[order], point[order], value[order]
    first = np.flatnonzero(np.concatenate([[True], row[1:] != row[:-1]]))
    touched, count = row[first], np.diff(np.append(first, len(row)))
    rank = np.arange(len(row)) - np.repeat(first, count)
    good = rank < best.shape[1]
    where = np.repeat(np.arange(len(touched)), count)[good]
    width = int(rank[good].max()) + 1
    values = np.full((len(touched), width), np.inf, np.float32)
    places = np.full((len(touched), width), -1, np.int64)
    values[where, rank[good]] = value[good]
    places[where, rank[good]] = point[good]
    _keep_best(best, rows, touched, values, places)


def _keep_best(best: F32, rows: Ints, touched: Ints | slice, values: F32, places: Ints) -> None:
    k = best.shape[1]
    values = np.hstack([best[touched], values])
    places = np.hstack([rows[touched], places])
    at = np.argpartition(values, k - 1, axis=1)[:, :k]
    best[touched] = np.take_along_axis(values, at, axis=1)
    rows[touched] = np.take_along_axis(places, at, axis=1)
