"""Vectors made elsewhere: `.npy` files and columns of lists."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError

__all__ = ["read_vectors", "stack_vectors"]

Vectors = NDArray[np.float32]


def read_vectors(path: str) -> Vectors:
    """Open a `.npy` file of vectors, memory-mapped.

    Raises:
        DataError: it is missing, damaged, or not of shape (n, d).
    """
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: is no readable .npy file ({(str(error).splitlines() or [''])[0]}).") from None
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype.kind != "f" or not vectors.size:
        what = f"{vectors.dtype} of shape {vectors.shape}" if isinstance(vectors, np.ndarray) else "an archive"
        raise DataError(f"{path}: must hold floats of shape (rows, dimensions) but holds {what}.")
    return cast(Vectors, vectors)


def stack_vectors(name: str, values: list[Any]) -> Vectors:
    """Return the vectors of a column of lists (or of JSON lists as strings), shape (n, d)."""
    try:
        vectors = np.array([json.loads(value) if isinstance(value, str) else value for value in values], np.float32)
    except (ValueError, TypeError):
        raise DataError(f"{name}: the vectors of that column are not lists of numbers of one length.") from None
    if vectors.ndim != 2:
        raise DataError(f"{name}: the values of that column are not vectors (lists of numbers).")
    return vectors
