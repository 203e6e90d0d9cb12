"""NovelSelect's scores and its bound on the rows outside the front, on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import Held, held, proximity_weights, to_device
from variegate.geometry.rounding import angle_error
from variegate.strategies.novelselect.device_histograms import Bins

__all__ = ["DeviceRest", "DeviceScores"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Groups of rows of like density that have a bound each.
GROUPS = 64
# Bytes of rows, picks and distances that are looked at together in float64.
BLOCK_BYTES = 512 << 20


class DeviceScores:
    """Scores of rows with respect to the picks so far, and what bounds them; see :class:`.scores.Scores`.

    All rows have bounds by bins; exact scores are sorted distances in float64.

    Args:
        x: (n, d) vectors, no zero rows.
        sigma: (n,) densities.
        most: picks that there will be at most.
        alpha: how fast the weights fall.
        density_of: "both" or "other".

    Attributes:
        pool: the rows on the device.
        rows: (most,) the picks.
        count: picks so far.
    """

    def __init__(self, x: NDArray[Any], sigma: Floats, most: int, alpha: float, density_of: str) -> None:
        self.x, self.sigma = x, sigma
        self.own = sigma if density_of == "both" else np.zeros(len(x))
        self.weights = proximity_weights(most, alpha)
        self.pool: Held = held(x)
        self.rows = np.empty(most, np.int64)
        self.count = self.folded = 0
        self.bins = Bins(self.pool, sigma, self.own, self.weights)
        self.device_sigma, self.device_own, self.device_weights = map(to_device, (sigma, self.own, self.weights))

    def add(self, row: int) -> None:
        """Take a row as the next pick; the bounds follow with the next :meth:`fold`."""
        self.rows[self.count] = row
        self.count += 1

    def fold(self) -> None:
        """Raise the bounds of all rows by what the picks since the last time have added, reading the matrix once."""
        if self.folded < self.count:
            self.bins.add(self.rows[self.folded : self.count])
            self.folded = self.count

    @property
    def bound(self) -> Any:
        """At least the score of each row with respect to the folded picks, (n,) float64 on the device."""
        return self.bins.bound

    def distances(self, rows: Any) -> Any:
        """Return the cosine distances of some rows to all picks, in float64, shape (rows, count)."""
        import torch

        d, count = self.pool.rows.shape[1], self.count
        picks = self.bins.picks[:count]
        own = self.pool.wide(rows)
        out = torch.empty((len(rows), count), dtype=torch.float64, device=own.device)
        step = max(1, BLOCK_BYTES // (8 * d))
        for start in range(0, count, step):
            out[:, start : start + step] = own @ self.pool.wide(picks[start : start + step]).T
        return (1 - out).clamp_(min=0)

    def weighted(self, rows: Any, distances: Any) -> tuple[Any, Any]:
        """Return the weighted distances of rows, each row sorted ascending, and their exact scores; `distances` are used up."""
        distances *= self.device_own[rows, None] + self.device_sigma[self.bins.picks[: self.count]]
        distances = distances.sort(dim=1).values
        return distances, self.scores_of(distances)

    def scores_of(self, weighted: Any) -> Any:
        """Return the scores of sorted weighted distances, shape (rows,)."""
        return weighted @ self.device_weights[: self.count]

    def rows_at_once(self) -> int:
        """Return how many rows are scored together."""
        return max(1, BLOCK_BYTES // (8 * (4 * self.count + int(self.pool.rows.shape[1]))))


class DeviceRest:
    """A bound on the worth of all rows outside the front, without looking at them; see :class:`.front.Rest`.

    Args:
        scores: of all rows.
        worth: (n,) by what scores are multiplied.
    """

    def __init__(self, scores: DeviceScores, worth: Floats) -> None:
        import torch

        pool, n, d = scores.pool, len(worth), int(scores.pool.rows.shape[1])
        step = max(1, BLOCK_BYTES // (8 * d))
        parts = [slice(start, min(start + step, n)) for start in range(0, n, step)]
        centre = sum(pool.wide(part).sum(0) for part in parts)
        length = float(torch.linalg.vector_norm(centre))
        if length > n * 1e-6:
            centre = centre / length
        else:
            centre = torch.zeros_like(centre)
            centre[0] = 1
        cosines = torch.cat([pool.wide(part) @ centre for part in parts])
        self.angles: Floats = np.arccos(cosines.clamp(-1, 1).cpu().numpy()) + angle_error(d)
        density = scores.own * worth
        order = np.argsort(density if density.any() else worth)
        # Groups of one size; what is missing to that is filled with the last row once more.
        width = -(-n // min(GROUPS, n))
        self.order = to_device(np.pad(order, (0, -n % width), mode="edge").reshape(-1, width))
        self.density, self.worth, self.angle = (
            to_device(values)[self.order].amax(1).cpu().numpy() for values in (density, worth, self.angles)
        )
        self.limits = np.full(len(self.order), -np.inf)

    def most(self, limits: Any) -> Any:
        """Return the highest limit of each group, on the device."""
        return limits[self.order].amax(1)

    def follow(self, weight: float, density: float, angle: float) -> None:
        """Take a pick into account, by the weight of the last rank, its density and its angle from the centre."""
        reach = 1 - np.cos(np.minimum(self.angle + angle, np.pi))
        self.limits += weight * reach * (self.density + self.worth * density)
