"""Near duplicates among vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from variegate.geometry.density import rounding_distance, typical_neighbour_distance
from variegate.geometry.device import active_device
from variegate.geometry.neighbours.approximate import recall_of, sample_of
from variegate.geometry.neighbours.graph import Graph, Moved, effort_for
from variegate.geometry.neighbours.nearest import nearest
from variegate.geometry.neighbours.searches import Asked, Search, asked_for, collect, pays, tell
from variegate.geometry.representatives import Leaders, LeadersOnDevice
from variegate.geometry.rounding import ROUNDINGS, UNDERFLOW, UNIT, error_share
from variegate.geometry.sharing import shared
from variegate.geometry.threads import Threads
from variegate.geometry.vectors import Ints, Matrix, blocks, centre_of, exact_squared_distances
from variegate.progress import track

__all__ = ["NearDuplicates", "near_duplicates"]

PURPOSE = "near-duplicates"
# Rows that are grouped together.
ROWS = 1024
# Representatives that an approximate search looks at for each row, and over how many its recall is taken.
CANDIDATES, RECALL_AT = 16, 10


@dataclass(frozen=True)
class NearDuplicates:
    """Rows grouped so that representatives are more than `radius` apart and every row is within it of its own.

    Attributes:
        representative: (n,) for each row the first row of its group (itself, for a representative).
        radius: L2 distance up to which a row counts as a near-duplicate of a representative.
        search: how representatives were looked for; None where approximate neighbours were not asked for.
    """

    representative: Ints
    radius: float
    search: Search | None = None

    @property
    def representatives(self) -> Ints:
        """The rows that stand for their group, ascending."""
        return np.flatnonzero(self.representative == np.arange(len(self.representative)))

    @property
    def collapsed(self) -> int:
        """Number of rows that another row stands for."""
        return len(self.representative) - len(self.representatives)


def near_duplicates(vectors: Matrix, *, closeness: float = 1 / 3, k: int = 10) -> NearDuplicates:
    """Group near-duplicates: rows much closer to each other than rows of this set usually are.

    In row order, a row joins the first representative within the radius, or else becomes one. The radius is
    `closeness` times the distance at which a typical row has its k nearest neighbours, so it follows the embedder's
    scale and needs no threshold on a similarity.

    After `use_neighbours("approximate")` a row sees only those earlier representatives that a graph of them finds, and all in
    its own block of 1,024 rows. Every row still is within the radius of its representative; but a row may join a later one than
    the first, or, where none is found, become one itself, within the radius of another.

    Args:
        vectors: (n, d).
        closeness: radius as a share of the typical neighbour distance, in (0, 1].
        k: neighbours for that distance.
    """
    groups = _near_duplicates(vectors, closeness=closeness, k=k, asked=asked_for())
    if groups.search is not None:
        collect(groups.search)
    return groups


@shared
def _near_duplicates(vectors: Matrix, *, closeness: float, k: int, asked: Asked | None) -> NearDuplicates:
    # Where all rows are copies of each other there is no typical distance, but rounding still has a size.
    rounding = rounding_distance(*centre_of(vectors))
    radius = max(closeness * typical_neighbour_distance(vectors, k=k), rounding)
    if asked is None:
        return NearDuplicates(_group(vectors, radius), radius)
    if pays(len(vectors), len(vectors)):
        group, search = _group_approximately(vectors, radius, asked)
    else:
        group, search = _group(vectors, radius), Search(PURPOSE)
    tell(search)
    return NearDuplicates(group, radius, search)


def _group(vectors: Matrix, radius: float) -> Ints:
    n, d = vectors.shape
    centre, _ = centre_of(vectors)
    # Lower bounds on squared distances come of squared lengths less a share; who is below the screen is measured in float64.
    kept, screen = 1 - error_share(d), _screen(radius, d)
    leaders = (Leaders if active_device() is None else LeadersOnDevice)(n, d)
    group = np.full(n, -1, np.int64)
    with Threads() as threads, track("near-duplicates", n) as advance:
        for start, stop in blocks(n, ROWS):
            block = np.asarray(vectors[start:stop] - centre, np.float32)
            own = (kept * np.einsum("nd,nd->n", block, block, dtype=np.float64)).astype(np.float32)
            for at, leader in leaders.near(block, screen - own.astype(np.float64), threads):
                _join(group, start, at, leader, vectors, radius)
            new = _group_block(group[start:stop], block, own, start, vectors, radius, screen)
            leaders.add(block[new], own[new], start + new)
            advance(stop - start)
    return group


def _screen(radius: float, d: int) -> float:
    """Return what a lower bound on a squared distance does not exceed, by float32, where the distance is within the radius.

    The limit itself is rounded, to float32 as well, and so is the distance, by float64; products lose what is too small.
    """
    return radius * radius * (1 + ROUNDINGS * UNIT) + d * UNDERFLOW


def _join(group: Ints, start: int, at: Ints, leader: Ints, vectors: Matrix, radius: float) -> None:
    """Give each row that has none yet its first leader within the radius; pairs come sorted by row, then leader."""
    free = group[start + at] < 0
    at, leader = at[free], leader[free]
    near = exact_squared_distances(vectors, vectors, start + at, leader) <= radius * radius
    joining, first = np.unique(at[near], return_index=True)
    group[start + joining] = leader[near][first]


def _group_block(group: Ints, block: Matrix, own: Matrix, start: int, vectors: Matrix, radius: float, screen: float) -> Ints:
    """Group the rows of a block that no earlier leader took; fills `group`, returns the block's new leaders."""
    free = np.flatnonzero(group < 0)
    scores = own[free][:, None] + own[free] - 2 * (block[free] @ block[free].T)
    late, early = np.nonzero(np.tril(scores <= screen, -1))
    near = exact_squared_distances(vectors, vectors, start + free[late], start + free[early]) <= radius * radius
    leads = np.ones(len(free), bool)
    group[free] = start + free
    taken: set[int] = set()
    for row, leader in zip(late[near].tolist(), early[near].tolist(), strict=True):
        # Pairs come in row order, so an earlier row's fate is settled before it can take a later one.
        if leads[leader] and row not in taken:
            taken.add(row)
            leads[row] = False
            group[free[row]] = start + free[leader]
    return np.asarray(free[leads])


