"""Metrics of labels: one topic per sample (macro), a set of tags per sample (meso)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.metrics.entropy import entropy_bits, hill_number
from variegate.views.tokens import Tokens

__all__ = ["tag_count", "tag_entropy", "tag_hill", "topic_count", "topic_entropy", "topic_hill"]


def topic_count(topics: NDArray[Any]) -> float:
    """Return the number of different topics that the samples have.

    Range [1, n]; larger = more diverse. Grows with n.

    Args:
        topics: (n,) integer labels, negative for samples without a topic, which do not count.

    Returns:
        Topics.

    Raises:
        DataError: no sample has a topic.

    Reference: the macro level of Li et al. 2025, "From Macro to Micro"; Hill number of order 0.

    >>> import numpy as np
    >>> topic_count(np.array([3, 3, 5]))
    2.0
    """
    return float(len(_topic_counts("topic_count", topics)))


def topic_entropy(topics: NDArray[Any]) -> float:
    """Return the Shannon entropy of the samples' distribution over topics.

    Range [0, log2(number of topics)] bits; larger = more even over more topics. Grows with n while topics are rare.

    Args:
        topics: (n,) integer labels, negative for samples without a topic, which do not count.

    Returns:
        Entropy in bits.

    Raises:
        DataError: no sample has a topic.

    Reference: the macro level of Li et al. 2025, "From Macro to Micro".

    >>> import numpy as np
    >>> topic_entropy(np.array([3, 3, 5, 5])), topic_entropy(np.array([1, 1]))
    (1.0, 0.0)
    """
    return entropy_bits(_topic_counts("topic_entropy", topics))


def topic_hill(topics: NDArray[Any], *, q: float = 1.0) -> float:
    """Return the Hill number of order q of the topics: how many equally large topics would be as diverse.

    Range [1, number of topics]; larger = more diverse. Order 0 counts topics, 1 is exp(entropy), 2 the inverse Simpson index.

    Args:
        topics: (n,) integer labels, negative for samples without a topic, which do not count.
        q: order in [0, inf].

    Returns:
        Effective number of topics.

    Raises:
        DataError: no sample has a topic.
        ParameterError: q is negative.

    Reference: Hill 1973; Jost 2006, "Entropy and diversity".

    >>> import numpy as np
    >>> topic_hill(np.array([3, 3, 5, 5]), q=2.0)
    2.0
    """
    return hill_number(_topic_counts("topic_hill", topics), q, "topic_hill")


def tag_count(tags: Tokens) -> float:
    """Return the number of different tags that the samples carry.

    Range [0, inf); larger = more diverse. Grows with n.

    Args:
        tags: tag ids of n samples.

    Returns:
        Tags.

    Reference: the meso level of Li et al. 2025, "From Macro to Micro"; Lu et al. 2023, "InsTag".

    >>> tag_count(Tokens.from_lists([[1, 2], [], [2]]))
    2.0
    """
    return float(len(tags.type_counts[0]))


def tag_entropy(tags: Tokens) -> float:
    """Return the Shannon entropy of the distribution of tags over the whole set.

    Range [0, log2(number of tags)] bits; larger = more even over more tags. Grows with n while tags are rare.

    Args:
        tags: tag ids of n samples.

    Returns:
        Entropy in bits.

    Raises:
        DataError: no sample has a tag.

    Reference: the meso level of Li et al. 2025, "From Macro to Micro".

    >>> tag_entropy(Tokens.from_lists([[1, 2], [1, 2]]))
    1.0
    """
    return entropy_bits(_tag_counts("tag_entropy", tags))


def tag_hill(tags: Tokens, *, q: float = 1.0) -> float:
    """Return the Hill number of order q of the tags: how many equally frequent tags would be as diverse.

    Range [1, number of tags]; larger = more diverse. Order 0 counts tags, 1 is exp(entropy), 2 the inverse Simpson index.

    Args:
        tags: tag ids of n samples.
        q: order in [0, inf].

    Returns:
        Effective number of tags.

    Raises:
        DataError: no sample has a tag.
        ParameterError: q is negative.

    Reference: Hill 1973; Jost 2006, "Entropy and diversity".

    >>> tag_hill(Tokens.from_lists([[1, 2], [1, 2]]), q=0.0)
    2.0
    """
    return hill_number(_tag_counts("tag_hill", tags), q, "tag_hill")


def _topic_counts(name: str, topics: NDArray[Any]) -> NDArray[Any]:
    counts = np.unique(topics[topics >= 0], return_counts=True)[1]
    if not len(counts):
        raise DataError(f"{name} needs a sample with a topic, but none has one.")
    return np.asarray(counts)


def _tag_counts(name: str, tags: Tokens) -> NDArray[Any]:
    if not len(tags.ids):
        raise DataError(f"{name} needs at least one tag, but the samples have none.")
    return tags.type_counts[1]
