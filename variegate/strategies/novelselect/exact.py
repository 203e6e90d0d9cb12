"""Scores of NovelSelect in float64, kept so that the next look at a row costs only what the newest picks add."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import unit_rows
from variegate.geometry.memory import bytes_a_block
from variegate.strategies.novelselect.candidates import Candidates
from variegate.strategies.novelselect.scores import Scores

__all__ = ["ExactScores"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Rows whose distances are kept, at most; fewer where there are many picks.
MOST = 1024


class ExactScores:
    """Exact scores of few rows: those near the top are asked for again and again, a few picks later each time.

    Args:
        scores: of all rows.
        candidates: which rows may be picked.
    """

    def __init__(self, scores: Scores, candidates: Candidates) -> None:
        self.scores, self.candidates = scores, candidates
        most, d = scores.picked.shape
        self.slots = int(max(1, min(MOST, bytes_a_block() // (8 * max(most, 1)))))
        # Each row's weighted distances to its first `counts` picks, ascending.
        self.sorted = np.empty((self.slots, most))
        self.unit = np.empty((self.slots, d))
        self.counts = np.zeros(self.slots, np.int64)
        self.held = np.full(self.slots, -1)
        self.slot: dict[int, int] = {}
        self.there = np.zeros(len(scores.x), bool)
        self.next = 0

    def holds(self, rows: Ints) -> NDArray[np.bool_]:
        """Return of which rows there are distances."""
        return np.asarray(self.there[rows])

    def of(self, rows: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the scores of rows with respect to all picks, and which rows keep the spacing; the others have no score."""
        out, far = np.empty(len(rows)), np.ones(len(rows), bool)
        new = ~self.there[rows]
        for some in (np.flatnonzero(~new), np.flatnonzero(new)):
            for start in range(0, len(some), self.slots):
                part = some[start : start + self.slots]
                out[part], far[part] = self._some(rows[part])
        return out, far

    def _some(self, rows: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        scores, count = self.scores, self.scores.count
        slots = self._slots(rows)
        first = int(self.counts[slots].min())
        distances: Floats = self.unit[slots] @ scores.picked[first:count].T
        np.subtract(1, distances, out=distances)
        np.maximum(distances, 0, out=distances)
        far = self.candidates.far(rows, distances, scores, first)
        distances *= np.add.outer(scores.own[rows], scores.sigma[scores.rows[first:count]])
        weights, out = scores.weights[:count], np.full(len(rows), -np.inf)
        for at in np.flatnonzero(far).tolist():
            slot = slots[at]
            known, line = self.counts[slot], self.sorted[slot, :count]
            line[known:] = distances[at, known - first :]
            # Stable means merging here: both parts are quickly put into one order.
            line.sort(kind="stable" if known else None)
            self.counts[slot] = count
            out[at] = line @ weights
        return out, far

    def _slots(self, rows: Ints) -> Ints:
        """Return where the rows' distances are kept; new ones take the place of those that came first."""
        known = [self.slot.get(row, -1) for row in rows.tolist()]
        slots, kept = np.array(known), set(known)
        new = np.flatnonzero(slots < 0)
        for at in new.tolist():
            while self.next in kept:
                self.next = (self.next + 1) % self.slots
            slots[at], row = self.next, int(rows[at])
            before = int(self.held[self.next])
            if before >= 0:
                self.there[before] = False
                del self.slot[before]
            self.slot[row], self.held[self.next], self.counts[self.next] = self.next, row, 0
            self.there[row] = True
            kept.add(self.next)
            self.next = (self.next + 1) % self.slots
        self.unit[slots[new]] = unit_rows(self.scores.x[rows[new]])
        return slots
