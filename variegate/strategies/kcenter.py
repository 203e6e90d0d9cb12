"""k-center: farthest first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import centre_of, centred_on, exact_squared_distances, unit_rows
from variegate.progress import track
from variegate.strategies.first import first_of, lowest_of_best
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks

__all__ = ["k_center"]

# Owned rows that are looked at together, and pairs whose exact distances are.
OWNED_ROWS, PAIRS = 512, 1 << 20


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
    points = unit_rows(x) if metric == "cosine" else x
    centre, scale = centre_of(points)
    centred = centred_on(points, centre)
    norms = np.einsum("nd,nd->n", centred, centred, dtype=np.float64)
    # float32 products may be off by this much; rows within it of the farthest are compared in float64.
    noise = 1e-5 * max(scale * scale, float(norms.max()))
    room = Room.of(room, len(x), size)
    # Owned rows first, then the picks.
    owned = len(room.owned)
    centres = np.empty(owned + room.size, np.int64)
    centres[:owned] = room.owned
    rough = np.full(len(x), np.inf)
    for start in range(0, owned, OWNED_ROWS):
        some = room.owned[start : start + OWNED_ROWS]
        np.minimum(rough, (norms[:, None] + norms[some] - 2 * (centred @ centred[some].T)).min(axis=1), out=rough)
    exact = np.full(len(x), np.inf)
    settled = np.zeros(len(x), np.int64)  # how many centres `exact` accounts for
    gains: list[float | None] = []
    begin = first_of(first, room, seed, "k_center", drawn=True)
    count = owned
    with track("k_center", room.size, "picks") as advance:
        while not room.full:
            if begin:
                pick = begin.pop()
                gains.append(None)
            else:
                left = np.where(room.open, rough, -np.inf)
                close = np.flatnonzero(left >= left.max() - 2 * noise)
                for low in np.unique(settled[close]):
                    rows = close[settled[close] == low]
                    new = centres[low:count]
                    if not len(new):
                        continue
                    step = max(1, PAIRS // len(new))
                    for at in range(0, len(rows), step):
                        some = rows[at : at + step]
                        pairs = np.repeat(some, len(new)), np.tile(new, len(some))
                        squared = exact_squared_distances(points, points, *pairs).reshape(len(some), len(new))
                        exact[some] = np.minimum(exact[some], squared.min(axis=1))
                settled[close] = count
                pick = lowest_of_best(close, exact[close])
                squared_gain = float(exact[pick])
                gains.append(squared_gain / 2 if metric == "cosine" else squared_gain**0.5)
            centres[count] = pick
            count += 1
            room.take(pick)
            np.minimum(rough, norms + norms[pick] - 2 * (centred @ centred[pick]), out=rough)
            advance(1)
    return Picks(centres[owned:count].copy(), gains)
