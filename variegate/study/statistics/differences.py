"""Which strategies train better than chance: each against random selection, and all in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.study.statistics.performance import RunResult, check_runs, check_values, is_constant, subset_means
from variegate.study.statistics.resampling import holm

__all__ = ["Arm", "Difference", "differences", "ranking"]

Array = NDArray[np.float64]
BASELINE = "random"


@dataclass(frozen=True)
class Arm:
    """One way of choosing data, and how its subsets did.

    Attributes:
        strategy: its name.
        side: that it looked at.
        level: of its dial; None if it has none.
        size: rows of its subsets.
        rank: among the arms of this size, 1 the best mean.
        mean: performance, over subsets; repeats of one are averaged first.
        sd: between subsets; None for one subset.
        best: the performance of its best subset.
        best_subset: id of that.
        n: subsets.
        runs: how many.
    """

    strategy: str
    side: str
    level: float | None
    size: int | None
    rank: int
    mean: float
    sd: float | None
    best: float
    best_subset: str
    n: int
    runs: int


@dataclass(frozen=True)
class Difference:
    """One way of choosing data against the baseline at the same size.

    Attributes:
        strategy: its name.
        side: that it looked at.
        level: of its dial; None if it has none.
        size: rows of its subsets.
        value: mean performance over that of the baseline, in standard deviations over runs.
        interval: Welch's; None where an arm has one subset, as `reason` says.
        p: of Welch's test, two-sided; None likewise.
        p_holm: corrected for all differences that are tested.
        n: subsets.
        n_baseline: subsets of the baseline.
        reason: why there is no interval.
    """

    strategy: str
    side: str
    level: float | None
    size: int | None
    value: float
    interval: tuple[float, float] | None
    p: float | None
    p_holm: float | None
    n: int
    n_baseline: int
    reason: str | None = None


def ranking(runs: Sequence[RunResult], values: Array) -> list[Arm]:
    """Rank strategies, with their sides and levels, within each size: the best mean first.

    The best of several subsets is the better the more there are: `best` says what was reached,
    `mean` what to expect.

    Raises:
        DataError: no runs, or values that are not one finite number a run.
    """
    found = []
    by_arm = _by_arm(runs, values)
    for size in dict.fromkeys(key[3] for key in by_arm):
        arms = [key for key in by_arm if key[3] == size]
        arms.sort(key=lambda key: -float(by_arm[key][1].mean()))
        for rank, key in enumerate(arms, 1):
            subsets, means, count = by_arm[key]
            best = int(np.argmax(means))
            sd = float(means.std(ddof=1)) if len(means) > 1 else None
            found.append(
                Arm(*key, rank, float(means.mean()), sd, float(means[best]), subsets[best].subset, len(means), count)
            )  # fmt: skip
    return found


def differences(
    runs: Sequence[RunResult], values: Array, *, baseline: str = BASELINE, confidence: float = 0.95
) -> list[Difference]:
    """Compare every strategy, with its side and level, to random selection of the same size.

    Subsets are what is compared: repeats of one are averaged, since they say nothing about another
    draw.

    Args:
        runs: of the study.
        values: (n,) their performance.
        baseline: the strategy that the others are compared to, whatever its side.
        confidence: of the intervals.

    Returns:
        One difference a strategy, side, level and size, in the order of the runs.

    Raises:
        DataError: a size without runs of the baseline, or values that are not one finite number a
            run.

    Reference: Welch 1947; Holm 1979.
    """
    from scipy.stats import ttest_ind

    if not 0 < confidence < 1:
        raise bad_parameter("confidence", "differences", "a number between 0 and 1", confidence)
    by_arm = _by_arm(runs, values)
    found: list[Difference] = []
    for key, (_, means, _) in by_arm.items():
        if key[0] == baseline:
            continue
        same = [other for name, (_, other, _) in by_arm.items() if name[0] == baseline and name[3] == key[3]]
        if not same:
            size = "any size" if key[3] is None else f"size {key[3]}"
            raise DataError(f"No run of {baseline} at {size} to compare {key[0]} with. Add {baseline} to the study's strategies.")
        against = np.concatenate(same)
        value = float(means.mean() - against.mean())
        reason, interval, p = _untestable(means, against, baseline), None, None
        if reason is None:
            test = ttest_ind(means, against, equal_var=False)
            ends = test.confidence_interval(confidence)
            interval, p = (float(ends.low), float(ends.high)), float(test.pvalue)
        found.append(Difference(*key, value, interval, p, None, len(means), len(against), reason))
    tested = [at for at, one in enumerate(found) if one.p is not None]
    corrected = holm(np.array([found[at].p for at in tested], dtype=np.float64))
    for at, p_holm in zip(tested, corrected, strict=True):
        found[at] = replace(found[at], p_holm=float(p_holm))
    return found


def _untestable(means: Array, against: Array, baseline: str) -> str | None:
    if len(means) < 2:
        return "one subset: select with another seed to know how much it varies"
    if len(against) < 2:
        return f"one subset of {baseline}: add seeds to know how much it varies"
    if is_constant(means) and is_constant(against):
        return "neither varies between its subsets"
    return None


def _by_arm(
    runs: Sequence[RunResult], values: Array
) -> dict[tuple[str, str, float | None, int | None], tuple[list[RunResult], Array, int]]:
    """Return, by (strategy, side, level, size): subsets, their mean performances, number of runs."""
    check_runs(runs, 1)
    check_values(runs, values)
    arms: dict[tuple[str, str, float | None, int | None], list[int]] = {}
    for at, run in enumerate(runs):
        arms.setdefault((run.strategy, run.side, run.level, run.size), []).append(at)
    return {
        key: (*subset_means([runs[at] for at in some], values[some]), len(some)) for key, some in arms.items()
    }  # fmt: skip
