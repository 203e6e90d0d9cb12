"""Topics: one label per sample, from a column of the data or from clusters of the vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter

__all__ = ["TOPICS", "column_labels", "kmeans_labels", "kmeans_size"]

Ints = NDArray[np.int64]

TOPICS = {"kmeans:K": "k-means clusters of the vectors, fitted on the reference if there is one", "COLUMN": "a field of the data"}


def column_labels(values: list[Any]) -> Ints:
    """Number the values of a column, shape (n,); equal values have equal numbers."""
    texts = [str(value) for value in values]
    known = {text: at for at, text in enumerate(sorted(set(texts)))}
    return np.array([known[text] for text in texts], np.int64)


def kmeans_size(topics: str) -> int:
    """Read the number of clusters out of "kmeans:K"."""
    size = topics.removeprefix("kmeans:")
    if not (size.isascii() and size.isdigit()) or len(size) > 9 or not int(size):
        raise bad_parameter("topics", "measure", "'kmeans:K' with a whole number K, or the name of a column", topics)
    return int(size)


def kmeans_labels(vectors: NDArray[Any], fitted_on: NDArray[Any], clusters: int, seed: int = 0) -> Ints:
    """Return the cluster of each vector, shape (n,), by k-means fitted on other vectors (or on the same).

    Args:
        vectors: (n, d).
        fitted_on: (m, d), m >= clusters.
        clusters: how many.
        seed: of the starting centroids.

    Raises:
        DataError: fewer rows than clusters.
    """
    if len(fitted_on) < clusters:
        raise DataError(
            f"{clusters} clusters need at least {clusters} samples, but there are {len(fitted_on)}. Pass --topics kmeans:K "
            "with a smaller K, or --topics COLUMN."
        )
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # One thread: with several, partial sums are added in the order in which threads finish, and labels can change.
    with threadpool_limits(1):
        model = KMeans(clusters, n_init=1, random_state=seed).fit(np.asarray(fitted_on, np.float32))
        return np.asarray(model.predict(np.asarray(vectors, np.float32)), np.int64)
