"""NovelSelect's scores on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import Held, held, proximity_weights, to_device
from variegate.geometry.rounding import angle_error
from variegate.geometry.vectors import blocks
from variegate.strategies.novelselect.device_histograms import Bins

__all__ = ["DeviceScores"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

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

    def angles(self) -> Floats:
        """Return the angles of all rows from a centre, or a little more, shape (n,)."""
        import torch

        pool, n, d = self.pool, len(self.x), int(self.pool.rows.shape[1])
        parts = [slice(start, stop) for start, stop in blocks(n, max(1, BLOCK_BYTES // (8 * d)))]
        centre = sum(pool.wide(part).sum(0) for part in parts)
        length = float(torch.linalg.vector_norm(centre))
        if length > n * 1e-6:
            centre = centre / length
        else:
            centre = torch.zeros_like(centre)
            centre[0] = 1
        cosines = torch.cat([pool.wide(part) @ centre for part in parts])
        return np.asarray(np.arccos(cosines.clamp(-1, 1).cpu().numpy()) + angle_error(d))

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
