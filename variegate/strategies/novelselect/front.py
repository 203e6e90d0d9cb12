"""The few rows among which the next picks of NovelSelect are found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import bytes_a_block
from variegate.strategies.novelselect.candidates import Candidates
from variegate.strategies.novelselect.exact import ExactScores
from variegate.strategies.novelselect.rest import Rest
from variegate.strategies.novelselect.scores import Scores
from variegate.strategies.ties import TIE

__all__ = ["Front"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Rows scored together in float32, to begin with: enough to read the picks' vectors once for many.
COARSE = 64
# Rows scored together in float64 where one of them is new: to read all picks in float64 costs as much for one as for these.
TOGETHER = 16
# Rows that were last scored longer ago than this share of the picks are scored in float32 first: their bounds are too loose.
STALE = 1 / 32


class Front:
    """The rows of the highest bounds, which follow every pick, so that only those rows are scored that may win.

    Picks made since the matrix was last read are folded into the bounds of the front's rows one by
    one; all others are below `rest`. As soon as that is not enough to decide, the front has come to
    its end. It is the numpy side of :class:`.loop.Engine`.

    Args:
        scores: of all rows.
        candidates: which rows may be picked.
        worth: (n,) by what scores are multiplied.
        batch: rows scored together in float64, to begin with.
    """

    def __init__(self, scores: Scores, candidates: Candidates, worth: Floats, batch: int) -> None:
        self.scores, self.candidates, self.batch = scores, candidates, batch
        self.exact_scores = ExactScores(scores, candidates)
        self.worth_of_all = worth
        self.rest = Rest(scores.angles(), scores.own, worth)
        # How many picks there were when a row was last scored.
        self.scored = np.zeros(len(worth), np.int64)

    def add(self, row: int) -> None:
        """Take a row as the next pick, see :class:`.loop.Engine`."""
        self.scores.add(row)

    @property
    def picks(self) -> Ints:
        """The picks so far, see :class:`.loop.Engine`."""
        return self.scores.rows[: self.scores.count]

    def begin(self, size: int, made: int) -> None:
        """Choose the front, see :class:`.loop.Engine`."""
        scores = self.scores
        scores.fold()
        limits = np.where(self.candidates.allowed(made), scores.bound * self.worth_of_all, -np.inf)
        size = min(size, len(limits))
        self.rows: Ints = np.sort(np.argpartition(limits, -size)[-size:])
        self.open = limits[self.rows] > -np.inf
        limits[self.rows] = -np.inf
        self.rest.begin(limits)
        self.worth, self.own = self.worth_of_all[self.rows], scores.own[self.rows]
        self.unit, self.bound = scores.unit[self.rows], scores.bound[self.rows]
        self.exact = np.full(size, -1)

    def best(self) -> tuple[int, float] | None:
        """Return the row worth most and what it is worth; None where a row outside the front might be worth as much."""
        candidates, count, batch, coarse = self.candidates, self.scores.count, self.batch, COARSE
        most = max(1, bytes_a_block() // (8 * count))
        self.open &= candidates.allows(self.rows)
        limits = np.where(self.open, self.bound * self.worth, -np.inf)
        while True:
            known = self.open & (self.exact == count)
            best = float(limits[known].max(initial=-np.inf))
            floor = best - abs(best) * TIE if np.isfinite(best) else best
            wanted = np.flatnonzero((limits >= floor) & self.open & ~known)
            if not len(wanted):
                break
            wanted = _highest(wanted, limits, min(batch, most))
            stale = self.scored[self.rows] < count * (1 - STALE)
            if stale[wanted].any():
                # Those that come next will be wanted soon; together they cost little more.
                self._score_coarsely(_highest(np.flatnonzero(stale & self.open), limits, min(coarse, most)), limits)
                coarse *= 2
            else:
                new = self.open & ~known & ~self.exact_scores.holds(self.rows)
                if new[wanted].any():
                    more = _highest(np.flatnonzero(new), limits, min(TOGETHER, most))
                    wanted = np.concatenate([wanted[~new[wanted]], more])
                self._score_exactly(wanted, limits)
                batch *= 2
        if not known.any() or (self.rest.limits >= floor).any():
            return None
        return int(self.rows[known & (limits >= floor)].min()), best

    def follow(self, pick: int) -> None:
        """Take the best row as the next pick; raise the bounds by what it can add."""
        scores = self.scores
        scores.add(pick)
        last = scores.count - 1
        self.rest.follow(float(scores.weights[last]), float(scores.sigma[pick]), pick)
        self.bound += scores.growth(self.unit, self.own)

    def close(self) -> None:
        """Hand the bounds back where they are better than those that come of folding."""
        self.scores.fold()
        self.scores.bound[self.rows] = np.minimum(self.scores.bound[self.rows], self.bound)

    def _score_coarsely(self, at: Ints, limits: Floats) -> None:
        """Bound rows of the front by scores in float32, but for those too close to a pick, which are set aside."""
        scores, rows = self.scores, self.rows[at]
        parts = [part for part in np.array_split(np.arange(len(at)), scores.threads.count) if len(part)]
        distances = list(scores.threads.each(lambda part: scores.distances(rows[part]), parts))
        far = [self.candidates.far(rows[part], some, scores) for part, some in zip(parts, distances, strict=True)]

        def measure(part: int) -> None:
            here, some = at[parts[part]][far[part]], distances[part][far[part]]
            self.bound[here] = np.minimum(scores.at_most(self.rows[here], some), self.bound[here])
            self.scored[self.rows[here]] = scores.count

        list(scores.threads.each(measure, range(len(parts))))
        self._set_aside(at[~np.concatenate(far)])
        limits[at] = np.where(self.open[at], self.bound[at] * self.worth[at], -np.inf)

    def _score_exactly(self, at: Ints, limits: Floats) -> None:
        """Score rows of the front in float64, but for those too close to a pick, which are set aside."""
        found, far = self.exact_scores.of(self.rows[at])
        self.bound[at[far]] = found[far]
        self.exact[at[far]] = self.scored[self.rows[at[far]]] = self.scores.count
        self._set_aside(at[~far])
        limits[at] = np.where(far, self.bound[at] * self.worth[at], -np.inf)

    def _set_aside(self, at: Ints) -> None:
        self.open[at] = False


def _highest(at: Ints, limits: Floats, most: int) -> Ints:
    """Return those of the highest limits."""
    return at if len(at) <= most else at[np.argpartition(limits[at], -most)[-most:]]
