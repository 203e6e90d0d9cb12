"""Bytes of text files, unpacked block by block: what a small file unpacks to may be more than there is room for."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from variegate.data.tables import first_line
from variegate.errors import DataError

__all__ = ["BLOCK", "LONGEST_ROW", "content_kind", "lines_of", "whole"]

BLOCK = 1 << 20
# No row of text is longer; a file of zeros that was packed is one such row.
LONGEST_ROW = 256 << 20
# Where the system does not say how much memory there is.
USUAL_MEMORY = 16 << 30
# How files of each kind begin.
BEGINNINGS = {
    b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PAR1": "parquet", b"ARROW1": "arrow", b"FEA1": "feather v1",
    b"\x93NUMPY": "npy", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"SQLite format 3": "SQLite",
    b"\x89HDF": "HDF5",
}  # fmt: skip


def content_kind(content: bytes | Path) -> str | None:
    """Return what a file's first bytes say that it is; None for text and for what is not known."""
    if isinstance(content, Path):
        with content.open("rb") as stream:
            begun = stream.read(16)
    else:
        begun = content[:16]
    return next((kind for start, kind in BEGINNINGS.items() if begun.startswith(start)), None)


def _room() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return USUAL_MEMORY


def _blocks(name: str, content: bytes | Path, compression: str | None) -> Iterator[bytes]:
    import pyarrow as pa

    try:
        source: Any = pa.OSFile(str(content)) if isinstance(content, Path) else pa.BufferReader(content)
        with source, pa.CompressedInputStream(source, compression) if compression else source as stream:
            while block := stream.read(BLOCK):
                yield bytes(block)
    except (pa.ArrowException, EOFError, zlib.error) as error:
        raise DataError(f"{name}: is no whole {compression} file ({first_line(error)}).") from None
    except OSError as error:
        # pyarrow reports damaged streams as plain OSErrors without a number; those with one come from the file system.
        reason = error.strerror if error.errno else f"no whole {compression} file: {first_line(error)}"
        raise DataError(f"{name}: cannot be read ({reason}).") from None


def _text_blocks(name: str, content: bytes | Path, compression: str | None) -> Iterator[bytes]:
    """Yield blocks of UTF-8 without its byte order mark; refuse other encodings."""
    most, size = _room(), 0
    for at, block in enumerate(_blocks(name, content, compression)):
        if at == 0:
            if block[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
                raise DataError(f"{name}: is UTF-32 text. Convert it first: iconv -f utf-32 -t utf-8 FILE > NEW")
            if block[:2] in (b"\xff\xfe", b"\xfe\xff"):
                raise DataError(f"{name}: is UTF-16 text. Convert it first: iconv -f utf-16 -t utf-8 FILE > NEW")
            block = block.removeprefix(b"\xef\xbb\xbf")
        size += len(block)
        if size > most:
            raise DataError(
                f"{name}: unpacks to more than {most >> 30} GiB, all the memory there is. Split it, or write it as .parquet."
            )
        yield block


def whole(name: str, content: bytes | Path, compression: str | None) -> bytes:
    """Return a text file's bytes; no more than to the block with the first NUL, with which it is no text in any case."""
    blocks = []
    for block in _text_blocks(name, content, compression):
        blocks.append(block)
        if b"\0" in block:
            break
    return b"".join(blocks)


def lines_of(name: str, content: bytes | Path, compression: str | None) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a text file that are not blank, with their numbers.

    Raises:
        DataError: a line is longer than a row can be.
    """
    number, pieces, length = 1, list[bytes](), 0
    for block in _text_blocks(name, content, compression):
        first, *others = block.split(b"\n")
        pieces.append(first)
        length += len(first)
        if length > LONGEST_ROW:
            raise DataError(f"{name}, line {number}: is longer than {LONGEST_ROW >> 20} MiB, and no row of text is.")
        if not others:
            continue
        *between, last = others
        for line in (b"".join(pieces), *between):
            if line.strip():
                yield number, line.rstrip(b"\r")
            number += 1
        pieces, length = [last], len(last)
    line = b"".join(pieces)
    if line.strip():
        yield number, line.rstrip(b"\r")
