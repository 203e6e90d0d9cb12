"""Strategies against chance, and their ranking."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import variegate as vg
from tests.runs import arms, scores
from variegate.study.statistics.differences import differences, ranking


def test_differences_are_dunnetts_of_subset_means():
    runs = [*arms((10, 20), {"random": 0, "k_center": 3, "dpp": 0}), *arms((10,), {"macro": 2}, n=2, seed=3)]
    values = scores(runs)
    found = differences(runs, values)
    assert [(one.strategy, one.size) for one in found] == [
        ("k_center", 10), ("dpp", 10), ("k_center", 20), ("dpp", 20), ("macro", 10)
    ]  # fmt: skip
    by_subset = {
        (name, size): values[[run.strategy == name and run.size == size for run in runs]].reshape(-1, 2).mean(axis=1)
        for name, size in {(run.strategy, run.size) for run in runs}
    }
    for size in (10, 20):
        some = [one for one in found if one.size == size]
        control = by_subset["random", size]
        # scipy draws at random, and is right to some 1e-4.
        test = stats.dunnett(
            *(by_subset[one.strategy, size] for one in some), control=control, random_state=np.random.default_rng(1)
        )
        ends = test.confidence_interval()
        for at, one in enumerate(some):
            assert one.value == pytest.approx(by_subset[one.strategy, size].mean() - control.mean())
            assert one.p_all == pytest.approx(test.pvalue[at], abs=5e-4)
            assert one.interval == pytest.approx((ends.low[at], ends.high[at]), abs=5e-3)
            assert one.p <= one.p_all
            assert (one.n, one.n_baseline) == (len(by_subset[one.strategy, size]), 6)
    assert found[0].p_all < 0.01 < found[1].p_all


def test_one_arm_is_students_t():
    runs = arms((10,), {"random": 0, "dpp": 1})
    values = scores(runs)
    (one,) = differences(runs, values)
    parts = [values[[run.strategy == name for run in runs]].reshape(6, 2).mean(axis=1) for name in ("dpp", "random")]
    test = stats.ttest_ind(*parts)
    assert (one.p, one.p_all) == (pytest.approx(test.pvalue), pytest.approx(test.pvalue, abs=1e-5))
    assert one.interval == pytest.approx(tuple(test.confidence_interval()), abs=1e-4)


def test_an_arm_of_one_subset_has_the_luck_of_the_others():
    runs = [*arms((10,), {"random": 0}), *arms((10,), {"novelselect": 1}, n=1), *arms((10,), {"dpp": 1}, seed=2)]
    one, other = differences(runs, scores(runs))
    assert one.interval is not None and other.interval is not None
    assert np.diff(one.interval)[0] > 1.5 * np.diff(other.interval)[0]


def test_where_luck_cannot_be_told():
    runs = [*arms((10,), {"random": 0, "novelselect": 1}, n=1)]
    (one,) = differences(runs, scores(runs))
    assert (one.interval, one.p, one.p_all) == (None, None, None)
    assert one.reason == "one subset of each: select with another seed to know how much it varies"
    several = arms((10,), {"random": 0, "dpp": 1})
    still = np.array([float(run.strategy == "dpp") for run in several])
    assert differences(several, still)[0].reason == "nothing varies between its subsets"
    with pytest.raises(vg.DataError, match="No run of random at size 10 to compare novelselect with"):
        differences([run for run in runs if run.strategy != "random"], np.zeros(2))


def test_the_ranking_is_by_mean_within_a_size():
    runs = arms((10, 20), {"random": 0, "k_center": 3, "dpp": -3}, n=3)
    values = scores(runs)
    found = ranking(runs, values)
    assert [(one.size, one.rank, one.strategy) for one in found] == [
        (size, rank, name) for size in (10, 20) for rank, name in enumerate(("k_center", "random", "dpp"), 1)
    ]  # fmt: skip
    means = values[[run.strategy == "k_center" and run.size == 10 for run in runs]].reshape(3, 2).mean(axis=1)
    assert (found[0].mean, found[0].sd, found[0].best) == pytest.approx((means.mean(), means.std(ddof=1), means.max()))
    assert found[0].best_subset == f"k_center-10-{means.argmax()}"
    assert (found[0].n, found[0].runs) == (3, 6)
    (alone,) = ranking(runs[:2], values[:2])
    assert alone.sd is None
