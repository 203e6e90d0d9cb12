"""Bounds on what rounding can change, each with its proof.

Float32 finds candidates and float64 decides among them: results are exact if float32 passes over
no row that float64 would take, and that is what these bounds are for.

A float32 operation returns its exact result times 1 + e, |e| <= u = 2^-24; float64 has 2^-53 for
u. A sum of n products, in whatever order, fused with its products or not, is off by at most
n u sum |a_i b_i| <= n u |a| |b| (Jeannerod & Rump 2013). Data whose roundings all go one way come
to half of it, so that a bound that grows with the root of n does not hold. This one holds for
every library, number of threads, size of blocks and device, as long as float32 is multiplied as
float32 (:func:`full_float32`).

What says which rows people take for the same (copies, ties, near-duplicates) is no bound on
rounding, and stands where it is used.
"""

from __future__ import annotations

import math

__all__ = [
    "HALF_SUM",
    "ROUNDINGS",
    "RUN",
    "UNDERFLOW",
    "UNIT",
    "WIDE_UNIT",
    "angle_error",
    "error_share",
    "half_error_share",
    "runs_error_share",
    "sum_share",
    "wide_error_share",
]

# Half the distance of float32 numbers above 1, and of float64 numbers.
UNIT, WIDE_UNIT = 2.0**-24, 2.0**-53
# Roundings besides those of a sum: at most 10 are counted below, the others are to spare.
ROUNDINGS = 16
# What each product of a sum can lose where all below the least normal float32 number, 2^-126,
# becomes 0: the product once, the sum that it goes into once, and both twice when doubled.
UNDERFLOW = 2.0**-124
# Products of float16 numbers that the kernels let tensor cores add up before float32 goes on, and
# how many times a rounding each may be off by: the cores align the terms of a sum and cut them off
# instead of rounding (Fasi et al. 2021), which loses up to twice as much; another two to spare.
HALF_SUM, HALF_LOSS = 256, 4
# Dimensions whose products are added up by themselves where rounding should not grow with them.
RUN = 256


def error_share(d: int) -> float:
    """Return the share (d + 16) u by which float32 can miss cosines and squared distances.

    The sum of d products takes d u. What else is rounded takes less than 16 u:

    - In a cosine. Unit rows are made in float64 and rounded, each entry by u: 2 for both. Or rows
      stay as they are and their product is multiplied by two rounded lengths: 4. The cosine is
      subtracted from 1, or a number of at most 1 from it, which gives one of at most 2: 2. What it
      is compared with was rounded, and is at most 2: 2. In all 8.
    - In a squared distance |q|^2 + |p|^2 - 2 q p, as a share of |q|^2 + |p|^2, which 2 |q| |p| does
      not exceed. Rows less a centre are rounded, each entry by u: q - p moves by u (|q| + |p|) at
      most, and its square by 2 u (|q| + |p|)^2 <= 4 u (|q|^2 + |p|^2): 4. Both squared lengths are
      rounded, then their sum: 2. The product is added to it, which gives at most twice the sum: 2.
      What that is compared with is no larger: 2. In all 10.

    Products of such errors come to less than u for d up to 2^20, as does what float64 rounds. A
    product of rows as they are is off by this share of their lengths. Where products can be below
    2^-126, d times `UNDERFLOW` comes on top.
    """
    return (d + ROUNDINGS) * UNIT


def runs_error_share(d: int) -> float:
    """Return the same share for sums over `RUN` dimensions at a time that are then added up.

    A product goes through the additions of its run, which has no more dimensions than d or `RUN`,
    and through those of the runs' sums.
    """
    return error_share(min(d, RUN) + -(-d // RUN) - 1)


def half_error_share(d: int) -> float:
    """Return the same share for float16 rows whose products the kernels' tensor cores add up.

    These products are exact. In a run of `HALF_SUM` each is off by `HALF_LOSS` roundings where it
    would be off by one, and all else that :func:`error_share` counts is counted as often. The runs'
    sums are added up in float32: a rounding for each, and another to spare.
    """
    return HALF_LOSS * error_share(HALF_SUM) + (d / HALF_SUM) * 2 * UNIT


def sum_share(additions: int) -> float:
    """Return the share by which a float32 sum of numbers above 0 is raised to be no less than it is.

    Each number was itself rounded up to 16 times and goes through so many additions at most. So at
    least 1 - s of the sum is left, s = (additions + 16) u, and (1 - s) (1 + 2 s) >= 1 for s <= 1 / 2.

    Args:
        additions: that a number goes through, at most 2^22.
    """
    return 2 * (additions + ROUNDINGS) * UNIT


def wide_error_share(d: int) -> float:
    """Return the share (d + 16) 2^-52 by which float64 can miss a cosine, or a squared distance.

    The sum of products takes d 2^-53. A length is the root of a sum of d squares, d / 2 + 2
    roundings; each of two rows is divided by one: d + 6. In all 2 d + 6. A sum of d squares of
    differences takes d + 2, and differs by twice that from the same sum in another order.
    """
    return 2 * (d + ROUNDINGS) * WIDE_UNIT


def angle_error(d: int) -> float:
    """Return what the angle between two rows can be off by, taken from a float64 cosine.

    A cosine that is off by s moves the angle most where it is 1, by acos(1 - s) <= 1.01 sqrt(2 s)
    for s up to 1 / 10.
    """
    return 1.01 * math.sqrt(2 * wide_error_share(d))
