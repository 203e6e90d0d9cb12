"""Token coverage: micro diversity as an objective, alone or blended with facility location."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.strategies.facility import NOISE, Coverage
from variegate.strategies.greedy import lazy_greedy
from variegate.strategies.levels import BAND_HIGH, BAND_LOW
from variegate.strategies.spec import Picks
from variegate.views.tokens import Tokens

__all__ = ["TokenCoverage", "blend", "token_coverage"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CONCAVE = {"log": np.log1p, "sqrt": np.sqrt}


class TokenCoverage:
    """Sum over token types of g(occurrences among the picks), g concave: log(1 + c) or sqrt(c).

    Args:
        tokens: token ids of n rows.
        low: fewest occurrences of a type in the pool for it to count.
        high: most occurrences; None for no bound.
        concave: "log" or "sqrt".
    """

    def __init__(self, tokens: Tokens, low: int, high: int | None, concave: str) -> None:
        self.g = CONCAVE[concave]
        _, inverse, counts = np.unique(tokens.ids, return_inverse=True, return_counts=True)
        inside = (counts >= low) & (counts <= (high or counts.max(initial=0)))
        number = np.cumsum(inside) - 1
        keep = inside[inverse]
        owner = np.repeat(np.arange(len(tokens)), tokens.lengths)[keep]
        types = max(1, int(inside.sum()))
        # Each type once a row, with how often it stands there.
        pairs, self.times = np.unique(owner * types + number[inverse[keep]], return_counts=True)
        row, self.types_of = np.divmod(pairs, types)
        self.starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(tokens)))]).astype(np.int64)
        self.seen = np.zeros(types)
        self.types = int(inside.sum())

    def gains(self, rows: Ints) -> Floats:
        """Return what each of some rows would add, shape (rows,)."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        ends = np.cumsum(lengths)
        at = np.arange(ends[-1]) + np.repeat(self.starts[rows] - (ends - lengths), lengths)
        seen = self.seen[self.types_of[at]]
        more = self.g(seen + self.times[at]) - self.g(seen)
        return np.asarray(np.bincount(np.repeat(np.arange(len(rows)), lengths), more, len(rows)), np.float64)

    def take(self, row: int) -> None:
        """Add a pick."""
        part = slice(self.starts[row], self.starts[row + 1])
        self.seen[self.types_of[part]] += self.times[part]


def token_coverage(
    tokens: Tokens,
    size: int,
    *,
    seed: int,
    concave: str = "log",
    low: int = BAND_LOW,
    high: int | None = BAND_HIGH,
) -> Picks:
    """Choose rows that hold many token types, and each of them often enough: exact greedy, lazily.

    The objective, sum over token types of g(occurrences among the picks), is monotone and submodular, so greedy comes to at least
    63 % of the best possible. Long rows hold more types: see the lengths of what is chosen.

    Args:
        tokens: token ids of n rows.
        size: how many to choose.
        seed: not used: nothing is drawn.
        concave: g, "log" for log(1 + c) or "sqrt".
        low: fewest occurrences of a type in the pool for it to count.
        high: most occurrences; None for no bound.

    Returns:
        Picks; a pick's gain is what it adds to the objective.

    Raises:
        DataError: no token type is in the band.

    Reference: Li et al. 2025 for the types; Lin & Bilmes 2011 for concave coverage.
    """
    cover = _token_cover(tokens, low, high, concave, "token_coverage")
    rows, gains = lazy_greedy(cover.gains(np.arange(len(tokens))), size, cover.gains, cover.take, label="token_coverage")
    return Picks(rows, gains, {"types": cover.types, "types_held": int((cover.seen > 0).sum())})


def blend(
    view: tuple[NDArray[Any], Tokens],
    size: int,
    *,
    seed: int,
    weight: float = 0.5,
    concave: str = "log",
    low: int = BAND_LOW,
    high: int | None = BAND_HIGH,
) -> Picks:
    """Choose rows by a weighted sum of token coverage and facility location: micro and macro diversity at once.

    Each is divided by its value on the whole pool, so that the weight weighs like with like. Both are monotone and
    submodular, so one exact lazy greedy serves.

    Args:
        view: (n, d) vectors, no zero rows, and the token ids of the same n rows.
        size: how many to choose.
        seed: not used: nothing is drawn.
        weight: of token coverage; facility location has the rest.
        concave: as for :func:`token_coverage`.
        low: likewise.
        high: likewise.

    Returns:
        Picks; a pick's gain is what it adds to the weighted sum.
    """
    if not 0 <= weight <= 1:
        raise bad_parameter("weight", "blend", "a number in [0, 1]", weight)
    x, tokens = view
    words = _token_cover(tokens, low, high, concave, "blend")
    near = Coverage(x)
    totals = np.bincount(words.types_of, words.times, len(words.seen))
    of_words, of_near = float(words.g(totals).sum()), float(len(x))

    def gains_of(rows: Ints) -> Floats:
        return weight * words.gains(rows) / of_words + (1 - weight) * near.gains(rows) / of_near

    def take(row: int) -> None:
        words.take(row)
        near.take(row)

    bounds = weight * words.gains(np.arange(len(x))) / of_words + (1 - weight) * near.gains_alone() / of_near
    rows, gains = lazy_greedy(bounds, size, gains_of, take, noise=NOISE, label="blend")
    return Picks(rows, gains, {"types": words.types, "types_held": int((words.seen > 0).sum())})


def _token_cover(tokens: Tokens, low: int, high: int | None, concave: str, owner: str) -> TokenCoverage:
    if concave not in CONCAVE:
        raise bad_parameter("concave", owner, "'log' or 'sqrt'", concave)
    if not isinstance(low, int) or low < 1:
        raise bad_parameter("low", owner, "an int of at least 1", low)
    if high is not None and (not isinstance(high, int) or high < low):
        raise bad_parameter("high", owner, f"an int of at least low = {low}, or null", high)
    cover = TokenCoverage(tokens, low, high, concave)
    if not cover.types:
        raise DataError(f"{owner}: no token type occurs {low} to {high} times in the pool. Pass other bounds.")
    return cover
