"""Uniformly at random: what every other strategy has to beat."""

from __future__ import annotations

import numpy as np

from variegate.strategies.room import Room
from variegate.strategies.spec import Picks

__all__ = ["random"]


def random(rows: int, size: int, *, seed: int, room: Room | None = None) -> Picks:
    """Choose rows uniformly without replacement.

    A larger size with the same seed begins with the same rows.

    Args:
        rows: number of rows to choose from.
        size: how many to choose.
        seed: of the draw.
        room: what may be picked, in place of `size`.
    """
    chosen = Room.of(room, rows, size).fill(np.random.default_rng(seed).permutation(rows).tolist())
    return Picks(chosen, [None] * len(chosen))
