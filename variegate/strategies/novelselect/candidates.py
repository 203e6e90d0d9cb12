"""Which rows NovelSelect may pick next."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import NearDuplicates, exact_squared_distances, row_lengths
from variegate.strategies.novelselect.scores import Scores
from variegate.strategies.room import Room

__all__ = ["Candidates"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Candidates:
    """Which rows may be picked next: while there are any, those that are neither copies nor close to a pick.

    A row's standing is 0 for an open one, 1 for one closer to a pick than the spacing, 2 for one that another row stands
    for, 3 for a pick. The open ones come first, then those of standing 1, then of standing 2; there must be room for each.
    Whether a row is close to a pick is looked up when it is about to be scored.

    Attributes:
        spaced: how many picks keep the spacing from all earlier ones; None while all do.
    """

    def __init__(self, x: NDArray[Any], groups: NearDuplicates | None, spacing: float, room: Room) -> None:
        self.x = x
        self.room = room
        self.spacing = spacing
        self.spaced: int | None = None
        self.worst = 0
        self.standing = np.zeros(len(x), np.uint8)
        self.representative = np.arange(len(x)) if groups is None else groups.representative
        self.standing[self.representative != np.arange(len(x))] = 2
        # Picks that each row is known to be far from.
        self.passed = np.zeros(len(x), np.int64)

    @cached_property
    def norms(self) -> Floats:
        """The rows' lengths, (n,)."""
        return row_lengths(self.x)

    def note(self, pick: int) -> None:
        """Take note of a pick."""
        self.standing[pick] = 3
        stands_for = self.representative[pick]
        if self.standing[stands_for] == 0:
            # A first pick that another row stands for: that row would be a second copy.
            self.standing[stands_for] = 2

    def allowed(self, count: int) -> NDArray[np.bool_]:
        """Return which rows may be the pick after `count` others, as far as it is known who is close to a pick."""
        for self.worst in (0, 1, 2):
            allowed = (self.standing <= self.worst) & self.room.open
            if allowed.any():
                if self.worst and self.spacing and self.spaced is None:
                    self.spaced = count
                return np.asarray(allowed)
        raise AssertionError("there is room, but no row")

    def allows(self, rows: Ints) -> NDArray[np.bool_]:
        """Return which of some rows are still allowed."""
        return np.asarray((self.standing[rows] <= self.worst) & self.room.open[rows])

    def far(self, rows: Ints, distances: NDArray[Any], scores: Scores, first: int = 0) -> NDArray[np.bool_]:
        """Return which rows keep the spacing from all picks; sets the others aside.

        Args:
            rows: which.
            distances: their cosine distances to the picks from `first` on; the rows are known to be far from those before.
            scores: know the picks.
            first: see `distances`.
        """
        far = np.ones(len(rows), bool)
        if not self.spacing or self.spaced is not None:
            return far
        since = max(int(self.passed[rows].min()), first)
        picks = scores.rows[since : scores.count]
        # Squared L2 distances are at least 2 |x| |p| times the cosine distance. What the screen may be off by is added to it;
        # who falls into it is measured in float64.
        least = 2 * self.norms[rows] * self.norms[picks].min(initial=np.inf)
        at = np.flatnonzero(least * (distances[:, since - first :].min(axis=1, initial=2) - 2 * scores.slack) <= self.spacing**2)
        norms, others = self.norms[rows[at], None], self.norms[picks]
        squared = (norms - others) ** 2 + 2 * norms * others * (distances[at, since - first :] - 2 * scores.slack)
        row, column = np.nonzero(squared <= self.spacing**2)
        if len(row):
            near = exact_squared_distances(self.x, self.x, rows[at[row]], picks[column]) <= self.spacing**2
            far[at[row[near]]] = False
        self.standing[rows[~far]] = 1
        self.passed[rows[far]] = scores.count
        return far
