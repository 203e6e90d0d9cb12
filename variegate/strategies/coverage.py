"""Token coverage: micro diversity as an objective, alone or blended with facility location."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.strategies.entries import entries_of
from variegate.strategies.greedy import Greedy, by_tokens, lazy_greedy
from variegate.strategies.incidence import band_of
from variegate.strategies.levels import BAND_HIGH, BAND_LOW
from variegate.strategies.nearness import EXACT_ROWS, SAMPLE, Coverage, coverage_of
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks
from variegate.strategies.weighted import Weighted
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
        keep, kinds, self.types = band_of(tokens.ids, low, high)
        owner = np.repeat(np.arange(len(tokens)), tokens.lengths)[keep]
        types = max(1, self.types)
        # Each type once a row, with how often it stands there.
        pairs, self.times = np.unique(owner * types + kinds, return_counts=True)
        row, self.types_of = np.divmod(pairs, types)
        self.starts = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=len(tokens)))]).astype(np.int64)
        self.seen = np.zeros(types)

    def all_gains(self) -> Floats:
        """Return what each row would add, shape (n,)."""
        return self.gains(np.arange(len(self.starts) - 1))

    def gains(self, rows: Ints) -> Floats:
        """Return what each of some rows would add, shape (rows,)."""
        at, lengths = entries_of(self.starts, rows)
        seen = self.seen[self.types_of[at]]
        more = self.g(seen + self.times[at]) - self.g(seen)
        return np.asarray(np.bincount(np.repeat(np.arange(len(rows)), lengths), more, len(rows)), np.float64)

    def start_with(self, rows: Ints) -> None:
        """Forget all picks but these."""
        self.seen = np.zeros(len(self.seen))
        for row in rows.tolist():
            self.take(row)

    def take(self, row: int) -> Ints | None:
        """Add a pick; return None, since it may have lowered the gains of any row."""
        part = slice(self.starts[row], self.starts[row + 1])
        self.seen[self.types_of[part]] += self.times[part]
        return None

    def slack(self) -> float:
        """Return what a gain may be off by: nothing."""
        return 0.0

    def exact(self, rows: Ints) -> Floats:
        """Return what each of some rows would add, shape (rows,)."""
        return self.gains(rows)

    def whole(self) -> float:
        """Return how many differences a gain adds up at most, each of numbers not far from 1."""
        return float(np.diff(self.starts).max(initial=0))

    def worth(self, row: int) -> float:
        """Return what a row adds."""
        return float(self.gains(np.array([row]))[0])

    def renewed(self) -> Floats | None:
        """Return None: gains are always computed in one way."""
        return None

    def about(self) -> tuple[dict[str, Any], list[str]]:
        """Return what the record should hold."""
        return {"types": self.types, "types_held": int((self.seen > 0).sum())}, []


def token_coverage(
    tokens: Tokens,
    size: int,
    *,
    seed: int,
    concave: str = "log",
    low: int = BAND_LOW,
    high: int | None = BAND_HIGH,
    quality: Floats | None = None,
    alpha: float = 0.5,
    per_token: bool | None = None,
    room: Room | None = None,
) -> Picks:
    """Choose rows that hold many token types, and each of them often enough: exact greedy, lazily.

    The objective, sum over token types of g(occurrences among the picks), is monotone and submodular, so greedy comes to at least
    63 % of the best possible. Long rows hold more types: see the lengths of what is chosen, or give a budget of tokens. With a
    quality each pick maximises (1 - alpha) * gain / (largest gain of a single row) + alpha * quality.

    Args:
        tokens: token ids of n rows.
        size: how many to choose.
        seed: not used: nothing is drawn.
        concave: g, "log" for log(1 + c) or "sqrt".
        low: fewest occurrences of a type in the pool for it to count.
        high: most occurrences; None for no bound.
        quality: (n,) in [0, 1]; None for coverage alone.
        alpha: weight of the quality, in [0, 1]; of no account without one.
        per_token: under a budget, whether picks go by gain per token; None for the better of both ways.
        room: what may be picked, in place of `size`.

    Returns:
        Picks; a pick's gain is what it adds to the objective.

    Raises:
        DataError: no token type is in the band.

    Reference: Li et al. 2025 for the types; Lin & Bilmes 2011 for concave coverage.
    """
    cover = _token_cover(tokens, low, high, concave, "token_coverage")
    return _covered([(1.0, cover)], len(tokens), size, quality, alpha, per_token, room, "token_coverage")


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
    words = _token_cover(tokens, low, high, concave, "blend")
    totals = np.bincount(words.types_of, words.times, len(words.seen))
    parts: list[tuple[float, TokenCoverage | Coverage]] = [
        (weight / float(words.g(totals).sum()), words),
        ((1 - weight) / len(x), coverage_of(x, exact_rows, sample, seed, "blend")),
    ]
    return _covered(parts, len(x), size, quality, alpha, per_token, room, "blend")


def _covered(
    parts: Sequence[tuple[float, TokenCoverage | Coverage]],
    n: int,
    size: int,
    quality: Floats | None,
    alpha: float,
    per_token: bool | None,
    room: Room | None,
    owner: str,
) -> Picks:
    """Choose rows by a weighted sum of coverages, and of a quality where there is one."""
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 <= alpha <= 1:
        raise bad_parameter("alpha", owner, "a number in [0, 1]", alpha)
    room = Room.of(room, n, size)
    plain = Weighted(parts, np.zeros(n))
    plain.start_with(room.owned)
    bounds = plain.all_gains()
    share, extra = 1.0, np.zeros(n)
    if quality is not None:
        share, extra = (1 - alpha) / float(bounds.max() or 1.0), alpha * quality
    objective = Weighted([(share * weight, part) for weight, part in parts], extra)

    def run(within: Room, weighed: bool) -> tuple[Greedy, Picks]:
        objective.start_with(room.owned)
        done = lazy_greedy(
            share * bounds + extra, within, objective.gains, objective.take, doubt=objective, per_token=weighed, label=owner
        )
        params: dict[str, Any] = {}
        notes: list[str] = []
        for _, part in parts:
            found, told = part.about()
            params |= found
            notes += told
        return done, Picks(done.rows, done.gains, params, notes)

    return by_tokens(run, room, per_token)


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
