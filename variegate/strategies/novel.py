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
    exact_squared_distances,
    near_duplicates,
    over_pairs,
    proximity_weights,
    unit_rows,
)
from variegate.progress import track
from variegate.strategies.first import TIE, first_of, lowest_of_best
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks

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
BATCH = 64


def novelselect(
    x: NDArray[Any],
    size: int,
    *,
    seed: int,
    reference: NDArray[Any] | None = None,
    k: int = NEIGHBOURS,
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
        k: neighbours of the density.
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
    _check(k, alpha, beta, density_of, duplicates, closeness, spacing)
    if not np.isfinite(gamma) or gamma < 0:
        raise bad_parameter("gamma", "novelselect", "a number of at least 0", gamma)
    room = Room.of(room, len(x), size)
    groups = near_duplicates(x, closeness=closeness, k=k) if duplicates == "near" else None
    points = _density_rows(x, reference, groups, duplicates, closeness, k)
    sigma = density(x, points, k=k, beta=beta)
    params: dict[str, Any] = {
        "density_median": float(np.median(sigma)),
        "density_max": float(sigma.max()),
        "reference_rows": len(points),
    }
    notes = []
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
    rows, gains, spaced = _greedy(x, sigma, room, start, alpha, density_of, groups, distance, worth)
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
) -> NDArray[Any]:
    """Return the rows that the density is taken among."""
    points = x if reference is None else reference
    if duplicates == "keep":
        return points
    if duplicates == "exact":
        return np.asarray(points[distinct_rows(points)])
    if reference is not None or groups is None:
        groups = near_duplicates(points, closeness=closeness, k=k)
    return np.asarray(points[groups.representatives])


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
        # What float32 distances can be off by; rows within it of the best are compared in float64.
        noise = sigma[rows] * (2e-7 + 1e-7 * x.shape[1] ** 0.5)
        close = rows[novelty + noise >= (novelty - noise).max()]
        start = [lowest_of_best(close, exact_novelty(x, close, sigma, alpha=alpha))]
    else:
        start = first_of(first, room, seed, "novelselect", drawn=True)
    if not start:
        return None
    chosen = first is not None and not isinstance(first, str)
    stands_for = start[0] if groups is None or chosen else int(groups.representative[start[0]])
    return stands_for if room.open[stands_for] else start[0]


def _greedy(
    x: NDArray[Any],
    sigma: Floats,
    room: Room,
    start: int | None,
    alpha: float,
    density_of: str,
    groups: NearDuplicates | None = None,
    spacing: float = 0.0,
    worth: Floats | None = None,
) -> tuple[NDArray[np.int64], list[float | None], int]:
    """Pick by exact scores, computed only where an upper bound allows a row to win.

    Let S be a row's score after t picks. A new weighted distance e that lands on rank r adds e / r^alpha and moves the
    larger ones one rank down; since those are at least e, S grows by at most e / (t + 1)^alpha. So S plus these terms
    bounds the score from above without any sorting, and rows whose bound is below the best exact score need none.

    Returns the picks, their scores, and how many picks keep the spacing from all earlier ones.
    """
    n, d = x.shape
    unit = np.empty((n, d), np.float32)
    for low in range(0, n, 8192):
        unit[low : low + 8192] = unit_rows(x[low : low + 8192])
    owned = len(room.owned)
    most = owned + room.size
    # Owned rows first, then the picks.
    rows = np.empty(most, np.int64)
    picked = np.empty((most, d))
    weights = proximity_weights(most, alpha)
    # What a float32 product of unit vectors of this dimension can be off by.
    slack = np.float32(2e-7 + 1e-7 * d**0.5)
    bound = np.zeros(n)
    scored = np.zeros(n, np.int64)  # the number of picks that `bound` is exact for
    candidates = _Candidates(x, groups, spacing, float(slack), room)
    gains: list[float | None] = []

    def note(row: int, count: int) -> None:
        rows[count] = row
        picked[count] = unit_rows(x[row : row + 1])[0]
        reach = np.subtract(1 + slack, unit @ unit[row])
        bound[:] += reach * _pair_density(sigma, sigma[row], density_of) * weights[count]
        candidates.note(row, reach)

    for count, row in enumerate(room.owned.tolist()):
        note(row, count)
    count = owned
    with track("novelselect", room.size, "picks") as advance:
        while not room.full:
            if start is not None and count == owned:
                best, score = start, None
            else:
                allowed = candidates.allowed(count - owned)
                so_far = picked[:count], sigma[rows[:count]], weights[:count]
                best, score = _best(x, sigma, *so_far, density_of, bound, scored, allowed, worth)
            gains.append(score)
            room.take(best)
            note(best, count)
            count += 1
            advance(1)
    return rows[owned:count].copy(), gains, candidates.spaced if candidates.spaced is not None else count - owned


