"""Diversity by a dial (Li et al. 2025): how many types a subset of fixed size covers, for types of any level.

A type is a cluster (macro), a tag (meso) or a mid-frequency token (micro); all three are one algorithm on which rows carry
which types. Where the paper leaves a choice open, it is made here: ties go to the lowest type and row; rows that carry no
type are no candidates; level 0 is the fewest types whose rows fill the subset, level 100 the most that so many can cover.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.strategies.incidence import Incidence, Pruning, greedy_cover, prune_order, token_incidence, topic_incidence
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks
from variegate.views.tokens import Tokens

__all__ = ["macro", "meso", "micro"]

Ints = NDArray[np.int64]

# Occurrences of a token type in the pool: below are names and misspellings, above function words (Li et al. 2025).
BAND_LOW, BAND_HIGH = 10, 500


def macro(topics: Ints, size: int, *, seed: int, level: float = 100.0, room: Room | None = None) -> Picks:
    """Choose rows that cover a given number of topics.

    Args:
        topics: (n,) the topic of each row; negative for rows without one, which are no candidates.
        size: how many to choose.
        seed: of the sampling.
        level: 0 (the fewest topics whose rows fill the subset) to 100 (the most that so many rows can cover).
        room: what may be picked, in place of `size`.

    Returns:
        Picks, with `k_asked`, `k_realised`, `k_min` and `k_max` in their params.

    Reference: Li et al. 2025, "From Macro to Micro", macro level.
    """
    return _levelled(topic_incidence(topics), size, room, seed=seed, level=level, owner="macro")


def meso(tags: Tokens, size: int, *, seed: int, level: float = 100.0, room: Room | None = None) -> Picks:
    """Choose rows that cover a given number of tags.

    Args:
        tags: tag ids of n rows.
        size: how many to choose.
        seed: of the sampling.
        level: 0 (the fewest tags whose rows fill the subset) to 100 (the most that so many rows can cover).
        room: what may be picked, in place of `size`.

    Returns:
        Picks, with `k_asked`, `k_realised`, `k_min` and `k_max` in their params.

    Reference: Li et al. 2025, "From Macro to Micro", meso level.
    """
    return _levelled(token_incidence(tags.ids, tags.offsets, 1, None), size, room, seed=seed, level=level, owner="meso")


def micro(
    tokens: Tokens,
    size: int,
    *,
    seed: int,
    level: float = 100.0,
    low: int = BAND_LOW,
    high: int | None = BAND_HIGH,
    room: Room | None = None,
) -> Picks:
    """Choose rows that cover a given number of mid-frequency token types.

    Args:
        tokens: token ids of n rows.
        size: how many to choose.
        seed: of the sampling.
        level: 0 (the fewest types whose rows fill the subset) to 100 (the most that so many rows can cover).
        low: fewest occurrences of a type in the pool.
        high: most occurrences; None for no bound.
        room: what may be picked, in place of `size`.

    Returns:
        Picks, with `k_asked`, `k_realised`, `k_min` and `k_max` in their params.

    Reference: Li et al. 2025, "From Macro to Micro", micro level.
    """
    if not isinstance(low, int) or low < 1:
        raise bad_parameter("low", "micro", "an int of at least 1", low)
    if high is not None and (not isinstance(high, int) or high < low):
        raise bad_parameter("high", "micro", f"an int of at least low = {low}, or null", high)
    return _levelled(token_incidence(tokens.ids, tokens.offsets, low, high), size, room, seed=seed, level=level, owner="micro")


def _levelled(incidence: Incidence, size: int, room: Room | None, *, seed: int, level: float, owner: str) -> Picks:
    """Choose rows that carry a given number of types.

    Args:
        incidence: which rows carry which types.
        size: how many rows.
        room: what may be picked, in place of `size`.
        seed: of the sampling.
        level: from 0 (the fewest types whose rows fill the subset) to 100 (the most that so many rows can cover).
        owner: the strategy, for errors.

    Returns:
        Picks, those that cover types first; `k_asked`, `k_realised`, `k_min` and `k_max` are in their params.

    Raises:
        ParameterError: the level is outside [0, 100].
        DataError: fewer rows carry a type than are asked for.
    """
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level <= 100:
        raise bad_parameter("level", owner, "a number in [0, 100]", level)
    room = Room.of(room, incidence.rows, size)
    order = prune_order(incidence)
    if not room.holds(order.dropped_at > 0):
        _refuse(incidence, order, room, owner)
    cover = _largest_cover(incidence, room, order.dropped_at > 0)
    k_max = len(np.unique(incidence.of_rows(cover)))
    last = _last_that_fills(order, room)
    k_min = int(order.types_left[last])
    k_max = max(k_max, k_min)
    asked = round(k_min + level / 100 * (k_max - k_min))
    rng = np.random.default_rng(seed)
    # The first step at which no more types than asked are left; never one that leaves too few rows.
    step = min(int(np.flatnonzero(order.types_left <= asked)[0]), last)
    candidates = order.dropped_at > step
    if level == 100:
        # As many types as so many rows can cover: the cover itself, whatever types pruning would keep.
        candidates = order.dropped_at > 0
        covering = cover
    else:
        covering = _rarest_first(incidence, candidates & room.open, rng)
        if len(room.copy().fill(covering.tolist())) < len(covering):
            covering = _largest_cover(incidence, room, candidates)
    room.open &= candidates
    rows = _filled(incidence, covering, room, rng)
    realised = len(np.unique(incidence.of_rows(rows)))
    params = {
        "level": level, "k_asked": asked, "k_realised": realised, "k_min": k_min, "k_max": k_max,
        "types": incidence.types, "candidates": int(candidates.sum()),
    }  # fmt: skip
    note = f"{realised:,} types (asked {asked:,}, possible {k_min:,} to {k_max:,})"
    return Picks(rows, [None] * len(rows), params, [note])


def _refuse(incidence: Incidence, order: Pruning, room: Room, owner: str) -> None:
    carriers = int(order.rows_left[0])
    begun = f"{owner}: {carriers} of {incidence.rows} rows carry a type at all"
    if room.costs is not None:
        tokens = int(room.costs[order.dropped_at > 0].sum())
        raise DataError(f"{begun}, {tokens:,} tokens in all, fewer than {room.asked}.")
    if room.quotas is not None:
        raise DataError(f"{begun}, too few of some lengths for {room.asked}. Ask for fewer, or match no lengths.")
    fix = f"Choose 1 to {carriers}." if carriers else "Choose by something else, for example another strategy."
    raise DataError(f"{begun}, so {room.size} cannot be chosen. {fix}")


def _last_that_fills(order: Pruning, room: Room) -> int:
    """Return after how many retirements at most the rows that are left still fill the room."""
    low, high = 0, len(order.rows_left) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if room.holds(order.dropped_at > middle):
            low = middle
        else:
            high = middle - 1
    return low


def _largest_cover(incidence: Incidence, room: Room, candidates: NDArray[np.bool_]) -> Ints:
    """Cover as many types as there is room for; where tokens count, by types per token if that covers more."""
    covers = [greedy_cover(incidence, room.copy(), candidates)]
    if room.costs is not None:
        covers.append(greedy_cover(incidence, room.copy(), candidates, per_token=True))
    return max(covers, key=lambda rows: len(np.unique(incidence.of_rows(rows))))


def _rarest_first(incidence: Incidence, candidates: NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """Cover every type that a candidate carries: the rarest first, by a random row of it (their algorithm 2, first half)."""
    left = np.bincount(incidence.of_rows(np.flatnonzero(candidates)), minlength=incidence.types)
    covered = np.zeros(incidence.types, bool)
    chosen: list[int] = []
    for kind in np.argsort(left, kind="stable"):
        if left[kind] and not covered[kind]:
            rows = incidence.of_type(int(kind))
            row = int(rng.choice(rows[candidates[rows]]))
            covered[incidence.of_row(row)] = True
            chosen.append(row)
    return np.array(chosen, np.int64)


def _filled(incidence: Incidence, covering: Ints, room: Room, rng: np.random.Generator) -> Ints:
    """Fill up by drawing a type uniformly, then an unused row of it, until there are enough (second half)."""
    open_rows = np.flatnonzero(room.open)
    chosen = room.fill(covering.tolist()).tolist()
    if room.full:
        return np.array(chosen, np.int64)
    # Each type's rows in random order, to be taken from the end.
    shuffled = incidence.rows_of[
        np.lexsort((rng.random(len(incidence.rows_of)), np.repeat(np.arange(incidence.types), np.diff(incidence.type_starts))))
    ]
    ends = incidence.type_starts[1:].copy()
    open_types = np.flatnonzero(np.bincount(incidence.of_rows(open_rows), minlength=incidence.types)).tolist()
    while open_types and not room.full:
        at = int(rng.integers(len(open_types)))
        kind = open_types[at]
        while ends[kind] > incidence.type_starts[kind]:
            ends[kind] -= 1
            row = int(shuffled[ends[kind]])
            # A row that does not fit now never will.
            if room.open[row]:
                room.take(row)
                chosen.append(row)
                break
        else:
            # No unused row is left: the last type takes its place.
            open_types[at] = open_types[-1]
            open_types.pop()
    return np.array(chosen, np.int64)
