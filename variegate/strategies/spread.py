"""Plain rules on distances: the largest sum, and no two alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.geometry import unit_rows
from variegate.progress import track
from variegate.strategies.first import first_of, lowest_of_best
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks

__all__ = ["max_sum", "repr_filter"]

THRESHOLD = 0.9


def max_sum(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    first: int | str | None = None,
    quality: NDArray[np.float64] | None = None,
    alpha: float = 0.5,
    room: Room | None = None,
) -> Picks:
    """Choose rows greedily by the sum of cosine distances to the picks so far.

    The sum is t - u . s, with t picks whose unit vectors add up to s: one product a pick. It favours the rim of the pool, and
    does not mind picks that are copies of each other. With a quality each pick maximises
    (1 - alpha) * (mean distance to the picks so far) + alpha * quality. Under a budget of tokens picks go by this alone: the sum
    grows with every pick, so that gain per token would mean tiny rows.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose.
        seed: draws the first row where `first` is None or "random".
        first: the row to begin with.
        quality: (n,) in [0, 1]; None for distance alone.
        alpha: weight of the quality, in [0, 1]; of no account without one.
        room: what may be picked, in place of `size`.

    Returns:
        Picks; a pick's gain is its summed distance to the earlier picks.

    Reference: max-sum dispersion, Ravi et al. 1994; DistSum greedy in Yang et al. 2025.
    """
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 <= alpha <= 1:
        raise bad_parameter("alpha", "max_sum", "a number in [0, 1]", alpha)
    room = Room.of(room, len(x), size)
    unit = unit_rows(x)
    products = unit @ unit[room.owned].sum(axis=0)
    before = len(room.owned)
    picks: list[int] = []
    gained: list[float | None] = []
    start = first_of(first, room, seed, "max_sum", drawn=True)
    with track("max_sum", room.size, "picks") as advance:
        while not room.full:
            rows = np.flatnonzero(room.open)
            distance = before + len(picks) - products[rows]
            if start:
                row = start.pop()
                gained.append(None)
            else:
                score = distance if quality is None else (1 - alpha) * distance / (before + len(picks)) + alpha * quality[rows]
                row = lowest_of_best(rows, score)
                gained.append(float(distance[np.searchsorted(rows, row)]))
            products += unit @ unit[row]
            room.take(row)
            picks.append(row)
            advance(1)
    return Picks(np.array(picks, np.int64), gained)


def repr_filter(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    threshold: float = THRESHOLD,
    quality: NDArray[np.float64] | None = None,
    room: Room | None = None,
) -> Picks:
    """Keep rows in order of quality (or at random) whose largest cosine similarity to the kept ones is at most a threshold.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose.
        seed: of the order, where there is no quality.
        threshold: largest cosine similarity of two kept rows, in (-1, 1].
        quality: (n,), the best first, equal ones by row; None for a random order.
        room: what may be picked, in place of `size`; rows that are owned are kept before all others.

    Returns:
        Picks; a pick's gain is its cosine distance to the nearest earlier pick.

    Raises:
        DataError: fewer rows than asked for pass; the message says how many do.
        ParameterError: the threshold is outside its range.

    Reference: Liu et al. 2024, "What makes good data for alignment?" (DEITA).
    """
    if not -1 < threshold <= 1:
        raise bad_parameter("threshold", "repr_filter", "a number in (-1, 1]", threshold)
    room = Room.of(room, len(x), size)
    order = np.random.default_rng(seed).permutation(len(x)) if quality is None else np.argsort(-quality, kind="stable")
    kept = np.empty((len(room.owned) + room.size, x.shape[1]))
    count = len(room.owned)
    kept[:count] = unit_rows(x[room.owned])
    picks: list[int] = []
    gains: list[float | None] = []
    with track("repr_filter", len(order)) as advance:
        for row in order.tolist():
            if room.full:
                break
            advance(1)
            if not room.open[row]:
                continue
            unit = unit_rows(x[row : row + 1])[0]
            closest = float((kept[:count] @ unit).max()) if count else -np.inf
            # Rows that are the same but for rounding are as similar as can be.
            if closest <= threshold + 1e-12:
                kept[count] = unit
                gains.append(1 - closest if count else None)
                count += 1
                room.take(row)
                picks.append(row)
    if not room.full:
        raise DataError(
            f"repr_filter: {room.had(len(picks))} are at most {threshold} alike, fewer than {room.asked}. Pass a larger "
            "threshold."
        )
    return Picks(np.array(picks, np.int64), gains)
