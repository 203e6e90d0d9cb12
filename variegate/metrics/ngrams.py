"""Metrics of runs of tokens: repeated n-grams within the set, and overlap of texts with each other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.views.tokens import Tokens

__all__ = ["ngram_ratio", "ngrams", "self_bleu"]

Ints = NDArray[np.int64]

# Li et al. 2025 for the ratio; BLEU-4 for self-BLEU.
ORDERS = 4
# What stands for a count of zero (Chen & Cherry 2014, smoothing method 1).
EPSILON = 0.1
SAMPLES = 1000


def ngram_ratio(tokens: Tokens, *, orders: int = ORDERS) -> float:
    """Return the mean, over n = 1 to 4, of distinct n-grams over all n-grams of the set.

    An n-gram never crosses from one text to the next. Range (0, 1]; larger = more diverse. Falls with the amount of text.

    Args:
        tokens: token ids of n texts.
        orders: the longest n-grams.

    Returns:
        Distinct n-grams per n-gram.

    Raises:
        DataError: no text is long enough for the longest n-gram.
        ParameterError: fewer than 1 order.

    Reference: Li et al. 2025, "From Macro to Micro", post-hoc metrics.

    >>> ngram_ratio(Tokens.from_lists([[1, 2], [1, 2]]), orders=2)
    0.5
    """
    if orders < 1:
        raise bad_parameter("orders", "ngram_ratio", "an int of at least 1", orders)
    ratios = []
    for n, (labels, _, _) in enumerate(_growing_ngrams(tokens, orders), start=1):
        if not len(labels):
            raise DataError(f"ngram_ratio needs a text of at least {n} tokens, but the longest has {_longest(tokens)}.")
        ratios.append((int(labels.max()) + 1) / len(labels))
    return float(np.mean(ratios))


def self_bleu(
    tokens: Tokens, *, hypotheses: int = SAMPLES, references: int = SAMPLES, seed: int = 0
) -> float:  # fmt: skip
    """Return the mean BLEU-4 of sampled texts against the others: how much the texts repeat each other.

    Sentence-level BLEU with equal weights, zero counts replaced by 0.1 (method 1 of Chen & Cherry), the brevity penalty by
    the reference nearest in length. Range [0, 1]; larger = LESS diverse. Grows with the number of references.

    Args:
        tokens: token ids of n texts, n >= 2.
        hypotheses: texts that are scored, drawn with the seed where there are more.
        references: texts that each is compared with, itself left out; drawn likewise.
        seed: of the draw.

    Returns:
        BLEU, no unit.

    Raises:
        DataError: fewer than two texts.
        ParameterError: no hypothesis, or fewer than two references.

    Reference: Zhu et al. 2018, "Texygen"; post-hoc metric of Li et al. 2025.

    >>> round(self_bleu(Tokens.from_lists([[1, 2, 3, 4], [1, 2, 3, 4]])), 12)
    1.0
    >>> self_bleu(Tokens.from_lists([[1, 2, 3, 4], [5, 6, 7, 8]]))
    0.0
    """
    if hypotheses < 1:
        raise bad_parameter("hypotheses", "self_bleu", "an int of at least 1", hypotheses)
    if references < 2:
        raise bad_parameter("references", "self_bleu", "an int of at least 2", references)
    n = len(tokens)
    if n < 2:
        raise DataError(f"self_bleu needs at least 2 samples, got {n}.")
    # One order for both: the smaller group is part of the larger.
    order = np.random.default_rng(seed).permutation(n) if n > min(hypotheses, references) else np.arange(n)
    sample = tokens.take(order[: max(hypotheses, references)])
    scored, compared = min(hypotheses, n), min(references, n)
    logs = np.zeros(scored)
    for n_gram, (labels, owner, _) in enumerate(_growing_ngrams(sample, ORDERS), start=1):
        matches, grams = _clipped_matches(labels, owner, scored, compared)
        if n_gram == 1:
            overlapping = matches > 0
        logs += np.log(np.where(matches > 0, matches, EPSILON) / np.maximum(grams, 1)) / ORDERS
    lengths = sample.lengths
    shortness = np.array([_brevity(lengths, at, compared) for at in range(scored)])
    # A text that shares no token with any other has BLEU 0 by definition; smoothing is for longer n-grams.
    return float(np.where(overlapping, np.exp(logs + shortness), 0.0).mean())


def ngrams(tokens: Tokens, n: int) -> tuple[Ints, Ints, Ints]:
    """Return the n-grams of texts: a number for each (equal for equal ones, from 0), its text, and its place among all tokens.

    Args:
        tokens: token ids of texts; n-grams do not cross from one to the next.
        n: tokens in an n-gram.
    """
    return next(itertools.islice(_growing_ngrams(tokens, n), n - 1, None))


def _growing_ngrams(tokens: Tokens, orders: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield :func:`ngrams` for n = 1 to `orders`, each made from the last."""
    ids, offsets = tokens.ids, tokens.offsets
    types, single = np.unique(ids, return_inverse=True)
    labels = single.astype(np.int64)
    starts = np.arange(len(ids))
    owner = np.repeat(np.arange(len(tokens)), tokens.lengths)
    for n in range(1, orders + 1):
        if n > 1:
            # Longer by one token, where the text goes on: the old n-gram and the token make one exact number.
            inside = starts + n <= offsets[owner + 1]
            starts, owner = starts[inside], owner[inside]
            pairs = labels[inside] * len(types) + single[starts + n - 1]
            labels = np.unique(pairs, return_inverse=True)[1].astype(np.int64)
        yield labels, owner, starts


def _clipped_matches(labels: Ints, owner: Ints, scored: int, compared: int) -> tuple[Ints, Ints]:
    """Return, for each scored text, its n-grams that occur as often in one of the other texts, and how many it has."""
    texts = max(scored, compared)
    pairs, counts = np.unique(labels * texts + owner, return_counts=True)
    gram, text = np.divmod(pairs, texts)
    # The most frequent use of each n-gram among the references, and the second: what is left where the first is one's own.
    known = text < compared
    ranked = np.lexsort((-counts[known], gram[known]))
    best_gram, best_text, best_count = gram[known][ranked], text[known][ranked], counts[known][ranked]
    first = np.flatnonzero(np.r_[True, best_gram[1:] != best_gram[:-1]][: len(best_gram)])
    size = int(labels.max()) + 1 if len(labels) else 0
    top, top_text, second = np.zeros(size, np.int64), np.full(size, -1), np.zeros(size, np.int64)
    top[best_gram[first]], top_text[best_gram[first]] = best_count[first], best_text[first]
    has_second = first[np.diff(np.r_[first, len(best_gram)]) > 1]
    second[best_gram[has_second]] = best_count[has_second + 1]
    mine = text < scored
    gram, text, counts = gram[mine], text[mine], counts[mine]
    elsewhere = np.where(top_text[gram] == text, second[gram], top[gram])
    matches = np.bincount(text, np.minimum(counts, elsewhere), scored).astype(np.int64)
    return matches, np.bincount(text, counts, scored).astype(np.int64)


def _brevity(lengths: Ints, at: int, compared: int) -> float:
    """Return the log of the brevity penalty of one text: 0 unless it is shorter than the reference nearest in length."""
    others = np.delete(lengths[:compared], at) if at < compared else lengths[:compared]
    own = int(lengths[at])
    # Of two equally near the shorter.
    nearest = int(min(others.tolist(), key=lambda length: (abs(length - own), length)))
    return 0.0 if own > nearest or not own else 1 - nearest / own


def _longest(tokens: Tokens) -> int:
    return int(tokens.lengths.max(initial=0))
