"""The points nearest to each of a set of points, by float32 bounds: each pair is multiplied once and serves both points."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.neighbours.bounds import Screen, merge_dense, merge_sparse
from variegate.geometry.threads import Threads
from variegate.geometry.vectors import Floats, Ints, growing_blocks
from variegate.progress import track

__all__ = ["lowest_among"]

F32 = NDArray[np.float32]

# A tile of so many points by so many stays in a processor's cache with what is made of it.
POINT_ROWS, FIRST_POINTS = 1024, 256


def lowest_among(screen: Screen, k: int, threads: Threads) -> tuple[Ints, Floats]:
    """Return for each point of a screen what :meth:`Screen.lowest` does, with all points for queries.

    Args:
        screen: of the points, on the CPU, none of them passed over.
        k: how many.
        threads: that share the work, inside their block.

    Returns:
        The k points with the lowest bounds, itself included, (m, k), -1 where there are fewer; and what the squared distance of
        no other point is below, (m,).
    """
    m = len(screen)
    best, rows = np.full((m, k), np.inf, np.float32), np.full((m, k), -1, np.int64)
    # Small blocks first: after them, most points are no candidates.
    parts = [slice(start, stop) for start, stop in growing_blocks(m, FIRST_POINTS, POINT_ROWS)]
    tiles = _Tiles(screen, best, rows)
    with track("neighbours", m) as advance:
        for at, part in enumerate(parts):
            tiles.begin(part)
            # In a round each later block belongs to one thread; what is found for this round's block is merged at its end.
            found = list(threads.each(tiles.see, parts[at + 1 :]))
            if found:
                merge_sparse(best[part], rows[part], *(np.concatenate(some) for some in zip(*found, strict=True)))
            advance(part.stop - part.start)
    return rows, best.max(axis=1) + screen.own_offset


class _Tiles:
    """A block of points against later ones; each thread has memory of its own, since fresh pages cost as much as the product."""

    def __init__(self, screen: Screen, best: F32, rows: Ints) -> None:
        self.screen, self.best, self.rows = screen, best, rows
        self.local = threading.local()

    def begin(self, part: slice) -> None:
        """Start with a block of points: merge these among themselves."""
        self.part, self.doubled = part, -2 * self.screen.points[part]
        merge_dense(self.best[part], self.rows[part], self._products(part) + self.screen.least[part], part.start)
        self.limits = self.best[part].max(axis=1, keepdims=True)

    def see(self, later: slice) -> tuple[Ints, Ints, F32]:
        """Merge the block into the lowest bounds of later points; return what may be among its own: rows, points, bounds."""
        least, part = self.screen.least, self.part
        products = self._products(later)
        bounds = self.local.bounds[: products.size].reshape(products.shape)
        np.add(products, least[part, None], out=bounds)
        best, rows = self.best[later], self.rows[later]
        if part.start == 0:
            merge_dense(best, rows, bounds.T, 0)
        else:
            point, row, value = _below(bounds, best.max(axis=1))
            merge_sparse(best, rows, row, part.start + point, value)
        products += least[later]
        row, point, value = _below(products, self.limits)
        return row, later.start + point, value

    def _products(self, later: slice) -> F32:
        if not hasattr(self.local, "products"):
            self.local.products, self.local.bounds = (np.empty(POINT_ROWS * POINT_ROWS, np.float32) for _ in range(2))
        shape = len(self.doubled), later.stop - later.start
        out: F32 = self.local.products[: shape[0] * shape[1]].reshape(shape)
        return np.matmul(self.doubled, self.screen.points[later].T, out=out)


def _below(bounds: F32, limits: F32) -> tuple[Ints, Ints, F32]:
    flat = np.flatnonzero((bounds < limits).ravel())
    row, column = np.divmod(flat, bounds.shape[1])
    return row, column, bounds.ravel()[flat]
