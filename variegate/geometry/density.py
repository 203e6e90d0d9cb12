"""How densely points lie: the density that NovelSum makes of neighbours, and the distance that is typical of them."""

from __future__ import annotations

import numpy as np

from variegate.errors import DataError
from variegate.geometry.memory import entries_allowed
from variegate.geometry.neighbours.approximate import neighbours_for
from variegate.geometry.neighbours.nearest import nearest
from variegate.geometry.neighbours.searches import asked_for
from variegate.geometry.vectors import Floats, Ints, Matrix, blocks, centre_of

__all__ = ["density", "rounding_distance", "typical_neighbour_distance"]

QUERY_ROWS = 2048
# Bytes of the memory allowed for each neighbour that is held: 16 that it takes, and several times that while it is looked for.
NEIGHBOUR_SHARE = 128
# Share of a vector's length by which it moves when a model computes it in another batch or on another device. It says which rows
# are copies, and is no bound on the rounding here.
ROUNDING = 1e-5
# Added to a mean squared distance before it divides [N].
DENSITY_EPSILON = 1e-9
# Novelty is bounded in float32, which ends at 3e38: a density beyond this, or below its inverse, leaves nothing of the rest.
LARGEST = 1e36


def density(queries: Matrix, points: Matrix, *, k: int = 10, beta: float = 0.5, points_at: Ints | None = None) -> Floats:
    """Return the density of the points around each query: 1 / (mean squared distance to k neighbours + 1e-9)^beta [N].

    The nearest point of all is left out first: it is the query itself where the query is among the points. Neighbours are
    approximate after `use_neighbours("approximate")`: where some are missed, the density comes out too low.

    Args:
        queries: (n, d).
        points: (m, d), distinct rows, m > k.
        k: number of neighbours.
        beta: exponent; 0 makes every density 1.
        points_at: see :func:`nearest`.

    Returns:
        (n,) float64, greater than 0; larger where the points are closer together.

    Raises:
        DataError: there are not more than k points.
    """
    if beta == 0:
        return np.ones(len(queries))
    if len(points) <= k:
        # Half of what there are: a neighbourhood that is not the whole set.
        what, option = ("a smaller k", f"k={(len(points) + 1) // 2}") if len(points) > 1 else ("no density", "beta=0")
        raise DataError(
            f"The density needs more than k = {k} distinct reference rows, but there are {len(points)}. Pass a larger "
            f"reference, or {what}: --set {option} with select, --set novelsum.{option} with measure."
        )
    sigma = np.empty(len(queries))
    # All neighbours of all rows at once would be n x k numbers; where they are allowed, products are saved.
    together = max(QUERY_ROWS, entries_allowed(NEIGHBOUR_SHARE * (k + 1)))
    if asked_for() is not None:
        # A graph is linked once for all queries.
        together = len(queries)
    for start, stop in blocks(len(queries), together):
        here = points_at if stop - start == len(queries) else None
        squared, _ = neighbours_for("density", queries[start:stop], points, k + 1, points_at=here)
        with np.errstate(over="ignore"):
            sigma[start:stop] = (squared[:, 1:].mean(axis=1) + DENSITY_EPSILON) ** -beta
    if not ((sigma > 1 / LARGEST) & (sigma < LARGEST)).all():
        raise DataError(f"With beta = {beta} some densities are beyond all numbers. Pass a smaller beta.")
    return sigma


def rounding_distance(centre: Floats, radius: float) -> float:
    """Return the distance up to which two points may be one, computed twice: other last bits, nothing else."""
    return ROUNDING * float(np.hypot(np.linalg.norm(centre), radius))


def typical_neighbour_distance(points: Matrix, *, k: int = 10, sample: int = 2048) -> float:
    """Return the distance at which a typical point has its k nearest neighbours.

    That is the root of the median, over points, of the mean squared distance to the k nearest. Copies (points within
    a hundredth of the set's own radius, or within rounding) do not count as neighbours, so that a set in which every row
    stands many times has a scale too. Taken over `sample` points at even steps where there are more.

    Returns:
        A distance greater than 0, or 0.0 if all points are copies of each other.
    """
    centre, radius = centre_of(points)
    copies = max(radius / 100, rounding_distance(centre, radius))
    step = max(1, len(points) // sample)
    squared, _ = nearest(points[::step], points, min(k, len(points)), beyond=copies)
    found = np.isfinite(squared)
    counts = found.sum(axis=1)
    means = np.where(found, squared, 0.0).sum(axis=1)[counts > 0] / counts[counts > 0]
    return float(np.sqrt(np.median(means))) if len(means) else 0.0
