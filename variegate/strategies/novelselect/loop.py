"""The greedy loop of NovelSelect: exact picks, few rows scored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import NearDuplicates, active_device
from variegate.geometry.threads import Threads
from variegate.progress import track
from variegate.strategies.novelselect.candidates import Candidates
from variegate.strategies.novelselect.device_front import DeviceFront
from variegate.strategies.novelselect.device_scores import DeviceScores
from variegate.strategies.novelselect.exact import ExactScores
from variegate.strategies.novelselect.front import Front, Rest
from variegate.strategies.novelselect.scores import Scores
from variegate.strategies.room import Room

__all__ = ["greedy"]

Floats = NDArray[np.float64]

# Rows in the front at least, and picks after which it is chosen anew at the latest.
FRONT, BLOCK = 4096, 256
# Rows in the front at most, as a share of all, as long as it decides anything.
LARGEST = 1 / 8


def greedy(
    x: NDArray[Any],
    sigma: Floats,
    room: Room,
    start: int | None,
    alpha: float,
    density_of: str,
    groups: NearDuplicates | None = None,
    spacing: float = 0.0,
    worth: Floats | None = None,
    batch: int = 16,
) -> tuple[NDArray[np.int64], list[float | None], int]:
    """Pick by exact scores, computed only where an upper bound allows a row to win.

    The bounds of all rows are brought up to date once for a block of picks, by histograms of their distances. In between, those
    of the rows at the top (the front) follow each pick, and one bound for all other rows says how long this will do.

    Args:
        x: (n, d) vectors, no zero rows.
        sigma: (n,) densities.
        room: what may be picked; rows that are owned are the first of the earlier picks.
        start: the first pick; None where it goes by its score too.
        alpha: how fast the weight falls with the rank.
        density_of: "both" or "other".
        groups: near-duplicates; None where each row is a candidate.
        spacing: L2 distance that picks keep from each other while there are such rows.
        worth: (n,) by what scores are multiplied; None for nothing.
        batch: rows scored together in float64, to begin with.

    Returns:
        The picks, their scores (times their worth), and how many picks keep the spacing from all earlier ones.
    """
    owned, threads = len(room.owned), Threads()
    scores: Scores | DeviceScores
    if active_device() is None:
        scores = Scores(x, sigma, owned + room.size, alpha, density_of, threads)
    else:
        scores = DeviceScores(x, sigma, owned + room.size, alpha, density_of)
    candidates = Candidates(x, groups, spacing, room)
    gains: list[float | None] = []

    def take(row: int) -> None:
        scores.add(row)
        candidates.note(row)

    for row in room.owned.tolist():
        take(row)
    if worth is None:
        worth = np.ones(len(x))
    front_of = _fronts(scores, candidates, worth, room, batch)
    size = FRONT
    with threads, track("novelselect", room.size, "picks") as advance:
        if start is not None and not room.full:
            room.take(start)
            take(start)
            gains.append(None)
            advance(1)
        while not room.full:
            scores.fold()
            front = front_of(size, len(gains))
            made = 0
            while made < BLOCK and not room.full and (found := front.best()) is not None:
                best, score = found
                room.take(best)
                take(best)
                gains.append(score)
                made += 1
                advance(1)
                front.follow(best)
            front.close()
            size = _next_size(size, made, len(x))
    rows = scores.rows[owned : scores.count].copy()
    return rows, gains, candidates.spaced if candidates.spaced is not None else len(rows)


def _fronts(
    scores: Scores | DeviceScores, candidates: Candidates, worth: Floats, room: Room, batch: int
) -> Callable[[int, int], Front | DeviceFront]:
    """Return what makes a front, by its size and the number of picks before it."""
    if isinstance(scores, DeviceScores):
        only = DeviceFront(scores, candidates, worth, room, FRONT)
        return lambda size, made: only.begin(made)
    rest, exact = Rest(scores, worth), ExactScores(scores, candidates)
    return lambda size, made: Front(scores, exact, worth, rest, size, batch, made)


def _next_size(size: int, made: int, rows: int) -> int:
    """Return the size of the next front: larger after a short block, smaller after a whole one."""
    if not made:
        # Among many equal rows no smaller front may decide.
        return 2 * size
    if made >= BLOCK:
        size //= 2
    elif made < BLOCK // 8:
        size *= 2
    return max(FRONT, min(size, int(LARGEST * rows)))
