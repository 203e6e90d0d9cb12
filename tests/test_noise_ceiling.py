"""What noise leaves to predict."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import variegate as vg
from tests.test_correlate import a_run, a_study, normal
from variegate.study.statistics.correlate import correlations
from variegate.study.statistics.noise import noise_ceiling, variance_components
from variegate.study.statistics.performance import performance


def test_variance_components_by_hand():
    # Means 1, 3, 8 of two values each, 1 from their mean: within = 6 / 3, mean square between = 2 * 26 / 2.
    found = variance_components(np.array([0.0, 2, 2, 4, 7, 9]), list("aabbcc"))
    assert (found.within, found.between, found.repeats) == pytest.approx((2, (26 - 2) / 2, 2))
    assert (found.groups, found.repeated, found.values) == (3, 3, 6)
    assert found.reliability == pytest.approx(12 / 14)
    assert found.reliability_of_mean == pytest.approx(12 / 13)


def test_variance_components_are_unbiased_whatever_the_sizes():
    sizes = np.array([1, 1, 2, 3, 5, 2, 1, 4])
    of_group = np.repeat(np.arange(8), sizes)
    rng = np.random.default_rng(0)
    found = [
        variance_components(2 * rng.normal(size=8)[of_group] + rng.normal(size=len(of_group)), of_group.tolist())
        for _ in range(4000)
    ]  # fmt: skip
    assert np.mean([one.between for one in found]) == pytest.approx(4, rel=0.06)
    assert np.mean([one.within for one in found]) == pytest.approx(1, rel=0.03)
    # An estimate that is never below 0 would be biased where there is nothing between.
    nothing = [variance_components(rng.normal(size=len(of_group)), of_group.tolist()).between for _ in range(2000)]
    assert np.mean(nothing) == pytest.approx(0, abs=0.03)
    assert min(nothing) < 0


def worth_and_luck(subsets, repeats, reliability, seed):
    """Runs whose performance is what the subset is worth plus luck, and the metric that knows the former."""
    rng = np.random.default_rng(seed)
    worth = rng.normal(size=subsets)
    luck = np.sqrt(1 / reliability - 1) * rng.normal(size=(subsets, repeats))
    return [
        a_run(at, repeat, worth[at] + luck[at, repeat], {("novelsum", "both", ""): worth[at]})
        for at in range(subsets) for repeat in range(repeats)
    ]  # fmt: skip


def test_a_perfect_metric_reaches_the_ceiling_and_no_more():
    runs = worth_and_luck(300, 3, 0.6, seed=0)
    values = performance(runs).values
    found = noise_ceiling(runs, values)
    assert found.reliability == pytest.approx(0.6, abs=0.06)
    assert found.ceiling == pytest.approx(np.sqrt(found.reliability))
    assert found.reason is None
    (row,) = correlations(runs, resamples=100, permutations=100).rows
    assert row.pearson.value == pytest.approx(found.ceiling, abs=0.03)
    low, high = found.reliability_interval
    assert low < 0.6 < high
    assert found.ceiling_interval == pytest.approx((np.sqrt(low), np.sqrt(high)))
    boot = noise_ceiling(runs, values, method="bootstrap")
    assert boot.reliability_interval == pytest.approx(found.reliability_interval, abs=0.03)


@pytest.mark.parametrize("reliability", [0.2, 0.8])
def test_the_interval_of_the_reliability_holds_it_as_often_as_it_says(reliability):
    held = 0
    for seed in range(300):
        runs = worth_and_luck(8, 2, reliability, seed)[: 16 - seed % 4]
        low, high = noise_ceiling(runs, np.array([run.evaluations["score"] for run in runs])).reliability_interval
        held += low <= reliability <= high
    # 285 to be expected, 3.8 the standard deviation.
    assert 272 <= held <= 297


def test_redraws_are_groups_of_settings():
    runs = [
        a_run(f"{strategy}{seed}", repeat, {"random": 0, "macro": 4}[strategy] + seed + repeat / 10, strategy=strategy, seed=seed)
        for strategy in ("random", "macro") for seed in range(3) for repeat in range(2)
    ]  # fmt: skip
    values = np.array([run.evaluations["score"] for run in runs])
    found = noise_ceiling(runs, values, "redraws")
    assert (found.components.groups, found.components.values) == (2, 6)
    # 0, 1, 2 and 4, 5, 6 (and a twentieth): within 1, mean square between 3 * 8.
    assert (found.components.within, found.components.between) == pytest.approx((1, (24 - 1) / 3))
    repeats = noise_ceiling(runs, values)
    assert (repeats.components.groups, repeats.components.within) == (6, pytest.approx(0.005))


def test_without_repeats_there_is_a_reason_in_place_of_a_ceiling():
    runs = a_study(normal(6, 1))
    values = performance(runs).values
    found = noise_ceiling(runs, values)
    assert (found.reliability, found.ceiling, found.components, found.ceiling_interval) == (None,) * 4
    assert found.reason == "no subset was trained on with two seeds"
    assert noise_ceiling(runs, values, "redraws").reason == "there is one group only"
    twice = a_study(normal(6, 1), repeats=2)
    assert noise_ceiling(twice, np.ones(12)).reason == "all performances are the same"
    apart = [dataclasses.replace(run, size=at) for at, run in enumerate(runs)]
    assert noise_ceiling(apart, values, "redraws").reason == "no setting was drawn with two selection seeds"
    once = [*runs, dataclasses.replace(runs[0], id="again")]
    found = noise_ceiling(once, normal(7), method="bootstrap")
    assert found.ceiling is not None
    assert found.ceiling_interval is None
    assert "at least two groups" in found.reason
    assert noise_ceiling(once, normal(7)).ceiling_interval is not None
    with pytest.raises(vg.ParameterError, match="'source' parameter of noise_ceiling must be 'repeats' or 'redraws'"):
        noise_ceiling(runs, values, "reruns")
    with pytest.raises(vg.DataError, match="one finite number for each of the 6 runs"):
        noise_ceiling(runs, values[:5])


def test_groups_that_are_more_alike_than_noise_have_a_ceiling_of_0_and_say_so():
    found = noise_ceiling(a_study(normal(3, 1), repeats=2), np.array([1.0, -1, 1, -1, 1.1, -1]))
    assert found.components.between < 0
    assert found.ceiling == 0
    assert "nothing is left to predict" in found.reason
