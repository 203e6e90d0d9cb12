"""Upper bounds on the novelty of all rows, on a device: each row's distances to the picks, counted into bins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import Held, kernels_run, to_device
from variegate.geometry.rounding import sum_share

__all__ = ["Bins"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Bins, and how many of them lie evenly between no distance and a row's mean one.
BINS, EVEN = 64, 32
# Picks whose distances are counted together.
PICK_ROWS = 256
# Bins are laid out anew when there are this many times the picks that there were: in all a third of a pass more.
ANEW = 4
# Rows and picks that the layout goes by.
SAMPLE_ROWS, SAMPLE_PICKS, OWN_PICKS = 256, 2048, 256
# Bytes of distances at once, where no kernel keeps them out of memory.
BLOCK_BYTES = 256 << 20
# Picks that a kernel adds up together.
TOGETHER = 64
# Rows whose mean distance is below this have all in one bin. The least density, as a share of the largest.
LEAST_MEAN, LEAST_DENSITY = 1e-12, 1e-30


class Bins:
    """Each row's weighted distances to the picks, as counts and sums by bins.

    The score of a row is the sum of w_r e_(r), its distances e sorted ascending; of all orders that one has the least sum. Let c
    distances of mean m be in a bin and b in the bins before it. Their orders within the bin have, on average, the sum
    m (w_(b+1) + ... + w_(b+c)), so that the bins' sum bounds the score from above, however they are laid out. It is close where
    the weights, or the distances, of a bin are nearly the same; unlike a bound that follows each pick it does not age.

    Distances go into bins by their share of the row's mean distance. Half of the bins are even up to the mean, so that no row has
    many near picks in one; the others follow the quantiles of a sample, the first of a few picks, each further one of some more.

    Args:
        pool: the rows.
        sigma: (n,) densities.
        own: (n,) the part of a row's own density in its weighted distances.
        weights: (most,) of the ranks.

    Attributes:
        bound: (n,) on the device, float64: at least the score of each row with respect to all picks added.
    """

    def __init__(self, pool: Held, sigma: Floats, own: Floats, weights: Floats) -> None:
        import torch

        n, device = len(pool), pool.rows.device
        self.pool = pool
        # As shares of the largest, never rounded down: float32 has no room for all densities.
        self.largest = float(sigma.max())
        self.sigma, self.own = (to_device(_upwards(values / self.largest)) for values in (sigma, own))
        self.table = to_device(np.concatenate([[0.0], np.cumsum(weights)]))
        self.counts = torch.zeros((BINS, n), dtype=torch.int32, device=device)
        self.sums = torch.zeros((BINS, n), dtype=torch.float32, device=device)
        self.inverse = torch.zeros(n, dtype=torch.float32, device=device)
        self.edges = torch.full((BINS,), torch.inf, dtype=torch.float32, device=device)
        self.raw = torch.zeros(n, dtype=torch.float64, device=device)
        self.bound = torch.zeros(n, dtype=torch.float64, device=device)
        self.picks = torch.zeros(0, dtype=torch.int64, device=device)
        self.laid_out_for = self.additions = 0

    def add(self, picks: Ints) -> None:
        """Take picks into account."""
        import torch

        new = to_device(picks)
        self.picks = torch.cat([self.picks, new])
        count = len(self.picks)
        if count >= ANEW * self.laid_out_for:
            self._lay_out()
            new, self.laid_out_for, self.additions = self.picks, count, 0
            self.counts.zero_()
            self.sums.zero_()
        for start in range(0, len(new), PICK_ROWS):
            self._count(new[start : start + PICK_ROWS])
        # Distances are no less than they are but for three roundings: of the densities' sum, of 1 - cosine, of their product.
        share = sum_share(self.additions + TOGETHER)
        # A sum in the table is off by 2^-53 for each of its terms. The bins' means ascend, so that what their weights are off by
        # comes to no more than twice that, times the largest mean, which is at most 2 (1 + own). Twice, to be safe.
        table = 2.0**-51 * len(self.table) * self.table[count]
        self.bound = (self.raw * (1 + share) + table * (2 + self.own)) * self.largest

    def _count(self, picks: Any) -> None:
        """Count the distances to at most `PICK_ROWS` picks into the bins, and bound the scores."""
        pool = self.pool
        rows, scale, sigma = pool.coarse[picks], pool.coarse_scale[picks], self.sigma[picks]
        if kernels_run():
            from variegate.strategies.novelselect import kernels

            kernels.add_to_bins(self, rows, scale, sigma)
            self.additions += -(-len(picks) // TOGETHER)
            return
        step = self._step(len(picks))
        for start in range(0, len(pool), step):
            part = slice(start, start + step)
            distances = self._distances(part, rows, scale, sigma)
            self._put(part, distances)
            self.raw[part] = self._sum(part)
        self.additions += len(picks)

    def _put(self, part: slice, distances: Any) -> None:
        import torch

        at = torch.bucketize(distances * self.inverse[part, None], self.edges).T
        self.counts[:, part].scatter_add_(0, at, torch.ones_like(at, dtype=torch.int32))
        self.sums[:, part].scatter_add_(0, at, distances.T)

    def _sum(self, part: slice) -> Any:
        """Return the sum over the bins, each the mean of its distances times the weights of its ranks, shape (rows,)."""
        counts = self.counts[:, part].long()
        last = counts.cumsum(0)
        weights = self.table[last] - self.table[last - counts]
        return (self.sums[:, part].double() / counts.clamp(min=1) * weights).sum(0)

    def _distances(self, part: Any, rows: Any, scale: Any, sigma: Any) -> Any:
        """Return the weighted distances of some rows to picks, at least what they are, as shares of the largest density."""
        pool = self.pool
        cosines = pool.coarse_products(part, rows) * (pool.coarse_scale[part, None] * scale)
        return (1 + pool.slack - cosines).clamp(min=0) * (self.own[part, None] + sigma)

    def _lay_out(self) -> None:
        """Find each row's mean distance to some of the picks, and the edges of the bins as shares of it from some of the rows."""
        import torch

        pool, n = self.pool, len(self.pool)
        some = self._some_picks(OWN_PICKS)
        given = pool.coarse[some], pool.coarse_scale[some], self.sigma[some]
        step = self._step(len(some))
        for start in range(0, n, step):
            part = slice(start, min(start + step, n))
            mean = self._distances(part, *given).mean(1)
            self.inverse[part] = torch.where(mean > LEAST_MEAN, 1 / mean, 0.0)
        many = self._some_picks(SAMPLE_PICKS)
        at = slice(0, n, max(1, n // SAMPLE_ROWS))
        shares = self._distances(at, pool.coarse[many], pool.coarse_scale[many], self.sigma[many]) * self.inverse[at, None]
        values = shares.flatten().sort().values
        even = torch.arange(1, EVEN + 1, dtype=torch.float32) / EVEN
        levels = len(many) ** (torch.arange(1, BINS - EVEN, dtype=torch.float64) / (BINS - EVEN - 1) - 1)
        ranks = (levels * (len(values) - 1)).long().to(values.device)
        self.edges[:-1] = torch.cat([even.to(values.device), values[ranks]]).sort().values

    def _some_picks(self, most: int) -> Any:
        return self.picks[:: -(-len(self.picks) // most)]

    @staticmethod
    def _step(columns: int) -> int:
        return max(1, BLOCK_BYTES // (8 * columns))


def _upwards(shares: Floats) -> NDArray[np.float32]:
    return np.asarray(np.maximum(np.nextafter(shares.astype(np.float32), np.float32(np.inf)), np.float32(LEAST_DENSITY)))
