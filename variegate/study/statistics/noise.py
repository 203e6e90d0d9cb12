"""How much of a performance is the luck of one run, and which correlation that puts out of reach."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.study.statistics.performance import RunResult, check_runs, check_values, is_constant, subset_means
from variegate.study.statistics.resampling import check_draws

__all__ = ["NoiseCeiling", "VarianceComponents", "noise_ceiling", "variance_components"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class VarianceComponents:
    """One-way random effects: a value is its group's own plus noise.

    Attributes:
        between: variance of the groups' own values, as estimated: below 0 where the groups differ
            less than noise alone would make them differ.
        within: variance of the noise.
        groups: how many.
        repeated: how many of them have more than one value.
        values: in all groups.
        repeats: values a group, on the average that the estimate takes.
    """

    between: float
    within: float
    groups: int
    repeated: int
    values: int
    repeats: float

    @property
    def reliability(self) -> float:
        """ICC(1): the share of one value's variance that is its group's own; 0 if `between` is below 0."""
        return max(self.between, 0.0) / (max(self.between, 0.0) + self.within)

    @property
    def reliability_of_mean(self) -> float:
        """The same of the mean of a group's values (Spearman-Brown)."""
        return max(self.between, 0.0) / (max(self.between, 0.0) + self.within / self.repeats)


@dataclass(frozen=True)
class NoiseCeiling:
    """What run-to-run noise leaves for a metric to predict.

    Attributes:
        source: "repeats" or "redraws".
        components: variance between and within; None where they cannot be estimated.
        reliability: of one run's performance, in [0, 1].
        reliability_interval: its interval, in [0, 1].
        ceiling: the square root of the reliability, the largest |r| to expect.
        ceiling_interval: the square roots of that.
        reason: why a number is missing, or what to mind.
    """

    source: str
    components: VarianceComponents | None
    reliability: float | None
    reliability_interval: tuple[float, float] | None
    ceiling: float | None
    ceiling_interval: tuple[float, float] | None
    reason: str | None = None


def variance_components(values: Array, groups: Sequence[Hashable]) -> VarianceComponents | None:
    """Estimate the variance between and within groups, of any sizes, by the analysis of variance.

    Returns:
        None where no group has two values, where there is one group only, or where all values are
        the same.

    Reference: Searle, Casella & McCulloch 1992, "Variance Components", section 3.6.
    """
    sizes, means, squares = _sufficient(values, _numbers(groups))
    if len(sizes) < 2 or sizes.max() < 2 or is_constant(values):
        return None
    within, between, repeats = (float(one[0]) for one in _anova(sizes[None], means[None], squares[None]))
    return VarianceComponents(between, within, len(sizes), int((sizes > 1).sum()), len(values), repeats)


