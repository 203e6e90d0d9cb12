"""The simulated-data study: does a metric find the known order of sets of points?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate._version import __version__
from variegate.errors import DataError, bad_parameter, unknown_name
from variegate.geometry import sharing
from variegate.metrics import GROUPS, MetricSpec, metric_specs
from variegate.progress import track
from variegate.study.simulation.scenarios import POOL_SIZE, SCENARIOS, Drawn, Scenario, names_of
from variegate.study.simulation.spaces import SPACES
from variegate.study.statistics.resampling import resample_counts
from variegate.study.statistics.tables import plain

__all__ = ["Agreement", "Simulation", "simulate"]

Array = NDArray[np.float64]
# Metric and its options, by the name that it is shown by.
Measured = dict[str, tuple[MetricSpec, dict[str, Any]]]

SAMPLES, SEEDS, SPACE = 100, 10, "sphere"
SMALLEST, FEWEST_SEEDS = 20, 2
# NovelSum without a density, and with one in which near-copies count once.
VARIANTS: dict[str, dict[str, Any]] = {
    "novelsum, beta=0": {"beta": 0.0},
    "novelsum, duplicates=near": {"duplicates": "near"},
}
# Values that differ by less, as a share of the larger, are equal.
EQUAL = 1e-9
RESAMPLES = 2_000


@dataclass(frozen=True)
class Agreement:
    """How a metric's order of sets agrees with the known one.

    Attributes:
        metric: its name.
        scenario: its name; None for the mean over scenarios whose order is certain.
        spearman: mean over seeds, in [-1, 1]; None where the metric gives all sets of a seed one
            value.
        interval: 95 % bootstrap interval of the mean over seeds.
        by_seed: Spearman of each seed.
        values: mean over seeds of the metric, by set, from the least to the most diverse.
        reason: why there is no value.
    """

    metric: str
    scenario: str | None
    spearman: float | None
    interval: tuple[float, float] | None
    by_seed: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class Simulation:
    """The study.

    Attributes:
        metrics: names, in order.
        options: of each metric, where they are not the defaults.
        scenarios: their names.
        agreements: one a metric and scenario, and one a metric for the mean.
        drawn: the pool and the sets of each scenario, of the first seed.
        samples: of a set.
        pool: points of a pool; those of a scenario with near-copies hold these too.
        seeds: how many.
        space: that the points are in.
        version: of variegate.
    """

    metrics: tuple[str, ...]
    options: Mapping[str, Mapping[str, Any]]
    scenarios: tuple[str, ...]
    agreements: tuple[Agreement, ...]
    drawn: Mapping[str, Drawn]
    samples: int
    pool: int
    seeds: int
    space: str
    version: str = __version__

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `simulate --json` writes; the points themselves are not in it."""
        return {
            "samples": self.samples, "pool": self.pool, "seeds": self.seeds, "space": self.space,
            "options": plain(self.options), "version": self.version,
            "scenarios": [
                {"name": one.name, "sets": list(one.sets), "reason": one.reason, "certain": one.certain}
                for one in (SCENARIOS[name] for name in self.scenarios)
            ],
            "agreements": plain(self.agreements),
        }  # fmt: skip

    def find(self, metric: str, scenario: str | None) -> Agreement:
        """Return the agreement of a metric in a scenario, or its mean for None."""
        return next(one for one in self.agreements if (one.metric, one.scenario) == (metric, scenario))


