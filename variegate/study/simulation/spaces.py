"""How points of the plane become vectors, since metrics of embeddings look at the cosine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["SPACES", "features", "sphere"]

Array = NDArray[np.float64]

# The disc of radius 1 becomes a cap of this radius (chord from its middle), about 29 degrees.
CAP = 0.5
# Distance in the disc at which two points have a cosine of exp(-1/2), and the number of dimensions.
LENGTH, DIMENSIONS = 0.3, 256


def sphere(points: Array) -> Array:
    """Lift points of the disc of radius 1 onto a cap of the unit sphere, (m, 2) to (m, 3).

    Lambert's map keeps areas: what is uniform stays uniform. On the sphere the cosine distance is
    half the squared distance, so that neighbours stay neighbours, but far pairs weigh the more.

    >>> sphere(np.array([[0.0, 0.0], [1.0, 0.0]])).round(3).tolist()
    [[0.0, 0.0, 1.0], [0.484, 0.0, 0.875]]
    """
    flat = CAP * points
    squared = np.sum(flat**2, axis=1, keepdims=True)
    return np.hstack([flat * np.sqrt(1 - squared / 4), 1 - squared / 2])


def features(points: Array) -> Array:
    """Give points features of a Gaussian kernel, (m, 2) to (m, 256).

    The cosine of two vectors is about exp(-distance^2 / (2 * 0.3^2)): near points are alike, and
    all far ones are about orthogonal, as texts of other topics are in embeddings. Of one distance,
    random features are off by 0.06 at most places, the same for every set.

    Reference: Rahimi & Recht 2007, "Random Features for Large-Scale Kernel Machines".

    >>> float(np.linalg.norm(features(np.array([[0.2, 0.4]])), axis=1).round(6)[0])
    1.0
    """
    half = DIMENSIONS // 2
    angles = points @ (np.random.default_rng(0).normal(size=(2, half)) / LENGTH)
    vectors: Array = np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(half)
    return vectors


SPACES: dict[str, Callable[[Array], Array]] = {"sphere": sphere, "features": features}
