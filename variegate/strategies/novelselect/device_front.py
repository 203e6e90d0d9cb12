"""The rows among which the next picks of NovelSelect are found, on a device: their scores are exact after every pick."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import exact_squared_distances, to_device
from variegate.strategies.novelselect.candidates import Candidates
from variegate.strategies.novelselect.device_places import NEAR, UNSURE, Places, nearness
from variegate.strategies.novelselect.device_scores import DeviceScores
from variegate.strategies.novelselect.rest import Rest
from variegate.strategies.ties import TIE

__all__ = ["DeviceFront"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Most bytes of sorted distances; the front has fewer rows where there are very many picks.
FRONT_BYTES = 2 << 30


class DeviceFront:
    """The rows of the highest bounds, with their distances to all picks, weighted and sorted, in float64.

    A pick is put into all of them by one kernel, which keeps the scores exact; so no row is scored
    again while it stays. Another finds the winner, and three numbers come back to the host. When the
    front is chosen anew, rows that stay keep their place. Rows outside whose bounds are too high to
    decide are scored as well. It is the device's side of :class:`.loop.Engine`.

    Args:
        scores: of all rows.
        candidates: which rows may be picked.
        worth: (n,) by what scores are multiplied.
        size: rows in the front.
    """

    def __init__(self, scores: DeviceScores, candidates: Candidates, worth: Floats, size: int) -> None:
        self.scores, self.candidates, self.room = scores, candidates, candidates.room
        self.rest = Rest(scores.angles(), scores.own, worth)
        self.n, most = len(worth), len(scores.rows)
        self.size = max(1, min(size, self.n, FRONT_BYTES // (8 * most)))
        self.places = Places.without_rows(scores, worth, self.size)
        self.first: tuple[int, float] | None = None
        self.host_rows: Ints = np.zeros(self.size, np.int64)
        self.allowed = np.ones(self.size, bool)

    def add(self, row: int) -> None:
        """Take a row as the next pick, see :class:`.loop.Engine`."""
        self.scores.add(row)

    @property
    def picks(self) -> Ints:
        """The picks so far, see :class:`.loop.Engine`."""
        return self.scores.rows[: self.scores.count]

    def begin(self, size: int, made: int) -> None:
        """Choose the front anew, always as large as the device allows; the next pick is known then."""
        import torch

        scores, places = self.scores, self.places
        scores.fold()
        allowed = to_device(self.candidates.allowed(made))
        spacing = self.candidates.spacing if self.candidates.spaced is None else 0.0
        places.limits[0] = spacing**2 if spacing else -torch.inf
        limits = torch.where(allowed, scores.bound * places.all_worth, -torch.inf)
        known = torch.zeros_like(allowed)
        kept = places.rows[places.taken]
        places.score.copy_(scores.scores_of(places.sorted[:, : scores.count]))
        limits[kept] = torch.where(allowed[kept], (places.score * places.worth)[places.taken], -torch.inf)
        known[kept] = True
        self._admit(limits.topk(self.size).indices, limits, known)
        self._score_what_may_win(limits, known)
        places.open.copy_(places.taken & (limits[places.rows] > -torch.inf))
        limits[places.rows[places.taken]] = -torch.inf
        self.rest.begin(limits)
        if self.room.selective:
            self.host_rows = places.rows.cpu().numpy()
            self.allowed = self.candidates.allows(self.host_rows)

    def best(self) -> tuple[int, float] | None:
        """Return the row worth most and what it is worth; None where a row outside the front might be worth as much."""
        if self.first is not None:
            first, self.first = self.first, None
            return first if first[1] > -np.inf else None
        best, row, unsure = self.places.winner()
        if unsure:
            self._measure_unsure()
            best, row, _ = self.places.winner()
        floor = best - abs(best) * TIE if np.isfinite(best) else best
        if best == -np.inf or (self.rest.limits >= floor).any():
            return None
        return row, best

    def follow(self, pick: int) -> None:
        """Take the best row as the next pick; put it into the rows of the front, and raise the bound on the others."""
        scores = self.scores
        scores.add(pick)
        last = scores.count - 1
        self.rest.follow(float(scores.weights[last]), float(scores.sigma[pick]), pick)
        self.places.insert(pick, last)
        if self.room.selective:
            allowed = self.candidates.allows(self.host_rows)
            if (allowed != self.allowed).any():
                self.allowed = allowed
                self.places.open.mul_(to_device(allowed.astype(np.int8)))

    def close(self) -> None:
        """Tell the candidates who is too near to a pick."""
        if self.candidates.spacing and self.candidates.spaced is None:
            self._measure_unsure()
            self._set_aside(self.places.rows[self.places.near == NEAR])

    def _admit(self, top: Any, limits: Any, known: Any) -> None:
        """Give rows of the highest limits a place in the front; rows that are not among them make room."""
        import torch

        places = self.places
        wanted = torch.zeros_like(known)
        wanted[top] = True
        new = top[~known[top] & (limits[top] > -torch.inf)]
        free = torch.nonzero(~(places.taken & wanted[places.rows])).flatten()[: len(new)]
        step, count = self.scores.rows_at_once(), self.scores.count
        for start in range(0, len(new), step):
            rows, to = new[start : start + step], free[start : start + step]
            weighted, score, near = self._scored(rows)
            worth = places.all_worth[rows]
            places.sorted[to, :count] = weighted
            places.rows[to], places.score[to], places.worth[to], places.taken[to] = rows, score, worth, True
            places.near[to] = near.to(torch.int8)
            limits[rows] = torch.where(near, -torch.inf, score * worth)
            known[rows] = True

    def _score_what_may_win(self, limits: Any, known: Any) -> None:
        """Score rows outside the front, the highest bounds first, until no other can win; find the winner among all."""
        import torch

        places = torch.arange(self.n, device=limits.device)
        while True:
            best = torch.where(known, limits, -torch.inf).amax()
            floor = torch.where(best.isfinite(), best - best.abs() * TIE, best)
            others = torch.where(known, -torch.inf, limits)
            lowest = torch.where(known & (limits >= floor), places, self.n).amin()
            high, level, row, least = torch.stack([others.amax(), best, lowest.double(), floor]).tolist()
            if high < least or high == -np.inf:
                break
            top = others.topk(min(self.n, self.size, self.scores.rows_at_once()))
            rows = top.indices[(top.values >= floor) & (top.values > -torch.inf)]
            _, score, near = self._scored(rows)
            limits[rows] = torch.where(near, -torch.inf, score * self.places.all_worth[rows])
            known[rows] = True
        self.first = int(row), level

    def _scored(self, rows: Any) -> tuple[Any, Any, Any]:
        """Return the sorted distances of rows, their exact scores, and who is too near to a pick, which is set aside."""
        distances = self.scores.distances(rows)
        near = self._too_near(rows, distances)
        return *self.scores.weighted(rows, distances), near

    def _too_near(self, rows: Any, distances: Any) -> Any:
        import torch

        near = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
        if not self.candidates.spacing or self.candidates.spaced is not None:
            return near
        picks = self.scores.bins.picks
        norms = self.scores.pool.norms
        states = nearness(norms[rows, None], norms[picks], distances, self.places.limits)
        near = (states == NEAR).any(1)
        at, column = torch.nonzero((states == UNSURE) & ~near[:, None], as_tuple=True)
        if len(at):
            near[at[to_device(self._closer(rows[at].cpu().numpy(), picks[column].cpu().numpy()))]] = True
        self._set_aside(rows[near])
        return near

    def _closer(self, rows: Ints, picks: Ints) -> NDArray[np.bool_]:
        """Return which pairs are within the spacing, by the same arithmetic as without a device."""
        x = self.scores.x
        return np.asarray(exact_squared_distances(x, x, rows, picks) <= self.candidates.spacing**2)

    def _set_aside(self, rows: Any) -> None:
        rows = rows.cpu().numpy()
        standing = self.candidates.standing
        standing[rows[standing[rows] == 0]] = 1

    def _measure_unsure(self) -> None:
        """Measure the rows that may be too near to the last pick, and close those that are."""
        places = self.places
        at = ((places.near == UNSURE) & (places.open > 0)).nonzero().flatten()
        rows = places.rows[at].cpu().numpy()
        near = to_device(self._closer(rows, np.full(len(rows), self.scores.rows[self.scores.count - 1])).astype(np.int8))
        places.near[at] = near * NEAR
        places.open[at] = 1 - near
