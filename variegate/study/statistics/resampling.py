"""Bootstrap intervals, and permutation p-values corrected for how many statistics are tried."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter

__all__ = ["bca_intervals", "holm", "max_corrected", "p_values", "permutations_of", "resample_counts"]

Array = NDArray[np.float64]

# Two statistics that differ by less are equal: the sums behind them round in another order.
TIES = 1e-10
# An interval needs this share of the resamples to have a value at all.
DEFINED = 0.95


def check_draws(owner: str, resamples: int, permutations: int, confidence: float) -> None:
    """Refuse numbers of draws from which no interval or p-value can be read."""
    if resamples < 100:
        raise bad_parameter("resamples", owner, "an int of at least 100", resamples)
    if permutations < 100:
        raise bad_parameter("permutations", owner, "an int of at least 100", permutations)
    if not 0 < confidence < 1:
        raise bad_parameter("confidence", owner, "a number between 0 and 1", confidence)


def resample_counts(clusters: int, resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return how often each cluster occurs in each resample: (resamples, clusters)."""
    return rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)


def permutations_of(n: int, permutations: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return random orders of n things: (permutations, n)."""
    return rng.permuted(np.tile(np.arange(n), (permutations, 1)), axis=1)


def bca_intervals(observed: Array, resampled: Array, jackknife: Array, confidence: float = 0.95) -> Array:
    """Return bias-corrected and accelerated bootstrap intervals of m statistics.

    Args:
        observed: (m,) the statistics of the data.
        resampled: (b, m) of the resamples; nan where a resample has no value.
        jackknife: (c, m) with one cluster left out; nan likewise.
        confidence: of the interval.

    Returns:
        (m, 2) lower and upper ends; nan where over 5 % of the resamples have no value. Where the
        jackknife does not vary, or has gaps, the acceleration is 0, which leaves the bias-corrected
        interval.

    Reference: Efron 1987, "Better Bootstrap Confidence Intervals".
    """
    from scipy.special import ndtr, ndtri

    found = np.full((len(observed), 2), np.nan)
    tails = ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
    for at, value in enumerate(observed):
        values = resampled[np.isfinite(resampled[:, at]), at]
        if not np.isfinite(value) or len(values) < DEFINED * len(resampled):
            continue
        below = np.mean(values < value - TIES) + np.mean(np.abs(values - value) <= TIES) / 2
        # Half a resample at least on either side, so that the normal quantile is finite.
        bias = ndtri(np.clip(below, 0.5 / len(values), 1 - 0.5 / len(values)))
        pull = jackknife[:, at].mean() - jackknife[:, at]
        spread = np.sum(pull**2)
        acceleration = np.sum(pull**3) / (6 * spread**1.5) if spread > TIES**2 else 0.0
        shares = ndtr(bias + (bias + tails) / (1 - acceleration * (bias + tails)))
        found[at] = np.quantile(values, shares)
    return found


def p_values(observed: Array, permuted: Array) -> Array:
    """Return two-sided p-values: the share of permutations as far from 0 as the data, these included.

    Args:
        observed: (m,) statistics of the data.
        permuted: (p, m) of the permutations.

    Returns:
        (m,) in [1 / (p + 1), 1].

    Reference: Phipson & Smyth 2010, "Permutation p-values should never be zero".

    >>> p_values(np.array([0.9]), np.array([[0.1], [-0.95], [0.3]])).tolist()
    [0.5]
    """
    farther = np.sum(np.abs(permuted) >= np.abs(observed) - TIES, axis=0)
    return np.asarray((1 + farther) / (1 + len(permuted)), dtype=np.float64)


def max_corrected(observed: Array, permuted: Array) -> Array:
    """Return p-values corrected by the maximum statistic, step down (Westfall & Young).

    Each statistic is held against the largest, in each permutation, of itself and of those that are
    smaller in the data. Statistics that move together cost less than under Holm, since their
    maximum grows less.

    Args:
        observed: (m,) statistics of the data.
        permuted: (p, m) of permutations that all statistics share.

    Returns:
        (m,) in [1 / (p + 1), 1]: a bound on the chance of even one false discovery among the m.

    Reference: Westfall & Young 1993, "Resampling-Based Multiple Testing", algorithm 4.1.
    """
    order = np.argsort(-np.abs(observed), kind="stable")
    sizes = np.abs(permuted)[:, order]
    largest = np.maximum.accumulate(sizes[:, ::-1], axis=1)[:, ::-1]
    stepped = p_values(np.abs(observed)[order], largest)
    corrected = np.empty(len(observed))
    corrected[order] = np.maximum.accumulate(stepped)
    return corrected


def holm(p: Array) -> Array:
    """Return p-values corrected by Holm's rule, which holds however the tests depend on each other.

    Reference: Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure".

    >>> holm(np.array([0.01, 0.04, 0.03])).round(6).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    stepped = np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return corrected
