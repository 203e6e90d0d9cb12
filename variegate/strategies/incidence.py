"""Which rows carry which types, how types are pruned, and how few rows can cover them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry import shared
from variegate.progress import track
from variegate.ragged import gather, starts_of
from variegate.strategies.room import Room

__all__ = ["Incidence", "Pruning", "band_of", "greedy_cover", "prune_order", "token_incidence", "topic_incidence"]

Ints = NDArray[np.int64]


# Compared by identity, so that what was found for one can be kept.
@dataclass(frozen=True, eq=False)
class Incidence:
    """Which rows carry which types, as a sparse matrix by rows and by types.

    Attributes:
        types_of: (nnz,) types of row 0, then of row 1, ...; each type once a row.
        row_starts: (n + 1,) where each row's types start.
        rows_of: (nnz,) rows of type 0, then of type 1, ..., ascending.
        type_starts: (types + 1,) where each type's rows start.
    """

    types_of: Ints
    row_starts: Ints
    rows_of: Ints
    type_starts: Ints

    @classmethod
    def build(cls, rows: Ints, labels: NDArray[Any], n: int) -> Incidence:
        """Build from pairs of a row and a label, in any order and number; types go by ascending label."""
        types, type_of = np.unique(labels, return_inverse=True)
        pairs = np.unique(rows.astype(np.int64) * max(1, len(types)) + type_of)
        row, kind = np.divmod(pairs, max(1, len(types)))
        by_type = np.argsort(kind, kind="stable")
        starts = starts_of(np.bincount(row, minlength=n))
        type_starts = starts_of(np.bincount(kind, minlength=len(types)))
        return cls(kind, starts, row[by_type], type_starts)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.row_starts) - 1

    @property
    def types(self) -> int:
        """Number of types."""
        return len(self.type_starts) - 1

    def of_row(self, row: int) -> Ints:
        """Return the types of a row."""
        return self.types_of[self.row_starts[row] : self.row_starts[row + 1]]

    def of_type(self, kind: int) -> Ints:
        """Return the rows of a type."""
        return self.rows_of[self.type_starts[kind] : self.type_starts[kind + 1]]

    def of_rows(self, rows: Ints) -> Ints:
        """Return the types of some rows, one row's after the other's."""
        return np.asarray(self.types_of[gather(self.row_starts, rows)[0]])


@shared
def topic_incidence(topics: Ints) -> Incidence:
    """Return which rows have which topic; negative topics are none."""
    rows = np.flatnonzero(topics >= 0)
    return Incidence.build(rows, topics[rows], len(topics))


@shared
def token_incidence(ids: NDArray[Any], offsets: Ints, low: int, high: int | None) -> Incidence:
    """Return which texts hold which token types, of those that occur low to high times in all.

    Args:
        ids: (total,) token ids.
        offsets: (n + 1,) where each text's tokens start.
        low: fewest occurrences.
        high: most occurrences; None for no bound.
    """
    keep, kinds, _ = band_of(ids, low, high)
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return Incidence.build(owner[keep], kinds, len(offsets) - 1)


def band_of(ids: NDArray[Any], low: int, high: int | None) -> tuple[NDArray[np.bool_], Ints, int]:
    """Return which tokens are of a type that occurs low to high times in all, their types' numbers, and how many types there are.

    Args:
        ids: (total,) token ids.
        low: fewest occurrences.
        high: most occurrences; None for no bound.

    Returns:
        (total,) whether a token counts; (counting,) the types of those that do, numbered from 0 by ascending id; their number.
    """
    _, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    inside = (counts >= low) & (counts <= (high or counts.max(initial=0)))
    keep = inside[inverse]
    return keep, (np.cumsum(inside) - 1)[inverse[keep]], int(inside.sum())


@dataclass(frozen=True)
class Pruning:
    """The order in which types are retired.

    Attributes:
        retired: (types,) the type retired first, second, ...
        dropped_at: (n,) after how many retirements a row is dropped; rows without types at 0.
        rows_left: (types + 1,) rows left after 0, 1, 2, ... retirements.
        types_left: (types + 1,) types that these rows carry. Dropping a type's rows can take the last row of another type, which
            then is gone as well.
    """

    retired: Ints
    dropped_at: Ints
    rows_left: Ints
    types_left: Ints


@shared
def prune_order(incidence: Incidence) -> Pruning:
    """Retire the type with the fewest rows left, drop these rows, and so on until no type is left (their algorithm 1).

    The order does not depend on where it stops, so one run serves every number of types.
    """
    left = np.diff(incidence.type_starts).astype(np.int64)
    carries = np.diff(incidence.row_starts) > 0
    dropped_at = np.where(carries, incidence.types + 1, 0)
    rows_left = np.empty(incidence.types + 1, np.int64)
    rows_left[0] = carries.sum()
    types_left = np.empty(incidence.types + 1, np.int64)
    types_left[0] = incidence.types
    alive = np.ones(incidence.types, bool)
    retired = np.empty(incidence.types, np.int64)
    # What is retired counts as more than any other.
    gone = np.iinfo(np.int64).max
    fewest = left.copy()
    with track("pruning", incidence.types) as advance:
        for step in range(incidence.types):
            kind = int(fewest.argmin())
            fewest[kind] = gone
            retired[step] = kind
            rows = incidence.of_type(kind)
            rows = rows[dropped_at[rows] > step]
            dropped_at[rows] = step + 1
            lost = incidence.of_rows(rows)
            np.subtract.at(left, lost, 1)
            changed = lost[fewest[lost] != gone]
            fewest[changed] = left[changed]
            ended = np.unique(lost[(left[lost] == 0) & alive[lost]])
            alive[ended] = False
            rows_left[step + 1] = rows_left[step] - len(rows)
            types_left[step + 1] = types_left[step] - len(ended)
            advance(1)
    return Pruning(retired, dropped_at, rows_left, types_left)


def greedy_cover(incidence: Incidence, room: Room, allowed: NDArray[np.bool_], *, per_token: bool = False) -> Ints:
    """Choose rows that cover the most types, greedily, until there is no room or nothing more can be covered.

    Lazy, since gains only fall: the choice is that of plain greedy; ties go to the lowest row.

    Args:
        incidence: which rows carry which types.
        room: what may be chosen; it is used up.
        allowed: (n,) which rows may be.
        per_token: whether the gain by token decides, where the room counts tokens.
    """
    covered = np.zeros(incidence.types, bool)
    counts = np.diff(incidence.row_starts)
    weights = room.weights(per_token)
    weight = np.ones(incidence.rows) if weights is None else weights
    heap = [(-float(counts[row] / weight[row]), int(row)) for row in np.flatnonzero(allowed & (counts > 0))]
    heapq.heapify(heap)
    chosen: list[int] = []
    while heap and not room.full:
        bound, row = heapq.heappop(heap)
        if not room.open[row]:
            continue
        gain = float((~covered[incidence.of_row(row)]).sum() / weight[row])
        if gain < -bound:
            if gain:
                heapq.heappush(heap, (-gain, row))
            continue
        covered[incidence.of_row(row)] = True
        room.take(row)
        chosen.append(row)
    return np.array(chosen, np.int64)
