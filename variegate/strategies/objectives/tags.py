"""Information on a graph of tags as an objective: like tags share what a row gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.geometry import entries_allowed, similar_pairs
from variegate.ragged import gather, starts_of
from variegate.views.tokens import Tokens

__all__ = ["TagInformation", "given_to_tags", "tag_shares"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# A scipy.sparse CSR array; scipy has no types.
Sparse = Any
# Bytes of the memory allowed for a pair of neighbours, which takes 50 while the graph is built, and for a pair of a row and a tag
# that it gives to, which takes 40; both are there at once, so together they stay within it.
GRAPH_SHARE, GIVEN_SHARE = 256, 64
ROWS = 8192


class TagInformation:
    """Sum over tags of phi(what the picks give to the tag), phi concave.

    Args:
        given: (rows, tags) what each row gives to each tag, above 0.
        held: (tags,) what the tags have before the first pick.
        phi_gain: from what tags have and what they would get to by how much phi rises.
    """

    def __init__(self, given: Sparse, held: Floats, phi_gain: Callable[[Floats, Floats], Floats]) -> None:
        self.starts = given.indptr.astype(np.int64)
        self.tags_of, self.gives = given.indices, given.data
        by_tag = given.tocsc()
        self.tag_starts, self.rows_of = by_tag.indptr.astype(np.int64), by_tag.indices
        self.held = held.copy()
        self.phi_gain = phi_gain

    def gains_alone(self) -> Floats:
        """Return what each row would add before the first pick, shape (rows,)."""
        n = len(self.starts) - 1
        return np.concatenate([self.gains(np.arange(start, min(start + ROWS, n))) for start in range(0, n, ROWS)])

    def gains(self, rows: Ints) -> Floats:
        """Return what each of some rows would add, shape (rows,)."""
        at, lengths = gather(self.starts, rows)
        more = self.phi_gain(self.held[self.tags_of[at]], self.gives[at])
        return np.asarray(np.bincount(np.repeat(np.arange(len(rows)), lengths), more, len(rows)), np.float64)

    def take(self, row: int) -> Ints:
        """Add a pick; return the rows that give to a tag that it gives to."""
        part = slice(self.starts[row], self.starts[row + 1])
        tags = self.tags_of[part]
        self.held[tags] += self.gives[part]
        return np.asarray(self.rows_of[gather(self.tag_starts, tags)[0]])


def tag_shares(vectors: NDArray[Any], threshold: float, alpha: float, shares: str) -> Sparse:
    """Return which share of what a tag is given goes to which tag, as a sparse array (from, to).

    Args:
        vectors: (tags, d), no zero rows.
        threshold: least cosine similarity of neighbours.
        alpha: weight of neighbours.
        shares: "received" for columns that add up to 1, "sent" for rows.
    """
    from scipy.sparse import csr_array

    n = len(vectors)
    own = np.arange(n, dtype=np.int32)
    rows, others, weights = [own], [own], [np.ones(n)]
    entries = n
    for low, high, similarity in similar_pairs(vectors, threshold) if alpha else ():
        # A similarity of 0 is none, also where the threshold allows it.
        real = similarity > 0
        entries += 2 * int(real.sum())
        _check_entries(entries, GRAPH_SHARE, "the graph of tags")
        ends = low[real].astype(np.int32), high[real].astype(np.int32)
        rows += ends
        others += ends[::-1]
        weights += [alpha * similarity[real]] * 2
    graph = csr_array((np.concatenate(weights), (np.concatenate(rows), np.concatenate(others))), shape=(n, n))
    # Symmetric, so that one sum serves both.
    sums = graph.sum(axis=0)
    owner = graph.indices if shares == "received" else np.repeat(np.arange(n), np.diff(graph.indptr))
    graph.data /= sums[owner]
    return graph


def given_to_tags(tags: Tokens, types: NDArray[Any], worth: Floats, split: bool, graph: Sparse) -> Sparse:
    """Return what each row gives to each tag, a sparse array (rows, tags) without zeros."""
    from scipy.sparse import csr_array

    owner = np.repeat(np.arange(len(tags)), tags.lengths)
    # Each tag once a row.
    owner, tag = np.divmod(np.unique(owner * max(1, len(types)) + np.searchsorted(types, tags.ids)), max(1, len(types)))
    starts = starts_of(np.bincount(owner, minlength=len(tags)))
    if split:
        worth = worth / np.maximum(1, np.diff(starts))
    _check_entries(int(np.diff(graph.indptr)[tag].sum()), GIVEN_SHARE, "what rows give to tags")
    given = csr_array((worth[owner], tag, starts), shape=(len(tags), len(types))) @ graph
    given.eliminate_zeros()
    given.sort_indices()
    return given


def _check_entries(entries: int, share: int, what: str) -> None:
    most = entries_allowed(share)
    if entries > most:
        raise DataError(
            f"mig: {what} would take more than {most:,} entries, all that the memory allows. Pass a larger --memory, or a larger "
            "threshold: fewer tags are neighbours then."
        )
