"""Win rates of a model against another: plain, and without the judge's liking for long answers.

What is fitted for the length-controlled rate, as in AlpacaEval 2 (Dubois et al. 2024,
https://arxiv.org/abs/2404.04475): the outcome of a prompt is modelled as

    P(run wins) = logistic(model + length * tanh(difference / deviation)),

where `difference` is the run's answer less the other's, in characters, and `deviation` the standard
deviation of the differences over the prompts (n - 1 in the denominator). The rate is what that
predicts where the difference is zero, logistic(model).

AlpacaEval differs in three things. It has one more term, the difficulty of each instruction, which
is estimated from the answers of many models to its own 805 prompts, so there is none for other
prompts. It adds rows of a baseline that was asked to be brief or verbose (weight 0.2), which pull
the length term towards that baseline's. It picks the strength of an L1 penalty on all terms by
cross-validation. Here the length term alone has a penalty, a fixed and weak one, and the model's
term has none: without an effect of length the rate is then the plain win rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from variegate.errors import VariegateError, bad_parameter

__all__ = ["Estimate", "WinRates", "win_rates"]

Floats = NDArray[np.float64]

# The length term is held by a normal prior of this deviation. The feature lies in [-1, 1], so that
# a judge who follows length alone is still fitted by 10 and more; it keeps the fit finite where
# length tells all outcomes apart.
LENGTH_DEVIATION = 2.5
RESAMPLES, CONFIDENCE = 1000, 0.95
# Replicates that are fitted together: bounds the memory, and no replicate depends on another.
TOGETHER = 100
MOST_STEPS, MOST_HALVINGS = 100, 40
TOLERANCE, ROUNDING = 1e-9, 1e-12


@dataclass(frozen=True)
class Estimate:
    """A rate in [0, 1] with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class WinRates:
    """Rates in [0, 1], 0.5 where neither is better, larger where the run is better.

    Attributes:
        prompts: how many outcomes there are.
        plain: mean outcome.
        length_controlled: expected outcome between answers of the same length; None where that
            cannot be told.
        undetermined: why not, for people; empty where it can.
        length_effect: the length term; positive where longer answers win. None where there is no
            length-controlled rate.
        mean_difference: characters by which the run's answers are longer, on average.
    """

    prompts: int
    plain: Estimate
    length_controlled: Estimate | None
    undetermined: str
    length_effect: float | None
    mean_difference: float


def win_rates(
    outcomes: Floats,
    differences: Floats,
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> WinRates:
    """Return win rates with percentile intervals of a bootstrap over prompts.

    Both rates are taken on the same resamples. The deviation of the differences is that of all
    prompts in each of them: it is a unit of length, no estimate.

    Args:
        outcomes: (n,) 1 where the run wins, 0.5 for a tie, 0 where it loses.
        differences: (n,) length of the run's answer less that of the other, in characters.
        resamples: of the bootstrap.
        confidence: of the intervals.
        seed: of the bootstrap.

    Raises:
        ParameterError: no outcomes, or numbers that are not possible.
    """
    outcomes, differences = np.asarray(outcomes, np.float64), np.asarray(differences, np.float64)
    _check(outcomes, differences, resamples, confidence)
    n = len(outcomes)
    draws = np.random.default_rng(seed).integers(0, n, (resamples, n))
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]

    def estimate(value: float, replicates: Floats) -> Estimate:
        low, high = np.quantile(replicates, tails)
        return Estimate(float(value), float(low), float(high))

    plain = estimate(outcomes.mean(), outcomes[draws].mean(axis=1))
    mean = float(differences.mean())
    undetermined = _undetermined(differences)
    if undetermined:
        return WinRates(n, plain, None, undetermined, None, mean)
    deviation = differences.std(ddof=1)
    feature = np.tanh(differences / deviation) if deviation else np.zeros(n)
    whole = _fitted(feature, outcomes, np.ones((1, n)))
    replicates = np.concatenate(
        [_fitted(feature, outcomes, _counts(draws[start : start + TOGETHER], n))[:, 0] for start in range(0, resamples, TOGETHER)]
    )
    controlled = estimate(_logistic(whole[:, 0])[0], _logistic(replicates))
    return WinRates(n, plain, controlled, "", float(whole[0, 1]), mean)


