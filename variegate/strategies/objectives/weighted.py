"""A weighted sum of objectives, and of a number for each row, as one objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.strategies.objectives.greedy import Doubt, Greedy, by_tokens, lazy_greedy
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks

__all__ = ["Part", "Weighted", "covered"]

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

    def about(self) -> tuple[dict[str, Any], list[str]]:
        """Return what the record should hold, and notes."""


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


def covered(
    parts: Sequence[tuple[float, Part]],
    n: int,
    size: int,
    quality: Floats | None,
    alpha: float,
    per_token: bool | None,
    room: Room | None,
    owner: str,
) -> Picks:
    """Choose rows greedily by a weighted sum of objectives, and of a quality where there is one.

    Args:
        parts: weights and objectives, monotone and submodular.
        n: rows of the pool.
        size: how many to choose.
        quality: (n,) in [0, 1]; None for the objectives alone.
        alpha: weight of the quality, in [0, 1].
        per_token: under a budget, whether picks go by gain per token; None for the better of both ways.
        room: what may be picked, in place of `size`.
        owner: the strategy's name, for errors.

    Raises:
        ParameterError: alpha is outside its range.
    """
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
