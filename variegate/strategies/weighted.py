"""A weighted sum of objectives, and of a number for each row, as one objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from variegate.strategies.greedy import Doubt

__all__ = ["Part", "Weighted"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Part(Doubt, Protocol):
    """An objective whose gains only fall as rows are taken."""

    def start_with(self, rows: Ints) -> None:
        """Forget all picks but these."""

    def all_gains(self) -> Floats:
        """Return what each row would add, shape (n,)."""

    def gains(self, rows: Ints) -> Floats:
        """Return what each of some rows would add, shape (rows,)."""

    def take(self, row: int) -> Ints | None:
        """Add a pick; return the rows whose gains it may have lowered, None for all of them."""


class Weighted:
    """Sum over parts of weight times part, plus a number for each row that is taken.

    Args:
        parts: weights and objectives.
        extra: (n,) what each row is worth by itself.
    """

    def __init__(self, parts: Sequence[tuple[float, Part]], extra: Floats) -> None:
        self.parts, self.extra = parts, extra

    def start_with(self, rows: Ints) -> None:
        """Forget all picks but these."""
        for _, part in self.parts:
            part.start_with(rows)

    def all_gains(self) -> Floats:
        """Return what each row would add, shape (n,)."""
        return np.asarray(sum(weight * part.all_gains() for weight, part in self.parts) + self.extra)

    def gains(self, rows: Ints) -> Floats:
        """Return what each of some rows would add, shape (rows,)."""
        return np.asarray(sum(weight * part.gains(rows) for weight, part in self.parts) + self.extra[rows])

    def slack(self) -> Floats | float:
        """Return what a gain may be off by."""
        return sum(weight * part.slack() for weight, part in self.parts)

    def exact(self, rows: Ints) -> Floats:
        """Return what each of some rows would add in float64, shape (rows,)."""
        return np.asarray(sum(weight * part.exact(rows) for weight, part in self.parts) + self.extra[rows])

    def whole(self) -> float:
        """Return what the parts come to at most."""
        return float(sum(weight * part.whole() for weight, part in self.parts))

    def worth(self, row: int) -> float:
        """Return what a row adds."""
        return float(sum(weight * part.worth(row) for weight, part in self.parts) + self.extra[row])

    def take(self, row: int) -> Ints | None:
        """Add a pick; return the rows whose gains it may have lowered, None for all of them."""
        touched = [part.take(row) for _, part in self.parts]
        known = [rows for rows in touched if rows is not None]
        return np.concatenate(known) if len(known) == len(touched) else None

    def renewed(self) -> Floats | None:
        """Return all gains if a part computes them in another way since the last pick."""
        # Every part is asked, since each forgets that it was.
        new = [part.renewed() is not None for _, part in self.parts]
        return self.all_gains() if any(new) else None
