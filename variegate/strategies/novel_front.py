"""The few rows among which the next picks of NovelSelect are found, and one bound for all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import bytes_a_block
from variegate.strategies.first import TIE
from variegate.strategies.novel_candidates import Candidates
from variegate.strategies.novel_scores import Scores

__all__ = ["Front", "Rest"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Groups of rows of like density that have a bound each.
GROUPS = 64
# Rows scored together in float32, to begin with: enough to read the picks' vectors once for many.
COARSE = 64
# Rows whose lines are older than this share of the picks are scored in float32 first: their bounds are too loose by now.
STALE = 1 / 32


class Rest:
    """A bound on the worth of all rows outside the front, without looking at them.

    A pick adds at most w_(t+1) times the largest weighted distance. On the sphere a row at angle a from the centre and a
    pick at angle b are at most a + b apart. Rows are taken together in groups of like density.
    """

    def __init__(self, scores: Scores, worth: Floats) -> None:
        n = len(worth)
        centre = scores.unit.mean(axis=0, dtype=np.float64)
        length = np.linalg.norm(centre)
        centre = centre / length if length > 1e-6 else np.eye(1, len(centre))[0]
        cosines = scores.unit @ centre.astype(np.float32) - scores.slack
        self.angles = np.arccos(np.clip(cosines, -1, 1), dtype=np.float64)
        density = scores.own * worth
        self.order = np.argsort(density if density.any() else worth)
        self.starts = np.unique(np.linspace(0, n, GROUPS, endpoint=False).astype(np.int64))
        self.density, self.worth, self.angle = (self._most(values) for values in (density, worth, self.angles))
        self.limits = np.full(len(self.starts), -np.inf)

    def begin(self, limits: Floats) -> None:
        """Start from what each row is worth at most; -inf for those that do not count."""
        self.limits = self._most(limits)

    def follow(self, weight: float, density: float, angle: float) -> None:
        """Take a pick into account, by the weight of the last rank, its density and its angle from the centre."""
        reach = 1 - np.cos(np.minimum(self.angle + angle, np.pi))
        self.limits += weight * reach * (self.density + self.worth * density)

    def _most(self, values: Floats) -> Floats:
        return np.asarray(np.maximum.reduceat(values[self.order], self.starts))


class Front:
    """The rows of the highest bounds, which follow every pick, so that only those rows are scored that may win.

    Picks made since the matrix was last read are folded into the bounds of the front's rows one by one; all others are
    below `rest`. As soon as that is not enough to decide, the front has come to its end.

    Args:
        scores: of all rows, every pick folded into their bounds.
        candidates: which rows may be picked.
        worth: (n,) by what scores are multiplied.
        rest: the bound on the other rows; starts anew.
        size: rows in the front.
        batch: rows scored together in float64, to begin with.
        made: picks made so far, without what is owned.
    """

    def __init__(
        self, scores: Scores, candidates: Candidates, worth: Floats, rest: Rest, size: int, batch: int, made: int
    ) -> None:
        self.scores, self.candidates, self.rest, self.batch = scores, candidates, rest, batch
        limits = np.where(candidates.allowed(made), scores.bound * worth, -np.inf)
        size = min(size, len(limits))
        self.rows: Ints = np.sort(np.argpartition(limits, -size)[-size:])
        self.open = limits[self.rows] > -np.inf
        limits[self.rows] = -np.inf
        rest.begin(limits)
        self.start = scores.count
        self.worth, self.own = worth[self.rows], scores.own[self.rows]
        self.unit, self.bound = scores.unit[self.rows], scores.bound[self.rows]
        self.exact = np.full(size, -1)
        self.ranks = scores.useful()
        self.lines = scores.lines.of(self.rows, self.ranks)

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
            stale = self.lines.counts < count * (1 - STALE)
            if stale[wanted].any():
                # Those that come next will be wanted soon; together they cost little more.
                self._score(_highest(np.flatnonzero(stale & self.open), limits, min(coarse, most)), limits, exact=False)
                coarse *= 2
            else:
                self._score(wanted, limits, exact=True)
                batch *= 2
        if not known.any() or (self.rest.limits >= floor).any():
            return None
        return int(self.rows[known & (limits >= floor)].min()), best

    def follow(self, pick: int) -> None:
        """Raise the bounds by what a pick, the last that the scores were given, can have added."""
        scores, before = self.scores, self.scores.count - 1
        self.rest.follow(float(scores.weights[before]), float(scores.sigma[pick]), float(self.rest.angles[pick]))
        self.bound += scores.growth(self.rows, self.lines, self.ranks, self.unit, before)

    def close(self) -> None:
        """Hand the bounds back, which are better than those that come of folding."""
        self.scores.fold()
        self.scores.bound[self.rows] = self.bound
        self.scores.lines.put(self.rows, self.lines, self.ranks)

    def _score(self, at: Ints, limits: Floats, *, exact: bool) -> None:
        """Score rows of the front, but for those too close to a pick, which are set aside."""
        rows = self.rows[at]
        distances = self.scores.distances(rows, exact=exact)
        far = self.candidates.far(rows, distances, self.scores)
        self.open[at[~far]] = False
        limits[at[~far]] = -np.inf
        if not far.all():
            at, rows, distances = at[far], rows[far], distances[far]
        scores, lines = self.scores.measure(rows, distances, self.ranks)
        self.bound[at] = scores if exact else np.minimum(scores, self.bound[at])
        self.lines.put(at, lines)
        limits[at] = self.bound[at] * self.worth[at]
        if exact:
            self.exact[at] = self.scores.count


def _highest(at: Ints, limits: Floats, most: int) -> Ints:
    """Return those of the highest limits."""
    return at if len(at) <= most else at[np.argpartition(limits[at], -most)[-most:]]
