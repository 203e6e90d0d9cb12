"""No two alike: rows in order, each kept where nothing like it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.geometry import bytes_a_block, unit_rows
from variegate.progress import track
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks

__all__ = ["repr_filter"]

THRESHOLD = 0.9
# Rows that `repr_filter` looks at together.
ROWS = 512


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
        for start in range(0, len(order), ROWS):
            if room.full:
                break
            some = order[start : start + ROWS]
            advance(len(some))
            some = some[room.open[some]]
            unit = unit_rows(x[some])
            closest = _closest(unit, kept[:count])
            among = unit @ unit.T
            for at, row in enumerate(some.tolist()):
                # Rows that are the same but for rounding are as similar as can be.
                if closest[at] > threshold + 1e-12 or not room.open[row]:
                    continue
                if room.full:
                    break
                kept[count] = unit[at]
                gains.append(1 - float(closest[at]) if count else None)
                count += 1
                room.take(row)
                picks.append(row)
                np.maximum(closest, among[at], out=closest)
    if not room.full:
        raise DataError(
            f"repr_filter: {room.had(len(picks))} are at most {threshold} alike, fewer than {room.asked}. Pass a larger "
            "threshold."
        )
    return Picks(np.array(picks, np.int64), gains)


def _closest(rows: NDArray[np.float64], kept: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest product of each row with a kept one, a block of kept ones at a time; -inf where there are none."""
    closest = np.full(len(rows), -np.inf)
    step = max(1, bytes_a_block() // (8 * ROWS))
    for start in range(0, len(kept), step):
        np.maximum(closest, (rows @ kept[start : start + step].T).max(axis=1), out=closest)
    return closest
