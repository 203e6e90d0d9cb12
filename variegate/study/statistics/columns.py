"""The metrics of a study as columns over its runs, turned so that larger is more diverse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, ParameterError
from variegate.metrics import metric_specs
from variegate.study.statistics.performance import MetricKey, RunResult, is_constant
from variegate.study.statistics.permuting import left_of
from variegate.study.statistics.weighted import EXPLAINED

__all__ = ["check_of_subset", "metric_columns"]

Array = NDArray[np.float64]


def metric_columns(
    runs: Sequence[RunResult],
    of_subset: NDArray[np.int64],
    keys: Sequence[MetricKey],
    fixed: Array,
    directions: Mapping[str, bool],
) -> tuple[dict[MetricKey, Array], dict[MetricKey, str]]:
    """Turn the metrics that can be correlated so that larger is more diverse; name the others.

    Args:
        runs: that were measured.
        of_subset: (n,) number of each run's subset.
        keys: metrics to look at.
        fixed: (n, q) covariates that are held.
        directions: whether larger is more diverse, for metrics that are not in METRICS.

    Returns:
        Column by key, and reason by key.

    Raises:
        DataError: a value that is no number, or that differs between runs of one subset.
        ParameterError: an unknown metric.
    """
    found: dict[MetricKey, Array] = {}
    left_out: dict[MetricKey, str] = {}
    for key in keys:
        lacking = [run.id for run in runs if key not in run.metrics]
        if lacking:
            left_out[key] = f"not measured for {len(lacking)} of {len(runs)} runs, {lacking[0]} the first"
            continue
        values = np.array([float(run.metrics[key]) for run in runs])
        if not np.isfinite(values).all():
            run = runs[int(np.argmin(np.isfinite(values)))]
            raise DataError(f"Run {run.id}: {key[0]}, {key[1]} side, is no number. Measure its subset once more.")
        check_of_subset(runs, of_subset, values, f"{key[0]}, {key[1]} side")
        if is_constant(values):
            left_out[key] = f"every run has {values[0]:.6g}"
        elif fixed.shape[1] and left_of(values, fixed).var() <= EXPLAINED * values.var():
            left_out[key] = "explained wholly by what is held"
        else:
            found[key] = values if _more_diverse_up(key[0], directions) else -values
    return found, left_out


def _more_diverse_up(metric: str, directions: Mapping[str, bool]) -> bool:
    if metric in directions:
        return directions[metric]
    (spec, *others) = metric_specs(metric)
    if others:
        raise ParameterError(f"{metric} is a group of metrics. Name one metric.")
    return spec.higher_is_more_diverse


def check_of_subset(runs: Sequence[RunResult], of_subset: NDArray[np.int64], values: Array, what: str) -> None:
    """Refuse values that differ between runs of one subset."""
    _, first = np.unique(of_subset, return_index=True)
    same = values[first][of_subset]
    differs = np.abs(values - same) > 1e-9 * np.maximum(np.abs(values), np.abs(same))
    if differs.any():
        at = int(np.argmax(differs))
        one, other = runs[int(first[of_subset[at]])].id, runs[at].id
        raise DataError(
            f"Runs {one} and {other} share the subset {runs[at].subset}, but differ in {what}: {same[at]:.6g} and "
            f"{values[at]:.6g}. What belongs to a subset must be the same for all its runs."
        )
