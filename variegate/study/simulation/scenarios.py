"""Sets of points in the plane whose order of diversity is known, or argued for, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["POOL_SIZE", "SCENARIOS", "Drawn", "Scenario", "names_of"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

# Rows of a pool, for each sample of a set.
POOL_SIZE = 20
# Standard deviation of a cluster, and the least distance between two of their middles.
CLUSTER, APART = 0.025, 0.25
CLUSTERS, UNEVEN_CLUSTERS = 16, 8
# How far a near-copy is moved, in the disc of radius 1: a seventh of what lies between neighbours
# in the pool at 100 samples.
NEAR = 0.003


@dataclass(frozen=True)
class Drawn:
    """One drawing of a scenario.

    Attributes:
        pool: (m, 2) points in the disc of radius 1, the reference.
        sets: rows of the pool, one array a set, from the least to the most diverse; a row that
            occurs twice is a copy.
    """

    pool: Array
    sets: tuple[Rows, ...]


@dataclass(frozen=True)
class Scenario:
    """Sets that differ in one respect.

    Attributes:
        name: of the scenario.
        sets: what each set is, from the least to the most diverse.
        reason: why this is their order.
        draw: makes the pool and the sets of a size.
        certain: whether the order follows from how the sets are made; else it is argued for by a
            paper.
    """

    name: str
    sets: tuple[str, ...]
    reason: str
    draw: Callable[[int, np.random.Generator], Drawn]
    certain: bool = True


def _uniform(m: int, rng: np.random.Generator) -> Array:
    radius, angle = np.sqrt(rng.random(m)), 2 * np.pi * rng.random(m)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def _middles(count: int, rng: np.random.Generator) -> Array:
    """Return random middles of clusters that do not overlap."""
    found = np.empty((0, 2))
    while len(found) < count:
        tried = 0.9 * _uniform(1, rng)
        if not len(found) or np.min(np.linalg.norm(found - tried, axis=1)) > APART:
            found = np.vstack([found, tried])
    return found


def _clustered(sizes: NDArray[np.int64], rng: np.random.Generator) -> tuple[Array, list[Rows]]:
    """Return a pool of clusters of these sizes, and the rows of each."""
    of_cluster = np.repeat(np.arange(len(sizes)), sizes)
    pool = _middles(len(sizes), rng)[of_cluster] + CLUSTER * rng.normal(size=(len(of_cluster), 2))
    return pool, [np.flatnonzero(of_cluster == one) for one in range(len(sizes))]


def _shares(n: int, weights: Array) -> NDArray[np.int64]:
    """Split n by weights, at least 1 each, the largest remainders first."""
    exact = (n - len(weights)) * weights / weights.sum()
    counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: n - len(weights) - counts.sum()]] += 1
    shares: NDArray[np.int64] = counts + 1
    return shares


def farthest_first(pool: Array, n: int, rng: np.random.Generator, candidates: int | None = None) -> Rows:
    """Pick rows one by one, each the farthest from those picked, of all or of random candidates."""
    picked = [int(rng.integers(len(pool)))]
    nearest = np.linalg.norm(pool - pool[picked[0]], axis=1)
    while len(picked) < n:
        some = np.arange(len(pool)) if candidates is None else rng.choice(len(pool), candidates, replace=False)
        picked.append(int(some[np.argmax(nearest[some])]))
        nearest = np.minimum(nearest, np.linalg.norm(pool - pool[picked[-1]], axis=1))
    return np.array(picked)


def _spread(n: int, rng: np.random.Generator) -> Drawn:
    pool = _uniform(POOL_SIZE * n, rng)
    outwards = np.argsort(np.linalg.norm(pool, axis=1), kind="stable")
    return Drawn(pool, tuple(rng.choice(outwards[: times * n], n, replace=False) for times in (1, 2, 4, 9, POOL_SIZE)))


def _from_clusters(rows: Sequence[Rows], counts: NDArray[np.int64], rng: np.random.Generator) -> Rows:
    return np.concatenate([rng.choice(rows[at], count, replace=False) for at, count in enumerate(counts)])


def _clusters(n: int, rng: np.random.Generator) -> Drawn:
    pool, rows = _clustered(_shares(POOL_SIZE * n, np.ones(CLUSTERS)), rng)
    counts = [_shares(n, np.ones(k)) for k in (1, 2, 4, 8, CLUSTERS)]
    return Drawn(pool, tuple(_from_clusters(rows, some, rng) for some in counts))


def _density(n: int, rng: np.random.Generator) -> Drawn:
    rank = np.arange(1, UNEVEN_CLUSTERS + 1)
    pool, rows = _clustered(_shares(POOL_SIZE * n, 1 / rank), rng)
    counts = [_shares(n, 1 / rank**exponent) for exponent in (4.0, 2.0, 1.0, 0.5, 0.0)]
    return Drawn(pool, tuple(_from_clusters(rows, some, rng) for some in counts))


def _copied(n: int) -> list[Rows]:
    """Return which of n distinct samples each place holds, for 10 to 100 % distinct ones."""
    return [np.arange(n) % max(2, round(share * n)) for share in (0.1, 0.25, 0.5, 0.75, 1.0)]


def _copies(n: int, rng: np.random.Generator) -> Drawn:
    # The first n rows of a random pool are a random set.
    return Drawn(_uniform(POOL_SIZE * n, rng), tuple(_copied(n)))


def _near_copies(n: int, rng: np.random.Generator) -> Drawn:
    pool = _uniform(POOL_SIZE * n, rng)
    sets = []
    for originals in _copied(n):
        copy = np.arange(n) >= len(np.unique(originals))
        moved = pool[originals[copy]] + NEAR * rng.normal(size=(int(copy.sum()), 2))
        sets.append(np.concatenate([originals[~copy], len(pool) + np.arange(len(moved))]))
        # The pool holds the near-copies too, as pools do.
        pool = np.vstack([pool, moved])
    return Drawn(pool, tuple(sets))


def _cover(n: int, rng: np.random.Generator) -> Drawn:
    pool = _uniform(POOL_SIZE * n, rng)

    def clumps(size: int, of: int) -> Rows:
        """Take rows in clumps: of those nearest to a random row that are still free, some."""
        free = np.ones(len(pool), dtype=bool)
        taken: list[int] = []
        while len(taken) < n:
            middle = pool[rng.choice(np.flatnonzero(free))]
            order = np.argsort(np.where(free, np.linalg.norm(pool - middle, axis=1), np.inf), kind="stable")
            some = rng.choice(order[:of], min(size, n - len(taken)), replace=False)
            free[some] = False
            taken += some.tolist()
        return np.array(taken)

    random = rng.choice(len(pool), n, replace=False)
    even = (farthest_first(pool, n, rng, 5), farthest_first(pool, n, rng))
    return Drawn(pool, (clumps(10, 10), clumps(3, 12), random, *even))


def _outliers(n: int, rng: np.random.Generator) -> Drawn:
    pool = _uniform(POOL_SIZE * n, rng)
    outwards = np.argsort(np.linalg.norm(pool, axis=1), kind="stable")
    # A fifth of the pool: the rim, from a random direction on.
    rim = outwards[-4 * n :]
    turn = (np.arctan2(pool[rim, 1], pool[rim, 0]) / (2 * np.pi) + rng.random()) % 1
    rim = rim[np.argsort(turn, kind="stable")]
    # Arcs of an eighth of its rows: two that face each other, then four, then all.
    eighth = np.arange(len(rim)) * 8 // len(rim)
    parts = [rim[np.isin(eighth, some)] for some in ([0, 4], [0, 2, 4, 6], np.arange(8))]
    return Drawn(pool, tuple(rng.choice(part, n, replace=False) for part in (*parts, np.arange(len(pool)))))


def _paper(n: int, rng: np.random.Generator) -> Drawn:
    from variegate.geometry import kmeans

    m = POOL_SIZE * n
    weights = np.array([0.35, 0.25, 0.15, 0.1, 0.05])
    of_cluster = rng.choice(6, m, p=[*weights, 1 - weights.sum()])
    middles, sds = 0.8 * _middles(5, rng), np.array([0.06, 0.1, 0.06, 0.12, 0.05])
    pool = _uniform(m, rng)
    dense = of_cluster < 5
    pool[dense] = middles[of_cluster[dense]] + sds[of_cluster[dense], None] * rng.normal(size=(int(dense.sum()), 2))
    pool /= np.maximum(1, np.linalg.norm(pool, axis=1, keepdims=True))
    redundant = rng.choice(np.flatnonzero(of_cluster < 2), n, replace=False)
    centroids = kmeans(pool, n, int(rng.integers(2**31))).centroids
    free = np.ones(m, dtype=bool)
    central: list[int] = []
    for centroid in centroids:
        central.append(int(np.argmin(np.where(free, np.linalg.norm(pool - centroid, axis=1), np.inf))))
        free[central[-1]] = False
    return Drawn(pool, (redundant, farthest_first(pool, n, rng), np.array(central)))


SCENARIOS: dict[str, Scenario] = {
    one.name: one
    for one in (
        Scenario(
            "spread", ("5 %", "10 %", "20 %", "45 %", "all of the disc"),
            "random samples of a growing disc: each disc holds the one before it", _spread,
        ),
        Scenario(
            "clusters", ("1", "2", "4", "8", "16 clusters"),
            "equal shares of ever more clusters of one spread: each set has the clusters of the one before it, and new ones",
            _clusters,
        ),
        Scenario(
            "density", ("1 / rank^4", "1 / rank^2", "1 / rank, as the pool", "1 / rank^0.5", "equal"),
            "a pool of 8 clusters of uneven density, sampled in ever more even shares: each set's shares majorise the next "
            "one's, so that every measure of evenness rises",
            _density,
        ),
        Scenario(
            "copies", ("10 %", "25 %", "50 %", "75 %", "100 % distinct"),
            "each set has the distinct samples of the one before it, and new ones in place of exact copies", _copies,
        ),
        Scenario(
            "near_copies", ("10 %", "25 %", "50 %", "75 %", "100 % distinct"),
            "the same with copies that are moved a little, which the pool holds too", _near_copies,
        ),
        Scenario(
            "cover", ("clumps of 10", "clumps of 3", "random", "farthest of 5", "farthest of all"),
            "samples of the whole disc, ever more evenly: neighbours lie farther apart, and the gaps are smaller", _cover,
        ),
        Scenario(
            "outliers", ("2 arcs", "4 arcs", "the rim", "all of the disc"),
            "outliers only, in few directions, in all, then with what lies between: each region holds the one before it",
            _outliers,
        ),
        Scenario(
            "paper", ("redundant", "farthest apart", "distance and density"),
            "the three selections of Yang et al. 2025 from a pool of uneven density: of two clusters; k-center, which minds "
            "distance alone; and one that minds density too (here the rows nearest to the centroids of k-means). That the last "
            "beats the second is the paper's argument, not a fact",
            _paper, certain=False,
        ),
    )
}  # fmt: skip


def names_of(scenarios: Sequence[str]) -> list[str]:
    """Return names without repeats, refusing unknown ones."""
    from variegate.errors import unknown_name

    for name in scenarios:
        if name not in SCENARIOS:
            raise unknown_name("scenario", name, list(SCENARIOS))
    return list(dict.fromkeys(scenarios))