def noise_ceiling(
    runs: Sequence[RunResult],
    values: Array,
    source: Literal["repeats", "redraws"] = "repeats",
    *,
    method: Literal["f", "bootstrap"] = "f",
    resamples: int = 2_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> NoiseCeiling:
    """Return how well one run's performance can be predicted at best.

    A performance is what its training subset is worth plus the luck of one training. A metric sees
    the subset only. Were it to know exactly what every subset is worth, its correlation over runs
    would still not be 1 but sqrt(reliability), where the reliability is the share of the variance
    over runs that is not luck. A metric with an |r| near this ceiling predicts all that there is to
    predict; distances between two metrics that both reach it are noise.

    - "repeats": groups are subsets, and values differ by the training seed. This is the ceiling for
      metrics of the subset.
    - "redraws": groups are settings (strategy, side, level, size), and values, means over repeats,
      differ by the selection seed too. This is the ceiling for what depends on the settings alone,
      such as the strategy's name or the level. A metric may go beyond it, since it sees in which
      way one redraw differs from the next.

    The interval "f" takes both variances to be of normal values. It is exact where all groups have
    as many values, and held what it promises elsewhere too: 94 to 96 % of simulated studies, of 6
    to 14 groups of 1 to 5 values. The interval "bootstrap" draws whole groups, those with one value
    apart from those with several. It takes nothing to be normal, but is too narrow for few groups:
    it held in 80 to 83 % at 6 groups, 87 to 89 % at 12, 93 % at 30.

    Args:
        runs: of the study.
        values: (n,) their performance.
        source: what repeats what.
        method: of the interval, "f" or "bootstrap".
        resamples: of the bootstrap.
        confidence: of the interval.
        seed: of the bootstrap.

    Returns:
        Without repeats, nothing but the reason.

    Raises:
        DataError: no runs, or values that are not one finite number a run.

    Reference: Spearman 1904 (attenuation); Shrout & Fleiss 1979, ICC(1); Thomas & Hultquist 1978
    (groups of other sizes).
    """
    check_draws("noise_ceiling", resamples, 100, confidence)
    for name, value, allowed in (("source", source, ("repeats", "redraws")), ("method", method, ("f", "bootstrap"))):
        if value not in allowed:
            raise bad_parameter(name, "noise_ceiling", " or ".join(map(repr, allowed)), value)
    check_runs(runs, 1)
    check_values(runs, values)
    groups: list[Hashable] = [run.subset for run in runs]
    if source == "redraws":
        of_subset, values = subset_means(runs, values)
        groups = [(run.strategy, run.side, run.level, run.size) for run in of_subset]
    found = variance_components(values, groups)
    if found is None:
        what = "subset was trained on with two seeds" if source == "repeats" else "setting was drawn with two selection seeds"
        different = len(set(groups))
        reason = (
            "there is one group only" if different == 1
            else f"no {what}" if different == len(values)
            else "all performances are the same"
        )  # fmt: skip
        return NoiseCeiling(source, None, None, None, None, None, reason)
    note = None
    if found.between < 0:
        note = "the groups differ less than noise alone would make them differ: nothing is left to predict"
    interval: tuple[float, float] | None
    if method == "f":
        interval = _f_interval(values, groups, confidence)
    else:
        interval = _bootstrap_interval(values, groups, resamples, confidence, np.random.default_rng(seed))
        if interval is None:
            note = "no interval: a bootstrap needs several values in at least two groups, and some noise"
    root = None if interval is None else (float(np.sqrt(interval[0])), float(np.sqrt(interval[1])))
    return NoiseCeiling(source, found, found.reliability, interval, float(np.sqrt(found.reliability)), root, note)


def _sufficient(values: Array, of_group: NDArray[np.int64]) -> tuple[Array, Array, Array]:
    sizes: Array = np.bincount(of_group).astype(np.float64)
    means: Array = np.bincount(of_group, weights=values) / sizes
    squares: Array = np.bincount(of_group, weights=(values - means[of_group]) ** 2).astype(np.float64)
    return sizes, means, squares


def _anova(sizes: Array, means: Array, squares: Array) -> tuple[Array, Array, Array]:
    """Return the variance within and between, and the repeats, of (b, g) groups."""
    total = sizes.sum(axis=1)
    groups = sizes.shape[1]
    middle = (sizes * means).sum(axis=1) / total
    within = squares.sum(axis=1) / (total - groups)
    mean_square = (sizes * (means - middle[:, None]) ** 2).sum(axis=1) / (groups - 1)
    repeats = (total - (sizes**2).sum(axis=1) / total) / (groups - 1)
    return within, (mean_square - within) / repeats, repeats


def _f_interval(values: Array, groups: Sequence[Hashable], confidence: float) -> tuple[float, float]:
    from scipy.stats import f

    sizes, means, squares = _sufficient(values, _numbers(groups))
    freedom = (len(sizes) - 1, sizes.sum() - len(sizes))
    within = squares.sum() / freedom[1]
    if within == 0:
        return 1.0, 1.0
    # The harmonic mean of the sizes stands for the number of repeats.
    repeats = 1 / np.mean(1 / sizes)
    ratio = repeats * means.var(ddof=1) / within
    ends = f.ppf([(1 + confidence) / 2, (1 - confidence) / 2], *freedom)
    own = np.maximum((ratio / ends - 1) / repeats, 0.0)
    low, high = (own / (1 + own)).tolist()
    return low, high


def _bootstrap_interval(
    values: Array, groups: Sequence[Hashable], resamples: int, confidence: float, rng: np.random.Generator
) -> tuple[float, float] | None:
    sizes, means, squares = _sufficient(values, _numbers(groups))
    single, several = np.flatnonzero(sizes == 1), np.flatnonzero(sizes > 1)
    if len(several) < 2:
        return None
    drawn = np.concatenate([rng.choice(some, (resamples, len(some))) for some in (single, several) if len(some)], axis=1)
    within, between, _ = _anova(sizes[drawn], means[drawn], squares[drawn])
    own = np.maximum(between, 0.0)
    if not (own + within > 0).all():
        return None
    low, high = np.quantile(own / (own + within), [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return low, high


def _numbers(groups: Sequence[Hashable]) -> NDArray[np.int64]:
    numbers = {group: at for at, group in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[group] for group in groups])
