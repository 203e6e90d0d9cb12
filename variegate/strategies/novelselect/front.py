"""The few rows among which the next picks of NovelSelect are found, and one bound for all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import bytes_a_block
from variegate.strategies.novelselect.exact import ExactScores
from variegate.strategies.novelselect.scores import Lines, Scores
from variegate.strategies.ties import TIE

__all__ = ["Front", "Rest"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Groups of rows of like density that have a bound each.
GROUPS = 64
# Rows scored together in float32, to begin with: enough to read the picks' vectors once for many.
COARSE = 64
# Rows scored together in float64 where one of them is new: to read all picks in float64 costs as much for one as for these.
TOGETHER = 16
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
        exact: scores in float64, of the rows that may be picked.
        worth: (n,) by what scores are multiplied.
        rest: the bound on the other rows; starts anew.
        size: rows in the front.
        batch: rows scored together in float64, to begin with.
        made: picks made so far, without what is owned.
    """

    def __init__(self, scores: Scores, exact: ExactScores, worth: Floats, rest: Rest, size: int, batch: int, made: int) -> None:
        self.scores, self.exact_scores, self.candidates = scores, exact, exact.candidates
        self.rest, self.batch = rest, batch
        candidates = exact.candidates
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
        self.lines = scores.recall(self.rows).of(slice(None), self.ranks)

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
        """Raise the bounds by what a pick, the last that the scores were given, can have added."""
        scores, before = self.scores, self.scores.count - 1
        self.rest.follow(float(scores.weights[before]), float(scores.sigma[pick]), float(self.rest.angles[pick]))
        self.bound += scores.growth(self.rows, self.lines, self.ranks, self.unit, before)

    def close(self) -> None:
        """Hand the bounds back where they are better than those that come of folding."""
        self.scores.fold()
        self.scores.bound[self.rows] = np.minimum(self.scores.bound[self.rows], self.bound)
        lines = Lines.none(len(self.scores.ranks), len(self.rows))
        lines.put(slice(None), self.lines, self.ranks)
        self.scores.remember(self.rows, lines)

    def _score_coarsely(self, at: Ints, limits: Floats) -> None:
        """Bound rows of the front by scores in float32, but for those too close to a pick, which are set aside."""
        scores, rows = self.scores, self.rows[at]
        parts = [part for part in np.array_split(np.arange(len(at)), scores.threads.count) if len(part)]
        distances = list(scores.threads.each(lambda part: scores.distances(rows[part], exact=False), parts))
        far = [self.candidates.far(rows[part], some, scores) for part, some in zip(parts, distances, strict=True)]

        def measure(part: int) -> None:
            here, some = at[parts[part]][far[part]], distances[part][far[part]]
            found, lines = scores.measure(self.rows[here], some, self.ranks)
            self.bound[here] = np.minimum(found, self.bound[here])
            self.lines.put(here, lines)

        list(scores.threads.each(measure, range(len(parts))))
        self._set_aside(at[~np.concatenate(far)])
        limits[at] = np.where(self.open[at], self.bound[at] * self.worth[at], -np.inf)

    def _score_exactly(self, at: Ints, limits: Floats) -> None:
        """Score rows of the front in float64, but for those too close to a pick, which are set aside."""
        found, far = self.exact_scores.of(self.rows[at])
        self.bound[at[far]] = found[far]
        self.exact[at[far]] = self.scores.count
        self._set_aside(at[~far])
        limits[at] = np.where(far, self.bound[at] * self.worth[at], -np.inf)

    def _set_aside(self, at: Ints) -> None:
        self.open[at] = False


def _highest(at: Ints, limits: Floats, most: int) -> Ints:
    """Return those of the highest limits."""
    return at if len(at) <= most else at[np.argpartition(limits[at], -most)[-most:]]
