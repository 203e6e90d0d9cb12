"""Token coverage as an objective: types of tokens, each counted the less the more there is of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.ragged import gather, starts_of
from variegate.strategies.incidence import band_of
from variegate.views.tokens import Tokens

__all__ = ["TokenCoverage", "token_cover"]

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
        self.starts = starts_of(np.bincount(row, minlength=len(tokens)))
        self.seen = np.zeros(types)

    def all_gains(self) -> Floats:
        """Return what each row would add, shape (n,)."""
        return self.gains(np.arange(len(self.starts) - 1))

    def gains(self, rows: Ints) -> Floats:
        """Return what each of some rows would add, shape (rows,)."""
        at, lengths = gather(self.starts, rows)
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


def token_cover(tokens: Tokens, low: int, high: int | None, concave: str, owner: str) -> TokenCoverage:
    """Return the objective of a strategy.

    Args:
        tokens: token ids of n rows.
        low: fewest occurrences of a type in the pool for it to count.
        high: most occurrences; None for no bound.
        concave: "log" or "sqrt".
        owner: the strategy's name, for errors.

    Raises:
        DataError: no token type is in the band.
        ParameterError: a value is outside its range.
    """
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
