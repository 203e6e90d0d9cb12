"""How much memory work over vectors may take besides the vectors: one bound, from which every block and list has its size.

Results do not depend on it. Arrays of a few numbers for each row, and one float32 copy of the vectors where a strategy or metric
needs them scaled, are there whatever the bound; docs/memory.md says who holds what.
"""

from __future__ import annotations

import re

from variegate.choices import Choice
from variegate.errors import ParameterError

__all__ = ["bytes_a_block", "entries_allowed", "memory_allowed", "use_memory"]

# Enough for every block to be as large as is quick, and for a graph of tags of a large pool.
DEFAULT = 8 << 30
# Below this the fixed blocks of a few megabytes count for more than those that follow the bound.
LEAST = 128 << 20
# Bytes of float32 distances held at once, at most: larger blocks are no quicker.
BLOCK_BYTES = 64 << 20
# A block's share of the memory: the positions of what is found in it, and its copies, can take ten times its own bytes.
BLOCK_SHARE = 1 / 16

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)

_allowed: Choice[int] = Choice(DEFAULT)


def use_memory(size: int | str | None) -> None:
    """Bound what blocks, lists of pairs and the like take at once, besides the vectors.

    Args:
        size: bytes, or a text such as "512M" or "2G" (powers of 1024); None for the default of 8 GiB.

    Raises:
        ParameterError: it cannot be read, or is less than 128 MiB.
    """
    _allowed.value = DEFAULT if size is None else _read(size)


def memory_allowed() -> int:
    """Return the bound in bytes."""
    return _allowed.value


def bytes_a_block() -> int:
    """Return how many bytes of distances to hold at once."""
    return max(1, min(BLOCK_BYTES, int(memory_allowed() * BLOCK_SHARE)))


def entries_allowed(bytes_each: int) -> int:
    """Return how many entries of so many bytes the bound allows."""
    return memory_allowed() // bytes_each


def _read(size: int | str) -> int:
    number = size
    if isinstance(size, str):
        found = SIZE.fullmatch(size.strip())
        number = int(float(found[1]) * UNITS[found[2].upper()]) if found else -1
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ParameterError(f"The memory must be a number of bytes, such as 512M or 2G. Got {size!r} instead.")
    if number < LEAST:
        raise ParameterError(f"The memory must be at least {LEAST >> 20}M, which the smallest useful blocks take. Got {size!r}.")
    return number
