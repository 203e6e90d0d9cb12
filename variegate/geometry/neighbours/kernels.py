"""The Triton kernel of neighbours among float16 vectors; PyTorch's own operations beside its caller do the same.

Imported only where they are used: Triton comes with PyTorch's CUDA builds. With TRITON_INTERPRET=1 set before the import they run
on the CPU, slowly, which is how they are tested.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from variegate.geometry.rounding import HALF_SUM

__all__ = ["products", "screen", "step"]

# Rows and columns of a tile of products.
TILE_ROWS, TILE_POINTS = 128, 128
INF = tl.constexpr(float("inf"))


@triton.jit
def products(
    left, right, left_at, right_at, rows, others, d,
    ROWS: tl.constexpr, OTHERS: tl.constexpr, STEP: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    """Return a tile of products in float32; the sum is begun anew every SUM dimensions, so that the tensor cores lose less."""
    left_from = left + left_at.to(tl.int64)[:, None] * d
    right_from = right + right_at.to(tl.int64)[None, :] * d
    total = tl.zeros([ROWS, OTHERS], tl.float32)
    for start in range(0, d, SUM):
        part = tl.zeros([ROWS, OTHERS], tl.float32)
        for more in range(0, SUM, STEP):
            at = start + more + tl.arange(0, STEP)
            one = tl.load(left_from + at[None, :], mask=(left_at < rows)[:, None] & (at < d)[None, :], other=0.0)
            other = tl.load(right_from + at[:, None], mask=(right_at < others)[None, :] & (at < d)[:, None], other=0.0)
            part = tl.dot(one, other, part, input_precision="ieee")
        total += part
    return total


@triton.jit
def _screen(
    queries, points, least, gap, near, out, n, m, d, BEYOND: tl.constexpr,
    ROWS: tl.constexpr, POINTS: tl.constexpr, STEP: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    tiles = tl.cdiv(n, ROWS)
    # Programs that run together share their points.
    query = (tl.program_id(0) % tiles) * ROWS + tl.arange(0, ROWS)
    point = (tl.program_id(0) // tiles) * POINTS + tl.arange(0, POINTS)
    bounds = -2 * products(queries, points, query, point, n, m, d, ROWS, POINTS, STEP, SUM)
    bounds += tl.load(least + point, mask=point < m, other=0.0)[None, :]
    if BEYOND:
        gaps = tl.load(gap + point, mask=point < m, other=0.0)[None, :]
        limits = tl.load(near + query, mask=query < n, other=0.0)[:, None]
        bounds = tl.where(bounds + gaps <= limits, INF, bounds)
    to = out + query.to(tl.int64)[:, None] * m + point[None, :]
    tl.store(to, bounds, mask=(query < n)[:, None] & (point < m)[None, :])


def screen(queries: Any, points: Any, least: Any, gap: Any, near: Any, out: Any) -> None:
    """Write -2 x the products of queries and points plus the point's `least`; infinite where that plus its `gap` is <= `near`.

    Args:
        queries: (n, d).
        points: (m, d), of the same type, float16 or float32.
        least: (m,) float32.
        gap: (m,) float32.
        near: (n,) float32; None for no limit.
        out: (n, m) float32, is written.
    """
    (n, d), m = queries.shape, len(points)
    programs = triton.cdiv(n, TILE_ROWS) * triton.cdiv(m, TILE_POINTS)
    _screen[(programs,)](
        queries, points, least, gap, least if near is None else near, out, n, m, d, BEYOND=near is not None,
        ROWS=TILE_ROWS, POINTS=TILE_POINTS, STEP=step(points), SUM=HALF_SUM, num_warps=8, num_stages=3,
    )  # fmt: skip


def step(rows: Any) -> int:
    """Return the dimensions of a tile: so many that it has 128 bytes a row."""
    return 128 // int(rows.element_size())
