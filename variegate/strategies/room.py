"""What may still be picked: so many rows, so many tokens, so many of each length, and none of those that are owned already."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEAST_COST", "Room"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Where gains are weighed by tokens, a row counts as at least this many: about what a chat template adds to each, which the
# tokens of its texts leave out. Without it a row of two tokens would beat all others.
LEAST_COST = 16


class Room:
    """How many rows a strategy may pick, and which.

    Without costs and quotas it is a number of rows. With costs it is a budget of tokens, and rows are picked as long as one
    fits; with quotas each kind of row has a number of its own. Owned rows are in the pool, count as picked before the first
    pick, and are not picked again.

    Args:
        rows: number of rows that there are.
        size: most rows to pick; None for all that are open.
        costs: (rows,) tokens of each row.
        budget: tokens to spend.
        kinds: (rows,) the kind of each row, such as a range of lengths.
        quotas: (kinds,) how many rows of each kind to pick.
        owned: rows that are owned already.

    Attributes:
        open: (rows,) whether a row may be picked next.
        size: rows that can be picked at most.
        picks: rows picked so far.
    """

    def __init__(
        self,
        rows: int,
        size: int | None = None,
        *,
        costs: Ints | None = None,
        budget: int | None = None,
        kinds: Ints | None = None,
        quotas: Ints | None = None,
        owned: Ints | None = None,
    ) -> None:
        self.owned = np.zeros(0, np.int64) if owned is None else np.asarray(owned, np.int64)
        self.open = np.ones(rows, bool)
        self.open[self.owned] = False
        self.costs, self.budget = costs, budget
        self.kinds, self.quotas = kinds, None if quotas is None else np.array(quotas, np.int64)
        self.picks = 0
        self._most = 0.0 if costs is None else float(costs.max(initial=0))
        self._left = np.inf if costs is None or budget is None else float(budget)
        self._close_what_does_not_fit()
        if self.kinds is not None and self.quotas is not None:
            self.open &= self.quotas[self.kinds] > 0
        count = int(self.open.sum()) if self.costs is None else _most_that_fit(self.costs[self.open], self._left)
        self.size = count if size is None else size

    @classmethod
    def of(cls, room: Room | None, rows: int, size: int) -> Room:
        """Return the room that is given (a copy, since it is used up), or one of `size` rows."""
        return cls(rows, size) if room is None else room.copy()

    @property
    def spent(self) -> int:
        """Tokens of the rows picked so far."""
        return 0 if self.budget is None else int(self.budget - self._left)

    @property
    def full(self) -> bool:
        """Whether nothing more can be picked."""
        if self.picks == self.size:
            return True
        return self.selective and not self.open.any()

    @property
    def selective(self) -> bool:
        """Whether a pick can close other rows: by their tokens, or by their kind."""
        return self.costs is not None or self.quotas is not None

    @property
    def asked(self) -> str:
        """What was asked for, for messages."""
        return f"the {self.size} asked for" if self.budget is None else f"the budget of {self.budget:,} tokens"

    def had(self, rows: int) -> str:
        """Say what was found instead: rows, and their tokens where these are counted."""
        return f"{rows} rows" if self.budget is None else f"{rows} rows of {self.spent:,} tokens"

    def weights(self, per_token: bool) -> Floats | None:
        """Return by what gains are divided, shape (rows,): tokens, where they count and `per_token` says so; None for nothing."""
        return None if self.costs is None or not per_token else np.maximum(self.costs, LEAST_COST).astype(np.float64)

    def take(self, row: int) -> None:
        """Take note of a pick."""
        self.open[row] = False
        self.picks += 1
        if self.costs is not None:
            self._left -= float(self.costs[row])
            self._close_what_does_not_fit()
        if self.kinds is not None and self.quotas is not None:
            kind = self.kinds[row]
            self.quotas[kind] -= 1
            if self.quotas[kind] <= 0:
                self.open[self.kinds == kind] = False

    def fill(self, order: Iterable[int]) -> Ints:
        """Pick rows in an order, passing over those that do not fit; returns them."""
        chosen: list[int] = []
        for row in order:
            if self.open[row]:
                if self.full:
                    break
                self.take(row)
                chosen.append(row)
        return np.array(chosen, np.int64)

    def holds(self, rows: NDArray[np.bool_]) -> bool:
        """Whether a set of rows is enough to fill the room: in number, in tokens, in each kind.

        With costs: whether the rows that may be picked have the budget's tokens, up to the longest row.
        """
        rows = rows & self.open
        if self.costs is not None:
            costs = self.costs[rows]
            return bool(len(costs) and costs.sum() > self._left - costs.max())
        if self.kinds is not None and self.quotas is not None:
            return bool((np.bincount(self.kinds[rows], minlength=len(self.quotas)) >= self.quotas).all())
        return int(rows.sum()) >= self.size - self.picks

    def copy(self) -> Room:
        """Return a room like this one, to be used up on its own."""
        other = Room.__new__(Room)
        other.__dict__.update(self.__dict__)
        other.open = self.open.copy()
        other.quotas = None if self.quotas is None else self.quotas.copy()
        return other

    def _close_what_does_not_fit(self) -> None:
        if self.costs is not None and self._left < self._most:
            self.open &= self.costs <= self._left


def _most_that_fit(costs: Ints, budget: float) -> int:
    """Return how many rows fit at most: the cheapest."""
    return int(np.searchsorted(np.cumsum(np.sort(costs)), budget, side="right"))
