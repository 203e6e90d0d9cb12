"""InsTag: rows with many tags first, as long as they bring new ones."""

from __future__ import annotations

import numpy as np

from variegate.errors import DataError
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks
from variegate.views.tokens import Tokens

__all__ = ["instag"]


def instag(tags: Tokens, size: int, *, seed: int, room: Room | None = None) -> Picks:
    """Choose by complexity first, diverse: pass over the rows by falling number of tags, and take those that bring a tag
    which no row of this pass has; begin another pass until there are enough.

    Args:
        tags: tag ids of n rows.
        size: how many to choose.
        seed: of the order among rows with equally many tags.
        room: what may be picked, in place of `size`; what rows that are owned have the first pass does not look for.

    Returns:
        Picks; a pick's gain is the number of tags that it brings to its pass.

    Raises:
        DataError: fewer rows than asked for have tags.

    Reference: Lu et al. 2023, "#InsTag", complexity-first diverse sampling.
    """
    room = Room.of(room, len(tags), size)
    lengths = tags.lengths
    if not room.holds(lengths > 0):
        tagged = int((lengths > 0).sum())
        if room.budget is not None:
            raise DataError(f"instag: {tagged} of {len(tags)} rows have tags, too few for {room.asked}.")
        fix = f"Choose 1 to {tagged}." if tagged else "Pass other tags (variegate list tags)."
        raise DataError(f"instag: {tagged} of {len(tags)} rows have tags, so {size} cannot be chosen. {fix}")
    room.open &= lengths > 0
    order = np.lexsort((np.random.default_rng(seed).permutation(len(tags)), -lengths))
    left = order[room.open[order]].tolist()
    picks: list[int] = []
    gains: list[float | None] = []
    passes = 0
    seen = set(tags.take(room.owned).ids.tolist())
    while not room.full:
        passed = []
        for row in left:
            if room.full:
                break
            if not room.open[row]:
                continue
            new = set(tags[row].tolist()) - seen
            if not new:
                passed.append(row)
                continue
            seen |= new
            room.take(row)
            picks.append(row)
            gains.append(float(len(new)))
        passes += 1
        left, seen = passed, set()
    return Picks(np.array(picks, np.int64), gains, {"passes": passes})
