"""A matrix that lies on the device once, in the type it has, for everything that looks at its rows there."""

from __future__ import annotations

from typing import Any

import numpy as np

from variegate.geometry.device import full_float32, kernels_run, to_device
from variegate.geometry.rounding import UNDERFLOW, error_share, half_error_share
from variegate.geometry.sharing import shared
from variegate.geometry.vectors import Matrix, blocks

__all__ = ["TYPES", "Held", "held"]

# Types that products of rows as they are can be taken of; others have float32 unit rows beside them.
TYPES = (np.float16, np.float32)
# Bytes of temporary values on the device.
BLOCK_BYTES = 256 << 20


class Held:
    """Rows on the device.

    Products of float16 numbers are exact in float32, so that only the sum is rounded.

    Args:
        vectors: (n, d), no zero rows.

    Attributes:
        rows: (n, d) as given: float16, float32, or else float64.
        norms: (n,) float64, their lengths.
        scale: (n,) float64, 1 / lengths.
        coarse: (n, d) float16 or float32 rows whose products, times `coarse_scale` of both, are cosines.
        coarse_scale: (n,) float32.
        slack: what such a cosine can be off by.
    """

    def __init__(self, vectors: Matrix) -> None:
        import torch

        n, d = vectors.shape
        as_given = vectors.dtype in TYPES
        self.rows: Any = to_device(vectors if as_given else np.asarray(vectors, np.float64))
        self.norms = torch.empty(n, dtype=torch.float64, device=self.rows.device)
        for start, stop in blocks(n, self._block(d)):
            self.norms[start:stop] = torch.linalg.vector_norm(self.rows[start:stop].double(), dim=1)
        self.scale = 1 / self.norms
        if as_given:
            self.coarse, self.coarse_scale = self.rows, self.scale.float()
        else:
            self.coarse = torch.empty((n, d), dtype=torch.float32, device=self.rows.device)
            for start, stop in blocks(n, self._block(d)):
                self.coarse[start:stop] = self.rows[start:stop] * self.scale[start:stop, None]
            self.coarse_scale = torch.ones(n, dtype=torch.float32, device=self.rows.device)
        self.slack = self.product_share + d * UNDERFLOW * float(self.coarse_scale.max()) ** 2

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    @property
    def half(self) -> bool:
        """Whether the rows are float16."""
        return bool(self.coarse.element_size() == 2)

    @property
    def product_share(self) -> float:
        """The share of two lengths by which a product of two rows can be off."""
        share = half_error_share if self.half and kernels_run() else error_share
        return share(int(self.rows.shape[1]))

    def wide(self, at: Any) -> Any:
        """Return some rows scaled to length 1, in float64, shape (rows, d)."""
        return self.rows[at].double() * self.scale[at, None]

    def coarse_products(self, at: Any, others: Any) -> Any:
        """Return the products of some of the coarse rows, by slice or index, with others', in float32, shape (rows, others)."""
        with full_float32():
            return self.coarse[at].float() @ others.float().T

    @staticmethod
    def _block(d: int) -> int:
        return max(1, BLOCK_BYTES // (8 * d))


@shared
def held(vectors: Matrix) -> Held:
    """Bring a matrix to the device, once for all who ask while it is shared."""
    return Held(vectors)
