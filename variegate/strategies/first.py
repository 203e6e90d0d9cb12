"""The first pick of a greedy strategy."""

from __future__ import annotations

import numpy as np

from variegate.errors import bad_parameter
from variegate.strategies.room import Room

__all__ = ["first_of", "first_pick"]


def first_pick(first: int | str | None, rows: int, seed: int, owner: str) -> int:
    """Return the row to begin with: the one given, or one drawn by the seed."""
    if first is None or first == "random":
        return int(np.random.default_rng(seed).integers(rows))
    if not isinstance(first, int) or isinstance(first, bool) or not 0 <= first < rows:
        raise bad_parameter("first", owner, f"'random' or a row in [0, {rows - 1}]", first)
    return first


def first_of(first: int | str | None, room: Room, seed: int, owner: str, *, drawn: bool = False) -> list[int]:
    """Return the row to begin with, as a list; an empty one where the first pick goes by its gain, as the others do.

    Args:
        first: the row given, "random", or None.
        room: what may be picked; where rows are owned already, the first pick goes by its gain.
        seed: of the draw.
        owner: the strategy, for errors.
        drawn: whether None means a drawn row.
    """
    if len(room.owned):
        if first is not None:
            raise bad_parameter("first", owner, "left out where a data set is extended, since that is what comes first", first)
        return []
    if first is None and not drawn:
        return []
    if first is not None and first != "random":
        row = first_pick(first, len(room.open), seed, owner)
        if not room.open[row]:
            raise bad_parameter("first", owner, "a row that fits into the budget or quota", first)
        return [row]
    # Where every row may be picked it is the draw that it has always been.
    rows = np.flatnonzero(room.open)
    return [int(rows[first_pick(None, len(rows), seed, owner)])]
