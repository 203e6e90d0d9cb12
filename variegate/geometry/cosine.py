"""Cosine distances, a block of whole rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.copies import distinct_rows
from variegate.geometry.device import active_device, full_float32, set_own, to_device, to_numpy
from variegate.geometry.memory import bytes_a_block
from variegate.geometry.rounding import error_share, wide_error_share
from variegate.geometry.vectors import Floats, Ints, Matrix, blocks, row_blocks
from variegate.progress import track

__all__ = [
    "CosineRows",
    "UnitRows",
    "coarse_unit_rows",
    "cosine_distance_rows",
    "largest_cosine",
    "row_lengths",
    "similar_pairs",
    "unit_rows",
]

F32 = NDArray[np.float32]

# Columns that are computed again together.
COLUMNS = 8192
# Cosine distances below this are computed again in float64; see `_coarse`.
COARSE = 1e-4
# Similarities that miss a threshold by less than this reach it, so that 1 takes copies of any length: what
# people mean by it, and no bound on rounding. In very many dimensions that bound is larger, and counts.
REACHED = 1e-12
# An accelerator wants larger blocks: this many times the usual one.
DEVICE_BLOCKS = 16


def unit_rows(vectors: Matrix) -> Floats:
    """Return the rows scaled to length 1, in float64, shape (n, d)."""
    wide = np.asarray(vectors, np.float64)
    return np.asarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))


def coarse_unit_rows(vectors: Matrix) -> F32:
    """Return the rows scaled to length 1, rounded to float32, shape (n, d), without a float64 copy of the matrix."""
    unit = np.empty(vectors.shape, np.float32)
    for start, stop in row_blocks(vectors):
        unit[start:stop] = unit_rows(vectors[start:stop])
    return unit


def row_lengths(vectors: Matrix) -> Floats:
    """Return the length of each row, in float64, shape (n,)."""
    lengths = np.empty(len(vectors))
    for start, stop in row_blocks(vectors):
        lengths[start:stop] = np.linalg.norm(np.asarray(vectors[start:stop], np.float64), axis=1)
    return lengths


class UnitRows:
    """The rows of a matrix scaled to length 1 in float64, each made when it is asked for, so that there is no second matrix.

    Args:
        vectors: (n, d), no zero rows.
    """

    def __init__(self, vectors: Matrix) -> None:
        self.vectors, self.shape = vectors, vectors.shape

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: slice | Ints) -> Floats:
        return unit_rows(self.vectors[rows])


def cosine_distance_rows(vectors: Matrix, block_bytes: int | None = None) -> Iterator[tuple[slice, Any]]:
    """Yield the cosine distances of a block of rows to all rows: which rows, and (rows, n) float32.

    A numpy array, or a PyTorch tensor where a device was chosen. In [0, 2], but for rounding of float32 next to 2. A row's
    distance to itself is exactly 0, and small distances keep a relative precision of float32; where they are very many, the
    rounding of a float64 product, about 1e-16. All others are off by at most :func:`error_share` of d. The array is reused:
    change it at will, but do not keep it.

    Args:
        vectors: (n, d), no zero rows.
        block_bytes: memory for one block of distances; by default what :func:`use_memory` allows.
    """
    block_bytes = block_bytes or bytes_a_block()
    if active_device() is not None:
        yield from _rows_on_device(vectors, block_bytes)
        return
    rows = CosineRows(vectors)
    size = max(1, min(len(vectors), block_bytes // (4 * len(vectors))))
    buffer = np.empty((size, len(vectors)), np.float32)
    with track("pairs", len(vectors)) as advance:
        for start, stop in blocks(len(vectors), size):
            yield slice(start, stop), rows.to_all(start, stop, buffer[: stop - start])
            advance(stop - start)


class CosineRows:
    """Cosine distances of blocks of rows to all rows, as :func:`cosine_distance_rows` yields them, on the CPU.

    Args:
        vectors: (n, d), no zero rows.
    """

    def __init__(self, vectors: Matrix) -> None:
        self.vectors, self.unit = vectors, coarse_unit_rows(vectors)

    def to_all(self, start: int, stop: int, out: F32) -> F32:
        """Return the distances of some rows, in `out`, (stop - start, n)."""
        np.matmul(self.unit[start:stop], self.unit.T, out=out)
        np.subtract(1, out, out=out)
        _sharpen(out, self.vectors, start)
        set_own(out, slice(start, stop), 0)
        return out


def _rows_on_device(vectors: Matrix, block_bytes: int) -> Iterator[tuple[slice, Any]]:
    import torch

    n = len(vectors)
    wide = torch.from_numpy(unit_rows(vectors)).to(active_device())
    unit = wide.float()
    size = max(1, min(n, block_bytes * DEVICE_BLOCKS // (4 * n)))
    coarse = _coarse(vectors.shape[1])
    with track("pairs", n) as advance:
        for start, stop in blocks(n, size):
            with full_float32():
                distances = 1 - unit[start:stop] @ unit.T
            rows, columns = torch.nonzero(distances < coarse, as_tuple=True)
            step = max(1, bytes_a_block() // (32 * vectors.shape[1]))
            for low, high in blocks(len(rows), step):
                difference = wide[start + rows[low:high]] - wide[columns[low:high]]
                distances[rows[low:high], columns[low:high]] = (0.5 * (difference * difference).sum(1)).float()
            set_own(distances, slice(start, stop), 0)
            yield slice(start, stop), distances
            advance(stop - start)


def _coarse(d: int) -> float:
    """Return below what a float32 cosine distance is computed again.

    That is all of the distances below `COARSE` but those that float32 moves across it, and, since a true distance of 0 comes out
    as up to `error_share(d)`, at least all that are next to 0, in many dimensions too.
    """
    return max(COARSE, 2 * error_share(d))


def _sharpen(distances: F32, vectors: Matrix, start: int) -> None:
    """Replace coarse distances by their float64 values."""
    width, coarse = distances.shape[1], _coarse(vectors.shape[1])
    flat = np.flatnonzero((distances < coarse).ravel())
    if len(flat) > distances.size // 64:
        # Very many: one product in float64 is cheaper than going pair by pair.
        left = unit_rows(vectors[start : start + len(distances)])
        for low, high in blocks(width, COLUMNS):
            part = 1 - left @ unit_rows(vectors[low:high]).T
            target = distances[:, low:high]
            np.copyto(target, np.maximum(part, 0), where=target < coarse, casting="same_kind")
        return
    rows, columns = np.divmod(flat, width)
    step = max(1, bytes_a_block() // (32 * vectors.shape[1]))
    for low, high in blocks(len(flat), step):
        difference = unit_rows(vectors[start + rows[low:high]]) - unit_rows(vectors[columns[low:high]])
        distances.ravel()[flat[low:high]] = 0.5 * np.einsum("pd,pd->p", difference, difference)


def largest_cosine(queries: Matrix, points: Matrix, block_bytes: int | None = None) -> tuple[Floats, Ints]:
    """Return the largest cosine similarity of each query to a point, in [-1, 1], shape (n,), and that point's row, shape (n,).

    Exact: float64 decides among the points that float32 cannot tell from the most similar one. Of equal ones the first counts.

    Args:
        queries: (n, d), no zero rows.
        points: (m, d), no zero rows.
        block_bytes: memory for one block of similarities; by default what :func:`use_memory` allows.
    """
    n, d = queries.shape
    # Copies could not be told from each other.
    first = distinct_rows(points)
    unit = coarse_unit_rows(points) if len(first) == len(points) else coarse_unit_rows(points)[first]
    held: Any = unit if active_device() is None else to_device(unit)
    found = np.empty(n, np.int64)
    # Where points are few, the queries in float64 are what counts.
    size = max(1, min(n, (block_bytes or bytes_a_block()) // (4 * max(len(first), 2 * d))))
    with track("coverage", n) as advance:
        for start, stop in blocks(n, size):
            some = queries[start:stop]
            at, column = _most_similar(some, held, points, first)
            found[start:stop] = first[_first_of_best(some, points, first, at, column)]
            advance(stop - start)
    # The winners' similarities once more, in float64.
    values = np.empty(n)
    for start, stop in row_blocks(queries):
        values[start:stop] = np.einsum("nd,nd->n", unit_rows(queries[start:stop]), unit_rows(points[found[start:stop]]))
    # The length of a unit row is 1 but for rounding, and so a copy's similarity may be next above 1.
    return np.clip(values, -1, 1, out=values), found


def _most_similar(queries: Matrix, held: Any, points: Matrix, first: Ints) -> tuple[Ints, Ints]:
    """Return for each query which points may be the most similar one: pairs of a query and a place in `first`, by query."""
    d = queries.shape[1]
    block: Any = unit_rows(queries).astype(np.float32)
    here = isinstance(held, np.ndarray)
    similar = _products(block if here else to_device(block), held)
    best = similar.max(axis=1) if here else similar.amax(1)
    # Both may be off, one upwards, the other downwards.
    close = similar >= (best - 2 * error_share(d))[:, None]
    count = np.count_nonzero(close) if here else int(close.sum())
    if count <= max(2 * len(queries), len(queries) * len(first) // 64):
        return _where(close)
    # Very many: one product in float64 is cheaper than going pair by pair.
    left, most, parts = unit_rows(queries), np.full(len(queries), -np.inf), []
    for low, high in blocks(len(first), COLUMNS):
        part = left @ unit_rows(points[first[low:high]]).T
        np.maximum(most, part.max(axis=1), out=most)
        at, column = _where(part >= (most - 2 * wide_error_share(d))[:, None])
        parts.append((at, low + column))
    at, column = (np.concatenate(some) for some in zip(*parts, strict=True))
    order = np.lexsort((column, at))
    return at[order], column[order]


def _first_of_best(queries: Matrix, points: Matrix, first: Ints, at: Ints, column: Ints) -> Ints:
    """Return for each query the place in `first` of the most similar point by float64, given the pairs that may be."""
    counts = np.bincount(at, minlength=len(queries))
    best = column[np.cumsum(counts) - counts]
    unsure = np.flatnonzero(counts[at] > 1)
    if len(unsure):
        at, column = at[unsure], column[unsure]
        values = _cosines(queries, points, at, first[column])
        order = np.lexsort((column, -values, at))
        row, where = np.unique(at[order], return_index=True)
        best[row] = column[order][where]
    return np.asarray(best)


def _where(mask: Any) -> tuple[Ints, Ints]:
    """Return the rows and columns of what is true, row by row."""
    if isinstance(mask, np.ndarray):
        flat: Ints = np.flatnonzero(mask.ravel())
        return flat // mask.shape[1], flat % mask.shape[1]
    rows, columns = to_numpy(mask.nonzero()).T
    return rows, columns


def _cosines(left: Matrix, right: Matrix, at_left: Ints, at_right: Ints) -> Floats:
    """Return the cosine similarity of given pairs of rows in float64, each by itself, shape (pairs,)."""
    out = np.empty(len(at_left))
    for low, high in blocks(len(out), max(1, bytes_a_block() // (32 * left.shape[1]))):
        out[low:high] = np.einsum("pd,pd->p", unit_rows(left[at_left[low:high]]), unit_rows(right[at_right[low:high]]))
    return out


def similar_pairs(vectors: Matrix, threshold: float, block_bytes: int | None = None) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Yield the pairs of rows whose cosine similarity is at least a threshold, a block of rows at a time.

    Args:
        vectors: (n, d), no zero rows.
        threshold: of the similarity.
        block_bytes: memory for one block of similarities; by default what :func:`use_memory` allows.

    Yields:
        Rows, ascending; for each a later row; their similarity, at most 1.
    """
    n, d = vectors.shape
    unit = coarse_unit_rows(vectors)
    held: Any = unit if active_device() is None else to_device(unit)
    least, reached = threshold - error_share(d), threshold - max(REACHED, wide_error_share(d))
    with track("pairs", n) as advance:
        for start, stop in blocks(n, max(1, min(n, (block_bytes or bytes_a_block()) // (4 * n)))):
            rows, others = _where(_products(held[start:stop], held[start:]) >= least)
            later = others > rows
            rows, others = start + rows[later], start + others[later]
            values = _cosines(vectors, vectors, rows, others)
            kept = values >= reached
            yield rows[kept], others[kept], np.minimum(values[kept], 1)
            advance(stop - start)


def _products(left: Any, right: Any) -> Any:
    """Return the float32 products of two sets of rows, here or on the device."""
    if isinstance(left, np.ndarray):
        return left @ right.T
    with full_float32():
        return left @ right.T