def _group_approximately(vectors: Matrix, radius: float, asked: Asked) -> tuple[Ints, Search]:
    """Group rows as `_group` does, among the earlier representatives that a graph of them finds."""
    n, d = vectors.shape
    centre, _ = centre_of(vectors)
    moved = Moved(vectors)
    kept, screen = 1 - error_share(d), _screen(radius, d)
    graph = Graph(d, effort_for(n, asked.effort))
    leaders = np.empty(n, np.int64)
    group = np.full(n, -1, np.int64)
    with track(PURPOSE, n) as advance:
        for start, stop in blocks(n, ROWS):
            stored = moved(vectors[start:stop])
            if len(graph):
                # Ascending, since the first of the representatives within the radius counts.
                found = np.sort(graph.search(stored, CANDIDATES), axis=1)
                at, column = np.nonzero(found >= 0)
                _join(group, start, at, leaders[found[at, column]], vectors, radius)
            block = np.asarray(vectors[start:stop] - centre, np.float32)
            own = (kept * np.einsum("nd,nd->n", block, block, dtype=np.float64)).astype(np.float32)
            new = _group_block(group[start:stop], block, own, start, vectors, radius, screen)
            leaders[len(graph) : len(graph) + len(new)] = start + new
            graph.add(stored[new])
            advance(stop - start)
    return group, _checked(group, graph, leaders[: len(graph)], moved, vectors, radius)


def _checked(group: Ints, graph: Graph, leaders: Ints, moved: Moved, vectors: Matrix, radius: float) -> Search:
    """Compare, for a sample of rows, what the graph finds with the representatives that are nearest."""
    sample = sample_of(len(vectors))
    k = min(RECALL_AT, len(leaders))
    exact, rows = nearest(vectors[sample], vectors[leaders], k)
    found = graph.search(moved(vectors[sample]), CANDIDATES)
    at, column = np.nonzero(found >= 0)
    squared = np.full(found.shape, np.inf)
    squared[at, column] = exact_squared_distances(vectors, vectors, sample[at], leaders[found[at, column]])
    squared.sort(axis=1)
    joinable = (exact <= radius * radius) & (leaders[rows] <= sample[:, None])
    first = np.where(joinable, leaders[rows], len(vectors)).min(axis=1)
    misplaced = int((first < group[sample]).sum())
    return Search(PURPOSE, str(graph), recall_of(squared[:, :k], exact), k, len(sample), misplaced)
