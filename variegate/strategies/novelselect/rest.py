"""One bound for all rows that NovelSelect does not look at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import active_device, to_device

__all__ = ["Rest"]

Floats = NDArray[np.float64]

# Groups of rows of like density that have a bound each.
GROUPS = 64


class Rest:
    """A bound on the worth of all rows outside the front, without looking at them.

    A pick adds at most w_(t+1) times the largest weighted distance. On the sphere a row at angle a
    from the centre and a pick at angle b are at most a + b apart. Rows are taken together in groups
    of like density.

    Args:
        angles: (n,) of the rows from a centre, or more.
        own: (n,) the part of a row's own density in its weighted distances.
        worth: (n,) by what scores are multiplied.

    Attributes:
        limits: (groups,) at least the worth of each group's rows that count.
    """

    def __init__(self, angles: Floats, own: Floats, worth: Floats) -> None:
        n, density = len(worth), own * worth
        order = np.argsort(density if density.any() else worth)
        # Groups of one size: the last row stands for those that are missing.
        width = -(-n // min(GROUPS, n))
        order = np.pad(order, (0, -n % width), mode="edge").reshape(-1, width)
        self.angles = angles
        self.density, self.worth, self.angle = (values[order].max(axis=1) for values in (density, worth, angles))
        self.groups: Any = order if active_device() is None else to_device(order)
        self.limits = np.full(len(order), -np.inf)

    def begin(self, limits: Any) -> None:
        """Start from what each row is worth at most, (n,), here or on the device; -inf for those that do not count."""
        limits = limits[self.groups]
        self.limits = limits.max(axis=1) if isinstance(limits, np.ndarray) else limits.amax(1).cpu().numpy()

    def follow(self, weight: float, density: float, pick: int) -> None:
        """Take a pick into account, by the weight of the last rank and its density."""
        reach = 1 - np.cos(np.minimum(self.angle + self.angles[pick], np.pi))
        self.limits += weight * reach * (self.density + self.worth * density)
