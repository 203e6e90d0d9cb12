"""The greedy loop of NovelSelect: exact picks, few rows scored."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import NearDuplicates, active_device
from variegate.geometry.threads import Threads
from variegate.progress import track
from variegate.strategies.novelselect.candidates import Candidates
from variegate.strategies.novelselect.device_front import DeviceFront
from variegate.strategies.novelselect.device_scores import DeviceScores
from variegate.strategies.novelselect.front import Front
from variegate.strategies.novelselect.scores import Scores
from variegate.strategies.room import Room

__all__ = ["Engine", "greedy"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Rows in the front at least, and picks after which it is chosen anew at the latest.
FRONT, BLOCK = 4096, 256
# Rows in the front at most, as a share of all, as long as it decides anything.
LARGEST = 1 / 8


class Engine(Protocol):
    """What finds the next picks: :class:`.front.Front` by numpy, :class:`.device_front.DeviceFront` on a device.

    The loop chooses a front, picks from it for as long as it decides, and closes it.
    """

    @property
    def picks(self) -> Ints:
        """The picks so far, owned rows first."""

    def add(self, row: int) -> None:
        """Take a row as the next pick, while there is no front."""

    def begin(self, size: int, made: int) -> None:
        """Choose the front: about `size` rows of the highest bounds, after `made` picks besides the owned rows."""

    def best(self) -> tuple[int, float] | None:
        """Return the row worth most and what it is worth; None where a row outside the front might be worth as much."""

    def follow(self, pick: int) -> None:
        """Take the best row as the next pick, and bring the front up to date."""

    def close(self) -> None:
        """Give back what the front has found, at its end."""


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
    most, worth = owned + room.size, np.ones(len(x)) if worth is None else worth
    candidates = Candidates(x, groups, spacing, room)
    engine: Engine
    if active_device() is None:
        engine = Front(Scores(x, sigma, most, alpha, density_of, threads), candidates, worth, batch)
    else:
        engine = DeviceFront(DeviceScores(x, sigma, most, alpha, density_of), candidates, worth, FRONT)
    gains: list[float | None] = []

    def take(row: int, score: float | None) -> None:
        room.take(row)
        candidates.note(row)
        gains.append(score)

    for row in room.owned.tolist():
        engine.add(row)
        candidates.note(row)
    size = FRONT
    with threads, track("novelselect", room.size, "picks") as advance:
        if start is not None and not room.full:
            engine.add(start)
            take(start, None)
            advance(1)
        while not room.full:
            engine.begin(size, len(gains))
            made = 0
            while made < BLOCK and not room.full and (found := engine.best()) is not None:
                take(*found)
                engine.follow(found[0])
                made += 1
                advance(1)
            engine.close()
            size = _next_size(size, made, len(x))
    return engine.picks[owned:].copy(), gains, len(gains) if candidates.spaced is None else candidates.spaced


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
