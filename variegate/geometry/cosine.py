"""Cosine distances, a block of whole rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.device import active_device, set_own, to_numpy
from variegate.geometry.memory import bytes_a_block
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
# Below this a float32 cosine distance is mostly rounding error, and is computed again in float64.
COARSE = 1e-4
# Similarities that miss a threshold by rounding alone reach it.
ROUNDING = 1e-12
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
    rounding of a float64 product, about 1e-16. The array is reused: change it at will, but do not keep it.

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
    with track("pairs", n) as advance:
        for start, stop in blocks(n, size):
            distances = 1 - unit[start:stop] @ unit.T
            rows, columns = torch.nonzero(distances < COARSE, as_tuple=True)
            step = max(1, bytes_a_block() // (32 * vectors.shape[1]))
            for low, high in blocks(len(rows), step):
                difference = wide[start + rows[low:high]] - wide[columns[low:high]]
                distances[rows[low:high], columns[low:high]] = (0.5 * (difference * difference).sum(1)).float()
            set_own(distances, slice(start, stop), 0)
            yield slice(start, stop), distances
            advance(stop - start)


def _sharpen(distances: F32, vectors: Matrix, start: int) -> None:
    """Replace coarse distances by their float64 values."""
    width = distances.shape[1]
    flat = np.flatnonzero((distances < COARSE).ravel())
    if len(flat) > distances.size // 64:
        # Very many: one product in float64 is cheaper than going pair by pair.
        left = unit_rows(vectors[start : start + len(distances)])
        for low, high in blocks(width, COLUMNS):
            part = 1 - left @ unit_rows(vectors[low:high]).T
            target = distances[:, low:high]
            np.copyto(target, np.maximum(part, 0), where=target < COARSE, casting="same_kind")
        return
    rows, columns = np.divmod(flat, width)
    step = max(1, bytes_a_block() // (32 * vectors.shape[1]))
    for low, high in blocks(len(flat), step):
        difference = unit_rows(vectors[start + rows[low:high]]) - unit_rows(vectors[columns[low:high]])
        distances.ravel()[flat[low:high]] = 0.5 * np.einsum("pd,pd->p", difference, difference)


def largest_cosine(queries: Matrix, points: Matrix, block_bytes: int | None = None) -> tuple[Floats, Ints]:
    """Return the largest cosine similarity of each query to a point, in [-1, 1], shape (n,), and that point's row, shape (n,).

    Args:
        queries: (n, d), no zero rows.
        points: (m, d), no zero rows.
        block_bytes: memory for one block of similarities; by default what :func:`use_memory` allows.
    """
    n, (m, d) = len(queries), points.shape
    unit = coarse_unit_rows(points)
    found = np.empty(n, np.int64)
    # Where points are few, the queries in float64 are what counts.
    size = max(1, min(n, (block_bytes or bytes_a_block()) // (4 * max(m, 2 * d))))
    device = active_device()
    held: Any = unit
    if device is not None:
        import torch

        held = torch.from_numpy(unit).to(device)
    with track("coverage", n) as advance:
        for start, stop in blocks(n, size):
            block: Any = unit_rows(queries[start:stop]).astype(np.float32)
            if device is not None:
                block = torch.from_numpy(block).to(device)
            found[start:stop] = to_numpy((block @ held.T).argmax(1))
            advance(stop - start)
    # The winners' similarities once more, in float64.
    values = np.empty(n)
    for start, stop in row_blocks(queries):
        values[start:stop] = np.einsum("nd,nd->n", unit_rows(queries[start:stop]), unit_rows(points[found[start:stop]]))
    # The length of a unit row is 1 but for rounding, and so a copy's similarity may be next above 1.
    return np.clip(values, -1, 1, out=values), found


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
    held: Any = unit
    device = active_device()
    if device is not None:
        import torch

        held = torch.from_numpy(unit).to(device)
    # What a float32 product of unit vectors of this dimension can be off by.
    slack = 2e-7 + 1e-7 * d**0.5
    step = max(1, bytes_a_block() // (32 * d))
    with track("pairs", n) as advance:
        for start, stop in blocks(n, max(1, min(n, (block_bytes or bytes_a_block()) // (4 * n)))):
            near = held[start:stop] @ held[start:].T >= threshold - slack
            rows, others = np.nonzero(to_numpy(near))
            later = others > rows
            rows, others = start + rows[later], start + others[later]
            values = np.empty(len(rows))
            for low, high in blocks(len(rows), step):
                left, right = unit_rows(vectors[rows[low:high]]), unit_rows(vectors[others[low:high]])
                values[low:high] = np.einsum("pd,pd->p", left, right)
            kept = values >= threshold - ROUNDING
            yield rows[kept], others[kept], np.minimum(values[kept], 1)
            advance(stop - start)
