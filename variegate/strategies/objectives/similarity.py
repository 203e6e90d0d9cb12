"""How near the picks are to every row: the objective of facility location, exact and fast."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import bytes_a_block, coarse_unit_rows, entries_allowed, exact_products, row_lengths, unit_rows
from variegate.geometry.rounding import WIDE_UNIT, runs_error_share
from variegate.geometry.vectors import blocks, products_in_runs
from variegate.progress import track
from variegate.ragged import gather, starts_of

__all__ = ["EXACT_ROWS", "SAMPLE", "Coverage", "coverage_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pairs = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]

# Largest pool whose first picks look at all rows, and how many rows stand for all in a larger one.
EXACT_ROWS, SAMPLE = 50_000, 4096
# Rows and columns of a block of similarities.
ROWS, COLUMNS = 512, 2048
# Rows and columns where pairs are listed, at most, and the bytes that an entry of such a block takes, ten blocks being allowed.
BLOCK, BLOCK_ENTRY = 4096, 2.5
# So many pairs, or fewer, are few: every row counts from there on, and they are listed where there is memory for it.
PAIRS = 1 << 25
# Bytes of the memory allowed for a pair that is listed: 12 that it takes, 40 while the lists are made or shortened.
PAIR_SHARE = 64
# Pairs whose exact similarities are computed together.
TOGETHER = 1 << 15
# Columns by which the number of pairs is guessed.
PROBES = 64


class Coverage:
    """Sum over rows of the largest cosine similarity to a pick, at least 0.

    With few picks nearly every pair of rows matters, so gains are sums over whole rows of similarities, by float32 products. Each
    pick raises what a row has already, and soon only few pairs are more similar than that: these are then listed, in one more
    product of all rows with all, and gains are kept up to date by the lists. A gain is off by at most `slack()`; `exact` says in
    float64 what it is.

    How many pairs may be listed depends on the memory. Where there is too little for the lists, gains stay sums over whole rows,
    which takes longer; from which pick on all rows count does not depend on it.

    Args:
        x: (n, d) vectors, no zero rows.
        sample: rows that stand for all as long as the pairs that matter are many; None for all of them.
        pairs: how many pairs are few.

    Attributes:
        sampled_picks: picks that were taken while a sample stood for all.
    """

    def __init__(self, x: NDArray[Any], sample: Ints | None = None, pairs: int | None = None) -> None:
        self.x, self.n = x, len(x)
        self.unit, self.norms = coarse_unit_rows(x), row_lengths(x)
        self._drawn = sample
        self.few = PAIRS if pairs is None else pairs
        self.listed = min(self.few, entries_allowed(PAIR_SHARE))
        # What a float32 similarity can be off by, and what it is above the best so far. Where that
        # is above 0 it is at most 1: it is rounded less than a cosine distance is.
        self.error = runs_error_share(x.shape[1])
        self._probes = np.unique(np.linspace(0, self.n - 1, min(PROBES, self.n)).astype(np.int64))
        self.start_with(np.zeros(0, np.int64))

    def start_with(self, rows: Ints) -> None:
        """Forget all picks but these."""
        self.best = np.zeros(self.n)
        self._count_rows(self._drawn)
        self.count = self.sampled_picks = len(rows)
        self.lists: _Lists | None = None
        self._new = False
        self._tried = 0
        self._next: tuple[int, Floats] | None = None
        for low, high in blocks(len(rows), ROWS):
            picked = self._exact_unit(rows[low:high])
            for start, stop in blocks(self.n, COLUMNS):
                near = self._exact_unit(slice(start, stop)) @ picked.T
                np.maximum(self.best[start:stop], near.max(axis=1), out=self.best[start:stop])
        if len(rows):
            self._list_if_few()
            self._new = False

    def all_gains(self) -> Floats:
        """Return what each row would add, shape (n,)."""
        if self.lists is not None:
            return np.array(self.lists.gains)
        out = np.empty(self.n)
        with track("facility location", self.n) as advance:
            for start, stop in blocks(self.n, ROWS):
                out[start:stop] = self.gains(np.arange(start, stop))
                advance(stop - start)
        return out

    def gains(self, rows: Ints) -> Floats:
        """Return what each of some rows would add, shape (rows,), by float32 similarities."""
        if self.lists is not None:
            return np.asarray(self.lists.gains[rows])
        return self.scale * _sums(self.unit[rows], self.columns, self.best[self.sample].astype(np.float32))

    def slack(self) -> Floats | float:
        """Return what a gain may be off by: the similarities' errors, since float64 adds them up."""
        return self.n * self.error if self.lists is None else self.lists.slack(self.error)

    def exact(self, rows: Ints) -> Floats:
        """Return what each of some rows would add, shape (rows,), in float64."""
        if self.lists is not None:
            return self.lists.exact(rows, self)
        out = np.zeros(len(rows))
        for low, high in blocks(len(rows), ROWS):
            left = self._exact_unit(rows[low:high])
            for start, stop in blocks(len(self.sample), COLUMNS):
                columns = self.sample[start:stop]
                out[low:high] += self.scale * _sums(left, self._exact_unit(columns), self.best[columns])
        return out

    def whole(self) -> float:
        """Return what a pick for each row would come to."""
        return float(self.n)

    def worth(self, row: int) -> float:
        """Return what a row adds, whether or not a sample stands for all."""
        return self._worth(row)[0]

    def take(self, row: int) -> Ints | None:
        """Add a pick; return the rows whose gains it may have lowered, None for all of them."""
        self.count += 1
        if self.lists is not None:
            touched = self.lists.take(row, self)
            if self.count >= 2 * self.lists.since:
                self.lists.shorten(self)
                self._new = True
            return touched
        self.best = np.maximum(self.best, self._worth(row)[1])
        if len(self.sample) < self.n:
            self.sampled_picks = self.count
        self._list_if_few()
        return None

    def renewed(self) -> Floats | None:
        """Return all gains if they are computed in another way since the last pick."""
        new, self._new = self._new, False
        return self.all_gains() if new else None

    def about(self) -> tuple[dict[str, Any], list[str]]:
        """Return what the record and the user should know of the sample, if there is one."""
        if self._drawn is None:
            return {}, []
        note = (
            f"the first {self.sampled_picks:,} picks were the best for {len(self._drawn):,} rows drawn from the {self.n:,}, all "
            "later ones for all rows; a larger exact_rows makes every pick exact, in more time"
        )
        return {"sampled_picks": self.sampled_picks}, [note]

    def similarities(self, left: Ints, right: Ints) -> Floats:
        """Return the cosine similarity of given pairs of rows in float64, each by itself."""
        out = np.empty(len(left))
        for start, stop in blocks(len(left), TOGETHER):
            out[start:stop] = np.einsum("pd,pd->p", self._exact_unit(left[start:stop]), self._exact_unit(right[start:stop]))
        return out

    def _exact_unit(self, rows: Ints | slice) -> Floats:
        return unit_rows(self.x[rows])

    def _worth(self, row: int) -> tuple[float, Floats]:
        """Return what a row adds to all rows, and, as long as there are no lists, its similarity to each."""
        if self.lists is not None:
            return float(self.exact(np.array([row]))[0]), self.best
        if self._next is None or self._next[0] != row:
            self._next = row, exact_products(self.x, self._exact_unit(slice(row, row + 1))[0]) / self.norms
        return float(np.maximum(self._next[1] - self.best, 0).sum()), self._next[1]

    def _count_rows(self, rows: Ints | None) -> None:
        """Let gains be sums over some rows, which stand for all; None for all."""
        self.sample = np.arange(self.n) if rows is None else rows
        self.scale = self.n / len(self.sample)
        self.columns = self.unit if rows is None else self.unit[rows]

    def _list_if_few(self) -> None:
        """Once the pairs that matter are few, let all rows count, and list the pairs if there is memory for it."""
        # Guessed after each tenth more picks.
        if self.count < 1.1 * self._tried:
            return
        self._tried = self.count
        near = products_in_runs(self.unit, self.unit[self._probes])
        guess = float((near > self.best[self._probes] - self.error).sum()) * self.n / len(self._probes)
        if guess > 0.8 * self.few:
            return
        few, found = _pairs_above(self.unit, (self.best - self.error).astype(np.float32), self.few, self.listed)
        if not few:
            return
        if len(self.sample) < self.n:
            self._count_rows(None)
            self._new = True
        if found is not None:
            self.lists, self._new, self._next = _Lists(self, *found), True, None


