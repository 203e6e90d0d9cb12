"""Win rates: against closed forms, against other packages' regressions, and against judges whose ways are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression

import variegate as vg
from variegate.study.evaluation.winrate import LENGTH_DEVIATION, win_rates


def logistic(x):
    return 1 / (1 + np.exp(-x))


def sample(n: int, model: float, length: float, seed: int = 0, ties: float = 0.0):
    rng = np.random.default_rng(seed)
    differences = np.round(rng.normal(200, 300, n))
    p = logistic(model + length * np.tanh(differences / differences.std(ddof=1)))
    outcomes = np.where(rng.random(n) < ties, 0.5, (rng.random(n) < p) * 1.0)
    return outcomes, differences


def by_scikit_learn(outcomes, differences):
    """The same fit, written differently: every prompt twice, as won and as lost, weighted by its outcome."""
    feature = np.tanh(differences / differences.std(ddof=1))
    rows = np.tile(feature, 2)[:, None]
    won = np.repeat([1, 0], len(outcomes))
    weights = np.concatenate([outcomes, 1 - outcomes])
    model = LogisticRegression(C=LENGTH_DEVIATION**2, solver="newton-cholesky", tol=1e-10)
    model.fit(rows[weights > 0], won[weights > 0], sample_weight=weights[weights > 0])
    return logistic(model.intercept_[0]), model.coef_[0, 0]


CASES = {
    "no effect": sample(300, 0.4, 0.0),
    "longer wins": sample(300, -0.2, 1.5, ties=0.2),
    "shorter wins": sample(300, 0.5, -2.0),
    "few": sample(6, 0.0, 1.0, seed=3, ties=0.3),
    "nearly all won": (np.append(np.ones(99), 0.5), sample(100, 0, 0)[1]),
    "length decides": ((sample(200, 0, 0)[1] > 0) * 1.0, sample(200, 0, 0)[1]),
}


@pytest.mark.parametrize("case", CASES)
def test_the_fit_is_that_of_scikit_learn(case):
    outcomes, differences = CASES[case]
    found = win_rates(outcomes, differences, resamples=20)
    rate, effect = by_scikit_learn(outcomes, differences)
    assert found.length_controlled.value == pytest.approx(rate, abs=1e-6)
    assert found.length_effect == pytest.approx(effect, abs=1e-5)
    assert found.plain.value == pytest.approx(outcomes.mean())
    assert found.mean_difference == pytest.approx(differences.mean())


def test_without_a_penalty_it_is_the_binomial_regression_of_statsmodels(monkeypatch):
    sm = pytest.importorskip("statsmodels.api")
    monkeypatch.setattr("variegate.study.evaluation.winrate.LENGTH_DEVIATION", 1e6)
    outcomes, differences = CASES["longer wins"]
    feature = np.tanh(differences / differences.std(ddof=1))
    fit = sm.GLM(outcomes, sm.add_constant(feature), family=sm.families.Binomial()).fit(tol=1e-12)
    found = win_rates(outcomes, differences, resamples=1)
    assert found.length_controlled.value == pytest.approx(logistic(fit.params[0]), abs=1e-6)
    assert found.length_effect == pytest.approx(fit.params[1], abs=1e-5)


def test_the_model_behind_the_outcomes_is_found():
    outcomes, differences = sample(20_000, -0.5, 1.2)
    found = win_rates(outcomes, differences, resamples=50)
    # The deviation of the model's term is about 0.02, that of the rate about 0.005.
    assert found.length_controlled.value == pytest.approx(logistic(-0.5), abs=0.02)
    assert found.plain.value > found.length_controlled.value + 0.05
    assert found.length_effect == pytest.approx(1.2, abs=0.1)


def test_the_interval_is_that_of_the_binomial_distribution():
    """The mean of a resample of wins and losses is binomial, whose quantiles are known."""
    outcomes = np.repeat([1.0, 0.0], [30, 70])
    found = win_rates(outcomes, np.zeros(100), resamples=20_000)
    assert found.plain.value == pytest.approx(0.3)
    assert found.plain.low == pytest.approx(binom.ppf(0.025, 100, 0.3) / 100, abs=0.0101)
    assert found.plain.high == pytest.approx(binom.ppf(0.975, 100, 0.3) / 100, abs=0.0101)
    # With nothing to control for the two rates are one.
    assert vars(found.length_controlled) == pytest.approx(vars(found.plain), abs=1e-9)
    wider = win_rates(outcomes, np.zeros(100), resamples=2000, confidence=0.99)
    assert wider.plain.low < found.plain.low < found.plain.high < wider.plain.high


def test_intervals_hold_what_they_should():
    """Of 200 samples about 95 in a hundred have the truth in their interval (deviation of the count: 3.1)."""
    inside = 0
    for seed in range(200):
        found = win_rates(*sample(150, 0.3, 1.0, seed=seed), resamples=200, seed=seed)
        inside += found.length_controlled.low <= logistic(0.3) <= found.length_controlled.high
    assert 175 <= inside <= 200


def test_who_is_run_and_who_is_the_other_makes_no_difference():
    outcomes, differences = CASES["longer wins"]
    one, other = win_rates(outcomes, differences, seed=1), win_rates(1 - outcomes, -differences, seed=1)
    assert one.plain.value == pytest.approx(1 - other.plain.value)
    assert one.length_controlled.value == pytest.approx(1 - other.length_controlled.value)
    assert one.length_controlled.low == pytest.approx(1 - other.length_controlled.high)
    assert one.length_effect == pytest.approx(other.length_effect)


def test_a_judge_that_follows_length_alone():
    """Four of five answers are longer and win: that is all there is, and at the same length nothing is left."""
    differences = np.concatenate([np.arange(1, 81), -np.arange(1, 21)]) * 10.0
    found = win_rates((differences > 0) * 1.0, differences)
    assert found.plain.value == pytest.approx(0.8)
    assert found.length_controlled.value == pytest.approx(0.5, abs=0.1)
    assert found.length_controlled.low < 0.5 < found.length_controlled.high
    assert found.length_effect > 5


def test_all_won_or_lost():
    differences = sample(50, 0, 0)[1]
    for outcome in (1.0, 0.0):
        found = win_rates(np.full(50, outcome), differences)
        assert vars(found.plain) == vars(found.length_controlled) == {"value": outcome, "low": outcome, "high": outcome}
    tied = win_rates(np.full(50, 0.5), differences)
    assert vars(tied.length_controlled) == pytest.approx({"value": 0.5, "low": 0.5, "high": 0.5})


def test_what_lengths_cannot_tell_is_no_number():
    same = win_rates(np.array([1.0, 0, 1]), np.full(3, 40.0))
    assert same.length_controlled is None
    assert same.length_effect is None
    assert "differs from the other's by +40 characters" in same.undetermined
    assert same.plain.value == pytest.approx(2 / 3)
    assert "one prompt" in win_rates(np.array([1.0]), np.array([3.0])).undetermined


def test_resamples_are_seeded():
    case = CASES["longer wins"]
    assert win_rates(*case, seed=5) == win_rates(*case, seed=5)
    assert win_rates(*case, seed=5).plain != win_rates(*case, seed=6).plain


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"outcomes": []}, "'outcomes' parameter of win_rates must be a list of 0, 0.5 and 1"),
        ({"outcomes": [0.7]}, "'outcomes' parameter"),
        ({"outcomes": [np.nan]}, "'outcomes' parameter"),
        ({"differences": [1.0, 2.0]}, "'differences' parameter of win_rates must be one finite number"),
        ({"differences": [np.inf]}, "'differences' parameter"),
        ({"resamples": 0}, "'resamples' parameter"),
        ({"confidence": 1.0}, "'confidence' parameter"),
    ],
)
def test_what_is_refused(given, message):
    usual = {"outcomes": [1.0], "differences": [0.0]}
    with pytest.raises(vg.ParameterError, match=message):
        win_rates(**{**usual, **given})
