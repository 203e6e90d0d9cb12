"""What each row is compared with when near-duplicates are grouped: the rows that stand for a group so far."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.device import active_device, full_float32, to_device, to_numpy
from variegate.geometry.threads import Threads
from variegate.geometry.vectors import Floats, Ints, blocks

__all__ = ["Leaders", "LeadersOnDevice"]

F32 = NDArray[np.float32]

# Representatives that a block of rows is compared with together, here and on a device.
POINTS, DEVICE_POINTS = 2048, 1 << 17


class Leaders:
    """The representatives so far, in order, less the centre of all rows."""

    def __init__(self, n: int, d: int) -> None:
        self.vectors: Any = np.empty((n, d), np.float32)
        self.least: Any = np.empty(n, np.float32)
        self.rows = np.empty(n, np.int64)
        self.count = 0
        self.local = threading.local()

    def add(self, vectors: F32, least: F32, rows: Ints) -> None:
        """Add representatives: their vectors, what their squared length is at least, their rows."""
        part = slice(self.count, self.count + len(rows))
        self.vectors[part], self.least[part], self.rows[part] = vectors, least, rows
        self.count += len(rows)

    def near(self, block: F32, limits: Floats, threads: Threads) -> Iterator[tuple[Ints, Ints]]:
        """Yield pairs of a row of the block and a representative's row, representatives ascending from one array to the next.

        Args:
            block: (rows, d), less the centre.
            limits: (rows,) what the squared distance less the row's own squared length may be.
            threads: that share the work.
        """
        doubled, above = -2 * block, np.nextafter(limits.astype(np.float32), np.float32(np.inf))[:, None]
        return threads.each(lambda part: self._near(part, doubled, above), blocks(self.count, POINTS))

    def _near(self, part: tuple[int, int], doubled: F32, above: F32) -> tuple[Ints, Ints]:
        low, high = part
        if not hasattr(self.local, "memory") or self.local.memory.size < len(doubled) * POINTS:
            # Fresh pages cost as much as the product.
            self.local.memory = np.empty(len(doubled) * POINTS, np.float32)
        out = self.local.memory[: len(doubled) * (high - low)].reshape(len(doubled), high - low)
        bounds = np.matmul(doubled, self.vectors[low:high].T, out=out)
        bounds += self.least[low:high]
        at, column = np.divmod(np.flatnonzero((bounds <= above).ravel()), high - low)
        return at, self.rows[low:high][column]


class LeadersOnDevice(Leaders):
    """The same on a device, whose products are large and whose threads are its own."""

    def __init__(self, n: int, d: int) -> None:
        import torch

        super().__init__(0, d)
        self.rows = np.empty(n, np.int64)
        self.vectors = torch.empty((n, d), dtype=torch.float32, device=active_device())
        self.least = torch.empty(n, dtype=torch.float32, device=active_device())

    def add(self, vectors: F32, least: F32, rows: Ints) -> None:
        """Add representatives, as :meth:`Leaders.add` does."""
        super().add(to_device(vectors), to_device(least), rows)

    def near(self, block: F32, limits: Floats, threads: Threads) -> Iterator[tuple[Ints, Ints]]:
        """Yield near pairs, as :meth:`Leaders.near` does."""
        doubled = to_device(-2 * block)
        above = to_device(np.nextafter(limits.astype(np.float32), np.float32(np.inf)))[:, None]
        for low, high in blocks(self.count, DEVICE_POINTS):
            with full_float32():
                bounds = doubled @ self.vectors[low:high].T
            at, column = to_numpy((bounds + self.least[low:high] <= above).nonzero()).T
            yield at, self.rows[low:high][column]