def coverage_of(x: NDArray[Any], exact_rows: int, sample: int, seed: int, owner: str) -> Coverage:
    """Return the coverage of a pool, with a sample for the first picks where it has more than `exact_rows` rows."""
    for name, value in (("exact_rows", exact_rows), ("sample", sample)):
        if isinstance(value, bool) or not isinstance(value, int) or value < (name == "sample"):
            raise bad_parameter(name, owner, f"an int of at least {int(name == 'sample')}", value)
    if len(x) <= max(exact_rows, sample):
        return Coverage(x)
    return Coverage(x, np.sort(np.random.default_rng(seed).choice(len(x), sample, replace=False)))


class _Lists:
    """For each row the candidates that are more similar to it than any pick is, and each candidate's gain by these.

    Args:
        cover: what they belong to.
        column: (pairs,) the rows that are to be covered, in any order.
        row: (pairs,) for each a candidate.
        near: (pairs,) their similarity.
    """

    def __init__(self, cover: Coverage, column: NDArray[np.int32], row: NDArray[np.int32], near: NDArray[np.float32]) -> None:
        from scipy.sparse import coo_array

        self._keep(coo_array((near, (column, row)), shape=(cover.n, cover.n)).tocsr(), cover)

    def _keep(self, by_column: Any, cover: Coverage) -> None:
        self.by_column = by_column
        self.starts, self.rows, self.near = by_column.indptr.astype(np.int64), by_column.indices, by_column.data
        by_row = by_column.tocsc()
        self.row_starts, self.columns = by_row.indptr.astype(np.int64), by_row.indices
        self.lengths = np.diff(self.row_starts)
        self.since = max(cover.count, 1)
        self.gains = np.zeros(cover.n)
        for low, high in blocks(cover.n, ROWS):
            part = slice(self.starts[low], self.starts[high])
            over = self.near[part] - np.repeat(cover.best[low:high], np.diff(self.starts[low : high + 1]))
            np.add.at(self.gains, self.rows[part], np.maximum(over, 0))

    def slack(self, error: float) -> Floats:
        # A pair that is not listed adds nothing, and each that is is off by the error, however much of
        # it picks have taken. Besides, float64 rounds a gain whenever something is added to it or taken
        # from it: once for each pair, and once for each pair and pick before the lists are shortened,
        # which is after `since` picks at most. A gain is at most 1 for each pair; three roundings in
        # place of one allow for those of what is added and taken.
        return np.asarray(self.lengths * (error + 3 * WIDE_UNIT * (1.0 + self.since) * self.lengths))

    def exact(self, rows: Ints, cover: Coverage) -> Floats:
        out = np.empty(len(rows))
        for low, high in blocks(len(rows), ROWS):
            at, lengths = gather(self.row_starts, rows[low:high])
            columns = self.columns[at]
            over = cover.similarities(np.repeat(rows[low:high], lengths), columns) - cover.best[columns]
            which = np.repeat(np.arange(high - low), lengths)
            out[low:high] = np.bincount(which, np.maximum(over, 0), high - low)
        return out

    def take(self, row: int, cover: Coverage) -> Ints:
        columns = self.columns[self.row_starts[row] : self.row_starts[row + 1]]
        near = cover.similarities(np.full(len(columns), row), columns)
        nearer = near > cover.best[columns]
        columns, near = columns[nearer], near[nearer]
        old = cover.best[columns]
        cover.best[columns] = near
        at, lengths = gather(self.starts, columns)
        rows = self.rows[at]
        lost = np.maximum(np.minimum(self.near[at], np.repeat(near, lengths)) - np.repeat(old, lengths), 0)
        np.subtract.at(self.gains, rows, lost)
        return np.asarray(rows)

    def shorten(self, cover: Coverage) -> None:
        """Drop the pairs that no longer matter."""
        counts = np.diff(self.starts)
        keep = self.near > np.repeat((cover.best - cover.error).astype(np.float32), counts)
        kept = np.add.reduceat(np.append(keep, False).astype(np.int64), self.starts[:-1]) * (counts > 0)
        from scipy.sparse import csr_array

        starts = starts_of(kept)
        self._keep(csr_array((self.near[keep], self.rows[keep], starts), shape=self.by_column.shape), cover)


