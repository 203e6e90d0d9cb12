"""Metrics of clusters that k-means makes of the vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import assign, kmeans
from variegate.metrics.entropy import entropy_bits

__all__ = ["cluster_inertia", "partition_entropy"]

# The numbers of clusters of Yang et al. 2025.
INERTIA_CLUSTERS, PARTITIONS = 200, 100


def cluster_inertia(x: NDArray[Any], *, k: int = INERTIA_CLUSTERS, seed: int = 0) -> float:
    """Return the inertia of k-means: the sum of squared L2 distances of the samples to their centroids.

    Range [0, inf), in the vectors' own unit squared; larger = more diverse. A sum, so it grows with n: compare sets of one
    size.

    Args:
        x: (n, d) vectors, n >= k.
        k: number of clusters.
        seed: of the starting centroids.

    Returns:
        Sum of squared distances.

    Raises:
        DataError: fewer samples than clusters.
        ParameterError: fewer than 1 cluster.

    Reference: one of the existing metrics in Yang et al. 2025; Du & Black 2019.

    >>> import numpy as np
    >>> cluster_inertia(np.array([[0.0, 1.0], [0.0, 3.0]]), k=1)
    2.0
    """
    _check_clusters(k, "cluster_inertia")
    return kmeans(x, k, seed).inertia


def partition_entropy(x: NDArray[Any], reference: NDArray[Any] | None = None, *, k: int = PARTITIONS, seed: int = 0) -> float:
    """Return the Shannon entropy of the samples' distribution over clusters of a reference.

    Range [0, log2(k)] bits; larger = the samples lie more evenly over the reference's regions. Grows with n while n is small.

    Args:
        x: (n, d) vectors.
        reference: (m, d) vectors, m >= k, on which k-means is fitted; the samples themselves if None.
        k: number of clusters.
        seed: of the starting centroids.

    Returns:
        Entropy in bits.

    Raises:
        DataError: fewer reference vectors than clusters.
        ParameterError: fewer than 1 cluster.

    Reference: Han et al. 2022; one of the existing metrics in Yang et al. 2025.

    >>> import numpy as np
    >>> partition_entropy(np.eye(4), np.repeat(np.eye(4), 3, axis=0), k=4)
    2.0
    """
    _check_clusters(k, "partition_entropy")
    fitted = kmeans(x if reference is None else reference, k, seed)
    labels = fitted.labels if reference is None or reference is x else assign(x, fitted)
    return entropy_bits(np.unique(labels, return_counts=True)[1])


def _check_clusters(k: int, owner: str) -> None:
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise bad_parameter("k", owner, "an int of at least 1", k)
