"""How well the samples cover a reference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.geometry import largest_cosine

__all__ = ["facility_location"]


def facility_location(x: NDArray[Any], reference: NDArray[Any] | None = None) -> float:
    """Return the mean, over a reference, of the cosine similarity to the nearest sample.

    Range [-1, 1]; larger = the samples cover the reference better. Grows with n.

    Args:
        x: (n, d) vectors, no zero rows.
        reference: (m, d) vectors, no zero rows: what is to be covered, usually the pool. There is no value without one,
            since every set covers itself.

    Returns:
        Mean cosine similarity, no unit.

    Raises:
        DataError: no reference is given.

    Reference: Farhan et al., as one of the existing metrics in Yang et al. 2025.

    >>> import numpy as np
    >>> facility_location(np.array([[1.0, 0.0]]), np.array([[2.0, 0.0], [0.0, 1.0]]))
    0.5
    """
    if reference is None:
        raise DataError(
            "facility_location needs a reference that the samples are to cover, since every set covers itself. Pass --reference."
        )
    return float(np.mean(largest_cosine(reference, x)[0]))
