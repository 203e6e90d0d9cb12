"""InsTag: rows with many tags first, as long as they bring new ones."""

from __future__ import annotations

import numpy as np

from variegate.errors import DataError
from variegate.strategies.spec import Picks
from variegate.views.tokens import Tokens

__all__ = ["instag"]


def instag(tags: Tokens, size: int, *, seed: int) -> Picks:
    """Choose by complexity first, diverse: pass over the rows by falling number of tags, and take those that bring a tag
    which no row of this pass has; begin another pass until there are enough.

    Args:
        tags: tag ids of n rows.
        size: how many to choose.
        seed: of the order among rows with equally many tags.

    Returns:
        Picks; a pick's gain is the number of tags that it brings to its pass.

    Raises:
        DataError: fewer rows than asked for have tags.

    Reference: Lu et al. 2023, "#InsTag", complexity-first diverse sampling.
    """
    lengths = tags.lengths
    tagged = int((lengths > 0).sum())
    if tagged < size:
        raise DataError(f"instag: {tagged} of {len(tags)} rows have tags, so {size} cannot be chosen. Choose 1 to {tagged}.")
    order = np.lexsort((np.random.default_rng(seed).permutation(len(tags)), -lengths))
    left = [row for row in order.tolist() if lengths[row]]
    picks: list[int] = []
    gains: list[float | None] = []
    passes = 0
    while len(picks) < size:
        passes += 1
        seen: set[int] = set()
        passed = []
        for at, row in enumerate(left):
            new = set(tags[row].tolist()) - seen
            if not new:
                passed.append(row)
                continue
            seen |= new
            picks.append(row)
            gains.append(float(len(new)))
            if len(picks) == size:
                passed += left[at + 1 :]
                break
        left = passed
    return Picks(np.array(picks, np.int64), gains, {"passes": passes})
