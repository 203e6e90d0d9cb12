"""Nearest neighbours by L2 distance, exact, and the density that NovelSum makes of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.geometry.device import active_device, to_numpy
from variegate.geometry.vectors import BLOCK_BYTES, Floats, Ints, Matrix, blocks, centre_of, centred_on, exact_squared_distances
from variegate.progress import track

__all__ = ["density", "nearest", "rounding_distance", "typical_neighbour_distance"]

F32 = NDArray[np.float32]

POINT_ROWS = 8192
# Neighbours kept beyond the k asked for, so that float32 noise cannot lose one of the k before float64 ranks them.
SPARE = 4
# Share of a vector's length by which it moves when a model computes it in another batch or on another device.
ROUNDING = 1e-5
# Added to a mean squared distance before it divides [N].
DENSITY_EPSILON = 1e-9


def nearest(queries: Matrix, points: Matrix, k: int, *, beyond: float = 0.0) -> tuple[Floats, Ints]:
    """Return the k nearest points of each query by L2 distance.

    Args:
        queries: (n, d).
        points: (m, d), m >= k.
        k: how many.
        beyond: points at most this far away do not count.

    Returns:
        Squared distances (n, k) ascending, in float64, and the points' rows (n, k); equal distances go by row. Where
        fewer than k points lie beyond `beyond`, the rest is infinite, with row -1.
    """
    n, m = len(queries), len(points)
    # Distances do not change when all is moved; small coordinates lose less in float32.
    centre, _ = centre_of(points)
    kept = min(k + SPARE, m)
    centred = centred_on(points, centre)
    norms = np.einsum("md,md->m", centred, centred, dtype=np.float64).astype(np.float32)
    distances, rows = np.empty((n, k)), np.empty((n, k), np.int64)
    size = max(1, BLOCK_BYTES // (4 * POINT_ROWS))
    on_device = None if active_device() is None else _DevicePoints(centred, norms)
    with track("neighbours", n) as advance:
        for start, stop in blocks(n, size):
            block = centred_on(queries[start:stop], centre)
            if on_device is not None:
                found = on_device.nearest(block, kept, beyond)
            else:
                found = _nearest_of_block(block, centred, norms, kept, beyond)
            d2, at = _exact(queries[start:stop], points, found, beyond)
            distances[start:stop], rows[start:stop] = d2[:, :k], at[:, :k]
            advance(stop - start)
    return distances, rows


class _DevicePoints:
    """Points that lie on the device while blocks of queries pass by."""

    def __init__(self, points: F32, norms: F32) -> None:
        import torch

        self.points = torch.from_numpy(points).to(active_device())
        self.norms = torch.from_numpy(norms).to(active_device())

    def nearest(self, block: F32, k: int, beyond: float) -> Ints:
        """Return the rows of the k nearest points of each row of a block, in any order, by float32 distances."""
        import torch

        queries = torch.from_numpy(block).to(self.points.device)
        scores = self.norms - 2 * (queries @ self.points.T)
        if beyond:
            own = (queries * queries).sum(1, keepdim=True)
            scores[scores + own <= beyond * beyond] = torch.inf
        values, rows = scores.topk(k, dim=1, largest=False)
        rows[torch.isinf(values)] = -1
        return to_numpy(rows)


def _nearest_of_block(block: F32, points: F32, norms: F32, k: int, beyond: float) -> Ints:
    """Return the rows of the k nearest points of each row of a block, in any order, by float32 distances."""
    n, m = len(block), len(points)
    best = np.full((n, k), np.inf, np.float32)
    rows = np.full((n, k), -1, np.int64)
    own = np.einsum("nd,nd->n", block, block)[:, None]
    buffer = np.empty((n, min(POINT_ROWS, m)), np.float32)
    for start, stop in blocks(m, POINT_ROWS):
        scores = buffer[:, : stop - start]
        if scores.shape[1] < buffer.shape[1]:
            scores = np.empty(scores.shape, np.float32)
        np.matmul(block, points[start:stop].T, out=scores)
        scores *= -2
        scores += norms[start:stop]
        if beyond:
            scores[scores + own <= beyond * beyond] = np.inf
        limit = best.max(axis=1, keepdims=True)
        flat = np.flatnonzero((scores < limit).ravel())
        if len(flat) > n * k * 4:
            _merge_dense(best, rows, scores, start)
        elif len(flat):
            _merge_sparse(best, rows, scores, start, flat)
    return rows


def _merge_dense(best: F32, rows: Ints, scores: F32, offset: int) -> None:
    k = best.shape[1]
    at = np.argpartition(scores, min(k, scores.shape[1]) - 1, axis=1)[:, :k]
    _keep_best(best, rows, slice(None), np.take_along_axis(scores, at, axis=1), at + offset)


def _merge_sparse(best: F32, rows: Ints, scores: F32, offset: int, flat: Ints) -> None:
    """Merge the few scores that beat a row's k-th best: cheap once most of the points have been seen."""
    row, column = np.divmod(flat, scores.shape[1])
    value = scores.ravel()[flat]
    order = np.lexsort((value, row))
    row, column, value = row[order], column[order], value[order]
    touched, first, count = np.unique(row, return_index=True, return_counts=True)
    rank = np.arange(len(row)) - np.repeat(first, count)
    good = rank < best.shape[1]
    where = np.repeat(np.arange(len(touched)), count)[good]
    width = int(rank[good].max()) + 1
    values = np.full((len(touched), width), np.inf, np.float32)
    places = np.full((len(touched), width), -1, np.int64)
    values[where, rank[good]] = value[good]
    places[where, rank[good]] = column[good] + offset
    _keep_best(best, rows, touched, values, places)