def simulate(
    scenarios: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    *,
    samples: int = SAMPLES,
    seeds: int = SEEDS,
    space: str = SPACE,
) -> Simulation:
    """Draw sets of known order, measure them, and correlate the orders by Spearman's rho.

    The points lie in the plane and become vectors by a map of SPACES. Every set is a selection from
    a pool of 20 times its size, which is the reference: NovelSum takes its density there, facility
    location is to cover it, and partition entropy clusters it. Numbers of clusters are scaled to
    sets of this size: samples / 5 for the inertia, samples / 2 for the partition; all else is as by
    default.

    Args:
        scenarios: names of SCENARIOS; all if None.
        metrics: names of metrics or groups that look at vectors; if None all of these, and two
            variants of NovelSum.
        samples: of a set.
        seeds: drawings of each scenario; seed s draws the same whatever else is asked for.
        space: "sphere", which keeps the plane's geometry in three dimensions, or "features", in 256
            dimensions, where far points are about orthogonal, as in embeddings.

    Returns:
        An agreement a metric and scenario, and their mean over the scenarios whose order is
        certain.

    Raises:
        ParameterError: an unknown scenario or metric, too few samples or seeds.
        DataError: a metric that looks at no vectors.

    Reference: Yang et al. 2025 (simulation study), with further scenarios.
    """
    if samples < SMALLEST:
        raise bad_parameter("samples", "simulate", f"an int of at least {SMALLEST}", samples)
    if seeds < FEWEST_SEEDS:
        raise bad_parameter("seeds", "simulate", f"an int of at least {FEWEST_SEEDS}", seeds)
    if space not in SPACES:
        raise unknown_name("space", space, list(SPACES))
    chosen = [SCENARIOS[name] for name in names_of(list(SCENARIOS) if scenarios is None else scenarios)]
    if not chosen:
        raise bad_parameter("scenarios", "simulate", "at least one name", [])
    measured = _measured(metrics, samples)
    drawn: dict[str, Drawn] = {}
    values = {(name, one.name): np.empty((seeds, len(one.sets))) for name in measured for one in chosen}
    with track("simulating", len(chosen) * seeds, "drawings") as advance:
        for one in chosen:
            for seed in range(seeds):
                # By place in the table, so that leaving out other scenarios changes nothing.
                drawing = one.draw(samples, np.random.default_rng([seed, list(SCENARIOS).index(one.name)]))
                drawn.setdefault(one.name, drawing)
                for name, row in _values(drawing, measured, SPACES[space]).items():
                    values[name, one.name][seed] = row
                advance(1)
    agreements = [_agreement(name, one, values[name, one.name]) for name in measured for one in chosen]
    certain = [one.name for one in chosen if one.certain]
    if certain:
        in_mean = [one for one in agreements if one.scenario in certain]
        agreements += [_mean([one for one in in_mean if one.metric == name]) for name in measured]
    return Simulation(
        tuple(measured), {name: options for name, (_, options) in measured.items() if options},
        tuple(one.name for one in chosen), tuple(agreements), drawn, samples, POOL_SIZE * samples, seeds, space,
    )  # fmt: skip


def _measured(metrics: Sequence[str] | None, samples: int) -> Measured:
    scaled = {"cluster_inertia": {"k": samples // 5}, "partition_entropy": {"k": samples // 2}}
    found: Measured = {}
    for name in GROUPS["embedding"] if metrics is None else metrics:
        for spec in metric_specs(name):
            if spec.view != "vectors":
                raise DataError(
                    f"{spec.name} looks at {spec.view}, but simulated points are vectors. Choose metrics of the group embedding."
                )
            found[spec.name] = (spec, {**scaled.get(spec.name, {}), **spec.preset})
        if metrics is None and name == "novelsum":
            found |= {variant: (spec, options) for variant, options in VARIANTS.items()}
    if not found:
        raise bad_parameter("metrics", "simulate", "at least one name", [])
    return found


def _values(drawing: Drawn, measured: Measured, lift: Callable[[Array], Array]) -> dict[str, list[float]]:
    """Return the values of every metric, by set, turned so that larger is more diverse."""
    pool = lift(drawing.pool)
    with sharing():
        sets = [pool[rows] for rows in drawing.sets]
        return {
            name: [
                (1 if spec.higher_is_more_diverse else -1)
                * float(spec.function(points, **({"reference": pool} if spec.takes_reference else {}), **options))
                for points in sets
            ]
            for name, (spec, options) in measured.items()
        }


def _agreement(metric: str, scenario: Scenario, values: Array) -> Agreement:
    found = [_spearman(row) for row in values]
    means = tuple(values.mean(axis=0).tolist())
    alike = [seed for seed, one in enumerate(found) if one is None]
    if alike:
        return Agreement(metric, scenario.name, None, None, (), means, f"all sets have one value (seed {alike[0]})")
    by_seed = np.array(found, dtype=np.float64)
    return Agreement(metric, scenario.name, float(by_seed.mean()), _interval(by_seed), tuple(by_seed.tolist()), means)


def _spearman(values: Array) -> float | None:
    """Correlate ranks with the known order; what differs by rounding alone is a tie."""
    from scipy.stats import rankdata

    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order]) > EQUAL * np.abs(values).max()
    if not steps.any():
        return None
    ranks = np.empty(len(values))
    ranks[order] = np.r_[0, np.cumsum(steps)]
    return float(np.corrcoef(rankdata(ranks), np.arange(len(values)))[0, 1])


def _mean(agreements: Sequence[Agreement]) -> Agreement:
    metric = agreements[0].metric
    without = [one.scenario for one in agreements if one.spearman is None]
    if without:
        return Agreement(metric, None, None, None, reason=f"no value in {without[0]}")
    by_seed = np.mean([one.by_seed for one in agreements], axis=0)
    return Agreement(metric, None, float(by_seed.mean()), _interval(by_seed), tuple(by_seed.tolist()))


def _interval(by_seed: Array) -> tuple[float, float]:
    drawn = resample_counts(len(by_seed), RESAMPLES, np.random.default_rng(0)) @ by_seed / len(by_seed)
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
    return low, high
