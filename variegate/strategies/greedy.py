"""The lazy loops for objectives whose gains only fall as rows are taken (monotone submodular ones)."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from variegate.progress import track
from variegate.strategies.first import TIE

__all__ = ["lazy_greedy", "tracked_greedy"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Candidates whose gains are computed together.
BATCH = 32
# And at most, where it is known which gains are out of date.
MANY = 1024


def lazy_greedy(
    bounds: Floats,
    size: int,
    gains_of: Callable[[Ints], Floats],
    take: Callable[[int], None],
    *,
    start: Sequence[int] = (),
    noise: float = 0.0,
    label: str = "picks",
) -> tuple[Ints, list[float | None]]:
    """Take the row with the largest gain, again and again; the picks are those of scoring every row at every step.

    A gain that was computed earlier bounds today's from above, so only rows whose bound reaches the best gain found so far are
    looked at. Equal gains go to the lowest row.

    Args:
        bounds: (n,) the gain of each row by itself (or anything above it).
        size: how many rows in all.
        gains_of: from row numbers to their gains today, the same numbers whichever rows are asked together.
        take: told of each pick.
        start: rows that are taken first, without a gain.
        noise: gains this much apart count as equal, since they are not computed more exactly.
        label: what the progress line says.

    Returns:
        Rows in picking order, and the gain of each (None for those of `start`).
    """
    taken = np.zeros(len(bounds), bool)
    picks = list(start)[:size]
    gains: list[float | None] = [None] * len(picks)
    for row in picks:
        take(row)
        taken[row] = True
    heap = [(-bound, row) for row, bound in enumerate(bounds.tolist()) if not taken[row]]
    heapq.heapify(heap)
    with track(label, size, "picks") as advance:
        advance(len(picks))
        while len(picks) < size:
            best = -np.inf
            known: list[tuple[float, int]] = []
            while heap and -heap[0][0] >= best - abs(best) * TIE - noise:
                rows = np.array([heapq.heappop(heap)[1] for _ in range(min(BATCH, len(heap)))])
                found = gains_of(rows)
                known += zip(found.tolist(), rows.tolist(), strict=True)
                best = max(best, float(found.max()))
            row = min(row for gain, row in known if gain >= best - abs(best) * TIE - noise)
            for gain, other in known:
                if other != row:
                    heapq.heappush(heap, (-gain, other))
            take(row)
            picks.append(row)
            gains.append(next(gain for gain, other in known if other == row))
            advance(1)
    return np.array(picks, np.int64), gains


def tracked_greedy(
    gains: Floats, size: int, gains_of: Callable[[Ints], Floats], take: Callable[[int], Ints], *, label: str = "picks"
) -> tuple[Ints, list[float | None]]:
    """Do as :func:`lazy_greedy` where a pick changes the gains of few rows, and says of which.

    A gain that no pick has touched is still exact, so many rows with the same gain cost nothing. Two passes over n numbers a
    pick, in return.

    Args:
        gains: (n,) the gain of each row by itself, exact.
        size: how many rows in all, at most n.
        gains_of: from row numbers to their gains today, the same numbers whichever rows are asked together.
        take: told of each pick; returns the rows whose gains it may have lowered.
        label: what the progress line says.

    Returns:
        Rows in picking order, and the gain of each.
    """
    bounds = np.array(gains, np.float64)
    taken, stale = np.zeros(len(bounds), bool), np.zeros(len(bounds), bool)
    picks = np.empty(size, np.int64)
    found: list[float | None] = []
    with track(label, size, "picks") as advance:
        for at in range(size):
            best = float(bounds.max(where=~stale, initial=-np.inf))
            while True:
                floor = best - abs(best) * TIE
                due = np.flatnonzero(stale & (bounds >= floor))
                if not len(due):
                    break
                if len(due) > MANY:
                    due = due[np.argpartition(-bounds[due], MANY)[:MANY]]
                bounds[due] = gains_of(due)
                stale[due] = False
                best = max(best, float(bounds[due].max()))
            row = int(np.argmax(bounds >= floor))
            found.append(float(bounds[row]))
            picks[at] = row
            touched = take(row)
            taken[row] = True
            bounds[row] = -np.inf
            stale[touched] = ~taken[touched]
            advance(1)
    return picks, found
