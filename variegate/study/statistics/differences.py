"""Which strategies train better than chance: each against random selection, and all in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.study.statistics.dunnett import below_all, critical_value
from variegate.study.statistics.performance import RunResult, check_runs, check_values, is_constant, subset_means

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
        interval: Dunnett's, which holds for all differences of this size together; None where luck cannot be told, as `reason`
            says.
        p: of this difference alone, two-sided; None likewise.
        p_all: corrected for all differences of this size (Dunnett).
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
    p_all: float | None
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

    Subsets are what is compared: repeats of one are averaged, since they say nothing about another draw. How much luck there is
    in a draw is estimated over all arms that have several subsets, and taken to be the same for all; so an arm of one subset has
    an interval too, a wide one.

    Args:
        runs: of the study.
        values: (n,) their performance.
        baseline: the strategy that the others are compared to, whatever its side.
        confidence: of the intervals, for all differences of a size together.

    Returns:
        One difference a strategy, side, level and size, in the order of the runs.

    Raises:
        DataError: a size without runs of the baseline, or values that are not one finite number a run.

    Reference: Dunnett 1955.
    """
    if not 0 < confidence < 1:
        raise bad_parameter("confidence", "differences", "a number between 0 and 1", confidence)
    by_arm = {key: means for key, (_, means, _) in _by_arm(runs, values).items()}
    found: dict[tuple[str, str, float | None, int | None], Difference] = {}
    for size in dict.fromkeys(key[3] for key in by_arm):
        same = [means for key, means in by_arm.items() if key[3] == size and key[0] == baseline]
        others = {key: means for key, means in by_arm.items() if key[3] == size and key[0] != baseline}
        if others and not same:
            what = "any size" if size is None else f"size {size}"
            name = next(iter(others))[0]
            raise DataError(f"No run of {baseline} at {what} to compare {name} with. Add {baseline} to the study's strategies.")
        if others:
            found |= _against(others, np.concatenate(same), confidence)
    return [found[key] for key in by_arm if key in found]


def _against(
    arms: Mapping[tuple[str, str, float | None, int | None], Array], against: Array, confidence: float
) -> dict[tuple[str, str, float | None, int | None], Difference]:
    from scipy.stats import t

    parts = [*arms.values(), against]
    freedom = sum(len(part) - 1 for part in parts)
    squares = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
    sizes = np.array([len(part) for part in arms.values()], np.float64)
    values = np.array([part.mean() - against.mean() for part in arms.values()])
    reason = None
    if not freedom:
        reason = "one subset of each: select with another seed to know how much it varies"
    elif all(is_constant(part) for part in parts):
        reason = "nothing varies between its subsets"
    if reason is not None:
        return {
            key: Difference(*key, float(value), None, None, None, len(part), len(against), reason)
            for (key, part), value in zip(arms.items(), values, strict=True)
        }
    errors = np.sqrt(squares / freedom * (1 / sizes + 1 / len(against)))
    half = critical_value(sizes, len(against), freedom, confidence) * errors
    alone = 2 * t.sf(np.abs(values) / errors, freedom)
    together = np.clip(1 - below_all(np.abs(values) / errors, sizes, len(against), freedom), alone, 1)
    return {
        key: Difference(
            *key, float(values[at]), (float(values[at] - half[at]), float(values[at] + half[at])), float(alone[at]),
            float(together[at]), len(part), len(against),
        )
        for at, (key, part) in enumerate(arms.items())
    }  # fmt: skip


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
