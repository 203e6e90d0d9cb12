"""Lexical diversity of the token sequence: MTLD and vocd-D."""

from __future__ import annotations

import numpy as np

from variegate.errors import DataError, bad_parameter
from variegate.views.tokens import Tokens

__all__ = ["mtld", "vocd_d"]

# McCarthy & Jarvis 2010.
MTLD_THRESHOLD = 0.72
# McKee, Malvern & Richards 2000: sizes of the draws, draws of each size, trials that are averaged.
VOCD_SIZES = range(35, 51)
VOCD_DRAWS = 100
VOCD_TRIALS = 3
CHUNK = 1 << 20


def mtld(tokens: Tokens, *, threshold: float = MTLD_THRESHOLD) -> float:
    """Return the measure of textual lexical diversity: how many tokens it takes until types repeat this much.

    The sequence of all texts is cut into factors, each as short as brings its type-token ratio down to the threshold;
    what is left counts as the part of a factor that it has come to. The value is tokens per factor, the mean of reading
    forwards and backwards. Range [1, inf); larger = more diverse. It hardly depends on the amount of text, but on the
    order of the texts.

    Args:
        tokens: token ids of n texts, read as one sequence.
        threshold: ratio at which a factor is complete, in (0, 1).

    Returns:
        Tokens per factor.

    Raises:
        DataError: no token repeats, so that there is no factor, or there is no token.
        ParameterError: the threshold is outside (0, 1).

    Reference: McCarthy & Jarvis 2010, "MTLD, vocd-D, and HD-D".

    >>> mtld(Tokens.from_lists([[1, 1, 1, 1, 1, 1]]))
    2.0
    """
    if not 0 < threshold < 1:
        raise bad_parameter("threshold", "mtld", "a number in (0, 1)", threshold)
    total = len(tokens.ids)
    factors = [_factors(ids, threshold) for ids in (tokens.ids, tokens.ids[::-1])]
    if not min(factors):
        raise DataError(f"mtld needs tokens that repeat, but among {total} tokens none does.")
    return float(np.mean([total / count for count in factors]))


def _factors(ids: np.ndarray, threshold: float) -> float:
    """Count the factors of a sequence, the last one in part."""
    count = 0
    length = 0
    types: set[int] = set()
    add = types.add
    for start in range(0, len(ids), CHUNK):
        for token in ids[start : start + CHUNK].tolist():
            length += 1
            add(token)
            if len(types) / length <= threshold:
                count += 1
                length = 0
                types.clear()
    rest = (1 - len(types) / length) / (1 - threshold) if length else 0.0
    return count + rest


def vocd_d(tokens: Tokens, *, seed: int = 0) -> float:
    """Return vocd-D: the parameter of the curve by which the type-token ratio falls as draws get larger.

    For each size N of 35 to 50, 100 draws without replacement give a mean ratio; D is the least-squares fit of
    TTR = (D/N)(sqrt(1 + 2N/D) - 1) to the 16 means. The value is the mean of three trials. Range (0, inf); larger = more
    diverse. It hardly depends on the amount of text.

    Args:
        tokens: token ids of n texts, read as one set of tokens.
        seed: of the draws; the order of the tokens matters to them as well.

    Returns:
        D, no unit.

    Raises:
        DataError: fewer than 50 tokens, or draws so varied (no token ever repeats) that every large D fits.

    Reference: McKee, Malvern & Richards 2000, "Measuring vocabulary diversity using dedicated software".

    >>> round(vocd_d(Tokens.from_lists([[1, 2] * 30])), 2) < 1
    True
    """
    if len(tokens.ids) < VOCD_SIZES[-1]:
        raise DataError(f"vocd_d needs at least {VOCD_SIZES[-1]} tokens, but the texts have {len(tokens.ids)}.")
    rng = np.random.default_rng(seed)
    return float(np.mean([_fitted(_mean_ratios(tokens.ids, rng)) for _ in range(VOCD_TRIALS)]))


def _mean_ratios(ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    means = []
    for size in VOCD_SIZES:
        drawn = np.stack([ids[rng.choice(len(ids), size, replace=False, shuffle=False)] for _ in range(VOCD_DRAWS)])
        drawn.sort(axis=1)
        means.append((1 + (drawn[:, 1:] != drawn[:, :-1]).sum(axis=1)).mean() / size)
    return np.array(means)


def _fitted(ratios: np.ndarray) -> float:
    from scipy.optimize import minimize_scalar

    sizes = np.array(VOCD_SIZES, np.float64)

    def squares(log_d: float) -> float:
        d = np.exp(log_d)
        return float(np.square(d / sizes * (np.sqrt(1 + 2 * sizes / d) - 1) - ratios).sum())

    if ratios.min() == 1:
        raise DataError("vocd_d has no value where no token repeats within 50: every large D would fit.")
    found = minimize_scalar(squares, bounds=(np.log(1e-3), np.log(1e6)), method="bounded", options={"xatol": 1e-10})
    return float(np.exp(found.x))
