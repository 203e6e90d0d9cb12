"""Performance, correlations with it, and how sure they are."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats

import variegate as vg
from variegate.study.statistics.columns import metric_columns
from variegate.study.statistics.correlate import correlations
from variegate.study.statistics.performance import RunResult, performance, subset_means
from variegate.study.statistics.permuting import permuted_pearson, permuted_spearman
from variegate.study.statistics.resampling import bca_intervals, holm, max_corrected, p_values, resample_counts
from variegate.study.statistics.tables import plain
from variegate.study.statistics.weighted import weighted_pearson, weighted_ranks, weighted_spearman

NAMES = ("novelsum", "distsum_cosine", "knn_distance", "radius", "log_det", "vendi_score")


def a_run(subset, repeat=0, score=0.0, metrics=None, **more):
    more = {"strategy": "random", "side": "both", "higher_is_better": {"score": True}} | more
    return RunResult(
        f"{subset}-{repeat}", str(subset), evaluations={"score": score}, metrics=metrics or {}, repeat=str(repeat), **more
    )


def a_study(x, noise=0.0, repeats=1, seed=0, **more):
    """Runs of subsets with metrics x (subsets, m), whose first is what counts."""
    rng = np.random.default_rng(seed)
    return [
        a_run(at, repeat, row[0] + noise * rng.normal(), {(name, "both", ""): value for name, value in zip(NAMES, row, strict=False)}, **more)
        for at, row in enumerate(np.asarray(x, dtype=float))
        for repeat in range(repeats)
    ]  # fmt: skip


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


# --- performance


def test_performance_is_the_mean_of_z_scores_turned_the_better_way():
    loss, score = normal(12, seed=1), normal(12, seed=2) * 40 + 7
    runs = [
        dataclasses.replace(a_run(at), evaluations={"loss": a, "score": b}, higher_is_better={"loss": False, "score": True})
        for at, (a, b) in enumerate(zip(loss, score, strict=True))
    ]
    found = performance(runs)
    np.testing.assert_allclose(found.values, (stats.zscore(score) - stats.zscore(loss)) / 2)
    np.testing.assert_allclose(found.scores["loss"], -stats.zscore(loss))
    assert found.runs == tuple(run.id for run in runs)
    assert found.left_out == {}


def test_an_evaluation_that_is_the_same_for_all_is_left_out_by_name():
    runs = [
        dataclasses.replace(
            run, evaluations={**run.evaluations, "stuck": 0.1 + 0.2}, higher_is_better={"score": True, "stuck": True}
        )
        for run in a_study(normal(6, 1))
    ]
    found = performance(runs)
    assert list(found.scores) == ["score"]
    assert found.left_out == {"stuck": "every run has 0.3"}
    np.testing.assert_allclose(found.values.std(), 1)
    with pytest.raises(vg.DataError, match=r"No evaluation tells the 6 runs apart \(score: every run has 2\)"):
        performance([dataclasses.replace(run, evaluations={"score": 2.0}) for run in a_study(normal(6, 1))])


def test_what_is_no_performance():
    runs = a_study(normal(6, 1))
    short = [
        dataclasses.replace(runs[0], evaluations={"score": 1.0, "other": 1.0}, higher_is_better={"score": True, "other": True})
    ]
    with pytest.raises(vg.DataError, match="Run 1-0 has no evaluation other, which other runs have"):
        performance([*short, *runs[1:]])
    with pytest.raises(vg.DataError, match="Run 3-0: evaluation score is nan"):
        performance([*runs[:3], dataclasses.replace(runs[3], evaluations={"score": float("nan")})])
    with pytest.raises(vg.DataError, match="better in run 0-0, but worse in run 1-0"):
        performance([runs[0], dataclasses.replace(runs[1], higher_is_better={"score": False})])
    with pytest.raises(vg.DataError, match="Run 0-0 does not say whether a higher score is better"):
        performance([dataclasses.replace(runs[0], higher_is_better={}), runs[1]])
    with pytest.raises(vg.DataError, match="Two runs have the id 0-0"):
        performance([runs[0], runs[0]])
    with pytest.raises(vg.DataError, match="at least 2 runs, got 1"):
        performance(runs[:1])


def test_repeats_are_averaged_by_subset():
    runs = a_study(normal(3, 1), repeats=2)
    firsts, means = subset_means(runs, np.array([1.0, 3, 5, 7, 0, 1]))
    assert [run.id for run in firsts] == ["0-0", "1-0", "2-0"]
    assert means.tolist() == [2, 6, 0.5]


# --- the machinery against scipy


def drawn(n, b=40, seed=3):
    """Resamples as weights, and as the rows that they stand for."""
    weights = resample_counts(n, b, np.random.default_rng(seed))
    return weights.astype(float), [np.repeat(np.arange(n), row) for row in weights]


def test_ranks_and_correlations_of_weights_are_those_of_the_rows_that_they_stand_for():
    # Ties in every column, and values of very different size.
    x = np.round(normal(25, 3, seed=4), 1) * [1, 1e-8, 1e8] + [0, 5, 0]
    y = np.round(x[:, 0] + normal(25, seed=5), 1)
    weights, rows = drawn(25)
    none = np.empty((25, 0))
    pearson, spearman = weighted_pearson(x, y, none, weights), weighted_spearman(x, y, none, weights)
    for at, some in enumerate(rows):
        np.testing.assert_allclose(weighted_ranks(y, weights)[at, some], stats.rankdata(y[some]))
        for column in range(3):
            assert pearson[at, column] == pytest.approx(stats.pearsonr(x[some, column], y[some])[0], abs=1e-9)
            assert spearman[at, column] == pytest.approx(stats.spearmanr(x[some, column], y[some])[0], abs=1e-9)


def partial_by_hand(x, y, held):
    """Correlate the residuals of two least-squares fits."""
    design = np.column_stack([np.ones(len(x)), held])
    left = [one - design @ np.linalg.lstsq(design, one, rcond=None)[0] for one in (x, y)]
    return stats.pearsonr(*left)[0]


def test_partial_correlations_of_weights_are_those_of_residuals():
    x, held = normal(25, 2, seed=4), normal(25, 2, seed=5) * [1, 1e6]
    y = x[:, 0] + held[:, 0] + normal(25, seed=6)
    weights, rows = drawn(25)
    pearson, spearman = weighted_pearson(x, y, held, weights), weighted_spearman(x, y, held, weights)
    for at, some in enumerate(rows):
        for column in range(2):
            assert pearson[at, column] == pytest.approx(partial_by_hand(x[some, column], y[some], held[some]), abs=1e-9)
            ranks = [stats.rankdata(one[some], axis=0) for one in (x[:, column], y, held)]
            assert spearman[at, column] == pytest.approx(partial_by_hand(*ranks), abs=1e-9)


def test_a_resample_without_spread_has_no_correlation():
    x, y = normal(5, 1), normal(5, seed=1)
    weights = np.array([[5.0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
    for kind in (weighted_pearson, weighted_spearman):
        assert np.isnan(kind(x, y, np.empty((5, 0)), weights)[:, 0]).tolist() == [True, False]
        # Two points, and two columns to explain them.
        assert np.isnan(kind(x, y, normal(5, 1, seed=2), np.array([[1.0, 1, 0, 0, 0]]))).all()


@pytest.mark.parametrize("repeats", [[1] * 8, [3] * 8, [1, 3, 2, 1, 1, 4, 2, 1]])
@pytest.mark.parametrize("with_held", [False, True])
def test_permutations_give_one_subsets_metrics_to_anothers_runs(repeats, with_held):
    of_subset, first = np.repeat(np.arange(8), repeats), np.cumsum([0, *repeats[:-1]])
    subsets_x = np.round(normal(8, 2, seed=1), 1)
    x, y = subsets_x[of_subset], normal(len(of_subset), seed=2)
    held = normal(8, 1, seed=3)[of_subset] if with_held else np.empty((len(y), 0))
    orders = np.array([np.random.default_rng(at).permutation(8) for at in range(20)])
    for kind, ranked in ((permuted_pearson, False), (permuted_spearman, True)):
        found = kind(x, y, held, of_subset, orders)
        columns = [stats.rankdata(one, axis=0) if ranked else one for one in (x, y, held)]
        design = np.column_stack([np.ones(len(y)), columns[2]])
        for at, order in enumerate(orders):
            for column in range(2):
                one, moved = columns[0][:, column], np.empty(8)
                # The runs that the order names get what stands at this place.
                if with_held:
                    moved[order] = (one - design @ np.linalg.lstsq(design, one, rcond=None)[0])[first]
                    given = moved[of_subset]
                else:
                    moved[order] = subsets_x[:, column]
                    given = stats.rankdata(moved[of_subset]) if ranked else moved[of_subset]
                assert found[at, column] == pytest.approx(partial_by_hand(given, columns[1], columns[2]), abs=1e-9)


def test_bca_intervals_are_scipys():
    x, y = normal(30, seed=1), normal(30, seed=1) + normal(30, seed=2)
    scipys = stats.bootstrap(
        (x, y), lambda a, b: stats.pearsonr(a, b)[0], paired=True, vectorized=False,
        n_resamples=8000, method="BCa", random_state=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    ones, leave_one_out = np.ones((1, 30)), 1 - np.eye(30)
    found = [weighted_pearson(x[:, None], y, np.empty((30, 0)), some) for some in (ones, drawn(30, 8000)[0], leave_one_out)]
    (ours,) = bca_intervals(found[0][0], found[1], found[2])
    np.testing.assert_allclose(ours, [scipys.low, scipys.high], atol=0.015)


def test_an_interval_needs_resamples_that_have_a_value():
    resampled = np.where(np.arange(100)[:, None] < 6, np.nan, normal(100, 1))
    assert np.isnan(bca_intervals(np.zeros(1), resampled, normal(9, 1))).all()
    assert np.isfinite(bca_intervals(np.zeros(1), resampled[2:], normal(9, 1))).all()
    # All alike: the interval is a point, whatever the jackknife.
    assert bca_intervals(np.ones(1), np.ones((100, 1)), np.ones((9, 1))).tolist() == [[1, 1]]


def test_p_values_count_the_data_as_one_permutation():
    permuted = np.array([[0.1, 0.2], [-0.9, 0.2], [0.3, np.inf]])
    assert p_values(np.array([0.5, 0.1]), permuted).tolist() == [0.5, 1]
    # Rounding makes no difference between equals.
    assert p_values(np.array([0.9 + 1e-14, 0.1]), permuted)[0] == 0.5


def test_max_corrected_by_hand():
    observed, permuted = np.array([0.2, -0.8]), np.array([[0.9, 0.1], [0.1, -0.85], [0.1, 0.3]])
    # The second is the larger one, so it is held against the maximum of both: 0.9, 0.85, 0.3.
    # The first is held against itself alone: 0.9, 0.1, 0.1; it cannot be more sure than the second.
    assert max_corrected(observed, permuted).tolist() == [0.75, 0.75]
    assert p_values(observed, permuted).tolist() == [0.5, 0.5]


def test_holm_by_hand():
    # 4 * 0.01; 3 * 0.015; then what came before is larger; and no more than 1.
    assert holm(np.array([0.6, 0.01, 0.5, 0.015])).tolist() == pytest.approx([1, 0.04, 1, 0.045])
    assert holm(np.empty(0)).tolist() == []


# --- correlations


def test_values_are_scipys_and_the_way_a_metric_points_is_minded():
    x = normal(30, 2, seed=1)
    runs = [
        dataclasses.replace(run, metrics={("novelsum", "response", "static"): a, ("self_bleu", "both", ""): b})
        for run, (a, b) in zip(a_study(x, noise=1), x, strict=True)
    ]
    y = performance(runs).values
    found = {row.metric: row for row in correlations(runs, resamples=200, permutations=200).rows}
    for name, column, sign in (("novelsum", x[:, 0], 1), ("self_bleu", x[:, 1], -1)):
        row = found[name]
        assert row.pearson.value == pytest.approx(sign * stats.pearsonr(column, y)[0])
        assert row.spearman.value == pytest.approx(sign * stats.spearmanr(column, y)[0])
        assert row.mean.value == pytest.approx((row.pearson.value + row.spearman.value) / 2)
    assert (found["novelsum"].side, found["novelsum"].embedder) == ("response", "static")


def test_the_p_value_of_one_metric_is_scipys():
    x = normal(12, 1, seed=8)
    runs = a_study(x, noise=1.5, seed=3)
    y = performance(runs).values
    (row,) = correlations(runs, permutations=20_000, resamples=100).rows
    assert row.pearson.p == pytest.approx(stats.pearsonr(x[:, 0], y)[1], abs=0.02)
    assert row.pearson.p == row.pearson.p_max == row.pearson.p_holm
    assert 0.02 < row.pearson.p < 0.6


def test_a_planted_signal_is_found_among_many_metrics_and_noise_is_not():
    found = correlations(a_study(normal(40, 6, seed=2), noise=0.5))
    assert found.rows[0].metric == "novelsum"
    assert (found.runs, found.subsets, found.permutations) == (40, 40, 10_000)
    best = found.rows[0]
    for one in (best.pearson, best.spearman, best.mean):
        assert one.interval is not None
        assert one.interval[0] < one.value < one.interval[1]
        assert one.interval[0] > 0.6
        assert one.p <= one.p_max <= one.p_holm < 0.001
    assert min(row.mean.p_max for row in found.rows[1:]) > 0.05
    assert json.loads(json.dumps(plain(found)))["rows"][0]["pearson"]["p"] == best.pearson.p


def test_the_seed_decides_and_the_order_of_the_runs_does_not_change_the_values():
    runs = a_study(normal(20, 2, seed=2), noise=1, repeats=2)
    options = {"resamples": 200, "permutations": 200}
    first, again, other = (correlations(runs, seed=seed, **options) for seed in (0, 0, 1))
    assert first == again != other
    turned = correlations(runs[::-1], seed=0, **options)
    assert turned.rows[0].pearson.value == pytest.approx(first.rows[0].pearson.value)
    assert turned.rows[0].pearson.interval == pytest.approx(first.rows[0].pearson.interval)


def test_under_the_null_the_corrected_p_is_below_5_percent_in_5_percent_of_studies():
    """120 studies of 12 metrics, the last ones near-copies: without a correction half of them have a false discovery."""
    false, naive = np.zeros(2), 0
    keys = [("novelsum", "both", str(at)) for at in range(12)]
    for seed in range(120):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(15, 12))
        x[:, 6:] = x[:, :1] + 0.3 * x[:, 6:]
        runs = [
            a_run(at, repeat, rng.normal(), dict(zip(keys, row, strict=True)))
            for at, row in enumerate(x)
            for repeat in range(at % 3 + 1)
        ]
        rows = correlations(runs, resamples=100, permutations=199, seed=seed).rows
        false += [min(row.pearson.p_max for row in rows) <= 0.05, min(row.mean.p_holm for row in rows) <= 0.05]
        naive += min(row.pearson.p for row in rows) <= 0.05
    # 120 studies at 5 %: 6, and 12 or more in one of 80.
    assert false.max() < 12
    assert naive > 24


def test_repeats_are_resampled_together():
    """Eight subsets stay eight, however often each is trained on: taken for independent, they give far too narrow an interval."""
    x = normal(8, 1, seed=5)
    twice = x + 0.8 * normal(8, 1, seed=6)
    few = [a_run(at, 0, float(twice[at, 0]), {("novelsum", "both", ""): x[at, 0]}) for at in range(8)]
    many = [dataclasses.replace(run, id=f"{run.id}-{repeat}") for run in few for repeat in range(6)]
    naive = [dataclasses.replace(run, subset=run.id) for run in many]
    (alone,), (together,), (apart,) = (correlations(runs, permutations=2000).rows for runs in (few, many, naive))
    widths = [np.diff(row.pearson.interval)[0] for row in (alone, together, apart)]
    assert widths[1] == pytest.approx(widths[0])
    assert widths[2] < 0.6 * widths[0]
    assert together.pearson.p == pytest.approx(alone.pearson.p)
    assert apart.pearson.p < 0.1 * alone.pearson.p


def test_what_length_explains_goes_when_length_is_held():
    length = normal(60, seed=1)
    x = length[:, None] + 0.5 * normal(60, 2, seed=2)
    rng = np.random.default_rng(3)
    runs = [
        a_run(
            f"{at:02}", 0, 2 * length[at] + x[at, 1] + 0.3 * rng.normal(),
            {("novelsum", "both", ""): x[at, 0], ("knn_distance", "both", ""): x[at, 1]}, covariates={"length": length[at]},
        )
        for at in range(60)
    ]  # fmt: skip
    plainly, held = correlations(runs, permutations=2000), correlations(runs, held=["length"], permutations=2000)
    assert held.held == ("length",)
    before, after = ({row.metric: row for row in one.rows} for one in (plainly, held))
    assert min(before["novelsum"].pearson.value, before["knn_distance"].pearson.value) > 0.8
    for row in after.values():
        of = x[:, 0 if row.metric == "novelsum" else 1]
        y = performance(runs).values
        assert row.pearson.value == pytest.approx(partial_by_hand(of, y, length[:, None]))
        assert row.spearman.value == pytest.approx(
            partial_by_hand(*map(stats.rankdata, (of, y)), stats.rankdata(length)[:, None])
        )
    assert after["novelsum"].pearson.p > 0.05
    assert after["novelsum"].pearson.interval[0] < 0 < after["novelsum"].pearson.interval[1]
    assert after["knn_distance"].pearson.p_max < 0.01
    assert after["knn_distance"].pearson.interval[0] > 0.5


def test_what_cannot_be_correlated_is_named():
    runs = a_study(normal(10, 2, seed=1), noise=1)
    length = normal(10, seed=2)
    for at, run in enumerate(runs):
        run.metrics[("radius", "both", "")] = 3.0
        run.metrics[("log_det", "both", "")] = 2 * length[at] + 1
        run.covariates["length"] = length[at]
    runs[4].metrics[("vendi_score", "both", "")] = 2.0
    found = correlations(runs, held=["length"], resamples=100, permutations=100)
    assert {key[0]: reason for key, reason in found.left_out.items()} == {
        "radius": "every run has 3",
        "log_det": "explained wholly by what is held",
        "vendi_score": "not measured for 9 of 10 runs, 0-0 the first",
    }
    assert {row.metric for row in found.rows} == {"novelsum", "distsum_cosine"}


def test_studies_of_which_nothing_can_be_said():
    runs = a_study(normal(10, 1, seed=1), noise=1, repeats=2)
    options = {"resamples": 100, "permutations": 100}
    with pytest.raises(vg.DataError, match="at least 5 different subsets, got 4"):
        correlations(runs[:8], **options)
    with pytest.raises(vg.DataError, match="Correlations with length held need at least 6 different subsets, got 5"):
        correlations(runs[:10], held=["length"], **options)
    with pytest.raises(vg.DataError, match="Run 0-0 has no covariate length"):
        correlations(runs, held=["length"], **options)
    with pytest.raises(vg.DataError, match=r"no run has any"):
        correlations([dataclasses.replace(run, metrics={}) for run in runs], **options)
    runs[3].metrics[("novelsum", "both", "")] += 0.1
    with pytest.raises(vg.DataError, match="Runs 1-0 and 1-1 share the subset 1, but differ in novelsum, both side"):
        correlations(runs, **options)
    with pytest.raises(vg.ParameterError, match=r"Unknown metric 'novelsun'\. Did you mean novelsum"):
        correlations([dataclasses.replace(run, metrics={("novelsun", "both", ""): float(run.subset)}) for run in runs], **options)
    with pytest.raises(vg.ParameterError, match="'permutations' parameter of correlations must be an int of at least 100"):
        correlations(runs, permutations=10)


def test_a_metric_of_the_users_own_says_which_way_it_points():
    runs = [dataclasses.replace(run, metrics={("mine", "both", ""): float(run.subset)}) for run in a_study(normal(8, 1), noise=1)]
    options = {"resamples": 100, "permutations": 100}
    up, down = (correlations(runs, directions={"mine": way}, **options).rows[0].pearson.value for way in (True, False))
    assert up == pytest.approx(-down)
    columns, _ = metric_columns(runs, np.arange(8), [("mine", "both", "")], np.empty((8, 0)), {"mine": False})
    assert columns["mine", "both", ""].tolist() == [-at for at in range(8)]
