"""The Triton kernels of NovelSelect; each has a plain counterpart by PyTorch's own operations beside its caller.

Imported only where they are used: Triton comes with PyTorch's CUDA builds. With TRITON_INTERPRET=1 set before the import they run
on the CPU, slowly, which is how they are tested.
"""

from __future__ import annotations

from typing import Any

import triton
import triton.language as tl

from variegate.geometry.neighbours.kernels import products, step
from variegate.geometry.rounding import HALF_SUM

__all__ = ["add_to_bins", "insert", "winner"]

# Rows and picks of a tile of products.
TILE_ROWS, TILE_PICKS = 128, 64
# Entries of a sorted row, of a vector, and of the front that are looked at together.
RUN = 1024
INF = tl.constexpr(float("inf"))


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
        cosines = products(rows, picks, at, pick, n, count, d, ROWS, PICKS, STEP, SUM)
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


def add_to_bins(bins: Any, picks: Any, pick_scale: Any, sigma: Any) -> None:
    """Count the distances to picks into the bins of a :class:`.device_histograms.Bins`, and bound the rows' scores by them.

    The products stay in registers: what is read is the matrix, once, and what is written are the bins.

    Args:
        bins: written in place.
        picks: (picks, d) their coarse rows.
        pick_scale: (picks,) what scales these to length 1.
        sigma: (picks,) their densities.
    """
    rows, scale = bins.pool.coarse, bins.pool.coarse_scale
    n, d = rows.shape
    _add_to_bins[(triton.cdiv(n, TILE_ROWS),)](
        rows, scale, bins.own, picks, pick_scale, sigma, bins.inverse, bins.edges, bins.counts, bins.sums, bins.table, bins.raw,
        n, d, len(picks), bins.pool.slack,
        ROWS=TILE_ROWS, PICKS=TILE_PICKS, STEP=step(rows), SUM=HALF_SUM, BINS=len(bins.edges), num_warps=8, num_stages=3,
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


def insert(to: Any, pick: int, count: int) -> None:
    """Put the distance to a pick into :class:`.device_places.Places`, see there."""
    x = to.pool.rows
    _insert[(len(to.rows),)](
        x, to.pool.scale, to.pool.norms, to.own, to.sigma, to.weights, to.limits, to.rows, to.sorted, to.score, to.open, to.near,
        pick, count, x.shape[1], to.sorted.stride(0), RUN=RUN, num_warps=4,
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


def winner(among: Any, tie: float) -> None:
    """Write what :meth:`.device_places.Places.winner` returns into `found`."""
    _winner[(1,)](
        among.rows, among.score, among.worth, among.open, among.near, among.found, len(among.rows),
        TIE=tie, RUN=RUN, num_warps=8,
    )  # fmt: skip