def _keep_best(best: F32, rows: Ints, touched: Ints | slice, values: F32, places: Ints) -> None:
    k = best.shape[1]
    values = np.hstack([best[touched], values])
    places = np.hstack([rows[touched], places])
    at = np.argpartition(values, k - 1, axis=1)[:, :k]
    best[touched] = np.take_along_axis(values, at, axis=1)
    rows[touched] = np.take_along_axis(places, at, axis=1)


def _exact(queries: Matrix, points: Matrix, rows: Ints, beyond: float) -> tuple[Floats, Ints]:
    """Rank the candidates by float64 distance, then by row."""
    n, k = rows.shape
    at = np.repeat(np.arange(n), k)
    d2 = exact_squared_distances(queries, points, at, np.maximum(rows, 0).ravel()).reshape(n, k)
    d2[rows < 0] = np.inf
    if beyond:
        gone = d2 <= beyond * beyond
        d2[gone] = np.inf
        rows = np.where(gone, -1, rows)
    order = np.lexsort((rows, d2), axis=1)
    return np.take_along_axis(d2, order, axis=1), np.take_along_axis(rows, order, axis=1)


def density(queries: Matrix, points: Matrix, *, k: int = 10, beta: float = 0.5) -> Floats:
    """Return the density of the points around each query: 1 / (mean squared distance to k neighbours + 1e-9)^beta [N].

    The nearest point of all is left out first: it is the query itself where the query is among the points.

    Args:
        queries: (n, d).
        points: (m, d), distinct rows, m > k.
        k: number of neighbours.
        beta: exponent; 0 makes every density 1.

    Returns:
        (n,) float64, greater than 0; larger where the points are closer together.

    Raises:
        DataError: there are not more than k points.
    """
    if beta == 0:
        return np.ones(len(queries))
    if len(points) <= k:
        raise DataError(
            f"The density needs more than k = {k} distinct reference rows, but there are {len(points)}. Pass a larger "
            "reference or a smaller k."
        )
    squared, _ = nearest(queries, points, k + 1)
    with np.errstate(over="ignore"):
        sigma = np.asarray((squared[:, 1:].mean(axis=1) + DENSITY_EPSILON) ** -beta)
    if not np.isfinite(sigma).all():
        raise DataError(f"With beta = {beta} some densities are beyond all numbers. Pass a smaller beta.")
    return sigma


def rounding_distance(centre: Floats, radius: float) -> float:
    """Return the distance up to which two points may be one, computed twice: other last bits, nothing else."""
    return ROUNDING * float(np.hypot(np.linalg.norm(centre), radius))


def typical_neighbour_distance(points: Matrix, *, k: int = 10, sample: int = 2048) -> float:
    """Return the distance at which a typical point has its k nearest neighbours.

    That is the root of the median, over points, of the mean squared distance to the k nearest. Copies (points within
    a hundredth of the set's own radius, or within rounding) do not count as neighbours, so that a set in which every row
    stands many times has a scale too. Taken over `sample` points at even steps where there are more.

    Returns:
        A distance greater than 0, or 0.0 if all points are copies of each other.
    """
    centre, radius = centre_of(points)
    copies = max(radius / 100, rounding_distance(centre, radius))
    step = max(1, len(points) // sample)
    squared, _ = nearest(points[::step], points, min(k, len(points)), beyond=copies)
    found = np.isfinite(squared)
    counts = found.sum(axis=1)
    means = np.where(found, squared, 0.0).sum(axis=1)[counts > 0] / counts[counts > 0]
    return float(np.sqrt(np.median(means))) if len(means) else 0.0
