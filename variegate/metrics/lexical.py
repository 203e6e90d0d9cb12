"""Metrics of how often each token type occurs."""

from __future__ import annotations

import numpy as np

from variegate.errors import DataError, bad_parameter
from variegate.metrics.entropy import entropy_bits, hill_number
from variegate.views.tokens import Tokens

__all__ = ["hdd", "sequence_length", "token_entropy", "token_hill", "token_types", "ttr"]

# The band of Li et al. 2025: below it names and misspellings, above it function words.
BAND_LOW, BAND_HIGH = 10, 500
# Tokens a draw (McCarthy & Jarvis 2010).
HDD_DRAWS = 42
# Up to how many terms a sum is taken term by term.
TERMS = 5000


def ttr(tokens: Tokens, *, budget: int | None = None) -> float:
    """Return the type-token ratio: distinct types over tokens, of the whole set or at a token budget.

    With a budget B it is the expected ratio in B tokens drawn at random without replacement, computed exactly from the
    counts: (1/B) sum_types (1 - C(t - c, B) / C(t, B)). Range (0, 1]; larger = more diverse. The plain ratio falls as the
    text gets longer, whatever its diversity; at one budget, sets of different lengths can be compared.

    Args:
        tokens: token ids of n texts.
        budget: tokens; None for all of them.

    Returns:
        Types per token.

    Raises:
        DataError: there is no token, or there are fewer than the budget.
        ParameterError: the budget is less than 1.

    Reference: Templin 1957; one of the existing metrics in Yang et al. 2025.

    >>> ttr(Tokens.from_lists([[1, 2], [1, 1]])), ttr(Tokens.from_lists([[7]]))
    (0.5, 1.0)
    >>> round(ttr(Tokens.from_lists([[1, 2], [1, 1]]), budget=2), 12)
    0.75
    """
    types, counts = _counted("ttr", tokens)
    total = len(tokens.ids)
    if budget is None:
        return len(types) / total
    if not isinstance(budget, int) or isinstance(budget, bool) or budget < 1:
        raise bad_parameter("budget", "ttr", "an int of at least 1", budget)
    if budget > total:
        raise DataError(f"ttr at {budget} tokens needs as many, but the texts have {total}.")
    return _expected_types(counts, total, budget) / budget


def hdd(tokens: Tokens, *, draws: int = HDD_DRAWS) -> float:
    """Return HD-D: the expected type-token ratio of a few tokens drawn at random without replacement.

    Range [1/draws, 1]; larger = more diverse. It hardly depends on the amount of text.

    Args:
        tokens: token ids of n texts.
        draws: tokens a draw.

    Returns:
        Types per token.

    Raises:
        DataError: there are fewer tokens than a draw takes.
        ParameterError: fewer than 1 draw.

    Reference: McCarthy & Jarvis 2010, "MTLD, vocd-D, and HD-D".

    >>> round(hdd(Tokens.from_lists([[1] * 50])) * 42, 12), hdd(Tokens.from_lists([list(range(50))]))
    (1.0, 1.0)
    """
    _, counts = _counted("hdd", tokens)
    total = len(tokens.ids)
    if draws < 1:
        raise bad_parameter("draws", "hdd", "an int of at least 1", draws)
    if total < draws:
        raise DataError(f"hdd needs at least {draws} tokens, but the texts have {total}.")
    return _expected_types(counts, total, draws) / draws


def token_entropy(tokens: Tokens) -> float:
    """Return the Shannon entropy of the distribution of token types over the whole set.

    Range [0, log2(number of types)] bits; larger = more diverse. Grows with the amount of text.

    Args:
        tokens: token ids of n texts.

    Returns:
        Entropy in bits.

    Raises:
        DataError: there is no token.

    Reference: Li et al. 2025, "From Macro to Micro", post-hoc metrics.

    >>> token_entropy(Tokens.from_lists([[1, 2], [3, 4]])), token_entropy(Tokens.from_lists([[7, 7]]))
    (2.0, 0.0)
    """
    return entropy_bits(_counted("token_entropy", tokens)[1])


def token_hill(tokens: Tokens, *, q: float = 1.0) -> float:
    """Return the Hill number of order q of the token types: how many equally frequent types would be as diverse.

    Range [1, number of types]; larger = more diverse. Order 0 counts types, 1 is exp(entropy), 2 the inverse Simpson index:
    the larger q, the less rare types count, and the less the value grows with the amount of text.

    Args:
        tokens: token ids of n texts.
        q: order in [0, inf].

    Returns:
        Effective number of types.

    Raises:
        DataError: there is no token.
        ParameterError: q is negative.

    Reference: Hill 1973; Jost 2006, "Entropy and diversity".

    >>> token_hill(Tokens.from_lists([[1, 2], [1, 2]]), q=2.0)
    2.0
    """
    return hill_number(_counted("token_hill", tokens)[1], q, "token_hill")


