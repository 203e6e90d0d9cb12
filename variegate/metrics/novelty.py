"""NovelSum and the per-sample novelty that it averages (Yang et al. 2025, arXiv 2502.17184)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.geometry import Novelty, density, distinct_rows, near_duplicates, over_pairs, same_rows

__all__ = ["novelsum", "novelty", "novelty_over_pairs"]

# The authors' recommendation (their section on hyper-parameters).
NEIGHBOURS, ALPHA, BETA = 10, 1.0, 0.5


def novelty(
    x: NDArray[Any],
    reference: NDArray[Any] | None = None,
    *,
    k: int = NEIGHBOURS,
    alpha: float = ALPHA,
    beta: float = BETA,
    density_of: str = "self",
    include_self: bool = True,
    duplicates: str = "exact",
) -> NDArray[np.float64]:
    """Return how novel each sample is within its set: what it adds beyond its nearest fellows.

    novelty_i = sum_r w_r e_(r) / sum_r w_r, with e_ij = cosdist(x_i, x_j) * sigma sorted ascending and w_r = 1 / r^alpha.
    Range [0, inf); larger = more novel. The density sigma counts a distance for more where the reference is dense.

    Args:
        x: (n, d) vectors, n >= 2, no zero rows.
        reference: (m, d) vectors in which the density is taken, usually the pool that the samples come from; None for
            no density.
        k: neighbours of the density.
        alpha: how fast the weight falls with the rank; 0 weighs all alike.
        beta: strength of the density; 0 for none.
        density_of: "self", the density of sample i (the authors' code, whose numbers are the published ones), or "other",
            that of the sample which the distance leads to (the paper's text).
        include_self: whether the distance 0 to itself holds rank 1 (the authors' code).
        duplicates: what stands for the reference's rows in the density: "exact" keeps one of each bit-identical set (the
            authors' code), "near" one of each group of near-duplicates (see `near_duplicates`), "keep" all rows.

    Returns:
        (n,) float64, no unit.

    Raises:
        ParameterError: a parameter is outside its range.
        DataError: fewer than two samples, or not more than k distinct reference rows.

    Reference: Yang et al. 2025, "Measuring Data Diversity for Instruction Tuning", ACL.

    >>> import numpy as np
    >>> novelty(np.array([[1.0, 0.0], [0.0, 1.0]]), include_self=False).round(12).tolist()
    [1.0, 1.0]
    >>> novelty(np.ones((3, 2))).round(12).tolist()
    [0.0, 0.0, 0.0]
    """
    statistic = novelty_over_pairs(
        x, reference, k=k, alpha=alpha, beta=beta, density_of=density_of, include_self=include_self, duplicates=duplicates
    )
    over_pairs(x, [statistic])
    return statistic.result()


def novelty_over_pairs(
    x: NDArray[Any],
    reference: NDArray[Any] | None = None,
    *,
    k: int = NEIGHBOURS,
    alpha: float = ALPHA,
    beta: float = BETA,
    density_of: str = "self",
    include_self: bool = True,
    duplicates: str = "exact",
) -> Novelty:
    """Prepare :func:`novelty` for a pass over pairs that it shares with others; same arguments and errors."""
    if len(x) < 2:
        raise DataError(f"novelsum needs at least 2 samples, got {len(x)}.")
    if density_of not in ("self", "other"):
        raise bad_parameter("density_of", "novelsum", "'self' or 'other'", density_of)
    if duplicates not in ("exact", "near", "keep"):
        raise bad_parameter("duplicates", "novelsum", "'exact', 'near' or 'keep'", duplicates)
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise bad_parameter("k", "novelsum", "an int of at least 1", k)
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not np.isfinite(value) or value < 0:
            raise bad_parameter(name, "novelsum", "a number of at least 0", value)
    sigma = None
    if reference is not None and beta != 0:
        rows = np.arange(len(reference))
        if duplicates == "exact":
            rows = distinct_rows(reference)
        elif duplicates == "near":
            rows = near_duplicates(reference, k=k).representatives
        points = reference if duplicates == "keep" else reference[rows]
        sigma = density(x, points, k=k, beta=beta, points_at=rows if same_rows(reference, x) else None)
    return Novelty(len(x), sigma, alpha=alpha, density_of=density_of, include_self=include_self)


def novelsum(
    x: NDArray[Any],
    reference: NDArray[Any] | None = None,
    *,
    k: int = NEIGHBOURS,
    alpha: float = ALPHA,
    beta: float = BETA,
    density_of: str = "self",
    include_self: bool = True,
    duplicates: str = "exact",
) -> float:
    """Return NovelSum: the mean novelty of the samples.

    Range [0, inf); larger = more diverse. Parameters, errors and reference as for :func:`novelty`. It falls slowly with n
    for samples of one source, since near ranks weigh most: compare sets of one size.

    >>> import numpy as np
    >>> round(novelsum(np.eye(4), include_self=False), 12)
    1.0
    """
    options: dict[str, Any] = {"k": k, "alpha": alpha, "beta": beta, "density_of": density_of}
    return float(novelty(x, reference, include_self=include_self, duplicates=duplicates, **options).mean())
