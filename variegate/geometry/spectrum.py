"""Eigenvalues of the cosine kernel."""

from __future__ import annotations

import numpy as np

from variegate.geometry.cosine import unit_rows
from variegate.geometry.sharing import shared
from variegate.geometry.vectors import Floats, Matrix, row_blocks

__all__ = ["cosine_spectrum"]


@shared
def cosine_spectrum(vectors: Matrix) -> Floats:
    """Return the eigenvalues of the cosine kernel, ascending, shape (min(n, d),); where n > d the other n - d are 0.

    Taken from the n x n kernel or from the d x d moment matrix of the unit vectors, whichever is smaller, in float64.

    Args:
        vectors: (n, d), no zero rows.
    """
    n, d = vectors.shape
    if n <= d:
        unit = unit_rows(vectors)
        moment = unit @ unit.T
    else:
        moment = np.zeros((d, d))
        for start, stop in row_blocks(vectors):
            unit = unit_rows(vectors[start:stop])
            moment += unit.T @ unit
    return np.asarray(np.linalg.eigvalsh(moment))
