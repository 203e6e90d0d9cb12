"""What noise leaves to predict, slopes of ladders, strategies against chance, and the tables of all this."""

from __future__ import annotations

import csv
import dataclasses
import io
import json

import numpy as np
import pytest
from scipy import stats

import variegate as vg
from tests.test_correlate import NAMES, a_run, a_study, normal
from variegate.study.statistics.correlate import correlations
from variegate.study.statistics.differences import differences, ranking
from variegate.study.statistics.noise import noise_ceiling, variance_components
from variegate.study.statistics.paper_tables import correlation_table, difference_table, ranking_table, slope_table
from variegate.study.statistics.performance import performance
from variegate.study.statistics.regression import PRIOR, LinePrior, level_slopes, regress
from variegate.study.statistics.tables import KINDS, Column, plain, write_table

# --- noise


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


# --- slopes


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


def a_ladder(strategy, side, size, slope, noise=0.1, repeats=1, seed=0, levels=7):
    rng = np.random.default_rng(seed)
    return [
        a_run(
            f"{strategy}-{side}-{size}-{level:g}", repeat, slope * level / 100 + noise * rng.normal(),
            strategy=strategy, side=side, size=size, level=float(level),
        )
        for level in np.linspace(0, 100, levels) for repeat in range(repeats)
    ]  # fmt: skip


def scores(runs):
    return np.array([run.evaluations["score"] for run in runs])


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


# --- strategies


def arms(sizes, effects, n=6, repeats=2, seed=0):
    rng = np.random.default_rng(seed)
    return [
        a_run(f"{name}-{size}-{at}", repeat, effect + rng.normal() + 0.2 * rng.normal(), strategy=name, size=size, seed=at)
        for size in sizes for name, effect in effects.items() for at in range(n) for repeat in range(repeats)
    ]  # fmt: skip


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


# --- tables

ROWS = [
    {"name": "a|b_c *x*", "value": -0.123456789012345, "p": 0.00012345, "ends": (-1.0, 2.5), "n": 12, "note": None},
    {"name": '50% & "_x_", $y', "value": -0.001, "p": 0.5, "ends": None, "n": 3, "note": "two\nlines"},
]
COLUMNS = [
    Column("name", "Name"), Column("value", "r_x"), Column("p", "p", p=True), Column("ends", "95 %"), Column("n", "n"),
    Column("note", "Note"),
]  # fmt: skip


def test_markdown():
    assert write_table(ROWS, COLUMNS, "markdown") == (
        "| Name | r_x | p | 95 % | n | Note |\n"
        "| --- | ---: | ---: | ---: | ---: | --- |\n"
        "| a\\|b_c \\*x\\* | -0.12 | 0.00012 | \\[-1.00, 2.50\\] | 12 | - |\n"
        '| 50% & "\\_x\\_", $y | 0.00 | 0.5 | - | 3 | two lines |\n'
    )


def test_latex():
    assert write_table(ROWS, COLUMNS, "latex") == (
        "\\begin{tabular}{lrrrrl}\n"
        "\\toprule\n"
        "Name & r\\_x & p & 95 \\% & n & Note \\\\\n"
        "\\midrule\n"
        "a\\textbar{}b\\_c *x* & $-$0.12 & 0.00012 & {[}$-$1.00, 2.50{]} & 12 & - \\\\\n"
        '50\\% \\& "\\_x\\_", \\$y & 0.00 & 0.5 & - & 3 & two lines \\\\\n'
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_csv_keeps_every_digit_and_reads_back():
    text = write_table(ROWS, COLUMNS, "csv")
    first, second = csv.DictReader(io.StringIO(text))
    assert first == {
        "name": "a|b_c *x*", "value": "-0.123456789012345", "p": "0.00012345", "ends_low": "-1.0", "ends_high": "2.5", "n": "12",
        "note": "",
    }  # fmt: skip
    assert second["name"] == ROWS[1]["name"]
    assert second["note"] == "two\nlines"
    assert (second["ends_low"], second["ends_high"]) == ("", "")


def test_what_is_no_table():
    with pytest.raises(vg.ParameterError, match="'kind' parameter of write_table must be 'markdown' or 'csv' or 'latex'"):
        write_table(ROWS, COLUMNS, "html")
    with pytest.raises(vg.DataError, match="no value for other"):
        write_table(ROWS, [Column("other", "Other")], "csv")
    for bad in (float("nan"), (0.0, float("inf")), np.float64("nan")):
        with pytest.raises(vg.DataError, match=r"value is .*, which is no number to write"):
            write_table([{"value": bad}], [Column("value", "v")], "csv")
    with pytest.raises(vg.DataError, match="at least one column"):
        write_table(ROWS, [], "csv")
    with pytest.raises(vg.DataError, match="A result is nan"):
        plain({"a": [float("nan")]})


@pytest.mark.parametrize("kind", KINDS)
def test_every_result_has_a_table(kind):
    runs = [*arms((10,), {"random": 0, "dpp": 1}), *a_ladder("micro", "response", 10, 1)]
    for run in runs:
        run.metrics.update({(name, "both", ""): float(sum(map(ord, name + run.subset)) % 97) for name in NAMES})
    values = performance(runs).values
    found = correlations(runs, resamples=100, permutations=100)
    texts = [
        write_table(*table, kind)
        for table in (
            correlation_table(found), slope_table(level_slopes(runs, values)[0]), difference_table(differences(runs, values)),
            ranking_table(ranking(runs, values)),
        )
    ]  # fmt: skip
    for text, word in zip(texts, ("novelsum", "micro", "dpp", "random"), strict=True):
        assert word in text
    assert texts[0].count("\n") == len(found.rows) + {"markdown": 2, "csv": 1, "latex": 6}[kind]


def test_a_table_of_slopes_has_a_column_a_strategy_and_holes_where_there_is_no_ladder():
    runs = [*a_ladder("macro", "response", 10, 1), *a_ladder("micro", "response", 20, 1)]
    rows, columns = slope_table(level_slopes(runs, scores(runs))[0])
    assert [column.key for column in columns][2::3] == ["macro", "micro"]
    assert [(row["size"], row["macro"] is None, row["micro"] is None) for row in rows] == [(10, False, True), (20, True, False)]
