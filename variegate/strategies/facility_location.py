"""Facility location: rows that together are near to every row of the pool (QDIT with a quality)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.strategies.first import first_of
from variegate.strategies.objectives.greedy import Greedy, by_tokens, lazy_greedy
from variegate.strategies.objectives.similarity import EXACT_ROWS, SAMPLE, coverage_of
from variegate.strategies.objectives.weighted import Weighted
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks

__all__ = ["facility_location"]


def facility_location(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    first: int | str | None = None,
    quality: NDArray[np.float64] | None = None,
    alpha: float = 0.5,
    per_token: bool | None = None,
    exact_rows: int = EXACT_ROWS,
    sample: int = SAMPLE,
    room: Room | None = None,
) -> Picks:
    """Choose rows so that every row of the pool is near to one of them: greedy, exact up to `exact_rows` rows.

    The objective, sum over rows of the largest cosine similarity to a pick (at least 0), is monotone and submodular, so greedy
    comes to at least 63 % of the best possible. With a quality it is QDIT: each pick maximises
    (1 - alpha) * gain / n + alpha * quality.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose.
        seed: draws the first row where `first` is "random".
        first: the row to begin with, "random", or None for the row with the largest gain.
        quality: (n,) in [0, 1]; None for coverage alone.
        alpha: weight of the quality, in [0, 1]; of no account without one.
        per_token: under a budget, whether picks go by gain per token; None for the better of both ways.
        exact_rows: in a pool of more rows than this the first picks, as long as nearly every pair of rows matters to them, are
            those that are best for a sample of rows; all later ones are exact.
        sample: how many rows that is; drawn by the seed.
        room: what may be picked, in place of `size`.

    Returns:
        Picks; a pick's gain is what it adds to the objective's mean over rows.

    Reference: Nemhauser et al. 1978; Bukharin & Zhao 2024, "Data diversity matters for robust instruction tuning" (QDIT).
    """
    if not 0 <= alpha <= 1:
        raise bad_parameter("alpha", "facility_location", "a number in [0, 1]", alpha)
    room = Room.of(room, len(x), size)
    cover = coverage_of(x, exact_rows, sample, seed, "facility_location")
    share = 1.0 if quality is None else 1 - alpha
    objective = Weighted([(share / len(x), cover)], np.zeros(len(x)) if quality is None else alpha * quality)
    start = first_of(first, room, seed, "facility_location")
    objective.start_with(room.owned)
    bounds = objective.all_gains()

    def run(within: Room, weighed: bool) -> tuple[Greedy, Picks]:
        objective.start_with(room.owned)
        done = lazy_greedy(
            bounds, within, objective.gains, objective.take, start=start, doubt=objective, per_token=weighed,
            label="facility_location",
        )  # fmt: skip
        return done, Picks(done.rows, done.gains, *cover.about())

    return by_tokens(run, room, per_token)