class _Candidates:
    """Which rows may be picked next: while there are any, those that are neither copies nor close to a pick.

    A row's standing is 0 for an open one, 1 for one closer to a pick than the spacing, 2 for one that another row stands
    for, 3 for a pick. The open ones come first, then those of standing 1, then of standing 2; there must be room for each.
    """

    def __init__(self, x: NDArray[Any], groups: NearDuplicates | None, spacing: float, slack: float, room: Room) -> None:
        self.x = x
        self.room = room
        self.spacing = spacing
        self.slack = slack
        self.spaced: int | None = None
        self.standing = np.zeros(len(x), np.uint8)
        self.representative = np.arange(len(x)) if groups is None else groups.representative
        self.standing[self.representative != np.arange(len(x))] = 2
        parts = [np.linalg.norm(np.asarray(x[at : at + 8192], np.float64), axis=1) for at in range(0, len(x), 8192)]
        self.norms = np.concatenate(parts)

    def note(self, pick: int, reach: NDArray[np.float32]) -> None:
        """Take note of a pick, given bounds on all cosine distances to it."""
        self.standing[pick] = 3
        stands_for = self.representative[pick]
        if self.standing[stands_for] == 0:
            # A first pick that another row stands for: that row would be a second copy.
            self.standing[stands_for] = 2
        if self.spacing and self.spaced is None:
            self._close_to(pick, reach)

    def allowed(self, count: int) -> NDArray[np.bool_]:
        """Return which rows may be the pick after `count` others."""
        for worst in (0, 1, 2):
            allowed = (self.standing <= worst) & self.room.open
            if allowed.any():
                if worst and self.spacing and self.spaced is None:
                    self.spaced = count
                return np.asarray(allowed)
        raise AssertionError("there is room, but no row")

    def _close_to(self, pick: int, reach: NDArray[np.float32]) -> None:
        product = self.norms * self.norms[pick]
        squared = (self.norms - self.norms[pick]) ** 2 + 2 * product * reach
        # `reach` is at most twice the slack too long; who is within that of the spacing is measured in float64.
        near = np.flatnonzero((squared <= self.spacing**2 + 4 * self.slack * product) & (self.standing == 0))
        exact = exact_squared_distances(self.x, self.x, near, np.full(len(near), pick))
        self.standing[near[exact <= self.spacing**2]] = 1


def _pair_density(sigma: Floats, other: Any, density_of: str) -> Any:
    return sigma + other if density_of == "both" else other


def _best(
    x: NDArray[Any],
    sigma: Floats,
    picked: Floats,
    picked_sigma: Floats,
    weights: Floats,
    density_of: str,
    bound: Floats,
    scored: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    worth: Floats | None,
) -> tuple[int, float]:
    """Return the allowed row with the largest score (times its worth), and that; makes `bound` exact for rows that it scores."""
    count = len(picked)
    limits = np.where(allowed, bound if worth is None else bound * worth, -np.inf)
    floor = -np.inf
    batch = BATCH
    while True:
        top = np.argpartition(limits, -min(batch, len(limits)))[-min(batch, len(limits)) :]
        rows = top[(scored[top] < count) & (limits[top] >= floor) & allowed[top]]
        if len(rows):
            distances = np.maximum(1 - unit_rows(x[rows]) @ picked.T, 0)
            distances *= sigma[rows, None] + picked_sigma if density_of == "both" else picked_sigma
            distances.sort(axis=1)
            bound[rows] = distances @ weights
            limits[rows] = bound[rows] if worth is None else bound[rows] * worth[rows]
            scored[rows] = count
        known = scored == count
        known &= allowed
        best = float(limits[known].max())
        floor = best - abs(best) * TIE
        if not (limits[~known] >= floor).any():
            winners = np.flatnonzero(known & (limits >= floor))
            return int(winners.min()), best
        batch = min(2 * batch, 4096)
