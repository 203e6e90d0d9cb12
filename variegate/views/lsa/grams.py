"""Which n-grams of tokens stand in which text, each n-gram as the number of a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.geometry.threads import Threads
from variegate.ragged import starts_of
from variegate.views.tokens import Tokens

__all__ = ["BUCKETS", "LONGEST", "Grams", "grams_of", "scattered", "scattering", "token_buckets"]

Ints = NDArray[np.int64]

LONGEST = 3
# Enough that the n-grams which are kept seldom share a bucket, and a table of all buckets is small.
BUCKET_BITS = 22
BUCKETS = 1 << BUCKET_BITS
# Tokens that one thread looks at together.
BLOCK = 1 << 19
# Vectors whose signs are drawn together.
SIGN_ROWS = 2048

# Weyl's step and the multipliers of splitmix64 (Steele et al. 2014): any two integers end far apart.
STEP = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Grams:
    """The n-grams of n texts, each once a text, one text after the other.

    Attributes:
        buckets: (total,) int32, ascending within a text.
        single: (total,) whether a token alone falls into the bucket.
        offsets: (n + 1,) int64; text i has `buckets[offsets[i]:offsets[i + 1]]`.
    """

    buckets: NDArray[np.int32]
    single: NDArray[np.bool_]
    offsets: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def owners(self) -> Ints:
        """(total,) the text of each n-gram."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))


def grams_of(tokens: Tokens, start: int, stop: int, threads: Threads) -> Grams:
    """Return the n-grams of 1 to `LONGEST` tokens of the texts from `start` to `stop`."""
    parts = list(threads.each(lambda part: _grams(tokens, *part), list(_parts(tokens.offsets, start, stop))))
    lengths, buckets, single = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Grams(buckets, single, starts_of(lengths))


def scattered(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the splitmix64 hash of integers: the same on every machine, in every version."""
    mixed: NDArray[np.uint64] = numbers + STEP
    mixed ^= mixed >> np.uint64(30)
    mixed *= FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= SECOND
    mixed ^= mixed >> np.uint64(31)
    return mixed


def token_buckets(ids: NDArray[Any]) -> Ints:
    """Return the bucket of each token alone."""
    buckets: Ints = (scattered(ids.astype(np.uint64)) >> np.uint64(64 - BUCKET_BITS)).astype(np.int64)
    return buckets


def _parts(offsets: Ints, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Cut texts into runs of about `BLOCK` tokens, at least one text each."""
    while start < stop:
        end = int(np.searchsorted(offsets, offsets[start] + BLOCK, side="right")) - 1
        end = min(stop, max(start + 1, end))
        yield start, end
        start = end


def _grams(tokens: Tokens, start: int, stop: int) -> tuple[Ints, NDArray[np.int32], NDArray[np.bool_]]:
    """Return how many n-grams each text has, their buckets, and which of these hold a token alone."""
    first, last = int(tokens.offsets[start]), int(tokens.offsets[stop])
    single = scattered(np.asarray(tokens.ids[first:last]).astype(np.uint64))
    owner = np.repeat(np.arange(stop - start, dtype=np.uint64), tokens.lengths[start:stop])
    shift, one = np.uint64(BUCKET_BITS + 1), np.uint64(1)
    hashes, keys = single, []
    for length in range(1, LONGEST + 1):
        if length > 1:
            # The hash of an n-gram is that of the one without its last token, together with this token's.
            hashes = scattered(hashes[:-1] * STEP + single[length - 1 :])
        within = owner[: len(hashes)] == owner[length - 1 :]
        buckets = hashes[within] >> np.uint64(64 - BUCKET_BITS)
        keys.append((owner[: len(hashes)][within] << shift) | (buckets << one) | np.uint64(length > 1))
    # Within a text by bucket; of a bucket that holds a token and a longer n-gram, the token comes first, and is kept.
    found = np.sort(np.concatenate(keys))
    bucket = found >> one
    found = found[np.flatnonzero(np.r_[True, bucket[1:] != bucket[:-1]][: len(found)])]
    counts = np.bincount((found >> shift).astype(np.int64), minlength=stop - start)
    return counts, ((found >> one) & np.uint64(BUCKETS - 1)).astype(np.int32), (found & one) == 0


def scattering(buckets: NDArray[Any], dimensions: int) -> NDArray[np.float32]:
    """Return a vector of unit length for each bucket, by its number alone: every entry is of one size, of random sign.

    Returns:
        (buckets, dimensions).
    """
    vectors = np.empty((len(buckets), dimensions), np.float32)
    across, size = np.arange(dimensions, dtype=np.uint64), np.float32(1 / np.sqrt(dimensions))
    for low in range(0, len(buckets), SIGN_ROWS):
        numbers = buckets[low : low + SIGN_ROWS].astype(np.uint64)[:, None] * np.uint64(dimensions) + across
        vectors[low : low + SIGN_ROWS] = np.where(scattered(numbers) >> np.uint64(63), size, -size)
    return vectors
