"""Nearest neighbours by L2 distance, exact."""

from __future__ import annotations

import numpy as np

from variegate.geometry.copies import Copies, copies
from variegate.geometry.neighbours.among import lowest_among
from variegate.geometry.neighbours.bounds import Queries, Screen
from variegate.geometry.neighbours.bounds_half import screen_of
from variegate.geometry.rounding import wide_error_share
from variegate.geometry.threads import Threads
from variegate.geometry.vectors import Floats, Ints, Matrix, blocks, exact_squared_distances, growing_blocks
from variegate.progress import track

__all__ = ["nearest"]

QUERY_ROWS = 2048
# Queries that get a second look together, and the points that each of them sees first and at most at a time.
AGAIN_ROWS, FEWEST_POINTS, MOST_POINTS = 256, 64, 8192
# Of copies that are ranked together.
PAIRS = 1 << 20


def nearest(
    queries: Matrix, points: Matrix, k: int, *, beyond: float = 0.0, points_at: Ints | None = None
) -> tuple[Floats, Ints]:
    """Return the k nearest points of each query by L2 distance.

    Exact: float32 products only rule points out that are surely farther, and float64 distances, which depend on nothing but the
    two rows, decide among the others. Where many points are copies or near copies, most of the others are looked at in a second
    pass, in which bit-identical points count as one.

    Args:
        queries: (n, d).
        points: (m, d), m >= k.
        k: how many.
        beyond: points at most this far away do not count.
        points_at: (m,) where the points stand among the queries, if they all do: half of their products are then saved.

    Returns:
        Squared distances (n, k) ascending, in float64, and the points' rows (n, k); equal distances go by row. Where
        fewer than k points lie beyond `beyond`, the rest is infinite, with row -1.
    """
    n, m = len(queries), len(points)
    screen = screen_of(queries, points, beyond)
    distances, rows = np.empty((n, k)), np.empty((n, k), np.int64)
    unsure = np.zeros(n, bool)
    width = min(k + screen.spare, m)

    def settle(some: Ints, moved: Queries | None, found: Ints, floor: Floats) -> int:
        d2, at = _ranked(screen, moved, queries[some], points, found, beyond)
        distances[some], rows[some] = d2[:, :k], at[:, :k]
        # An equal distance may belong to a lower row; an infinite floor means that there are no others.
        unsure[some] = (d2[:, k - 1] >= floor) & np.isfinite(floor)
        return len(some)

    def look(some: Ints) -> int:
        moved = screen.queries(queries[some])
        return settle(some, moved, *screen.lowest(moved, width))

    others = np.arange(n)
    with Threads() as threads:
        # An accelerator has its own threads.
        each = threads.each if screen.device is None else map
        if points_at is not None and screen.device is None and not beyond:
            lowest, floors = lowest_among(screen, width, threads)
            parts = [np.arange(start, stop) for start, stop in blocks(m, QUERY_ROWS)]
            list(each(lambda part: settle(points_at[part], None, lowest[part], floors[part]), parts))
            others = np.setdiff1d(others, points_at)
        with track("neighbours", len(others)) as advance:
            for count in each(look, [others[start:stop] for start, stop in blocks(len(others), QUERY_ROWS)]):
                advance(count)
    again = np.flatnonzero(unsure)
    if len(again):
        # What was measured there may be measured here with the terms in another order.
        same, last_bits = copies(points), 1 + wide_error_share(points.shape[1])
        screen.keep_only(same.first)
        for start, stop in blocks(len(again), AGAIN_ROWS):
            some = again[start:stop]
            d2, at = _second_look(screen, queries[some], points, distances[some, -1] * last_bits, k, beyond)
            distances[some], rows[some] = _with_copies(d2, at, same, k)
    return distances, rows


def _ranked(
    screen: Screen, moved: Queries | None, queries: Matrix, points: Matrix, rows: Ints, beyond: float
) -> tuple[Floats, Ints]:
    """Rank candidates by float64 distance, then by row."""
    n, k = rows.shape
    at = np.repeat(np.arange(n), k)
    d2 = screen.squared(moved, queries, points, at, np.maximum(rows, 0).ravel()).reshape(n, k)
    gone = rows < 0
    if beyond:
        gone |= d2 <= beyond * beyond
    d2[gone] = np.inf
    rows = np.where(gone, -1, rows)
    order = np.lexsort((rows, d2), axis=1)
    return np.take_along_axis(d2, order, axis=1), np.take_along_axis(rows, order, axis=1)


def _second_look(screen: Screen, queries: Matrix, points: Matrix, limits: Floats, k: int, beyond: float) -> tuple[Floats, Ints]:
    """Rank all points that float32 cannot rule out, by float64 distance, then by row; first rows of copies only.

    Args:
        screen: of the points.
        queries: (n, d).
        points: (m, d).
        limits: (n,) squared distances that k points are surely within; infinite where that is not known.
        k: how many.
        beyond: as for :func:`nearest`.
    """
    moved = screen.queries(queries)
    best, rows = np.full((len(queries), k), np.inf), np.full((len(queries), k), -1, np.int64)
    # A few points first: they give a limit to queries that have none.
    for start, stop in growing_blocks(len(points), FEWEST_POINTS, MOST_POINTS):
        at, row = screen.below(moved, np.minimum(limits, best[:, -1]), start, stop)
        d2 = exact_squared_distances(queries, points, at, row)
        counts = d2 > beyond * beyond if beyond else np.ones(len(d2), bool)
        _keep_nearest(best, rows, at[counts], d2[counts], row[counts])
    return best, rows


def _keep_nearest(best: Floats, rows: Ints, at: Ints, d2: Floats, row: Ints) -> None:
    """Merge points, given by query, distance and row, into the nearest so far of each query."""
    touched = np.unique(at)
    k = best.shape[1]
    at = np.concatenate([at, np.repeat(touched, k)])
    d2, row = np.concatenate([d2, best[touched].ravel()]), np.concatenate([row, rows[touched].ravel()])
    order = np.lexsort((row, d2, at))
    counts = np.bincount(at)[touched]
    first = np.cumsum(counts) - counts
    chosen = order[first[:, None] + np.arange(k)]
    best[touched], rows[touched] = d2[chosen], row[chosen]


def _with_copies(d2: Floats, rows: Ints, same: Copies, k: int) -> tuple[Floats, Ints]:
    """Return the k nearest of each query, copies included, of the k nearest first rows."""
    best, nearest_rows = np.full(d2.shape, np.inf), np.full(rows.shape, -1, np.int64)
    size = max(1, PAIRS // (k * k))
    for start, stop in blocks(len(rows), size):
        real = rows[start:stop] >= 0
        members, counts = same.members(np.searchsorted(same.first, rows[start:stop][real]), k)
        at = np.repeat(np.nonzero(real)[0], counts)
        _keep_nearest(best[start:stop], nearest_rows[start:stop], at, np.repeat(d2[start:stop][real], counts), members)
    return best, nearest_rows
