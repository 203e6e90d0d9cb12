"""What a run gave, and its performance: one number over all evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError

__all__ = ["MetricKey", "Performance", "RunResult", "performance", "subset_means"]

# Metric, side, embedder ("" for a metric that looks at no vectors).
MetricKey = tuple[str, str, str]

# A spread below this share of the values is rounding.
ROUNDING = 1e-12


@dataclass(frozen=True)
class RunResult:
    """One training run: what it was trained on, what was measured on that, and how it did.

    Attributes:
        id: of the run.
        subset: id of its training subset. Runs that share one are *repeats*: they differ in the
            training seed alone.
        strategy: that chose the subset.
        side: that the strategy looked at.
        evaluations: value by name.
        higher_is_better: which way each evaluation points.
        metrics: value by (metric, side, embedder), all of the subset.
        covariates: what a correlation may hold fixed, for example the mean response length in
            tokens.
        level: position of the strategy's dial in percent; None for strategies that have none.
        size: rows of the subset.
        seed: of the selection. Subsets that differ in it alone are *redraws*.
        repeat: label of the training seed.
    """

    id: str
    subset: str
    strategy: str
    side: str
    evaluations: Mapping[str, float]
    higher_is_better: Mapping[str, bool]
    metrics: Mapping[MetricKey, float] = field(default_factory=dict)
    covariates: Mapping[str, float] = field(default_factory=dict)
    level: float | None = None
    size: int | None = None
    seed: int = 0
    repeat: str = ""


@dataclass(frozen=True)
class Performance:
    """The performance of every run.

    Attributes:
        runs: ids, in the order of the values.
        values: (n,) float64, in standard deviations; larger = better.
        scores: (n,) oriented z-scores by evaluation, whose mean is `values`.
        left_out: evaluations that say nothing, and why.
    """

    runs: tuple[str, ...]
    values: NDArray[np.float64]
    scores: Mapping[str, NDArray[np.float64]]
    left_out: Mapping[str, str]


def performance(runs: Sequence[RunResult]) -> Performance:
    """Return the performance of runs: the mean over evaluations of their z-scores over runs, larger = better.

    An evaluation with the same value for every run has no z-score. It is left out and named, since
    a zero in its place would pull every performance towards the middle.

    Args:
        runs: at least two, each with every evaluation.

    Returns:
        One value a run, in the order given.

    Raises:
        DataError: fewer than two runs, two of one id, a run without an evaluation that others have,
            a value that is no number, an evaluation that points one way in one run and the other
            way in another, or none that varies.

    Reference: Yang et al. 2025 (aggregated performance).

    >>> def run(at, loss):
    ...     return RunResult(str(at), str(at), "random", "both", {"loss": loss}, {"loss": False})
    >>> performance([run(0, 1.5), run(1, 2.5)]).values.tolist()
    [1.0, -1.0]
    """
    check_runs(runs, 2)
    names = list(dict.fromkeys(name for run in runs for name in run.evaluations))
    scores: dict[str, NDArray[np.float64]] = {}
    left_out: dict[str, str] = {}
    for name in names:
        sign = 1.0 if _points_up(runs, name) else -1.0
        values = np.array([_value(run.evaluations, name, "evaluation", run) for run in runs])
        if is_constant(values):
            left_out[name] = f"every run has {values[0]:.6g}"
        else:
            scores[name] = sign * (values - values.mean()) / values.std()
    if not scores:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise DataError(
            f"No evaluation tells the {len(runs)} runs apart ({reasons or 'there is none'}). Add one on which they differ."
        )
    return Performance(tuple(run.id for run in runs), np.mean(list(scores.values()), axis=0), scores, left_out)


def subset_means(runs: Sequence[RunResult], values: NDArray[np.float64]) -> tuple[list[RunResult], NDArray[np.float64]]:
    """Average repeats: return the first run of each subset and the mean of its runs' values."""
    of_subset: dict[str, list[int]] = {}
    for at, run in enumerate(runs):
        of_subset.setdefault(run.subset, []).append(at)
    means = np.array([values[some].mean() for some in of_subset.values()])
    return [runs[some[0]] for some in of_subset.values()], means


def check_runs(runs: Sequence[RunResult], fewest: int) -> None:
    """Refuse too few runs, and two of one id."""
    if len(runs) < fewest:
        raise DataError(f"This needs at least {fewest} runs, got {len(runs)}. Add runs to the study.")
    seen: set[str] = set()
    for run in runs:
        if run.id in seen:
            raise DataError(f"Two runs have the id {run.id}. Give each run once.")
        seen.add(run.id)


def check_values(runs: Sequence[RunResult], values: NDArray[np.float64]) -> None:
    """Refuse performances that are not one finite number a run."""
    if np.shape(values) != (len(runs),) or not np.isfinite(values).all():
        raise DataError(f"The performance must be one finite number for each of the {len(runs)} runs.")


def column(runs: Sequence[RunResult], name: str) -> NDArray[np.float64]:
    """Return a covariate of all runs."""
    return np.array([_value(run.covariates, name, "covariate", run) for run in runs])


def is_constant(values: NDArray[np.float64]) -> bool:
    """Whether values differ by rounding at most."""
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max())


def _value(values: Mapping[str, float], name: str, kind: str, run: RunResult) -> float:
    if name not in values:
        raise DataError(f"Run {run.id} has no {kind} {name}, which other runs have. Finish the run, or leave it out.")
    value = float(values[name])
    if not np.isfinite(value):
        raise DataError(f"Run {run.id}: {kind} {name} is {value}, which is no measurement. Run it once more.")
    return value


def _points_up(runs: Sequence[RunResult], name: str) -> bool:
    found: dict[bool, str] = {}
    for run in runs:
        if name in run.evaluations:
            if name not in run.higher_is_better:
                raise DataError(f"Run {run.id} does not say whether a higher {name} is better.")
            found.setdefault(bool(run.higher_is_better[name]), run.id)
    if len(found) > 1:
        raise DataError(f"Evaluation {name}: a higher value is better in run {found[True]}, but worse in run {found[False]}.")
    return next(iter(found))
