"""k-means, by scikit-learn, with what the metrics need of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.geometry.copies import copies
from variegate.geometry.neighbours.nearest import nearest
from variegate.geometry.sharing import shared
from variegate.geometry.vectors import Floats, Ints, Matrix, exact_squared_distances

__all__ = ["KMeans", "assign", "kmeans"]


@dataclass(frozen=True)
class KMeans:
    """Clusters of a set of points.

    Attributes:
        centroids: (k, d) float32; fewer where there are fewer distinct points than k.
        labels: (n,) the cluster of each point.
        squared: (n,) float64, squared L2 distance of each point to its centroid.
    """

    centroids: NDArray[np.float32]
    labels: Ints
    squared: Floats

    @property
    def inertia(self) -> float:
        """Sum of the squared distances."""
        return float(self.squared.sum())


@shared
def kmeans(points: Matrix, k: int, seed: int = 0) -> KMeans:
    """Cluster points by k-means (k-means++ start, Lloyd's iterations, one run).

    Args:
        points: (n, d), n >= k.
        k: number of clusters.
        seed: of the starting centroids.

    Raises:
        DataError: fewer points than clusters.
    """
    if len(points) < k:
        raise DataError(
            f"{k} clusters need at least {k} samples, but there are {len(points)}. Ask for fewer: --topics kmeans:K, or the "
            "metric's option k."
        )
    import warnings

    from sklearn.cluster import KMeans as Lloyd
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # One thread: with several, partial sums are added in the order in which threads finish, and labels can change.
    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer distinct points than clusters: some clusters then stay empty, which is no fault of the data.
        warnings.simplefilter("ignore", ConvergenceWarning)
        single = np.asarray(points, np.float32)
        model = Lloyd(k, n_init=1, random_state=seed).fit(single)
    labels = np.asarray(model.labels_, np.int64)
    centroids = np.asarray(model.cluster_centers_, np.float32)
    if len(np.unique(labels)) < k:
        same = copies(single)
        if len(same.first) <= k:
            # scikit-learn moves empty clusters to points of others, after which its centroids are not those of its labels.
            # The best clusters are known: one a distinct point.
            centroids = single[same.first]
            labels = np.empty(len(points), np.int64)
            labels[same.rows] = np.repeat(np.arange(len(same.first)), np.diff(same.starts))
    return KMeans(centroids, labels, exact_squared_distances(points, centroids, np.arange(len(points)), labels))


def assign(points: Matrix, clusters: KMeans) -> Ints:
    """Return the cluster whose centroid is nearest to each point, shape (n,)."""
    return nearest(points, clusters.centroids, 1)[1][:, 0]
