"""Near duplicates among vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from variegate.geometry.memory import bytes_a_block
from variegate.geometry.neighbours import rounding_distance, typical_neighbour_distance
from variegate.geometry.screen import error_share
from variegate.geometry.sharing import shared
from variegate.geometry.vectors import Ints, Matrix, blocks, centre_of, exact_squared_distances
from variegate.progress import track

__all__ = ["NearDuplicates", "near_duplicates"]

ROWS = 1024


@dataclass(frozen=True)
class NearDuplicates:
    """Rows grouped so that representatives are more than `radius` apart and every row is within it of its own.

    Attributes:
        representative: (n,) for each row the first row of its group (itself, for a representative).
        radius: L2 distance up to which a row counts as a near-duplicate of a representative.
    """

    representative: Ints
    radius: float

    @property
    def representatives(self) -> Ints:
        """The rows that stand for their group, ascending."""
        return np.flatnonzero(self.representative == np.arange(len(self.representative)))

    @property
    def collapsed(self) -> int:
        """Number of rows that another row stands for."""
        return len(self.representative) - len(self.representatives)


@shared
def near_duplicates(vectors: Matrix, *, closeness: float = 1 / 3, k: int = 10) -> NearDuplicates:
    """Group near-duplicates: rows much closer to each other than rows of this set usually are.

    In row order, a row joins the first representative within the radius, or else becomes one. The radius is
    `closeness` times the distance at which a typical row has its k nearest neighbours, so it follows the embedder's
    scale and needs no threshold on a similarity.

    Args:
        vectors: (n, d).
        closeness: radius as a share of the typical neighbour distance, in (0, 1].
        k: neighbours for that distance.
    """
    # Where all rows are copies of each other there is no typical distance, but rounding still has a size.
    rounding = rounding_distance(*centre_of(vectors))
    radius = max(closeness * typical_neighbour_distance(vectors, k=k), rounding)
    return NearDuplicates(_group(vectors, radius), radius)


def _group(vectors: Matrix, radius: float) -> Ints:
    n, d = vectors.shape
    centre, _ = centre_of(vectors)
    # Lower bounds on squared distances come of squared lengths less a share; who is below the screen is measured in float64.
    kept = 1 - error_share(d)
    screen = radius * radius * (1 + 1e-6)
    leaders = np.empty((n, d), np.float32)
    norms = np.empty(n, np.float32)
    rows = np.empty(n, np.int64)
    count = 0
    group = np.full(n, -1, np.int64)
    tile = max(1, bytes_a_block() // (4 * ROWS))
    with track("near-duplicates", n) as advance:
        for start, stop in blocks(n, ROWS):
            block = np.asarray(vectors[start:stop] - centre, np.float32)
            own = (kept * np.einsum("nd,nd->n", block, block, dtype=np.float64)).astype(np.float32)
            for low, high in blocks(count, tile):
                scores = block @ leaders[low:high].T
                scores *= -2
                scores += norms[low:high]
                scores += own[:, None]
                at, column = np.divmod(np.flatnonzero((scores <= screen).ravel()), high - low)
                _join(group, start, at, rows[low:high][column], vectors, radius)
            new = _group_block(group[start:stop], block, own, start, vectors, radius, screen)
            leaders[count : count + len(new)] = block[new]
            norms[count : count + len(new)] = own[new]
            rows[count : count + len(new)] = start + new
            count += len(new)
            advance(stop - start)
    return group


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
