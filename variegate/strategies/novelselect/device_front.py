"""The rows among which the next picks of NovelSelect are found, on a device: their scores are exact after every pick."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import device_kernels, exact_squared_distances, to_device
from variegate.geometry.rounding import wide_error_share
from variegate.strategies.novelselect.candidates import Candidates
from variegate.strategies.novelselect.device_scores import DeviceRest, DeviceScores
from variegate.strategies.room import Room
from variegate.strategies.ties import TIE

__all__ = ["DeviceFront"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Most bytes of sorted distances; the front has fewer rows where there are very many picks.
FRONT_BYTES = 2 << 30
# States of a row as to the spacing: kept as far as float64 products tell, surely not kept, to be measured.
FAR, NEAR, UNSURE = 0, 1, 2


class DeviceFront:
    """The rows of the highest bounds, with their distances to all picks, weighted and sorted, in float64.

    A pick is put into all of them by one kernel, which keeps the scores exact; so no row is scored again while it stays. Another
    finds the winner, and three numbers come back to the host: the only time that it waits for the device at each pick. When the
    front is chosen anew, rows that stay keep their place. Rows outside whose bounds are too high to decide are scored as well.

    Args:
        scores: of all rows.
        candidates: which rows may be picked.
        worth: (n,) by what scores are multiplied.
        room: what may be picked.
        size: rows in the front.
    """

    def __init__(self, scores: DeviceScores, candidates: Candidates, worth: Floats, room: Room, size: int) -> None:
        import torch

        self.scores, self.candidates, self.room = scores, candidates, room
        self.rest = DeviceRest(scores, worth)
        self.n, most = len(worth), len(scores.rows)
        self.size = max(1, min(size, self.n, FRONT_BYTES // (8 * most)))
        device = scores.pool.rows.device
        self.all_worth = to_device(np.asarray(worth, np.float64))
        self.rows = torch.zeros(self.size, dtype=torch.int64, device=device)
        # Places that hold no row yet are closed, and stand for row 0.
        self.taken = torch.zeros(self.size, dtype=torch.bool, device=device)
        self.open = torch.zeros(self.size, dtype=torch.int8, device=device)
        self.near = torch.zeros(self.size, dtype=torch.int8, device=device)
        self.sorted = torch.zeros((self.size, most), dtype=torch.float64, device=device)
        self.score, self.worth = torch.zeros((2, self.size), dtype=torch.float64, device=device)
        self.found = torch.zeros(3, dtype=torch.float64, device=device)
        # Kernels take numbers as float32; what has to be exact lies on the device.
        # Of a squared distance (|x| - |p|)^2 + 2 |x| |p| (1 - cos), in shares of (|x| + |p|)^2. The cosine's error counts half,
        # since 2 |x| |p| is at most half of that; those of the lengths, a quarter of it each, count half in either term; the
        # distance that is measured in the end may be off by one.
        self.error = 4 * wide_error_share(scores.pool.rows.shape[1])
        self.limits = to_device(np.array([-np.inf, self.error]))
        self.first: tuple[int, float] | None = None
        self.host_rows: Ints = np.zeros(self.size, np.int64)
        self.allowed = np.ones(self.size, bool)

    def begin(self, made: int) -> DeviceFront:
        """Choose the front anew, after `made` picks, every pick folded into the bounds; the next pick is known then."""
        import torch

        allowed = to_device(self.candidates.allowed(made))
        spacing = self.candidates.spacing if self.candidates.spaced is None else 0.0
        self.limits[0] = spacing**2 if spacing else -torch.inf
        limits = torch.where(allowed, self.scores.bound * self.all_worth, -torch.inf)
        known = torch.zeros_like(allowed)
        kept = self.rows[self.taken]
        self.score = self.scores.scores_of(self.sorted[:, : self.scores.count])
        limits[kept] = torch.where(allowed[kept], (self.score * self.worth)[self.taken], -torch.inf)
        known[kept] = True
        self._admit(limits.topk(self.size).indices, limits, known)
        self._score_what_may_win(limits, known)
        self.open = (self.taken & (limits[self.rows] > -torch.inf)).to(torch.int8)
        limits[self.rows[self.taken]] = -torch.inf
        self.rest.limits = self.rest.most(limits).cpu().numpy()
        if self.room.selective:
            self.host_rows = self.rows.cpu().numpy()
            self.allowed = self.candidates.allows(self.host_rows)
        return self

    def best(self) -> tuple[int, float] | None:
        """Return the row worth most and what it is worth; None where a row outside the front might be worth as much."""
        if self.first is not None:
            first, self.first = self.first, None
            return first if first[1] > -np.inf else None
        best, row, unsure = self._winner()
        if unsure:
            self._measure_unsure()
            best, row, _ = self._winner()
        floor = best - abs(best) * TIE if np.isfinite(best) else best
        if best == -np.inf or (self.rest.limits >= floor).any():
            return None
        return int(row), best

    def follow(self, pick: int) -> None:
        """Put a pick, the last that the scores were given, into the rows of the front; raise the bound on the others."""
        scores, before = self.scores, self.scores.count - 1
        self.rest.follow(float(scores.weights[before]), float(scores.sigma[pick]), float(self.rest.angles[pick]))
        pool, kernels = scores.pool, device_kernels()
        given = (
            pool.rows, pool.scale, pool.norms, scores.device_own, scores.device_sigma, scores.device_weights, self.limits,
            self.rows, self.sorted, self.score, self.open, self.near, pick, before,
        )  # fmt: skip
        if kernels is not None:
            kernels.insert(*given)
        else:
            _insert(*given)
        if self.room.selective:
            allowed = self.candidates.allows(self.host_rows)
            if (allowed != self.allowed).any():
                self.allowed = allowed
                self.open *= to_device(allowed.astype(np.int8))

    def close(self) -> None:
        """Tell the candidates who is too near to a pick."""
        if self.candidates.spacing and self.candidates.spaced is None:
            self._measure_unsure()
            self._set_aside(self.rows[self.near == NEAR])

    def _winner(self) -> tuple[float, float, float]:
        kernels = device_kernels()
        given = (self.rows, self.score, self.worth, self.open, self.near, self.found, TIE)
        if kernels is not None:
            kernels.winner(*given)
        else:
            _winner(*given)
        best, row, unsure = self.found.tolist()
        return best, row, unsure

    def _admit(self, top: Any, limits: Any, known: Any) -> None:
        """Give rows of the highest limits a place in the front; rows that are not among them make room."""
        import torch

        wanted = torch.zeros_like(known)
        wanted[top] = True
        new = top[~known[top] & (limits[top] > -torch.inf)]
        free = torch.nonzero(~(self.taken & wanted[self.rows])).flatten()[: len(new)]
        step, count = self.scores.rows_at_once(), self.scores.count
        for start in range(0, len(new), step):
            rows, to = new[start : start + step], free[start : start + step]
            weighted, score, near = self._scored(rows)
            self.sorted[to, :count] = weighted
            self.rows[to], self.score[to], self.worth[to], self.taken[to] = rows, score, self.all_worth[rows], True
            self.near[to] = near.to(torch.int8)
            limits[rows] = torch.where(near, -torch.inf, score * self.all_worth[rows])
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
            limits[rows] = torch.where(near, -torch.inf, score * self.all_worth[rows])
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
        states = _nearness(self.scores.pool.norms[rows, None], self.scores.pool.norms[picks], distances, self.limits)
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
        at = ((self.near == UNSURE) & (self.open > 0)).nonzero().flatten()
        rows = self.rows[at].cpu().numpy()
        near = to_device(self._closer(rows, np.full(len(rows), self.scores.rows[self.scores.count - 1])).astype(np.int8))
        self.near[at] = near * NEAR
        self.open[at] = 1 - near


def _nearness(norms: Any, others: Any, distances: Any, limits: Any) -> Any:
    """Return FAR, NEAR or UNSURE for each cosine distance of rows to picks, whose lengths are given."""
    squared = (norms - others) ** 2 + 2 * norms * others * distances
    error = limits[1] * (norms + others) ** 2
    return (squared - error <= limits[0]) * (UNSURE - (squared + error <= limits[0]) * (UNSURE - NEAR))


def _insert(
    x: Any, scale: Any, norms: Any, own: Any, sigma: Any, weights: Any, limits: Any, front: Any, sorted_rows: Any, score: Any,
    open_rows: Any, near: Any, pick: int, count: int,
) -> None:  # fmt: skip
    """Put the distance to a pick into the sorted row of each row of the front; see triton_kernels.insert."""
    import torch

    cosines = (x[front].double() @ x[pick].double()) * (scale[front] * scale[pick])
    distances = (1 - cosines).clamp(min=0)
    states = _nearness(norms[front], norms[pick], distances, limits)
    near.copy_(torch.where((states == FAR) | (near == NEAR), near, states.to(torch.int8)))
    open_rows[(states == NEAR) | (front == pick)] = 0
    values = (distances * (own[front] + sigma[pick]))[:, None]
    rank = torch.searchsorted(sorted_rows[:, :count].contiguous(), values, right=True)
    place = torch.arange(count + 1, device=x.device)
    moved = sorted_rows[:, : count + 1].gather(1, place - (place > rank).long())
    sorted_rows[:, : count + 1] = moved.scatter_(1, rank, values)
    score.copy_(sorted_rows[:, : count + 1] @ weights[: count + 1])


def _winner(front: Any, score: Any, worth: Any, open_rows: Any, near: Any, found: Any, tie: float) -> None:
    """Write the best worth of open rows, the lowest row within a share `tie` of it, and how many may be too near."""
    import torch

    live = open_rows > 0
    value = torch.where(live, score * worth, -torch.inf)
    best = value.amax()
    found[0] = best
    found[1] = front[live & (value >= best - best.abs() * tie)].min() if float(best) > -np.inf else 0
    found[2] = (live & (near == UNSURE)).sum()