def _pairs_above(unit: NDArray[np.float32], least: NDArray[np.float32], most: int, listed: int) -> tuple[bool, Pairs | None]:
    """Find the pairs (column, row, similarity) that are more similar than the column's least.

    Args:
        unit: (n, d) unit rows.
        least: (n,) for each column.
        most: so many at most are few.
        listed: and so many at most are returned.

    Returns:
        Whether they are few, and the pairs; None if they are more than are to be returned.
    """
    parts: list[Pairs] = []
    count = 0
    size = max(1, min(BLOCK, math.isqrt(int(bytes_a_block() / BLOCK_ENTRY))))
    # The same memory again and again: fresh pages cost as much as the product.
    near_memory, over_memory = np.empty(size * size, np.float32), np.empty(size * size, bool)
    with track("pairs", len(unit)) as advance:
        for low, high in blocks(len(unit), size):
            for start, stop in blocks(high, size):
                shape = high - low, stop - start
                near, over = (memory[: shape[0] * shape[1]].reshape(shape) for memory in (near_memory, over_memory))
                products_in_runs(unit[low:high], unit[start:stop], near)
                # Every block serves both ways; the ones on the diagonal are their own mirror image.
                for mirrored in (False, True)[: 1 + (start < low)]:
                    np.greater(near, least[start:stop] if mirrored else least[low:high, None], out=over)
                    at = np.flatnonzero(over)
                    count += len(at)
                    if count > min(most, listed):
                        parts = []
                        if count > most:
                            return False, None
                        continue
                    first, second = np.divmod(at.astype(np.int32), np.int32(shape[1]))
                    first, second = first + np.int32(low), second + np.int32(start)
                    parts.append((*((second, first) if mirrored else (first, second)), near.ravel()[at]))
            advance(high - low)
    if count > listed:
        return True, None
    columns, rows, values = zip(*parts, strict=True)
    return True, (np.concatenate(columns), np.concatenate(rows), np.concatenate(values))


def _sums(left: NDArray[Any], columns: NDArray[Any], best: NDArray[Any]) -> Floats:
    """Return by how much each row exceeds the columns' best in all, in float32 or, given such rows, in float64."""
    out = np.zeros(len(left))
    for start, stop in blocks(len(columns), COLUMNS):
        some = columns[start:stop]
        more: NDArray[Any] = products_in_runs(left, some) if left.dtype == np.float32 else left @ some.T
        more -= best[start:stop]
        np.maximum(more, 0, out=more)
        out += more.sum(axis=1, dtype=np.float64)
    return out