def token_types(tokens: Tokens, reference: Tokens | None = None, *, low: int = BAND_LOW, high: int = BAND_HIGH) -> float:
    """Return how many of a reference's mid-frequency token types the set holds.

    A type is in the band if it occurs low to high times in the reference, both included. Range [0, types in the band];
    larger = more diverse. Grows with n. It is what the micro strategies control.

    Args:
        tokens: token ids of n texts.
        reference: token ids of the pool that the band is taken in; the set itself if None.
        low: fewest occurrences in the reference.
        high: most occurrences in the reference.

    Returns:
        Types.

    Raises:
        ParameterError: the band is empty or starts below 1.

    Reference: Li et al. 2025, "From Macro to Micro", micro level.

    >>> token_types(Tokens.from_lists([[1] * 9, [2] * 10, [3] * 501]))
    1.0
    """
    if low < 1:
        raise bad_parameter("low", "token_types", "an int of at least 1", low)
    if high < low:
        raise bad_parameter("high", "token_types", f"an int of at least low = {low}", high)
    types, counts = (reference if reference is not None else tokens).type_counts
    band = types[(counts >= low) & (counts <= high)]
    return float(np.isin(band, tokens.type_counts[0], assume_unique=True).sum())


def sequence_length(tokens: Tokens) -> float:
    """Return the mean number of tokens of a sample.

    Range [0, inf); longer samples count as more diverse, as Li et al. found for responses. Does not depend on n.

    Args:
        tokens: token ids of n texts.

    Returns:
        Tokens.

    Reference: Li et al. 2025, "From Macro to Micro", post-hoc metrics.

    >>> sequence_length(Tokens.from_lists([[1, 2, 3], [4]]))
    2.0
    """
    return float(tokens.lengths.mean())


def _counted(name: str, tokens: Tokens) -> tuple[np.ndarray, np.ndarray]:
    if not len(tokens.ids):
        raise DataError(f"{name} needs at least one token, but the texts have none.")
    return tokens.type_counts


def _expected_types(counts: np.ndarray, total: int, drawn: int) -> float:
    """Return the expected number of types among tokens drawn without replacement."""
    # Types of equal count are alike, and there are few counts.
    values, types = np.unique(counts, return_counts=True)
    expected = types * -np.expm1(_log_missing(values, total, drawn))
    # The chance of a type that stands once is known exactly, and so is the value where all tokens differ.
    once = values == 1
    expected[once] = types[once] / total * drawn
    # Each draw holds at least one type and at most one a token; a sum that is next to either may be rounded past it.
    return min(max(float(expected.sum()), 1.0), float(drawn))


def _log_missing(counts: np.ndarray, total: int, drawn: int) -> np.ndarray:
    """Return log C(total - c, drawn) / C(total, drawn): the log probability that none of c tokens is drawn.

    As a sum over the drawn or over the c tokens, where either is small; by Stirling's series where neither is.
    """
    out = np.full(len(counts), -np.inf)
    # What leaves fewer tokens than are drawn is always drawn.
    possible = total - counts >= drawn
    if drawn <= TERMS:
        left = total - np.arange(drawn, dtype=np.float64)
        out[possible] = [np.log1p(-count / left).sum() for count in counts[possible]]
        return out
    small = possible & (counts <= TERMS)
    if small.any():
        sums = np.cumsum(np.log1p(-drawn / (total - np.arange(counts[small].max(), dtype=np.float64))))
        out[small] = sums[counts[small] - 1]
    large = possible & (counts > TERMS)
    if large.any():
        out[large] = _log_missing_of_many(counts[large].astype(np.float64), float(total), float(drawn))
    return out


def _log_missing_of_many(c: np.ndarray, total: float, drawn: float) -> np.ndarray:
    """Return :func:`_log_missing` by Stirling's series of the four factorials.

    The terms are put together so that each is about as large as their sum: differences of log factorials of a thousand
    million tokens would leave four digits.
    """
    # Where hardly a token is left over, the series is inexact, but that none is drawn is all but impossible.
    rest = np.maximum(total - c - drawn, 1.0)
    odds = np.minimum(c * drawn / ((total - c) * (total - drawn)), 1 - 1 / total)
    leading = drawn * np.log1p(-c / total) + c * np.log1p(-drawn / total) - (rest + 0.5) * np.log1p(-odds)
    return np.asarray(leading + (1 / (total - c) - 1 / rest - 1 / total + 1 / (total - drawn)) / 12)
