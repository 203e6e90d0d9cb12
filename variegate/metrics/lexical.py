"""Metrics of token ids."""

from __future__ import annotations

import numpy as np

from variegate.errors import DataError
from variegate.metrics.entropy import entropy_bits
from variegate.views.tokens import Tokens

__all__ = ["sequence_length", "token_entropy"]


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
    if not len(tokens.ids):
        raise DataError("token_entropy needs at least one token, but the texts have none.")
    _, counts = np.unique(tokens.ids, return_counts=True)
    return entropy_bits(counts)


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
