"""How vectors that are made of texts are kept: in float32, or in float16, which takes half the room.

Kept in float16 the rounded vectors are the vectors: all is computed from them in float32 and float64, in which they are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, ParameterError, bad_parameter

__all__ = ["FLOAT16", "FLOAT32", "STORAGES", "check_storage", "in_half_precision", "refuse_storage"]

FLOAT32, FLOAT16 = STORAGES = ("float32", "float16")
LARGEST = float(np.finfo(np.float16).max)


def check_storage(storage: str) -> None:
    """Refuse a storage that there is not.

    Raises:
        ParameterError: it is none of `STORAGES`.
    """
    if storage not in STORAGES:
        raise bad_parameter("vector_storage", "load", " or ".join(map(repr, STORAGES)), storage)


def refuse_storage(storage: str, made_elsewhere: str) -> None:
    """Refuse to store vectors in float16 that are not made here: they are taken as they are.

    Args:
        storage: one of `STORAGES`.
        made_elsewhere: the column, file or array that holds vectors already.

    Raises:
        ParameterError: float16 is asked for such vectors.
    """
    if storage != FLOAT32:
        raise ParameterError(
            f"{made_elsewhere}: holds vectors already, which are taken as they are, so there is nothing to store in {storage}. "
            f"Leave --vector-storage out; to halve them, save them as a .npy file of {storage}."
        )


def in_half_precision(vectors: NDArray[Any], where: Callable[[int], str]) -> NDArray[np.float16]:
    """Return vectors rounded to float16.

    Args:
        vectors: (n, d).
        where: says which row of the data a vector belongs to.

    Raises:
        DataError: a value is beyond what float16 can hold, or a vector that is not zero would become zero.
    """
    with np.errstate(over="ignore", under="ignore"):
        half = vectors.astype(np.float16)
    # What is not finite already is for the corpus to name.
    beyond = np.abs(vectors) > LARGEST
    for row in np.flatnonzero((beyond & np.isfinite(vectors)).any(axis=1))[:1].tolist():
        value = float(vectors[row, int(beyond[row].argmax())])
        raise DataError(
            f"{where(row)}: its vector holds {value:g}, and float16 ends at {LARGEST:g}. Leave --vector-storage float16 out."
        )
    for row in np.flatnonzero(vectors.any(axis=1) & ~half.any(axis=1))[:1].tolist():
        raise DataError(
            f"{where(row)}: the values of its vector are so small ({np.abs(vectors[row]).max():.2g} at most) that float16 makes "
            "them all zero. Leave --vector-storage float16 out."
        )
    return half
