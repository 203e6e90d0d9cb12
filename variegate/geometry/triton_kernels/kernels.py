"""Triton kernels of the work on an accelerator; each has a plain counterpart by PyTorch's own operations beside its caller.

Imported only where they are used: Triton comes with PyTorch's CUDA builds. With TRITON_INTERPRET=1 set before the import they run
on the CPU, slowly, which is how they are tested.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from variegate.geometry.rounding import HALF_SUM

__all__ = ["add_to_bins", "insert", "screen", "winner"]

# Rows, columns and dimensions of a tile of products.
TILE_ROWS, TILE_POINTS, TILE_PICKS = 128, 128, 64
# Entries of a sorted row, of a vector, and of the front that are looked at together.
RUN = 1024
INF = tl.constexpr(float("inf"))


@triton.jit
def _products(
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
    bounds = -2 * _products(queries, points, query, point, n, m, d, ROWS, POINTS, STEP, SUM)
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
        ROWS=TILE_ROWS, POINTS=TILE_POINTS, STEP=_step(points), SUM=HALF_SUM, num_warps=8, num_stages=3,
    )  # fmt: skip


def _step(rows: Any) -> int:
    """Return the dimensions of a tile: so many that it has 128 bytes a row."""
    return 128 // int(rows.element_size())


@triton.jit
def _add_to_bins(
    rows, scale, own, picks, pick_scale, sigma, inverse, edges, counts, sums, table, bound, n, d, count, slack,
    ROWS: tl.constexpr, PICKS: tl.constexpr, STEP: tl.constexpr, SUM: tl.constexpr, BINS: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    real = at < n
    own_part = tl.load(own + at, mask=real, other=0.0)[:, None]
    lengths = tl.load(scale + at, mask=real, other=0.0)[:, None]
    shares = tl.load(inverse + at, mask=real, other=0.0)[:, None]
    for start in range(0, count, PICKS):
        pick = start + tl.arange(0, PICKS)
        counted = (pick < count)[None, :]
        cosines = _products(rows, picks, at, pick, n, count, d, ROWS, PICKS, STEP, SUM)
        cosines *= lengths * tl.load(pick_scale + pick, mask=pick < count, other=0.0)[None, :]
        density = own_part + tl.load(sigma + pick, mask=pick < count, other=0.0)[None, :]
        distances = tl.maximum(1 + slack - cosines, 0.0) * density
        where = distances * shares
        low = float("-inf")
        for bin in range(BINS):
            high = tl.load(edges + bin)
            inside = (where > low) & (where <= high) & counted
            here = bin * n.to(tl.int64) + at
            more = tl.load(counts + here, mask=real, other=0) + tl.sum(inside.to(tl.int32), 1)
            tl.store(counts + here, more, mask=real)
            added = tl.load(sums + here, mask=real, other=0.0) + tl.sum(tl.where(inside, distances, 0.0), 1)
            tl.store(sums + here, added, mask=real)
            low = high
        # Other threads may read what these have written.
        tl.debug_barrier()
    below = tl.zeros([ROWS], tl.int32)
    total = tl.zeros([ROWS], tl.float64)
    for bin in range(BINS):
        here = bin * n.to(tl.int64) + at
        inside_count = tl.load(counts + here, mask=real, other=0)
        mass = tl.load(sums + here, mask=real, other=0.0).to(tl.float64)
        weight = tl.load(table + below + inside_count) - tl.load(table + below)
        total += tl.where(inside_count > 0, mass / tl.maximum(inside_count, 1).to(tl.float64) * weight, 0.0)
        below += inside_count
    tl.store(bound + at, total, mask=real)


def add_to_bins(
    rows: Any, scale: Any, own: Any, picks: Any, pick_scale: Any, sigma: Any, inverse: Any, edges: Any,
    counts: Any, sums: Any, table: Any, bound: Any, slack: float,
) -> None:  # fmt: skip
    """Count the picks' distances into the rows' bins and bound the rows' scores by them; see novelselect.device_histograms.

    The products stay in registers: what is read is the matrix, once, and what is written are the bins.
    """
    n, d = rows.shape
    _add_to_bins[(triton.cdiv(n, TILE_ROWS),)](
        rows, scale, own, picks, pick_scale, sigma, inverse, edges, counts, sums, table, bound, n, d, len(picks), slack,
        ROWS=TILE_ROWS, PICKS=TILE_PICKS, STEP=_step(rows), SUM=HALF_SUM, BINS=len(edges), num_warps=8, num_stages=3,
    )  # fmt: skip


@triton.jit(do_not_specialize=["pick", "count"])
def _insert(
    x, scale, norms, own, sigma, weights, limits, front, sorted_rows, score, open_rows, near, pick, count, d, stride,
    RUN: tl.constexpr,
):  # fmt: skip
    slot = tl.program_id(0).to(tl.int64)
    row = tl.load(front + slot)
    products = tl.zeros([RUN], tl.float64)
    for start in range(0, d, RUN):
        at = start + tl.arange(0, RUN)
        one = tl.load(x + row * d + at, mask=at < d, other=0.0).to(tl.float64)
        other = tl.load(x + pick.to(tl.int64) * d + at, mask=at < d, other=0.0).to(tl.float64)
        products += one * other
    cosine = tl.sum(products) * tl.load(scale + row) * tl.load(scale + pick)
    distance = tl.maximum(1 - cosine, 0.0)
    _note_nearness(norms, limits, near, open_rows, slot, row, pick, distance)
    value = distance * (tl.load(own + row) + tl.load(sigma + pick))
    entries = sorted_rows + slot * stride
    gained = tl.zeros([RUN], tl.float64)
    # From the end down to the first entry that stays: each of the others moves up by one.
    high = count + 1
    while high > 0:
        at = high - RUN + tl.arange(0, RUN)
        real = at >= 0
        here = tl.load(entries + at, mask=real & (at < count), other=INF)
        before = tl.load(entries + at - 1, mask=(at >= 1) & (at <= count), other=-INF)
        moves = real & (here > value)
        after = tl.maximum(before, value)
        # No thread may write what another has yet to read.
        tl.debug_barrier()
        tl.store(entries + at, after, mask=moves)
        weight = tl.load(weights + at, mask=real, other=0.0)
        gained += weight * tl.where(moves, after - tl.where(at == count, 0.0, here), 0.0)
        stay = tl.sum((real & (here <= value)).to(tl.int32))
        high = tl.where(stay > 0, 0, high - RUN)
    tl.store(score + slot, tl.load(score + slot) + tl.sum(gained))


@triton.jit
def _note_nearness(norms, limits, near, open_rows, slot, row, pick, distance):
    """Close a row of the front that is picked, or surely too near to the pick; mark one that may be."""
    own, other = tl.load(norms + row), tl.load(norms + pick)
    squared = (own - other) * (own - other) + 2 * own * other * distance
    error = tl.load(limits + 1) * (own + other) * (own + other)
    limit = tl.load(limits)
    if (squared - error <= limit) & (tl.load(near + slot) != 1):
        sure = squared + error <= limit
        tl.store(near + slot, tl.where(sure, 1, 2).to(tl.int8))
        if sure:
            tl.store(open_rows + slot, tl.zeros((), tl.int8))
    if row == pick:
        tl.store(open_rows + slot, tl.zeros((), tl.int8))


def insert(
    x: Any, scale: Any, norms: Any, own: Any, sigma: Any, weights: Any, limits: Any, front: Any, sorted_rows: Any, score: Any,
    open_rows: Any, near: Any, pick: int, count: int,
) -> None:  # fmt: skip
    """Put the distance to a pick into the sorted row of each row of the front; see novelselect.device_front."""
    _insert[(len(front),)](
        x, scale, norms, own, sigma, weights, limits, front, sorted_rows, score, open_rows, near, pick, count, x.shape[1],
        sorted_rows.stride(0), RUN=RUN, num_warps=4,
    )  # fmt: skip


@triton.jit
def _winner(front, score, worth, open_rows, near, found, rows, TIE: tl.constexpr, RUN: tl.constexpr):
    best = tl.full([RUN], -INF, tl.float64)
    unsure = tl.zeros([RUN], tl.int32)
    for start in range(0, rows, RUN):
        at = start + tl.arange(0, RUN)
        live = tl.load(open_rows + at, mask=at < rows, other=0) > 0
        value = tl.load(score + at, mask=live, other=0.0) * tl.load(worth + at, mask=live, other=0.0)
        best = tl.maximum(best, tl.where(live, value, -INF))
        unsure += (live & (tl.load(near + at, mask=at < rows, other=0) == 2)).to(tl.int32)
    most = tl.max(best, 0)
    floor = most - tl.abs(most) * TIE
    lowest = tl.full([RUN], 2**62, tl.int64)
    for start in range(0, rows, RUN):
        at = start + tl.arange(0, RUN)
        live = tl.load(open_rows + at, mask=at < rows, other=0) > 0
        value = tl.load(score + at, mask=live, other=0.0) * tl.load(worth + at, mask=live, other=0.0)
        row = tl.load(front + at, mask=at < rows, other=0)
        lowest = tl.minimum(lowest, tl.where(live & (value >= floor), row, 2**62))
    tl.store(found, most)
    tl.store(found + 1, tl.min(lowest, 0).to(tl.float64))
    tl.store(found + 2, tl.sum(unsure, 0).to(tl.float64))


def winner(front: Any, score: Any, worth: Any, open_rows: Any, near: Any, found: Any, tie: float) -> None:
    """Write the best worth of the front's open rows, the lowest row within a share `tie` of it, and how many may be too near."""
    _winner[(1,)](front, score, worth, open_rows, near, found, len(front), TIE=tie, RUN=RUN, num_warps=8)
