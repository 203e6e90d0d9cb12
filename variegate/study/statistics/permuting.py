"""Correlations of all permutations at once: the metrics of one subset go to the runs of another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from variegate.study.statistics.weighted import EXPLAINED, plain_ranks, weighted_ranks

__all__ = ["left_of", "permuted_pearson", "permuted_spearman"]

Array = NDArray[np.float64]


def left_of(values: Array, held: Array) -> Array:
    """Return what a linear fit on held columns (n, q) leaves of values (n,)."""
    design = np.column_stack([np.ones(len(values)), held - held.mean(axis=0)])
    left: Array = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return left


def permuted_pearson(x: Array, y: Array, held: Array, of_subset: NDArray[np.int64], orders: NDArray[np.int64]) -> Array:
    """Correlate y with what the held columns leave of x, given to the subsets in other orders.

    The held columns stay where they are, and are fitted again to each permuted x. All of x and of
    the held columns is the same within a subset, so that sums over runs are sums over subsets.

    Args:
        x: (n, m) columns.
        y: (n,) what they are correlated with.
        held: (n, q) columns that are held fixed.
        of_subset: (n,) number of each run's subset.
        orders: (p, subsets) permutations.

    Returns:
        (p, m). An order that leaves nothing of a column beyond the held ones has no correlation: it
        counts as infinite, that is, against the column.

    Reference: Winkler et al. 2014, "Permutation Inference for the General Linear Model" (the method
    named Smith there).
    """
    _, first, runs = np.unique(of_subset, return_index=True, return_counts=True)
    left = np.column_stack([left_of(one, held) for one in (x / x.std(axis=0)).T])[first]
    y = left_of(y, held)
    spread = held.std(axis=0)
    design = np.column_stack([np.ones(len(y)), (held - held.mean(axis=0)) / np.where(spread > 0, spread, 1.0)])[first]
    # Permuting what x is multiplied with is permuting x.
    xy = np.bincount(of_subset, weights=y)[orders] @ left
    xx = runs.astype(np.float64)[orders] @ left**2
    projections = np.stack([(runs * one)[orders] @ left for one in design.T], axis=2)
    inverse = np.linalg.pinv((design * runs[:, None]).T @ design, rcond=EXPLAINED, hermitian=True)
    beyond = xx - np.einsum("pmk,kl,pml->pm", projections, inverse, projections)
    none = beyond <= EXPLAINED * xx
    return np.where(none, np.inf, xy / np.sqrt(np.where(none, 1.0, beyond) * (y @ y)))


def permuted_spearman(x: Array, y: Array, held: Array, of_subset: NDArray[np.int64], orders: NDArray[np.int64]) -> Array:
    """Do the same with ranks over runs.

    Where subsets have unequal numbers of runs, the ranks depend on which subset has which metric:
    they are taken in each permutation. With held columns they are taken once, which is exact for
    equal numbers only.
    """
    runs = np.bincount(of_subset)
    if held.shape[1] or (runs == runs[0]).all():
        return permuted_pearson(plain_ranks(x), plain_ranks(y[:, None])[:, 0], plain_ranks(held), of_subset, orders)
    middle = (len(y) + 1) / 2
    y_ranks = plain_ranks(y[:, None])[:, 0] - middle
    y_sums = np.bincount(of_subset, weights=y_ranks)[orders]
    weights = runs.astype(np.float64)[orders]
    found = np.empty((len(orders), x.shape[1]))
    first = np.unique(of_subset, return_index=True)[1]
    for at, column in enumerate(x[first].T):
        ranks = weighted_ranks(column, weights) - middle
        xy, xx = np.einsum("ps,ps->p", y_sums, ranks), np.einsum("ps,ps->p", weights, ranks**2)
        found[:, at] = xy / np.sqrt(xx * (y_ranks @ y_ranks))
    return found
