"""The lazy loop for objectives whose gains only fall as rows are taken (monotone submodular ones)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from variegate.progress import track
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks
from variegate.strategies.ties import TIE, lowest_of_best

__all__ = ["Doubt", "Greedy", "by_tokens", "lazy_greedy"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Candidates whose gains are computed together.
BATCH = 64
# And at most, where it is known which gains are out of date.
MANY = 1024


@dataclass(frozen=True)
class Greedy:
    """What the loop took.

    Attributes:
        rows: in picking order.
        gains: of each pick; None for those that it was made to start with.
        total: what all of them add to the objective.
    """

    rows: Ints
    gains: list[float | None]
    total: float


class Doubt(Protocol):
    """What an objective knows beyond its gains where these are computed with less than float64's precision."""

    def slack(self) -> Floats | float:
        """Return what a gain may be off by, for each row or for all; it holds until `renewed` says otherwise."""

    def exact(self, rows: Ints) -> Floats:
        """Return the gains of some rows today in float64, by which to decide."""

    def whole(self) -> float:
        """Return the size of the numbers that gains are differences of, which says how far their rounding goes."""

    def worth(self, row: int) -> float:
        """Return what a row that is about to be taken adds, for the record."""

    def renewed(self) -> Floats | None:
        """Return the gains of all rows, (n,), if they are computed in another way since the last pick."""


def lazy_greedy(
    bounds: Floats,
    room: Room,
    gains_of: Callable[[Ints], Floats],
    take: Callable[[int], Ints | None],
    *,
    start: Sequence[int] = (),
    doubt: Doubt | None = None,
    per_token: bool = False,
    label: str = "picks",
) -> Greedy:
    """Take the row with the largest gain, again and again; the picks are those of scoring every row at every step.

    A gain that was computed earlier bounds today's from above, so only rows whose bound reaches the best gain found so far are
    looked at. A gain that no pick has touched since is still today's, so many rows with the same gain cost nothing. Equal gains
    go to the lowest row. A few passes over n numbers a pick.

    Args:
        bounds: (n,) the gain of each row by itself.
        room: which rows may be taken, and how many; it is used up.
        gains_of: from row numbers to their gains today.
        take: told of each pick; returns the rows whose gains it may have lowered, None for all of them.
        start: rows that are taken first, whatever their gain.
        doubt: of gains that are not exact; None where they are, the same numbers whichever rows are asked together.
        per_token: whether the gain by token decides, where the room counts tokens.
        label: what the progress line says.
    """
    scores = _Scores(bounds, room, gains_of, doubt, per_token)
    picks: list[int] = []
    gains: list[float | None] = []
    total = 0.0
    with track(label, room.size, "picks") as advance:
        while not room.full:
            given = len(picks) < len(start)
            row = start[len(picks)] if given else scores.best()
            gain = scores.gain(row)
            total += gain
            gains.append(None if given else gain)
            picks.append(row)
            touched = take(row)
            room.take(row)
            scores.after(row, touched)
            advance(1)
    return Greedy(np.array(picks, np.int64), gains, total)


class _Scores:
    """Between what each row's score lies, and which of them are today's."""

    def __init__(
        self, bounds: Floats, room: Room, gains_of: Callable[[Ints], Floats], doubt: Doubt | None, per_token: bool
    ) -> None:
        self.room, self.gains_of, self.doubt = room, gains_of, doubt
        self.weights = room.weights(per_token)
        self.all_touched = False
        # By the token the least row has the largest share of it.
        whole = 0.0 if doubt is None else doubt.whole()
        self.scale = whole if self.weights is None else whole / float(self.weights.min())
        self._set(bounds)

    def best(self) -> int:
        """Return the row with the best score, the lowest of equal ones."""
        best = float(self.lower.max(where=~self.stale, initial=-np.inf))
        # Few at first, since the best of them may show that the others need not be looked at.
        most = BATCH if self.all_touched else MANY
        while True:
            floor = best - max(abs(best), self.scale) * TIE
            due = np.flatnonzero(self.stale & (self.upper >= floor))
            if not len(due):
                break
            if len(due) > most:
                due = due[np.argpartition(-self.upper[due], most)[:most]]
            most = min(2 * most, max(most, MANY))
            score, off = (
                self._weighed(self.gains_of(due), due),
                self._off[due] if isinstance(self._off, np.ndarray) else self._off,
            )
            self.upper[due], self.lower[due] = score + off, score - off
            self.stale[due] = False
            best = max(best, float(self.lower[due].max()))
        close = np.flatnonzero(self.upper >= floor)
        if self.doubt is None or len(close) == 1:
            return int(close[0])
        unsure = close[self.upper[close] > self.lower[close]]
        if len(unsure):
            self.upper[unsure] = self.lower[unsure] = self._weighed(self.doubt.exact(unsure), unsure)
        return lowest_of_best(close, self.upper[close], self.scale)

    def gain(self, row: int) -> float:
        """Return what a row adds."""
        if self.doubt is not None:
            return self.doubt.worth(row)
        if not self.stale[row] and np.isfinite(self.upper[row]):
            return float(self.upper[row] if self.weights is None else self.upper[row] * self.weights[row])
        return float(self.gains_of(np.array([row]))[0])

    def after(self, row: int, touched: Ints | None) -> None:
        """Take note of a pick."""
        renewed = None if self.doubt is None else self.doubt.renewed()
        if renewed is not None:
            self._set(renewed)
        elif touched is None:
            self.stale[:] = self.room.open
        else:
            self.stale[touched] = self.room.open[touched]
        self.all_touched = touched is None
        closed = ~self.room.open if self.room.selective else row
        self.upper[closed] = self.lower[closed] = -np.inf
        self.stale[closed] = False

    def _set(self, gains: Floats) -> None:
        every = np.arange(len(gains))
        self._off = 0.0 if self.doubt is None else self._weighed(self.doubt.slack(), every)
        score = self._weighed(gains, every)
        open_ = self.room.open
        self.upper, self.lower = np.where(open_, score + self._off, -np.inf), np.where(open_, score - self._off, -np.inf)
        self.stale = np.zeros(len(gains), bool)

    def _weighed(self, gains: Any, rows: Ints) -> Any:
        return gains if self.weights is None else gains / self.weights[rows]


def by_tokens(run: Callable[[Room, bool], tuple[Greedy, Picks]], room: Room, per_token: bool | None) -> Picks:
    """Run greedy by gain, or, under a budget of tokens, by gain per token as well, and keep the better set.

    Gain per token alone can be arbitrarily bad (a tiny row may take the place of a long one that is worth far more), and so can
    gain alone; the better of the two is within (1 - 1/e) / 2 of the best possible.

    Args:
        run: from a room and whether to go by gain per token to what was taken and the picks to return.
        room: what may be picked.
        per_token: True or False for one of the two alone; None for the better.

    Reference: Leskovec et al. 2007, "Cost-effective outbreak detection in networks" (CELF).
    """
    if room.costs is None or per_token is not None:
        return run(room, bool(per_token))[1]
    (plain, by_row), (weighed, by_token) = run(room.copy(), False), run(room.copy(), True)
    better = by_token if weighed.total > plain.total else by_row
    totals = {"total_by_gain_per_token": weighed.total, "total_by_gain": plain.total, "per_token": better is by_token}
    how = "per token" if better is by_token else "alone"
    note = f"greedy by gain {how} was the better of two: {weighed.total:.6g} by gain per token, {plain.total:.6g} by gain alone"
    return Picks(better.rows, better.gains, better.params | totals, [*better.notes, note])
