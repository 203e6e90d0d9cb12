"""Metrics on one side of one data set: views taken once, work that several metrics need done once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate._version import __version__
from variegate.corpus import Corpus
from variegate.data.record import Side
from variegate.errors import DataError, VariegateError, check_options
from variegate.geometry import Search, collecting, over_pairs, recorded
from variegate.metrics.spec import Measurement, MetricSpec
from variegate.viewing import Views, kind_of

__all__ = ["MAX_PAIR_ROWS", "Draws", "build_views", "measure_side", "naming"]

# Rows up to which metrics that look at every pair see all of them: some minutes on two cores.
MAX_PAIR_ROWS = 200_000

Fail = Callable[[str, DataError], None]


@dataclass(frozen=True)
class Draws:
    """Which rows are measured.

    Attributes:
        size: rows of a subsample; None for all rows.
        seeds: how many subsamples (or seeds of metrics that draw at random); None for one, without an interval.
        max_pair_rows: rows that metrics over all pairs look at; more are subsampled. 0 for no limit.
    """

    size: int | None = None
    seeds: int | None = None
    max_pair_rows: int = MAX_PAIR_ROWS


@dataclass
class _Job:
    """One metric on one view."""

    spec: MetricSpec
    view: Any
    options: dict[str, Any]
    params: dict[str, Any]
    # Rows that it looks at, and whether they are a sample of what it was asked to look at.
    n: int
    sampled: bool
    values: list[float] = field(default_factory=list)
    searches: list[Search] = field(default_factory=list)

    @property
    def seeded(self) -> bool:
        return "seed" in self.spec.defaults


def measure_side(
    corpus: Corpus,
    reference: Corpus | None,
    specs: list[MetricSpec],
    params: Mapping[str, Mapping[str, Any]],
    views: Views,
    draws: Draws,
    fail: Fail,
) -> list[Measurement]:
    """Compute metrics on one side of one data set.

    Args:
        corpus: the data set.
        reference: for metrics that take one.
        specs: the metrics.
        params: options by metric.
        views: which side, and how its views are made.
        draws: which rows are measured.
        fail: called with a metric's name and why it cannot be computed here.

    Returns:
        One measurement for each metric that could be computed, in the order of `specs`.
    """
    jobs = []
    for spec in specs:
        with _failing(spec.name, fail):
            jobs.append(_job(corpus, reference, spec, params, views, draws))
    for seed in range(draws.seeds or 1):
        rows = None if draws.size is None else _drawn(seed, len(corpus), draws.size)
        # Without draws, other seeds give another value only where the metric itself draws.
        due = [job for job in jobs if draws.size is not None or job.seeded or job.sampled or seed == 0]
        for name, reason in _compute(due, rows, seed):
            jobs = [job for job in jobs if job.spec.name != name]
            fail(name, reason)
    return [_measurement(corpus, views.side, job, draws) for job in jobs]


def build_views(corpus: Corpus, sides: Iterable[Side], specs: Iterable[MetricSpec], views: Views) -> None:
    """Build all that metrics look at on a whole pool, so that its parts take their share of it instead of building their own.

    What cannot be built is left to the metrics to say.
    """
    for spec in specs:
        for side in sides:
            with suppress(DataError):
                replace(views, side=side).build(spec.view, corpus)


@contextmanager
def _failing(name: str, fail: Fail) -> Iterator[None]:
    try:
        yield
    except DataError as error:
        fail(name, error)


def _job(
    corpus: Corpus,
    reference: Corpus | None,
    spec: MetricSpec,
    params: Mapping[str, Mapping[str, Any]],
    views: Views,
    draws: Draws,
) -> _Job:
    options = {**params.get(spec.name.partition("@")[0], {}), **spec.preset, **params.get(spec.name, {})}
    defaults = spec.defaults
    check_options(spec.name, defaults, options)
    fitted_on = corpus if reference is None else reference
    fitted = {"fitted_on": fitted_on.name} if views.is_fitted(spec.view) else {}
    recorded = {**defaults, **options, **views.record(spec.view, corpus), **fitted}
    arguments = dict(options)
    view = views.build(spec.view, corpus, fitted_on)
    if spec.takes_reference:
        against = reference if reference is not None else corpus if spec.own_reference else None
        recorded["reference"] = None if against is None else against.name
        if against is not None:
            recorded["reference_n"] = len(against)
            arguments["reference"] = views.build(spec.view, against, fitted_on)
            kind_of(spec.view).refuse_unlike(corpus, view, against, arguments["reference"])
    n = draws.size or len(corpus)
    sampled = spec.over_pairs is not None and 0 < draws.max_pair_rows < n
    if sampled:
        recorded |= {"sampled_from": n, "sample_seed": 0}
    return _Job(spec, view, arguments, recorded, draws.max_pair_rows if sampled else n, sampled)


def _compute(jobs: list[_Job], rows: NDArray[np.int64] | None, seed: int) -> list[tuple[str, DataError]]:
    """Compute one draw of each job; return those that cannot be."""
    failed: list[tuple[str, DataError]] = []
    parts: dict[tuple[int, bool], Any] = {}

    def part_of(job: _Job) -> Any:
        key = (id(job.view), job.sampled)
        if key not in parts:
            take = kind_of(job.spec.view).take
            part = job.view if rows is None else take(job.view, rows)
            parts[key] = take(part, _drawn(seed, len(part), job.n)) if job.sampled else part
        return parts[key]

    together: dict[int, list[tuple[_Job, Any, Any]]] = {}
    for job in jobs:
        # Where rows are drawn, that is what varies: a metric's own clusters, for one, stay the same.
        arguments = {**job.options, "seed": seed} if job.seeded and seed and rows is None else job.options
        with _failing(job.spec.name, lambda name, error: failed.append((name, error))), collecting() as searches:
            part = part_of(job)
            if job.spec.over_pairs is None:
                job.values.append(_finite(job.spec.name, job.spec.function(part, **arguments)))
            else:
                statistic = job.spec.over_pairs(part, **arguments)
                together.setdefault(id(part), []).append((job, part, statistic))
            job.searches += searches
    for group in together.values():
        over_pairs(group[0][1], [statistic for _, _, statistic in group])
        for job, _, statistic in group:
            with _failing(job.spec.name, lambda name, error: failed.append((name, error))):
                job.values.append(_finite(job.spec.name, statistic.value()))
    return failed


def _drawn(seed: int, n: int, size: int) -> NDArray[np.int64]:
    return np.sort(np.random.default_rng(seed).choice(n, size, replace=False))


def _finite(name: str, value: Any) -> float:
    if not np.isfinite(value):
        raise DataError(f"{name} came out as {value}, which is no measurement. Are the vectors of a sensible scale?")
    return float(value)


def _measurement(corpus: Corpus, side: Side, job: _Job, draws: Draws) -> Measurement:
    if draws.size is not None:
        job.params["size_matched"] = draws.size
    job.params |= recorded(job.searches)
    mean, interval = _mean_interval(job.values)
    return Measurement(
        corpus.name, job.spec.name, side, mean, job.n, job.params, __version__,
        interval=interval if draws.seeds else None, seeds=draws.seeds,
        higher_is_more_diverse=job.spec.higher_is_more_diverse, draws=tuple(job.values),
    )  # fmt: skip


def _mean_interval(values: list[float]) -> tuple[float, tuple[float, float]]:
    """Return the mean and the 95 % Student t interval of the mean; a single value is its own interval."""
    mean = float(np.mean(values))
    if len(values) == 1 or min(values) == max(values):
        return mean, (mean, mean)
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, (mean - half, mean + half)


def naming(name: str, error: VariegateError) -> DataError:
    """Make an error of a function that knows no corpus say which data set it is about."""
    return error if isinstance(error, DataError) and name in str(error) else DataError(f"{name}: {error}")
