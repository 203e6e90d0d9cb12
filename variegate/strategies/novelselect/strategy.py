"""NovelSelect: greedy selection by novelty (Yang et al. 2025)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import (
    NearDuplicates,
    Novelty,
    density,
    distinct_rows,
    exact_novelty,
    near_duplicates,
    over_pairs,
    same_rows,
)
from variegate.geometry.rounding import error_share
from variegate.strategies.first import first_of
from variegate.strategies.novelselect.loop import greedy
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks
from variegate.strategies.ties import lowest_of_best

__all__ = ["novelselect"]

Floats = NDArray[np.float64]

# The authors' recommendation for NovelSum, which NovelSelect shares.
NEIGHBOURS, ALPHA, BETA = 10, 1.0, 0.5
# Rows at most this share of the typical neighbour distance apart are near-duplicates. At beta = 0.5 it keeps every
# density below about three times the typical one. docs/duplicates.md has the measurements behind it.
CLOSENESS = 1 / 3
# In a redundant pool picks are this many radii apart while there are such rows: no row is a near-duplicate of two picks.
SPACING = 2.0
# A pool is redundant where at least this share of its rows are near-duplicates of another.
REDUNDANT = 0.01
# Candidates whose exact score is computed together, to begin with.
BATCH = 4


def novelselect(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    reference: NDArray[Any] | None = None,
    k: int | None = None,
    alpha: float = ALPHA,
    beta: float = BETA,
    density_of: str = "both",
    first: int | str | None = None,
    duplicates: str = "near",
    closeness: float = CLOSENESS,
    spacing: float | None = None,
    quality: Floats | None = None,
    gamma: float = 1.0,
    per_token: bool = False,
    room: Room | None = None,
) -> Picks:
    """Choose rows greedily by novelty with respect to the picks so far.

    Each pick maximises v(x) = sum_r e_(r) / r^alpha over the earlier picks, e = cosdist(x, x_j) * sigma sorted ascending.
    With a quality it is v(x) * quality(x)^gamma. Exact: the picks are those of the definition, found without scoring every row at
    every step.

    Args:
        x: (n, d) vectors, no zero rows.
        size: how many to choose.
        seed: draws the first row where `first` is None or "random".
        reference: (m, d) vectors in which densities are taken; the pool itself if None.
        k: neighbours of the density; None for 10, or for half of the distinct rows where a pool has no more than 10.
        alpha: how fast the weight falls with the rank.
        beta: strength of the density; 0 for none.
        density_of: "both", sigma(x) + sigma(x_j) (the authors' code), or "other", sigma(x_j) (the paper's text).
        first: the row to begin with, "random", or "most_novel".
        duplicates: "near" lets one row stand for each group of near-duplicates, in the density and among the candidates,
            until no group is left. "exact" is the authors' rule: bit-identical rows count once in the density, and every
            row is a candidate. "keep" leaves all rows in both.
        closeness: how near near-duplicates are, as a share of the typical neighbour distance.
        spacing: how many radii of near-duplicates apart picks are while there are such rows, with duplicates="near". None is
            2 in a redundant pool, where at least one row in a hundred is a near-duplicate of another, and 0 elsewhere.
        quality: (n,) of at least 0; None for no quality.
        gamma: strength of the quality; 0 for none.
        per_token: under a budget, whether v(x) is divided by the row's tokens.
        room: what may be picked, in place of `size`; rows that are owned are the first of the earlier picks.

    Returns:
        Picks; a pick's gain is its v(x), times quality(x)^gamma, by the token with `per_token`.

    Reference: Yang et al. 2025, "Measuring Data Diversity for Instruction Tuning", ACL, algorithm 1.
    """
    asked, k = k, NEIGHBOURS if k is None else k
    _check(k, alpha, beta, density_of, duplicates, closeness, spacing)
    if not np.isfinite(gamma) or gamma < 0:
        raise bad_parameter("gamma", "novelselect", "a number of at least 0", gamma)
    room = Room.of(room, len(x), size)
    if reference is not None and same_rows(reference, x):
        # Its groups serve both, and half of its products are saved.
        reference = None
    groups = near_duplicates(x, closeness=closeness, k=k) if duplicates == "near" else None
    points, rows_of_points = _density_rows(x, reference, groups, duplicates, closeness, k)
    notes = []
    if asked is None and reference is None and 1 < len(points) <= k and beta:
        k = (len(points) + 1) // 2
        notes.append(f"the pool has {len(points)} distinct rows, so densities are taken among k = {k} neighbours instead of 10")
    sigma = density(x, points, k=k, beta=beta, points_at=rows_of_points)
    params: dict[str, Any] = {
        "k": k,
        "density_median": float(np.median(sigma)),
        "density_max": float(sigma.max()),
        "reference_rows": len(points),
    }
    # Often a copy of most of the vectors, and not needed any more.
    del points
    start = _first(first, x, sigma, seed, alpha, room, groups)
    if start is not None:
        params["first"] = start
    if groups is not None:
        if spacing is None:
            spacing = SPACING if groups.collapsed >= REDUNDANT * len(x) else 0.0
        params |= {
            "near_duplicate_radius": groups.radius,
            "near_duplicate_rows": groups.collapsed,
            "spacing": spacing,
        }
        notes.append(
            f"{groups.collapsed:,} of {len(x):,} rows are near-duplicates of another (L2 distance up to {groups.radius:.3g}); "
            f"{len(groups.representatives):,} rows were candidates"
        )
    distance = spacing * groups.radius if groups is not None and spacing else 0.0
    worth = None if quality is None or gamma == 0 else np.asarray(quality, np.float64) ** gamma
    if (weights := room.weights(per_token)) is not None:
        worth = (1.0 if worth is None else worth) / weights
    rows, gains, spaced = greedy(x, sigma, room, start, alpha, density_of, groups, distance, worth, BATCH)
    if distance:
        params["spaced_picks"] = spaced
        closer = f", but for the last {len(rows) - spaced:,}" if spaced < len(rows) else ""
        notes.append(f"picks are at least {distance:.3g} apart{closer}")
    return Picks(rows, gains, params, notes)


def _check(k: int, alpha: float, beta: float, density_of: str, duplicates: str, closeness: float, spacing: float | None) -> None:
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise bad_parameter("k", "novelselect", "an int of at least 1", k)
    for name, value in (("alpha", alpha), ("beta", beta)):
        if isinstance(value, str) or not np.isfinite(value) or value < 0:
            raise bad_parameter(name, "novelselect", "a number of at least 0", value)
    if density_of not in ("both", "other"):
        raise bad_parameter("density_of", "novelselect", "'both' or 'other'", density_of)
    if duplicates not in ("near", "exact", "keep"):
        raise bad_parameter("duplicates", "novelselect", "'near', 'exact' or 'keep'", duplicates)
    if isinstance(closeness, str) or not 0 < closeness <= 1:
        raise bad_parameter("closeness", "novelselect", "a number in (0, 1]", closeness)
    if spacing is not None and (not isinstance(spacing, int | float) or not 0 <= spacing < np.inf):
        raise bad_parameter("spacing", "novelselect", "a number of at least 0, or null", spacing)
    if spacing and duplicates != "near":
        raise bad_parameter("spacing", "novelselect", "left out unless duplicates is 'near'", spacing)


def _density_rows(
    x: NDArray[Any], reference: NDArray[Any] | None, groups: NearDuplicates | None, duplicates: str, closeness: float, k: int
) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Return the vectors that the density is taken among, and where they stand in the pool if they are its own."""
    points = x if reference is None else reference
    if duplicates == "keep":
        rows = np.arange(len(points))
    elif duplicates == "exact":
        rows = distinct_rows(points)
    else:
        if reference is not None or groups is None:
            groups = near_duplicates(points, closeness=closeness, k=k)
        rows = groups.representatives
    return (points if duplicates == "keep" else np.asarray(points[rows])), (rows if points is x else None)


