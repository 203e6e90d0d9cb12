"""k-center: farthest first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import centre_of, centred_on, exact_squared_distances, unit_rows
from variegate.progress import track
from variegate.strategies.first import first_pick, lowest_of_best
from variegate.strategies.spec import Picks

__all__ = ["k_center"]


def k_center(x: NDArray[Any], size: int, *, seed: int, first: int | str | None = None, metric: str = "euclidean") -> Picks:
    """Choose rows farthest first: each pick is the row whose nearest earlier pick is farthest away.

    The radius that the picks cover is at most twice the smallest possible one (Gonzalez 1985).

    Args:
        x: (n, d) vectors.
        size: how many to choose.
        seed: draws the first row where `first` is None or "random".
        first: the row to begin with.
        metric: "euclidean" or "cosine".

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
    picks = np.empty(size, np.int64)
    picks[0] = first_pick(first, len(x), seed, "k_center")
    rough = np.full(len(x), np.inf)
    exact = np.full(len(x), np.inf)
    settled = np.zeros(len(x), np.int64)  # how many picks `exact` accounts for
    gains: list[float | None] = [None]
    with track("k_center", size, "picks") as advance:
        for count in range(1, size):
            last = picks[count - 1]
            np.minimum(rough, norms + norms[last] - 2 * (centred @ centred[last]), out=rough)
            rough[last] = -np.inf
            close = np.flatnonzero(rough >= rough.max() - 2 * noise)
            for low in np.unique(settled[close]):
                rows = close[settled[close] == low]
                new = picks[low:count]
                pairs = np.repeat(rows, len(new)), np.tile(new, len(rows))
                squared = exact_squared_distances(points, points, *pairs).reshape(len(rows), len(new))
                exact[rows] = np.minimum(exact[rows], squared.min(axis=1))
            settled[close] = count
            picks[count] = lowest_of_best(close, exact[close])
            squared_gain = float(exact[picks[count]])
            gains.append(squared_gain / 2 if metric == "cosine" else squared_gain**0.5)
            advance(1)
    return Picks(picks, gains)
