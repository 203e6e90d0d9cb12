"""Correlations of all resamples at once: a weight says how often an observation was drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["plain_ranks", "weighted_pearson", "weighted_ranks", "weighted_spearman"]

Array = NDArray[np.float64]

# A column of which less than this share of the variance is left by the held columns is explained by
# them.
EXPLAINED = 1e-10


def weighted_ranks(values: Array, weights: Array) -> Array:
    """Return the ranks of observations that occur several times, ties sharing their mean rank.

    Args:
        values: (n,) observations.
        weights: (b, n) how often each occurs in each resample.

    Returns:
        (b, n) ranks from 1 to the resample's total weight; those of observations that do not occur
        have no meaning.

    >>> weighted_ranks(np.array([10.0, 30.0, 20.0]), np.array([[1.0, 1, 1], [2, 1, 0]])).tolist()
    [[1.0, 3.0, 2.0], [1.5, 3.0, 2.5]]
    """
    order = np.argsort(values, kind="stable")
    new = np.r_[True, np.diff(values[order]) > 0]
    group = np.empty(len(values), dtype=np.int64)
    group[order] = np.cumsum(new) - 1
    weight = np.add.reduceat(weights[:, order], np.flatnonzero(new), axis=1)
    ranks: Array = (np.cumsum(weight, axis=1) - (weight - 1) / 2)[:, group]
    return ranks


def plain_ranks(columns: Array) -> Array:
    """Return the ranks within each of the columns (n, m), ties sharing their mean rank."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(columns, axis=0), dtype=np.float64)


def weighted_pearson(x: Array, y: Array, held: Array, weights: Array) -> Array:
    """Return Pearson correlations of the columns of x with y, other columns held fixed.

    Args:
        x: (n, m) columns.
        y: (n,) what they are correlated with.
        held: (n, q) columns that are held fixed; q may be 0.
        weights: (b, n).

    Returns:
        (b, m); nan where a column does not vary in the resample beyond the held ones.
    """
    x, y, held = _standard(x), _standard(y[:, None])[:, 0], _standard(held)
    design = np.column_stack([np.ones(len(y)), held])
    k = design.shape[1]
    inner = (weights @ (design[:, :, None] * design[:, None, :]).reshape(len(y), -1)).reshape(-1, k, k)
    with_y = weights @ (design * y[:, None])
    with_x = np.stack([weights @ (design[:, [at]] * x) for at in range(k)], axis=1)
    xx, xy, yy = weights @ x**2, weights @ (x * y[:, None]), weights @ y**2
    return _partial(inner, with_x, with_y, xx, xy, yy)


def weighted_spearman(x: Array, y: Array, held: Array, weights: Array) -> Array:
    """Return Spearman correlations, Pearson's of the ranks within each resample, likewise."""
    total = weights.sum(axis=1, keepdims=True)

    def ranks_of(values: Array) -> Array:
        # About the mean rank, on the scale of the resample.
        ranks: Array = (weighted_ranks(values, weights) - (total + 1) / 2) / total
        return ranks

    y_ranks = ranks_of(y)
    design = np.stack([np.ones_like(y_ranks), *(ranks_of(column) for column in held.T)], axis=2)
    weighted = weights[:, :, None] * design
    inner = np.einsum("bnk,bnl->bkl", weighted, design)
    with_y = np.einsum("bnk,bn->bk", weighted, y_ranks)
    weighted_y, yy = weights * y_ranks, np.einsum("bn,bn->b", weights, y_ranks**2)
    found = np.empty((len(weights), x.shape[1]))
    for at in range(x.shape[1]):
        x_ranks = ranks_of(x[:, at])
        with_x = np.einsum("bnk,bn->bk", weighted, x_ranks)[:, :, None]
        xx, xy = np.einsum("bn,bn->b", weights, x_ranks**2), np.einsum("bn,bn->b", weighted_y, x_ranks)
        found[:, at] = _partial(inner, with_x, with_y, xx[:, None], xy[:, None], yy)[:, 0]
    return found


def _standard(columns: Array) -> Array:
    """Centre and scale, so that products of columns of any unit lose no digits."""
    centred = columns - columns.mean(axis=0)
    spread = centred.std(axis=0)
    scaled: Array = centred / np.where(spread > 0, spread, 1.0)
    return scaled


def _partial(inner: Array, with_x: Array, with_y: Array, xx: Array, xy: Array, yy: Array) -> Array:
    """Take the held columns out of sums of products, and correlate what is left.

    Args:
        inner: (b, k, k) products of the held columns, the first of ones.
        with_x: (b, k, m) their products with x.
        with_y: (b, k) with y.
        xx: (b, m) squares of x.
        xy: (b, m) products of x and y.
        yy: (b,) squares of y.
    """
    # A held column that is constant in a resample is part of the constant there: the pseudo-inverse
    # drops it.
    inverse = np.linalg.pinv(inner, rcond=EXPLAINED, hermitian=True)
    fit = inverse @ with_x
    left_x = xx - np.einsum("bkm,bkm->bm", with_x, fit)
    left_y = yy - np.einsum("bk,bkl,bl->b", with_y, inverse, with_y)
    left_xy = xy - np.einsum("bk,bkm->bm", with_y, fit)
    total = inner[:, 0, 0]
    mean_x, mean_y = with_x[:, 0] / total[:, None], with_y[:, 0] / total
    none = (left_x <= EXPLAINED * (xx - total[:, None] * mean_x**2)) | (left_x <= EXPLAINED * xx)
    none |= ((left_y <= EXPLAINED * (yy - total * mean_y**2)) | (left_y <= EXPLAINED * yy))[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = left_xy / np.sqrt(left_x * left_y[:, None])
    return np.where(none, np.nan, np.clip(found, -1.0, 1.0))
