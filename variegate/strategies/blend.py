"""Token coverage and facility location in one: micro and macro diversity at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.strategies.levels import BAND_HIGH, BAND_LOW
from variegate.strategies.objectives.similarity import EXACT_ROWS, SAMPLE, coverage_of
from variegate.strategies.objectives.tokens import Floats, token_cover
from variegate.strategies.objectives.weighted import Part, covered
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks
from variegate.views.tokens import Tokens

__all__ = ["blend"]


def blend(
    view: tuple[NDArray[Any], Tokens],
    size: int,
    *,
    seed: int,
    weight: float = 0.5,
    concave: str = "log",
    low: int = BAND_LOW,
    high: int | None = BAND_HIGH,
    quality: Floats | None = None,
    alpha: float = 0.5,
    per_token: bool | None = None,
    exact_rows: int = EXACT_ROWS,
    sample: int = SAMPLE,
    room: Room | None = None,
) -> Picks:
    """Choose rows by a weighted sum of token coverage and facility location: micro and macro diversity at once.

    Each is divided by its value on the whole pool, so that the weight weighs like with like. Both are monotone and
    submodular, so one exact lazy greedy serves.

    Args:
        view: (n, d) vectors, no zero rows, and the token ids of the same n rows.
        size: how many to choose.
        seed: draws the sample.
        weight: of token coverage; facility location has the rest.
        concave: as for :func:`token_coverage`.
        low: likewise.
        high: likewise.
        quality: likewise.
        alpha: likewise.
        per_token: likewise.
        exact_rows: as for :func:`facility_location`.
        sample: likewise.
        room: likewise.

    Returns:
        Picks; a pick's gain is what it adds to the weighted sum.
    """
    if not 0 <= weight <= 1:
        raise bad_parameter("weight", "blend", "a number in [0, 1]", weight)
    x, tokens = view
    words = token_cover(tokens, low, high, concave, "blend")
    totals = np.bincount(words.types_of, words.times, len(words.seen))
    parts: list[tuple[float, Part]] = [
        (weight / float(words.g(totals).sum()), words),
        ((1 - weight) / len(x), coverage_of(x, exact_rows, sample, seed, "blend")),
    ]
    return covered(parts, len(x), size, quality, alpha, per_token, room, "blend")
