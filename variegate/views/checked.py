"""What is checked and hashed before it is kept: texts, and vectors that must have a direction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, name_rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["checked_tag_vectors", "checked_vectors", "digest_texts", "digest_vectors", "hash_vectors", "same_dimensions"]

Vectors = NDArray[np.float32]

CHUNK = 8192


class Named(Protocol):
    """A data set, as far as errors name it."""

    name: str


def digest_texts(texts: pa.ChunkedArray) -> str:
    """Return a hash of texts that does not depend on how they are chunked."""
    hasher = hashlib.sha256()
    for chunk in texts.chunks:
        for text in chunk.to_pylist():
            data = text.encode()
            hasher.update(len(data).to_bytes(8, "little"))
            hasher.update(data)
    return hasher.hexdigest()


def hash_vectors(vectors: NDArray[Any], hasher: Any) -> None:
    """Add the values of vectors to a hash, row by row; a memory-mapped file is never held as a whole."""
    for start in range(0, len(vectors), CHUNK):
        hasher.update(np.ascontiguousarray(vectors[start : start + CHUNK]).data)


def digest_vectors(vectors: NDArray[Any]) -> str:
    """Return a hash of vectors: of their shape, their type and their values."""
    hasher = hashlib.sha256(f"{vectors.shape} {vectors.dtype}".encode())
    hash_vectors(vectors, hasher)
    return hasher.hexdigest()


def checked_vectors(
    vectors: Any, where: str, numbers: NDArray[np.int64], blank: Callable[[int], str | None] = lambda row: None
) -> Vectors:
    """Return vectors if each has a direction.

    Args:
        vectors: (n, d).
        where: the data set and the side, for errors.
        numbers: (n,) the row's number in the data set.
        blank: says where a row stands if its text is empty; None for any other.

    Raises:
        DataError: a vector is zero or not finite; the message names the rows, by `numbers`.
    """
    from variegate.geometry import faulty_rows

    zero, infinite = faulty_rows(vectors)
    if len(infinite):
        rows = name_rows((numbers[infinite] + 1).tolist())
        raise DataError(f"{where}: the vectors of {rows} hold values that are not finite, or too large.")
    if len(zero):
        rows = name_rows((numbers[zero] + 1).tolist())
        begun = f"{where}: the vectors of {rows} are zero, or next to it"
        empty = blank(int(zero[0]))
        if empty is not None:
            raise DataError(
                f"{begun}: there is no text on this side ({empty}), so they have no direction. Pass --on-bad-row skip to leave "
                "such rows out, or another --side."
            )
        raise DataError(
            f"{begun} (a text of which the embedder knows nothing, for one), so they have no direction. Leave these rows out, or "
            "pass another --side or --embedder."
        )
    return cast(Vectors, vectors)


def checked_tag_vectors(vectors: Vectors, names: list[str], where: str) -> Vectors:
    """Return the vectors of tags if each has a direction.

    Raises:
        DataError: a vector is zero or not finite; the message names the tag.
    """
    from variegate.geometry import faulty_rows

    for rows, fault in zip(faulty_rows(vectors), ("zero, or next to it", "not finite, or too large"), strict=True):
        if len(rows):
            others = f" and of {len(rows) - 1} more" if len(rows) > 1 else ""
            raise DataError(f"{where}: the vector of the tag {names[rows[0]]!r}{others} is {fault}. Pass another embedder.")
    return vectors


def same_dimensions(corpus: Named, vectors: Vectors, reference: Named, against: Vectors) -> None:
    """Raise a DataError where two sets of vectors differ in their number of dimensions: they are of different embedders."""
    if vectors.shape[1] != against.shape[1]:
        raise DataError(
            f"{corpus.name}: has vectors of {vectors.shape[1]} dimensions, but the reference {reference.name} has "
            f"{against.shape[1]}. Make both with the same embedder."
        )
