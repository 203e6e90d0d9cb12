"""Slopes of ladders, against a slow grid."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

import variegate as vg
from tests.runs import a_ladder, scores
from tests.test_correlate import a_run, normal
from variegate.study.statistics.regression import PRIOR, LinePrior, level_slopes, regress
from variegate.study.statistics.tables import plain


def grid_posterior(levels, values, prior):
    """Sum over a grid of height, rise and log noise; return mean and sd of the rise, P(rise > 0), and mean and sd at 20 %."""
    height, rise, log_sd = np.meshgrid(
        np.linspace(-4, 4, 121), np.linspace(-6, 6, 181), np.linspace(np.log(0.02), np.log(20), 160), indexing="ij"
    )  # fmt: skip
    sd = np.exp(log_sd)
    # Inverse gamma of the variance; the density of log sd has one factor of the variance more.
    log_p = stats.invgamma.logpdf(sd**2, prior.noise_degrees / 2, scale=prior.noise_degrees * prior.noise_scale**2 / 2)
    log_p += 2 * log_sd
    log_p += stats.norm.logpdf(height, 0, prior.sd) + stats.norm.logpdf(rise, 0, prior.sd)
    for level, value in zip(levels, values, strict=True):
        log_p += stats.norm.logpdf(value, height + rise * (level - 50) / 100, sd)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    at_20 = height - 0.3 * rise
    moments = [(float((p * one).sum()), float(np.sqrt((p * one**2).sum() - (p * one).sum() ** 2))) for one in (rise, at_20)]
    return *moments[0], float(p[rise > 0].sum() + p[rise == 0].sum() / 2), *moments[1]


@pytest.mark.parametrize("n", [3, 7])
def test_the_posterior_is_that_of_a_slow_grid(n):
    levels = np.linspace(0, 100, n)
    values = 0.4 + 0.7 * levels / 100 + 0.4 * normal(n, seed=1)
    line = regress(levels, values)
    mean, sd, positive, middle, half = grid_posterior(levels, values, PRIOR)
    tolerance = 0.01 if n == 7 else 0.03
    assert line.at(np.array([0.0, 1.0])) == pytest.approx((mean, sd), abs=tolerance)
    assert line.at(np.array([1.0, -0.3])) == pytest.approx((middle, half), abs=tolerance)
    assert 1 - line.below(0) == pytest.approx(positive, abs=tolerance)
    for share in (0.025, 0.5, 0.9):
        assert line.below(line.quantile(share)) == pytest.approx(share, abs=1e-8)


def test_under_a_prior_that_says_nothing_the_posterior_is_least_squares():
    levels = np.repeat(np.linspace(0, 100, 4), 2)
    values = normal(8, seed=2) + levels / 50
    line = regress(levels, values, LinePrior(sd=1e4, noise_degrees=1e-6, noise_scale=1e-3))
    fit = stats.linregress(levels / 100, values)
    mean, _ = line.at(np.array([0.0, 1.0]))
    assert mean == pytest.approx(fit.slope, rel=1e-6)
    half = stats.t.ppf(0.975, 6) * fit.stderr
    assert (line.quantile(0.025), line.quantile(0.975)) == pytest.approx((fit.slope - half, fit.slope + half), rel=1e-4)
    assert 1 - line.below(0) == pytest.approx(stats.t.cdf(fit.slope / fit.stderr, 6), rel=1e-4)


def test_the_interval_of_a_slope_holds_it_as_often_as_it_says():
    rng, levels = np.random.default_rng(0), np.linspace(0, 100, 7)
    held = 0
    for _ in range(400):
        slope = rng.normal()
        line = regress(levels, slope * levels / 100 + 0.6 * rng.normal(size=7))
        held += line.quantile(0.025) <= slope <= line.quantile(0.975)
    # 380 to be expected, 4.4 the standard deviation.
    assert 364 <= held <= 395


def test_one_slope_a_strategy_side_and_size():
    runs = [
        *a_ladder("macro", "response", 10, 2, seed=1), *a_ladder("macro", "instruction", 10, -1, seed=2),
        *a_ladder("macro", "response", 20, 0, seed=3), *a_ladder("micro", "response", 10, 5, repeats=2, seed=4),
        a_run("plain"), *a_ladder("meso", "response", 10, 1, levels=2),
    ]  # fmt: skip
    found, without = level_slopes(runs, scores(runs))
    assert [(one.strategy, one.side, one.size, one.n, one.runs) for one in found] == [
        ("macro", "response", 10, 7, 7), ("macro", "instruction", 10, 7, 7), ("macro", "response", 20, 7, 7),
        ("micro", "response", 10, 7, 14),
    ]  # fmt: skip
    assert [one.slope for one in found] == pytest.approx([2, -1, 0, 5], abs=0.3)
    assert [one.positive for one in found] == pytest.approx([1, 0, 0.5, 1], abs=0.45)
    assert found[0].interval[0] > 0 > found[1].interval[1]
    assert without == {("meso", "response", 10): "2 subsets at 2 levels: it takes 3 at 2 levels or more"}
    one = found[0]
    assert one.levels[0] == 0
    assert one.levels[-1] == 100
    lower, middle, upper = (np.array([band[at] for band in one.band]) for at in range(3))
    # The line itself, and a band that is narrowest in the middle.
    np.testing.assert_allclose(np.diff(middle), one.slope * 0.05, rtol=1e-6)
    assert ((lower < middle) & (middle < upper)).all()
    assert np.argmin(upper - lower) == 10
    assert json.loads(json.dumps(plain(found)))[3]["runs"] == 14


def test_repeats_do_not_make_a_slope_more_certain_than_its_subsets_allow():
    once = a_ladder("macro", "both", 10, 1, noise=0.5)
    many = [dataclasses.replace(run, id=f"{run.id}-{repeat}") for run in once for repeat in range(9)]
    (first,), (second,) = (level_slopes(runs, scores(runs))[0] for runs in (once, many))
    assert second.interval == pytest.approx(first.interval)


def test_what_is_no_ladder():
    runs = a_ladder("macro", "both", 10, 1)
    with pytest.raises(vg.DataError, match=r"level 120 is not in \[0, 100\] %"):
        level_slopes([*runs, a_run("far", level=120.0)], normal(8))
    with pytest.raises(vg.ParameterError, match="'noise_scale' parameter of the prior must be a number above 0"):
        level_slopes(runs, normal(7), prior=LinePrior(noise_scale=0))
    with pytest.raises(vg.ParameterError, match="'confidence' parameter of level_slopes"):
        level_slopes(runs, normal(7), confidence=95)
    with pytest.raises(vg.DataError, match="at least 3 subsets at 2 levels or more, got 4 at 1"):
        regress(np.full(4, 50.0), normal(4))
