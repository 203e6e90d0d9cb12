"""What every piece of geometry needs to know about a matrix of row vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.memory import bytes_a_block
from variegate.geometry.rounding import RUN

__all__ = [
    "Floats",
    "Ints",
    "Matrix",
    "blocks",
    "centre_of",
    "centred_on",
    "coarse_products",
    "exact_products",
    "exact_squared_distances",
    "faulty_rows",
    "growing_blocks",
    "products_in_runs",
    "products_with",
    "row_blocks",
    "same_rows",
]

Matrix = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Rows looked at together, at most; fewer where they are long.
ROWS = 8192
# Rows whose float64 values stay in a processor's cache.
CACHED_ROWS = 512
# Rows whose products of one run of dimensions are held at a time; with fewer of them matrix products take a fifth longer.
RUN_ROWS = 512
# Lengths beyond these lose themselves when float32 squares them.
SHORTEST, LONGEST = 1e-15, 1e15


def blocks(rows: int, size: int) -> list[tuple[int, int]]:
    """Return the (start, stop) of consecutive blocks of at most `size` rows."""
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def row_blocks(vectors: Matrix) -> list[tuple[int, int]]:
    """Return the (start, stop) of blocks of rows whose float64 values fit into a block."""
    n, d = vectors.shape
    return blocks(n, max(1, min(ROWS, bytes_a_block() // (8 * d))))


def same_rows(vectors: Matrix, others: Matrix) -> bool:
    """Whether two matrices are one, or hold the same values: a set that is its own reference."""
    return vectors is others or (vectors.shape == others.shape and np.array_equal(vectors, others))


def growing_blocks(rows: int, first: int, size: int) -> list[tuple[int, int]]:
    """Return the (start, stop) of consecutive blocks of `first` rows, then of twice as many, ..., at most of `size`."""
    out, start, step = [], 0, min(first, size)
    while start < rows:
        out.append((start, min(start + step, rows)))
        start, step = start + step, min(2 * step, size)
    return out


def faulty_rows(vectors: Matrix) -> tuple[Ints, Ints]:
    """Return which rows are zero (or next to it) and which hold values that are not finite (or too large to be squared)."""
    zero, infinite = [], []
    for start, stop in row_blocks(vectors):
        block = np.asarray(vectors[start:stop])
        with np.errstate(over="ignore", invalid="ignore"):
            lengths = np.sqrt(np.square(block, dtype=np.float64).sum(axis=1))
        infinite.append(start + np.flatnonzero(~(lengths <= LONGEST)))
        zero.append(start + np.flatnonzero(lengths < SHORTEST))
    return np.concatenate(zero), np.concatenate(infinite)


def centre_of(vectors: Matrix) -> tuple[Floats, float]:
    """Return the mean vector, shape (d,), and the root mean square distance of the rows from it."""
    total = np.zeros(vectors.shape[1])
    for start, stop in row_blocks(vectors):
        total += np.sum(vectors[start:stop], axis=0, dtype=np.float64)
    mean = total / len(vectors)
    squares = 0.0
    for start, stop in row_blocks(vectors):
        squares += float(np.square(vectors[start:stop] - mean).sum())
    return mean, float(np.sqrt(squares / len(vectors)))


def centred_on(vectors: Matrix, centre: Floats) -> NDArray[np.float32]:
    """Return the rows less the centre, in float32, shape (n, d).

    Distances do not change when all is moved, and small coordinates lose less in float32.
    """
    out = np.empty(vectors.shape, np.float32)
    for start, stop in row_blocks(vectors):
        np.subtract(vectors[start:stop], centre, out=out[start:stop], casting="same_kind")
    return out


def exact_squared_distances(left: Matrix, right: Matrix, at_left: Ints, at_right: Ints) -> Floats:
    """Return the squared L2 distance of given pairs of rows, in float64, shape (pairs,)."""
    out = np.empty(len(at_left))
    # Few enough to stay in a processor's cache.
    step = max(1, bytes_a_block() // (256 * left.shape[1]))
    for start, stop in blocks(len(at_left), step):
        difference = np.asarray(left[at_left[start:stop]], np.float64) - right[at_right[start:stop]]
        out[start:stop] = np.einsum("pd,pd->p", difference, difference)
    return out


def coarse_products(vectors: Matrix, direction: Floats, each: Callable[..., Iterable[None]] = map) -> NDArray[np.float32]:
    """Return the product of each row with one vector, in float32, shape (n,).

    Off by no more than :func:`error_share` of the two lengths; arguments as for :func:`exact_products`.
    """
    out = np.empty(len(vectors), np.float32)
    narrow = direction.astype(np.float32)

    def look(part: tuple[int, int]) -> None:
        np.dot(np.asarray(vectors[part[0] : part[1]], np.float32), narrow, out=out[part[0] : part[1]])

    list(each(look, row_blocks(vectors)))
    return out


def products_in_runs(
    left: NDArray[np.float32], right: NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return the products of all pairs of rows, in float32, shape (n, m), a run of dimensions at a time.

    Rounding hardly grows with the dimensions then, see :func:`runs_error_share`. Up to one run this is
    the plain product; beyond, it takes about a tenth longer.

    Args:
        left: (n, d).
        right: (m, d).
        out: (n, m), where the products go.
    """
    (n, d), m = left.shape, len(right)
    out = np.matmul(left[:, :RUN], right[:, :RUN].T, out=out)
    if d > RUN:
        memory = np.empty((min(RUN_ROWS, n), m), np.float32)
        for start, stop in blocks(n, RUN_ROWS):
            part, total = memory[: stop - start], out[start:stop]
            for low, high in blocks(d, RUN)[1:]:
                total += np.matmul(left[start:stop, low:high], right[:, low:high].T, out=part)
    return out


def products_with(rows: NDArray[np.float32], one: NDArray[np.float32]) -> Floats:
    """Return the product of each row with one vector, shape (n,), as near as :func:`products_in_runs`, by one thread."""
    n, d = rows.shape
    whole = d - d % RUN
    runs = np.einsum("nrd,rd->nr", rows[:, :whole].reshape(n, whole // RUN, RUN), one[:whole].reshape(whole // RUN, RUN))
    return np.asarray(runs.sum(axis=1, dtype=np.float64) + np.einsum("nd,d->n", rows[:, whole:], one[whole:]))


def exact_products(vectors: Matrix, direction: Floats, each: Callable[..., Iterable[None]] = map) -> Floats:
    """Return the product of each row with one vector, in float64, shape (n,), without a float64 copy of the matrix.

    Args:
        vectors: (n, d).
        direction: (d,).
        each: what goes through the parts, as `map` does: `Threads.each` where threads are to share them.
    """
    n, d = vectors.shape
    out = np.empty(n)

    def look(part: tuple[int, int]) -> None:
        first, last = part
        wide = np.empty((min(CACHED_ROWS, last - first), d))
        for start in range(first, last, CACHED_ROWS):
            stop = min(start + CACHED_ROWS, last)
            some = wide[: stop - start]
            some[:] = vectors[start:stop]
            np.dot(some, direction, out=out[start:stop])

    list(each(look, blocks(n, ROWS)))
    return out