def _first(
    first: int | str | None,
    x: NDArray[Any],
    sigma: Floats,
    seed: int,
    alpha: float,
    room: Room,
    groups: NearDuplicates | None,
) -> int | None:
    """Return the row to begin with; None where there are owned rows, after which every pick goes by its score."""
    if first == "most_novel" and not len(room.owned):
        statistic = Novelty(len(x), sigma, alpha=alpha, density_of="self", include_self=True)
        over_pairs(x, [statistic])
        rows = np.flatnonzero(room.open)
        novelty = statistic.result()[rows]
        # What stands at a rank moves by no more than what moves most, and their weighted mean, summed
        # in float64, by no more than that: what one distance is off by. Those that are computed again
        # are off by less. Rows within that of the best are compared in float64.
        noise = sigma[rows] * error_share(x.shape[1])
        close = rows[novelty + noise >= (novelty - noise).max()]
        start = [lowest_of_best(close, exact_novelty(x, close, sigma, alpha=alpha))]
    else:
        start = first_of(first, room, seed, "novelselect", drawn=True)
    if not start:
        return None
    chosen = first is not None and not isinstance(first, str)
    stands_for = start[0] if groups is None or chosen else int(groups.representative[start[0]])
    return stands_for if room.open[stands_for] else start[0]
