"""Lengths of rows: which are in a range, and how many of each length follow a given distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, ParameterError

__all__ = ["Matched", "largest_gap", "matched_lengths", "range_of"]

Ints = NDArray[np.int64]

# Ranges of lengths that a distribution is matched in, each with as many of its rows.
RANGES = 20


@dataclass(frozen=True)
class Matched:
    """How many rows of each range of lengths make a subset follow a distribution.

    Attributes:
        kinds: (n,) the range that each row of the pool is in.
        quotas: (ranges,) rows of each.
    """

    kinds: Ints
    quotas: Ints


def range_of(text: str) -> tuple[int, int | None]:
    """Read "LOW:HIGH", both ends included; either may be left out.

    >>> range_of("20:500"), range_of(":500"), range_of("20:")
    ((20, 500), (0, 500), (20, None))
    """
    low, colon, high = text.partition(":")
    if colon and all(part.strip().isdecimal() or not part.strip() for part in (low, high)) and text.strip() != ":":
        first, last = int(low or 0), int(high) if high.strip() else None
        if last is None or first <= last:
            return first, last
    raise ParameterError(f"--length-range takes LOW:HIGH in tokens of the response, such as 20:500, 20: or :500. Got {text!r}.")


def matched_lengths(lengths: Ints, target: Ints, size: int, pool: str) -> Matched:
    """Return ranges of lengths and how many rows of each follow the target's distribution.

    Args:
        lengths: (n,) lengths of the pool's rows.
        target: (m,) lengths whose distribution is to be followed.
        size: rows in all.
        pool: its name, for errors.

    Raises:
        DataError: the pool has too few rows of some length; the message says how many rows in all are possible.
    """
    # Equal lengths are never parted, so a range that many share may hold more than its share.
    edges = np.unique(np.quantile(target, np.linspace(0, 1, RANGES + 1)[1:-1], method="inverted_cdf"))
    kinds = np.searchsorted(edges, lengths, side="left")
    share = np.bincount(np.searchsorted(edges, target, side="left"), minlength=len(edges) + 1) / len(target)
    have = np.bincount(kinds, minlength=len(share))
    quotas = _apportioned(share, size)
    if (quotas > have).any():
        at = int(np.argmax(quotas - have))
        low = int(edges[at - 1]) + 1 if at else 0
        high = f"{int(edges[at])}" if at < len(edges) else "more"
        # A quota is less than one above its share, which bounds the sizes that can be.
        most = min(size - 1, int(np.min((have[share > 0] + 1) / share[share > 0])))
        while most and (_apportioned(share, most) > have).any():
            most -= 1
        raise DataError(
            f"{pool}: has {have[at]} rows with responses of {low} to {high} tokens, but to match the lengths {size} rows need "
            f"{quotas[at]} of them. Choose 1 to {most} rows."
            if most
            else f"{pool}: has no rows with responses of {low} to {high} tokens, so it cannot match these lengths."
        )
    return Matched(kinds, quotas)


def _apportioned(share: NDArray[np.float64], size: int) -> Ints:
    """Divide `size` by shares, in whole numbers, by largest remainders; ties go to the shorter lengths."""
    exact = share * size
    quotas = np.floor(exact + 1e-9).astype(np.int64)
    order = np.lexsort((np.arange(len(share)), -np.round(exact - quotas, 9)))
    quotas[order[: size - int(quotas.sum())]] += 1
    return quotas


def largest_gap(lengths: Ints, target: Ints) -> float:
    """Return the largest difference of two distributions' cumulative shares, in [0, 1] (Kolmogorov and Smirnov's distance)."""
    at = np.unique(np.concatenate([lengths, target]))
    shares = [np.searchsorted(np.sort(one), at, side="right") / len(one) for one in (lengths, target)]
    return float(np.abs(shares[0] - shares[1]).max())
