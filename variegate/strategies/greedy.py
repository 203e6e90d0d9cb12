"""The lazy loops for objectives whose gains only fall as rows are taken (monotone submodular ones)."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from variegate.progress import track
from variegate.strategies.first import TIE
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks

__all__ = ["Greedy", "by_tokens", "lazy_greedy", "tracked_greedy"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Candidates whose gains are computed together.
BATCH = 32
# And at most, where it is known which gains are out of date.
MANY = 1024


@dataclass(frozen=True)
class Greedy:
    """What the loop took.

    Attributes:
        rows: in picking order.
        gains: of each pick; None for those that it was made to start with.
        total: what all of them add to the objective.
    """

    rows: Ints
    gains: list[float | None]
    total: float


def lazy_greedy(
    bounds: Floats,
    room: Room,
    gains_of: Callable[[Ints], Floats],
    take: Callable[[int], None],
    *,
    start: Sequence[int] = (),
    noise: float = 0.0,
    exact_of: Callable[[Ints], Floats] | None = None,
    per_token: bool = False,
    label: str = "picks",
) -> Greedy:
    """Take the row with the largest gain, again and again; the picks are those of scoring every row at every step.

    A gain that was computed earlier bounds today's from above, so only rows whose bound reaches the best gain found so far are
    looked at. Equal gains go to the lowest row.

    Args:
        bounds: (n,) the gain of each row by itself (or anything above it).
        room: which rows may be taken, and how many; it is used up.
        gains_of: from row numbers to their gains today, to within the noise.
        take: told of each pick.
        start: rows that are taken first, whatever their gain.
        noise: what gains may be off by; gains this much apart count as equal.
        exact_of: from row numbers to their gains today, the same numbers whichever rows are asked together: decides between rows
            that the noise leaves open. None where `gains_of` has no noise.
        per_token: whether the gain by token decides, where the room counts tokens.
        label: what the progress line says.
    """
    picks: list[int] = []
    gains: list[float | None] = []
    total = 0.0
    for row in start:
        if not room.full:
            total += float(gains_of(np.array([row]))[0])
            take(row)
            room.take(row)
            picks.append(row)
            gains.append(None)
    weights = room.weights(per_token)
    scores = bounds if weights is None else bounds / weights
    heap = [(-score, row) for row, score in enumerate(scores.tolist()) if room.open[row]]
    heapq.heapify(heap)
    # A gain's error counts less for a row of many tokens; the least bounds it for all.
    noise = noise if weights is None else noise / float(weights.min())
    with track(label, room.size, "picks") as advance:
        advance(len(picks))
        while not room.full:
            best = -np.inf
            known: list[tuple[float, int, float]] = []
            # Both the best and another may be off by the noise, besides counting as equal.
            while heap and -heap[0][0] >= best - abs(best) * TIE - 3 * noise:
                popped = [heapq.heappop(heap)[1] for _ in range(min(BATCH, len(heap)))]
                # What does not fit now never will.
                rows = np.array([row for row in popped if room.open[row]], np.int64)
                if len(rows):
                    found = gains_of(rows)
                    score = found if weights is None else found / weights[rows]
                    known += zip(score.tolist(), rows.tolist(), found.tolist(), strict=True)
                    best = max(best, float(score.max()))
            row, gain = min((row, gain) for value, row, gain in known if value >= best - abs(best) * TIE - 3 * noise)
            close = np.array([row for value, row, _ in known if value >= best - abs(best) * TIE - 3 * noise], np.int64)
            if exact_of is not None and len(close) > 1:
                exact = exact_of(close)
                score = exact if weights is None else exact / weights[close]
                row = int(close[score >= score.max() - abs(score.max()) * TIE - noise].min())
                gain = float(exact[close == row][0])
            for value, other, _ in known:
                if other != row:
                    heapq.heappush(heap, (-value, other))
            take(row)
            room.take(row)
            picks.append(row)
            gains.append(gain)
            total += gain
            advance(1)
    return Greedy(np.array(picks, np.int64), gains, total)


def tracked_greedy(
    gains: Floats,
    room: Room,
    gains_of: Callable[[Ints], Floats],
    take: Callable[[int], Ints],
    *,
    per_token: bool = False,
    label: str = "picks",
) -> Greedy:
    """Do as :func:`lazy_greedy` where a pick changes the gains of few rows, and says of which.

    A gain that no pick has touched is still exact, so many rows with the same gain cost nothing. Two passes over n numbers a
    pick, in return.

    Args:
        gains: (n,) the gain of each row by itself, exact.
        room: which rows may be taken, and how many; it is used up.
        gains_of: from row numbers to their gains today, the same numbers whichever rows are asked together.
        take: told of each pick; returns the rows whose gains it may have lowered.
        per_token: whether the gain by token decides, where the room counts tokens.
        label: what the progress line says.
    """
    weights = room.weights(per_token)
    scores = np.where(room.open, gains if weights is None else gains / weights, -np.inf)
    stale = np.zeros(len(scores), bool)
    picks: list[int] = []
    found: list[float | None] = []
    total = 0.0
    with track(label, room.size, "picks") as advance:
        while not room.full:
            best = float(scores.max(where=~stale, initial=-np.inf))
            while True:
                floor = best - abs(best) * TIE
                due = np.flatnonzero(stale & (scores >= floor))
                if not len(due):
                    break
                if len(due) > MANY:
                    due = due[np.argpartition(-scores[due], MANY)[:MANY]]
                scores[due] = gains_of(due) if weights is None else gains_of(due) / weights[due]
                stale[due] = False
                best = max(best, float(scores[due].max()))
            row = int(np.argmax(scores >= floor))
            gain = float(scores[row]) if weights is None else float(scores[row] * weights[row])
            found.append(gain)
            total += gain
            picks.append(row)
            touched = take(row)
            room.take(row)
            if room.selective:
                scores[~room.open] = -np.inf
            scores[row] = -np.inf
            stale[touched] = room.open[touched]
            advance(1)
    return Greedy(np.array(picks, np.int64), found, total)


def by_tokens(run: Callable[[Room, bool], tuple[Greedy, Picks]], room: Room, per_token: bool | None) -> Picks:
    """Run greedy by gain, or, under a budget of tokens, by gain per token as well, and keep the better set.

    Gain per token alone can be arbitrarily bad (a tiny row may take the place of a long one that is worth far more), and so can
    gain alone; the better of the two is within (1 - 1/e) / 2 of the best possible.

    Args:
        run: from a room and whether to go by gain per token to what was taken and the picks to return.
        room: what may be picked.
        per_token: True or False for one of the two alone; None for the better.

    Reference: Leskovec et al. 2007, "Cost-effective outbreak detection in networks" (CELF).
    """
    if room.costs is None or per_token is not None:
        return run(room, bool(per_token))[1]
    (plain, by_row), (weighed, by_token) = run(room.copy(), False), run(room.copy(), True)
    better = by_token if weighed.total > plain.total else by_row
    totals = {"total_by_gain_per_token": weighed.total, "total_by_gain": plain.total, "per_token": better is by_token}
    how = "per token" if better is by_token else "alone"
    note = f"greedy by gain {how} was the better of two: {weighed.total:.6g} by gain per token, {plain.total:.6g} by gain alone"
    return Picks(better.rows, better.gains, better.params | totals, [*better.notes, note])
