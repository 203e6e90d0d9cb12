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
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, not a .npy file.") from None
    except FileNotFoundError:
        raise DataError(f"{path}: no such file.") from None
    except Exception as error:
        # numpy evaluates the header as Python, so a damaged one can raise nearly anything.
        why = "it holds Python objects, which are not read" if "pickle" in str(error) else type(error).__name__
        raise DataError(f"{path}: is no readable .npy file ({why}).") from None
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or vectors.dtype.kind != "f" or not vectors.size:
        what = f"{vectors.dtype} of shape {vectors.shape}" if isinstance(vectors, np.ndarray) else "an archive"
        raise DataError(f"{path}: must hold floats of shape (rows, dimensions) but holds {what}.")
    return cast(Vectors, vectors)


def stack_vectors(name: str, field: str, values: list[Any], rows: list[int]) -> Vectors:
    """Return the vectors of a column of lists (or of JSON lists as strings), shape (n, d).

    Raises:
        DataError: a value is no list of finite numbers, or not of the first one's length; the message names the row.
    """
    vectors: list[Vectors] = []
    for row, value in zip(rows, values, strict=True):
        try:
            with np.errstate(over="ignore"):
                vector = np.array(json.loads(value) if isinstance(value, str) else value, np.float32)
        except (ValueError, TypeError, OverflowError, RecursionError):
            vector = np.empty((0, 0), np.float32)
        if vector.ndim != 1 or not len(vector):
            raise DataError(f"{name}, row {row}: field '{field}' is no vector (a list of numbers).")
        if vectors and len(vector) != len(vectors[0]):
            raise DataError(
                f"{name}, row {row}: field '{field}' has {len(vector)} numbers, but the first row's has {len(vectors[0])}."
            )
        vectors.append(vector)
    return np.stack(vectors)
