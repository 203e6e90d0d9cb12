"""The front's places on a device: what one kernel puts a pick into, and another finds the winner of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import Held, kernels_run, to_device
from variegate.geometry.rounding import wide_error_share
from variegate.strategies.novelselect.device_scores import DeviceScores
from variegate.strategies.ties import TIE

if TYPE_CHECKING:
    import torch

__all__ = ["FAR", "NEAR", "UNSURE", "Places", "nearness"]

Floats = NDArray[np.float64]

# States of a row as to the spacing: kept as far as float64 products tell, surely not kept, to be measured.
FAR, NEAR, UNSURE = 0, 1, 2


@dataclass(frozen=True)
class Places:
    """Tensors on the device, written in place; n rows in the pool, `size` of them in the front.

    Attributes:
        pool: the rows, with their lengths.
        own: (n,) float64, the part of a row's own density in its weighted distances.
        sigma: (n,) float64, densities.
        weights: (most,) float64, of the ranks.
        all_worth: (n,) float64, by what scores are multiplied.
        limits: (2,) float64, the squared spacing, -inf for none, and the share of (|x| + |p|)^2 that
            a squared distance may be off by. Kernels take numbers as float32, and these must be exact.
        rows: (size,) int64, the row in each place.
        sorted: (size, most) float64, its weighted distances to the picks, ascending.
        score: (size,) float64, its score.
        worth: (size,) float64, by what that is multiplied.
        taken: (size,) bool, whether there is a row; places without one are closed, and stand for row 0.
        open: (size,) int8, whether it may be picked.
        near: (size,) int8, `FAR`, `NEAR` or `UNSURE`.
        found: (3,) float64, what :meth:`winner` found.
    """

    pool: Held
    own: Any
    sigma: Any
    weights: Any
    all_worth: Any
    limits: Any
    rows: Any
    sorted: Any
    score: Any
    worth: Any
    taken: Any
    open: Any
    near: Any
    found: Any

    @classmethod
    def without_rows(cls, scores: DeviceScores, worth: Floats, size: int) -> Places:
        """Return `size` places that hold no row yet, for the pool and the most picks of `scores`."""
        import torch

        def zeros(kind: torch.dtype, *shape: int) -> Any:
            return torch.zeros(shape, dtype=kind, device=scores.pool.rows.device)

        # Of a squared distance (|x| - |p|)^2 + 2 |x| |p| (1 - cos), in shares of (|x| + |p|)^2. The
        # cosine's error counts half, since 2 |x| |p| is at most half of that; those of the lengths, a
        # quarter of it each, count half in either term; the distance that is measured in the end may
        # be off by one.
        error = 4 * wide_error_share(scores.pool.rows.shape[1])
        return cls(
            pool=scores.pool,
            own=scores.device_own,
            sigma=scores.device_sigma,
            weights=scores.device_weights,
            all_worth=to_device(np.asarray(worth, np.float64)),
            limits=to_device(np.array([-np.inf, error])),
            rows=zeros(torch.int64, size),
            sorted=zeros(torch.float64, size, len(scores.weights)),
            score=zeros(torch.float64, size),
            worth=zeros(torch.float64, size),
            taken=zeros(torch.bool, size),
            open=zeros(torch.int8, size),
            near=zeros(torch.int8, size),
            found=zeros(torch.float64, 3),
        )

    def insert(self, pick: int, count: int) -> None:
        """Put the distance to a pick, the next after `count` others, into the sorted distances of each place.

        Scores follow. The pick's own place is closed, and so are those that are surely too near to it.
        """
        if kernels_run():
            from variegate.strategies.novelselect import kernels

            kernels.insert(self, pick, count)
        else:
            _insert(self, pick, count)

    def winner(self, tie: float = TIE) -> tuple[float, int, int]:
        """Return the best worth of open places, the lowest row within a share `tie` of it, and how many may be too near.

        The only time that the host waits for the device at each pick.
        """
        if kernels_run():
            from variegate.strategies.novelselect import kernels

            kernels.winner(self, tie)
        else:
            _winner(self, tie)
        best, row, unsure = self.found.tolist()
        return best, int(row), int(unsure)


def nearness(norms: Any, others: Any, distances: Any, limits: Any) -> Any:
    """Return `FAR`, `NEAR` or `UNSURE` for each cosine distance of rows to picks, whose lengths are given."""
    squared = (norms - others) ** 2 + 2 * norms * others * distances
    error = limits[1] * (norms + others) ** 2
    return (squared - error <= limits[0]) * (UNSURE - (squared + error <= limits[0]) * (UNSURE - NEAR))


def _insert(to: Places, pick: int, count: int) -> None:
    import torch

    x, scale, norms, front = to.pool.rows, to.pool.scale, to.pool.norms, to.rows
    cosines = (x[front].double() @ x[pick].double()) * (scale[front] * scale[pick])
    distances = (1 - cosines).clamp(min=0)
    states = nearness(norms[front], norms[pick], distances, to.limits)
    to.near.copy_(torch.where((states == FAR) | (to.near == NEAR), to.near, states.to(torch.int8)))
    to.open[(states == NEAR) | (front == pick)] = 0
    values = (distances * (to.own[front] + to.sigma[pick]))[:, None]
    rank = torch.searchsorted(to.sorted[:, :count].contiguous(), values, right=True)
    place = torch.arange(count + 1, device=x.device)
    moved = to.sorted[:, : count + 1].gather(1, place - (place > rank).long())
    to.sorted[:, : count + 1] = moved.scatter_(1, rank, values)
    to.score.copy_(to.sorted[:, : count + 1] @ to.weights[: count + 1])


def _winner(among: Places, tie: float) -> None:
    import torch

    live = among.open > 0
    value = torch.where(live, among.score * among.worth, -torch.inf)
    best = value.amax()
    among.found[0] = best
    among.found[1] = among.rows[live & (value >= best - best.abs() * tie)].min() if float(best) > -torch.inf else 0
    among.found[2] = (live & (among.near == UNSURE)).sum()
