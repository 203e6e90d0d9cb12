"""Approximate neighbours, where somebody asked for them: most of the nearest, found without looking at all pairs.

How many are found is measured at every search, on a sample of its queries.
"""

from __future__ import annotations

import numpy as np

from variegate.geometry.copies import Copies, copies
from variegate.geometry.neighbours.graph import Graph, Moved, effort_for
from variegate.geometry.neighbours.nearest import nearest
from variegate.geometry.neighbours.searches import Asked, Search, asked_for, collect, pays, tell
from variegate.geometry.vectors import Floats, Ints, Matrix, blocks, exact_squared_distances
from variegate.progress import track

__all__ = ["neighbours_for", "recall_of", "sample_of"]

QUERY_ROWS, LINKED_ROWS = 2048, 8192
# Candidates beyond the k asked for.
SPARE = 4
# Queries whose neighbours are found exactly as well.
SAMPLE, SEED = 512, 0


def neighbours_for(
    purpose: str, queries: Matrix, points: Matrix, k: int, *, points_at: Ints | None = None
) -> tuple[Floats, Ints]:
    """Return the k nearest points of each query, as :func:`nearest` does: exact ones, unless approximate ones were asked for.

    Candidates then come from a graph of the points, float64 distances rank them, and how many of the nearest are among them is
    reported. Points that float16 cannot tell apart are one in the graph: copies would link to nothing but each other. The search
    is exact where there are too few queries or points for a graph to be worth its while, and for queries that find fewer than k.

    Args:
        purpose: what for, in the report.
        queries: (n, d).
        points: (m, d), m >= k.
        k: how many.
        points_at: as for :func:`nearest`.

    Returns:
        Squared distances (n, k) ascending, in float64, and the points' rows (n, k); approximate ones may miss some nearer points.
    """
    asked = asked_for()
    if asked is None:
        return nearest(queries, points, k, points_at=points_at)
    if not pays(len(queries), len(points)):
        _report(Search(purpose))
        return nearest(queries, points, k, points_at=points_at)
    # Before the graph is built, so that both are not in memory at once.
    sample = sample_of(len(queries))
    exact, _ = nearest(queries[sample], points, k)
    moved = Moved(points)
    graph, same = _graph(points, moved, asked)
    distances, rows = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
    with track("neighbours", len(queries)) as advance:
        for start, stop in blocks(len(queries), QUERY_ROWS):
            block = queries[start:stop]
            found = graph.search(moved(block), k + SPARE)
            real = found >= 0
            members, counts = same.members(found[real], k)
            distances[start:stop], rows[start:stop] = _ranked(block, points, np.repeat(np.nonzero(real)[0], counts), members, k)
            advance(stop - start)
    short = np.flatnonzero(rows[:, -1] < 0)
    if len(short):
        distances[short], rows[short] = nearest(queries[short], points, k)
    _report(Search(purpose, str(graph), recall_of(distances[sample], exact), k, len(sample)))
    return distances, rows


def _report(search: Search) -> None:
    collect(search)
    tell(search)


def _graph(points: Matrix, moved: Moved, asked: Asked) -> tuple[Graph, Copies]:
    """Return a graph of the points, and which of them are one in it."""
    stored = moved(points)
    same = copies(stored)
    graph = Graph(points.shape[1], effort_for(len(same.first), asked.effort))
    with track("linking", len(same.first)) as advance:
        for start, stop in blocks(len(same.first), LINKED_ROWS):
            graph.add(stored[same.first[start:stop]])
            advance(stop - start)
    return graph, same


def _ranked(queries: Matrix, points: Matrix, at: Ints, rows: Ints, k: int) -> tuple[Floats, Ints]:
    """Return the k nearest of each query's candidates, which are given as pairs, as :func:`neighbours_for` does."""
    d2 = exact_squared_distances(queries, points, at, rows)
    order = np.lexsort((rows, d2, at))
    at = at[order]
    counts = np.bincount(at, minlength=len(queries))
    place = np.arange(len(at)) - np.repeat(np.cumsum(counts) - counts, counts)
    near = place < k
    best, best_rows = np.full((len(queries), k), np.inf), np.full((len(queries), k), -1, np.int64)
    best[at[near], place[near]] = d2[order][near]
    best_rows[at[near], place[near]] = rows[order][near]
    return best, best_rows


def sample_of(rows: int) -> Ints:
    """Return the rows on which a search is checked, ascending."""
    return np.sort(np.random.default_rng(SEED).choice(rows, min(SAMPLE, rows), replace=False))


def recall_of(found: Floats, exact: Floats) -> float:
    """Return the share of the exact neighbours that were found, 1 where there are none.

    Those at distance 0, a row itself and its copies, do not count.

    Args:
        found: (n, k) squared distances, ascending.
        exact: (n, k), likewise, of the nearest there are.

    >>> round(recall_of(np.array([[0.0, 1, 3, 4]]), np.array([[0.0, 1, 2, 3]])), 12)
    0.666666666667
    """
    counts = exact > 0
    # As far out as the exact neighbours reach: equal distances are equally good.
    good = (found > 0) & (found <= exact[:, -1:])
    return float(np.minimum(good.sum(axis=1), counts.sum(axis=1)).sum() / counts.sum()) if counts.any() else 1.0
