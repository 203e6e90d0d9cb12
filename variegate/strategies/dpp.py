"""Greedy MAP of a determinantal point process."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.geometry import UnitRows, exact_products, row_lengths
from variegate.geometry.threads import Threads
from variegate.progress import track
from variegate.strategies.first import first_of
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks
from variegate.strategies.ties import lowest_of_best

__all__ = ["dpp"]

# Squared volume below which a row lies in the span of the picks but for rounding.
FLAT = 1e-10


def dpp(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    first: int | str | None = None,
    quality: NDArray[np.float64] | None = None,
    room: Room | None = None,
) -> Picks:
    """Choose rows whose vectors span the largest volume: greedy MAP of a DPP with the cosine kernel.

    Each pick maximises the log-determinant of the picks' kernel. The kernel's Cholesky factor is the rows' coordinates along the
    picks made orthogonal to each other: a pick takes one product of the vectors with one direction, and the directions are all
    that is kept. A kernel of rank r has no volume in more than r rows, so at most r can be chosen, less those that are owned.
    Under a budget of tokens picks go by volume alone: the logarithm of a unit kernel's volume falls, so there is no gain per
    token.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose, at most the rank of the kernel (at most d).
        seed: draws the first row where `first` is "random".
        first: the row to begin with, "random", or None for the best.
        quality: (n,) in [0, 1]; the kernel's rows and columns are scaled by exp(quality), so that none vanishes. None for 1.
        room: what may be picked, in place of `size`.

    Returns:
        Picks; a pick's gain is what it adds to the log-determinant.

    Raises:
        DataError: more rows are asked for than the kernel's rank; the message says how many there can be.

    Reference: Chen, Zhang & Zhou 2018, "Fast greedy MAP inference for determinantal point process".
    """
    room = Room.of(room, len(x), size)
    worth = np.ones(len(x)) if quality is None else np.exp(quality)
    unit, scale = UnitRows(x), worth / row_lengths(x)
    left = worth * worth
    largest = float(left.max())
    directions = np.empty((min(len(room.owned) + room.size, *x.shape), x.shape[1]))
    count, threads = 0, Threads()

    def span(row: int) -> None:
        nonlocal count
        new, earlier = unit[row : row + 1][0], directions[:count]
        # Once more, since a row close to the span of the others leaves mostly rounding the first time.
        for _ in range(2):
            new -= (earlier @ new) @ earlier
        directions[count] = new / np.linalg.norm(new)
        along = exact_products(x, directions[count], threads.each) * scale
        left[:] -= along * along
        count += 1

    picks: list[int] = []
    gains: list[float | None] = []
    start = first_of(first, room, seed, "dpp")
    with threads, track("dpp", room.size, "picks") as advance:
        for row in room.owned.tolist():
            # One that lies in the span of the others adds no volume, and takes none away.
            if left[row] > FLAT:
                span(row)
        while not room.full:
            free = np.flatnonzero(room.open)
            row = start.pop() if start else lowest_of_best(free, left[free], largest)
            if left[row] <= FLAT or count == len(directions):
                owned = f" beside the {len(room.owned)} owned" if len(room.owned) else ""
                raise DataError(
                    f"dpp can choose {room.had(len(picks))} of this pool{owned}, not {room.asked}: the kernel has no volume "
                    "in more."
                )
            gains.append(None if not picks and first is not None else float(np.log(left[row])))
            span(row)
            room.take(row)
            picks.append(row)
            advance(1)
    return Picks(np.array(picks, np.int64), gains)
