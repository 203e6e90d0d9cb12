"""k-center: farthest first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import UnitRows, centre_of, centred_on, exact_squared_distances
from variegate.geometry.rounding import UNDERFLOW, runs_error_share
from variegate.geometry.vectors import products_in_runs, products_with
from variegate.progress import track
from variegate.strategies.first import first_of
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks
from variegate.strategies.ties import lowest_of_best

__all__ = ["k_center"]

# Rows that are looked at together, owned rows that are, and pairs whose exact distances are.
ROWS, OWNED_ROWS, PAIRS = 4096, 512, 1 << 20
# Rows whose distances are kept up to date at every pick, and the most picks that all others can wait for.
ACTIVE, PENDING = 4096, 512


def k_center(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    first: int | str | None = None,
    metric: str = "euclidean",
    room: Room | None = None,
) -> Picks:
    """Choose rows farthest first: each pick is the row whose nearest earlier pick is farthest away.

    The radius that the picks cover is at most twice the smallest possible one (Gonzalez 1985). Under a budget of tokens picks go
    by distance alone: what is far has to be covered, whatever its length.

    Args:
        x: (n, d) vectors.
        size: how many to choose.
        seed: draws the first row where `first` is None or "random".
        first: the row to begin with.
        metric: "euclidean" or "cosine".
        room: what may be picked, in place of `size`; rows that are owned cover what is near them.

    Returns:
        Picks; a pick's gain is its distance to the nearest earlier pick.

    Reference: Gonzalez 1985; Sener & Savarese 2018 for core-sets.
    """
    if metric not in ("euclidean", "cosine"):
        raise bad_parameter("metric", "k_center", "'euclidean' or 'cosine'", metric)
    # On unit vectors the squared distance is twice the cosine distance, so both orders are one.
    points: Any = UnitRows(x) if metric == "cosine" else x
    room = Room.of(room, len(x), size)
    covered = _Covered(points, room)
    owned = len(room.owned)
    gains: list[float | None] = []
    begin = first_of(first, room, seed, "k_center", drawn=True)
    with track("k_center", room.size, "picks") as advance:
        while not room.full:
            if begin:
                pick = begin.pop()
                gains.append(None)
            else:
                pick, squared = covered.farthest(room)
                gains.append(squared / 2 if metric == "cosine" else squared**0.5)
            covered.take(pick)
            room.take(pick)
            advance(1)
    return Picks(covered.centres[owned : covered.count].copy(), gains)


class _Covered:
    """Squared distances of all rows to the nearest centre: up to date for the farthest few, bounds for all others.

    They only fall, so as long as an active row is farther than the others once were, the others need not be looked at; when
    they must be, one product does it for all the centres that came since.
    """

    def __init__(self, points: Any, room: Room) -> None:
        self.points = points
        centre, _ = centre_of(points)
        self.centred = centred_on(points, centre)
        self.norms = np.einsum("nd,nd->n", self.centred, self.centred, dtype=np.float64)
        # What a squared distance may be off by: a share of two squared lengths, and what is too small
        # for float32. Of the farthest and any other row one may be off upwards, one downwards: rows
        # within twice the noise are compared in float64.
        d = points.shape[1]
        self.noise = runs_error_share(d) * 2 * float(self.norms.max()) + d * UNDERFLOW
        # Owned rows first, then the picks.
        self.centres = np.empty(len(room.owned) + room.size, np.int64)
        self.centres[: len(room.owned)] = room.owned
        self.centre_rows = np.empty((len(self.centres), points.shape[1]), np.float32)
        self.centre_rows[: len(room.owned)] = self.centred[room.owned]
        self.count = self.folded = len(room.owned)
        n = len(points)
        self.rough = np.full(n, np.inf)
        for start in range(0, len(room.owned), OWNED_ROWS):
            self._fold(room.owned[start : start + OWNED_ROWS])
        self.exact = np.full(n, np.inf)
        self.settled = np.zeros(n, np.int64)  # how many centres `exact` accounts for
        self.active = np.zeros(0, np.int64)
        self.active_rows, self.active_rough = self.centred[:0], np.zeros(0)
        self.others = np.inf  # the largest bound of a row that is not active

    def farthest(self, room: Room) -> tuple[int, float]:
        """Return the farthest row that may be picked, and its squared distance to the nearest centre."""
        left = np.where(room.open[self.active], self.active_rough, -np.inf)
        if self.others >= left.max(initial=-np.inf) - 2 * self.noise or self.count - self.folded > PENDING:
            self._look_at_all(room)
            left = self.active_rough
        close = self.active[left >= left.max() - 2 * self.noise]
        self._settle(close)
        pick = lowest_of_best(close, self.exact[close])
        return pick, float(self.exact[pick])

    def take(self, pick: int) -> None:
        """Add a centre."""
        self.centres[self.count], self.centre_rows[self.count] = pick, self.centred[pick]
        self.count += 1
        # One thread: for so little work others cost more than they bring.
        products = products_with(self.active_rows, self.centred[pick])
        np.minimum(self.active_rough, self.norms[self.active] + self.norms[pick] - 2 * products, out=self.active_rough)

    def _fold(self, centres: NDArray[np.int64]) -> None:
        for start in range(0, len(self.rough), ROWS):
            part = slice(start, start + ROWS)
            block = products_in_runs(self.centred[part], self.centred[centres])
            block *= -2
            block += self.norms[centres].astype(np.float32)
            np.minimum(self.rough[part], self.norms[part] + block.min(axis=1), out=self.rough[part])

    def _look_at_all(self, room: Room) -> None:
        if self.folded < self.count:
            self._fold(self.centres[self.folded : self.count])
        self.folded = self.count
        rows = np.flatnonzero(room.open)
        rough = self.rough[rows]
        # Rows that cannot be told from the last active one are active too.
        least = -np.inf if len(rows) <= ACTIVE else float(np.partition(rough, -ACTIVE)[-ACTIVE]) - 4 * self.noise
        chosen = rough >= least
        self.others = float(rough[~chosen].max(initial=-np.inf))
        self.active, self.active_rough = rows[chosen], rough[chosen]
        self.active_rows = self.centred[self.active]

    def _settle(self, close: NDArray[np.int64]) -> None:
        """Bring the exact distances of some rows up to date."""
        for low in np.unique(self.settled[close]):
            rows = close[self.settled[close] == low]
            step = max(1, PAIRS // (self.count - low)) if low < self.count else len(rows)
            for at in range(0, len(rows), step):
                some, new = rows[at : at + step], slice(low, self.count)
                rough = self.norms[self.centres[new]] - 2 * products_in_runs(self.centred[some], self.centre_rows[new])
                rough += self.norms[some, None]
                # Of the new centres only those that may be the nearest of all.
                which, nearer = np.nonzero(rough <= rough.min(axis=1, keepdims=True, initial=np.inf) + 2 * self.noise)
                squared = exact_squared_distances(self.points, self.points, some[which], self.centres[low + nearer])
                np.minimum.at(self.exact, some[which], squared)
        self.settled[close] = self.count
