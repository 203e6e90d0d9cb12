"""A graph of near neighbours (HNSW, by faiss): finds most of a row's nearest ones without looking at all rows.

Among the indexes of faiss it finds more neighbours for the time than inverted lists do, from 20,000 rows on, and its time for a
query hardly grows with their number (docs/neighbours.md). Rows are stored as float16: half the memory of float32, and no
neighbour the fewer, since float64 distances of the true rows rank what is found.
"""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import missing_extra
from variegate.geometry.vectors import Ints, Matrix, blocks, centre_of

__all__ = ["Graph", "Moved", "effort_for", "faiss_module"]

# Links of a row to others (M); twice as many in the graph's lowest layer. 16 finds 3 % fewer in the same time.
LINKS = 32
# Candidates that a search keeps (efSearch) for up to so many rows. Beyond, misses grow about as their square root.
EFFORT, EFFORT_ROWS = 32, 100_000
# Candidates kept while a row is linked (efConstruction): more cost one thread more than they gain.
BUILD_EFFORT = 40
# Rows added or searched at once.
ROWS = 2048
# Nothing in float16 is larger than 65,504.
LARGEST = 60_000.0


def faiss_module() -> ModuleType:
    """Import faiss.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            # Its bindings are older than some Pythons, which complain.
            warnings.simplefilter("ignore", DeprecationWarning)
            import faiss
    except ImportError:
        raise missing_extra("faiss-cpu", "approximate", "A search for approximate neighbours") from None
    return faiss


def effort_for(rows: int, asked: int | None) -> int:
    """Return how many candidates a search among so many rows keeps: what was asked for, else 32, growing as the square root.

    >>> effort_for(50_000, None), effort_for(1_000_000, None), effort_for(1_000_000, 500)
    (32, 101, 500)
    """
    return asked if asked is not None else round(EFFORT * max(1.0, rows / EFFORT_ROWS) ** 0.5)


class Moved:
    """Moves rows so that a set's centre is 0 and a typical coordinate is 1, rounded to float16.

    Distances keep their order, and float16 has the most to offer around 1.
    """

    def __init__(self, rows: Matrix) -> None:
        self.centre, radius = centre_of(rows)
        self.scale = radius / rows.shape[1] ** 0.5 or 1.0

    def __call__(self, rows: Matrix) -> NDArray[np.float16]:
        """Return the rows moved, shape (n, d)."""
        out = np.empty(rows.shape, np.float16)
        for start, stop in blocks(len(rows), ROWS):
            moved = (rows[start:stop] - self.centre) / self.scale
            np.clip(moved, -LARGEST, LARGEST, out=moved)
            out[start:stop] = moved
        return out


class Graph:
    """Rows linked to near ones, in the order in which they are added.

    The same rows give the same graph and the same answers on any number of threads: faiss links rows in the order in which
    threads come by, so one thread links them; searches are independent of each other.

    Args:
        dimensions: of a row.
        effort: candidates that a search keeps; more find more neighbours, and take longer.
    """

    def __init__(self, dimensions: int, effort: int) -> None:
        self.faiss: Any = faiss_module()
        self.index = self.faiss.IndexHNSWSQ(dimensions, self.faiss.ScalarQuantizer.QT_fp16, LINKS)
        self.index.hnsw.efConstruction = max(BUILD_EFFORT, effort // 2)
        self.index.hnsw.efSearch = effort

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.index.ntotal)

    def __str__(self) -> str:
        """Say what it is, for records."""
        hnsw = self.index.hnsw
        return (
            f"HNSW, M={LINKS}, efConstruction={hnsw.efConstruction}, efSearch={hnsw.efSearch}, float16, "
            f"faiss {self.faiss.__version__}"
        )

    def add(self, rows: Matrix) -> None:
        """Add moved rows (n, d)."""
        threads = self.faiss.omp_get_max_threads()
        self.faiss.omp_set_num_threads(1)
        try:
            if len(rows):
                self.index.add(np.ascontiguousarray(rows, np.float32))
        finally:
            self.faiss.omp_set_num_threads(threads)

    def search(self, queries: Matrix, k: int) -> Ints:
        """Return about the k nearest rows of each moved query, shape (n, k), in any order; -1 where fewer are found."""
        found: Ints = self.index.search(np.ascontiguousarray(queries, np.float32), k)[1]
        return found