def _check(outcomes: Floats, differences: Floats, resamples: int, confidence: float) -> None:
    if outcomes.ndim != 1 or not len(outcomes) or not np.isin(outcomes, [0, 0.5, 1]).all():
        raise bad_parameter("outcomes", "win_rates", "a list of 0, 0.5 and 1, at least one", outcomes)
    if differences.shape != outcomes.shape or not np.isfinite(differences).all():
        raise bad_parameter("differences", "win_rates", "one finite number for each outcome", differences)
    if resamples < 1:
        raise bad_parameter("resamples", "win_rates", "at least 1", resamples)
    if not 0 < confidence < 1:
        raise bad_parameter("confidence", "win_rates", "a number between 0 and 1", confidence)


def _undetermined(differences: Floats) -> str:
    """Say why these lengths leave open what would be at the same length; empty if they do not."""
    if not differences.any():
        return ""
    if len(differences) < 2:
        return "one prompt cannot tell length from quality"
    if np.ptp(differences) == 0:
        return (
            f"every answer differs from the other's by {differences[0]:+.0f} characters, so length and model cannot be told apart"
        )
    return ""


def _counts(draws: NDArray[np.int64], n: int) -> Floats:
    """Return how often each prompt stands in each resample, shape (resamples, n)."""
    flat = draws + n * np.arange(len(draws))[:, None]
    return np.bincount(flat.ravel(), minlength=n * len(draws)).reshape(len(draws), n).astype(np.float64)


def _fitted(feature: Floats, outcomes: Floats, weights: Floats) -> Floats:
    """Return the model's and the length's term for each row of weights, by Newton's method.

    Where all outcomes of a row are wins (or losses) the model's term is infinite, and its rate is 1
    (or 0).

    Args:
        feature: (n,) in [-1, 1].
        outcomes: (n,) in [0, 1].
        weights: (rows, n) how often each prompt counts.
    """
    total = weights.sum(axis=1)
    share = weights @ outcomes / total
    terms = np.zeros((len(weights), 2))
    terms[share == 1, 0], terms[share == 0, 0] = np.inf, -np.inf
    open_rows = np.flatnonzero((share > 0) & (share < 1))
    terms[open_rows, 0] = np.log(share[open_rows] / (1 - share[open_rows]))
    for _ in range(MOST_STEPS):
        if not len(open_rows):
            return terms
        step, slope = _newton(terms[open_rows], feature, outcomes, weights[open_rows])
        terms[open_rows] = _descended(terms[open_rows], step, feature, outcomes, weights[open_rows])
        # Written so that what is no number stays open, and ends in the error below.
        open_rows = open_rows[~(slope <= TOLERANCE * total[open_rows])]
    raise VariegateError(
        "The length-controlled win rate could not be fitted: the regression on length does not converge. Please report the "
        "outcomes and lengths that led to this."
    )


def _newton(terms: Floats, feature: Floats, outcomes: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return Newton's steps, shape (rows, 2), and the largest slope of each row where it stands."""
    expected = _logistic(terms[:, :1] + terms[:, 1:] * feature)
    residual = weights * (expected - outcomes)
    curvature = weights * expected * (1 - expected)
    slopes = np.stack([residual.sum(axis=1), residual @ feature + terms[:, 1] / LENGTH_DEVIATION**2], axis=1)
    a, b = curvature.sum(axis=1), curvature @ feature
    c = curvature @ feature**2 + 1 / LENGTH_DEVIATION**2
    determinant = a * c - b * b
    step = np.stack([b * slopes[:, 1] - c * slopes[:, 0], b * slopes[:, 0] - a * slopes[:, 1]], axis=1)
    return step / determinant[:, None], np.abs(slopes).max(axis=1)


def _descended(terms: Floats, step: Floats, feature: Floats, outcomes: Floats, weights: Floats) -> Floats:
    """Return the terms after each row's step, halved until it does not lead upwards."""
    # At the bottom, rounding alone may say that a good step leads upwards.
    most = _loss(terms, feature, outcomes, weights) * (1 + ROUNDING)
    scale = np.ones((len(terms), 1))
    for _ in range(MOST_HALVINGS):
        worse = _loss(terms + scale * step, feature, outcomes, weights) > most
        if not worse.any():
            break
        scale[worse] /= 2
    return terms + scale * step


def _loss(terms: Floats, feature: Floats, outcomes: Floats, weights: Floats) -> Floats:
    logits = terms[:, :1] + terms[:, 1:] * feature
    losses = (weights * (np.logaddexp(0, logits) - outcomes * logits)).sum(axis=1)
    return np.asarray(losses + terms[:, 1] ** 2 / (2 * LENGTH_DEVIATION**2))


def _logistic(x: Floats) -> Floats:
    return np.exp(-np.logaddexp(0, -x))
