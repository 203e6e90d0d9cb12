"""Redundancy as a compressor sees it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from variegate.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["compression_ratio"]

LEVEL = 9
# zlib writes a gzip header, with a modification time of 0, for window sizes of 16 and more.
GZIP = 16 + zlib.MAX_WBITS
CHUNK = 8192


def compression_ratio(texts: pa.ChunkedArray) -> float:
    """Return how many times smaller the texts get by gzip: bytes over compressed bytes.

    The texts joined by newlines, in UTF-8, level 9, compressed once. Range (0, inf), about 1 for noise; larger = LESS
    diverse. gzip looks back 32 KiB, so repetition further apart than that does not count, and the order of the texts does.

    Args:
        texts: n strings.

    Returns:
        Bytes per compressed byte.

    Raises:
        DataError: there is no text in the texts.

    Reference: Li et al. 2025, "From Macro to Micro", post-hoc metrics; Shaib et al. 2024.

    >>> import pyarrow as pa
    >>> compression_ratio(pa.chunked_array([["Yes." * 100]])) > 10
    True
    """
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    plain = packed = 0
    for start in range(0, len(texts), CHUNK):
        batch = "\n".join(texts.slice(start, CHUNK).to_pylist())
        data = (batch if start == 0 else f"\n{batch}").encode()
        plain += len(data)
        packed += len(packer.compress(data))
    if not plain:
        raise DataError("compression_ratio needs text, but the texts are empty.")
    return plain / (packed + len(packer.flush()))
