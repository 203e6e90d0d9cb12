"""NovelSelect's greedy picks, timed against the algorithm as published and against bare matrix products, in one run.

Usage: novelselect.py [--rows N] [--dimensions D] [--picks K ...] [--vectors FILE.npy] [--published-rows N] [--published-picks K].
The published algorithm recomputes all distances to all picks at every step and sorts them; since its cost grows with the square
of the picks, both run on fewer rows for that comparison. The bare product is that of all rows with all picks in float32, 64 picks
at a time, with nothing done to the result.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from variegate.geometry import density
from variegate.strategies.novel_greedy import greedy
from variegate.strategies.room import Room

BLOCK = 64


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return call(), time.perf_counter() - start


def published(x: np.ndarray, sigma: np.ndarray, size: int, first: int) -> list[int]:
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    picks = [first]
    while len(picks) < size:
        weighted = (1 - unit @ unit[picks].T) * (sigma[:, None] + sigma[picks])
        weighted.sort(axis=1)
        scores = weighted @ (1 / np.arange(1, len(picks) + 1))
        scores[picks] = -np.inf
        picks.append(int(scores.argmax()))
    return picks


def ours(x: np.ndarray, sigma: np.ndarray, size: int) -> list[int]:
    return greedy(x, sigma, Room(len(x), size), 0, 1.0, "both")[0].tolist()


def bare_products(x: np.ndarray, size: int) -> None:
    out = np.empty((len(x), BLOCK), np.float32)
    for low in range(0, size, BLOCK):
        block = x[low : min(low + BLOCK, size)]
        np.matmul(x, block.T, out=out[:, : len(block)])


def row(what: str, shape: tuple[int, int, int], seconds: float, product: float, against: str = "") -> None:
    n, d, k = shape
    print(f"{what:22} {n:>9,} {d:>6,} {k:>7,} {seconds:>10.2f} {product:>10.2f} {seconds / product:>8.1f}  {against}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--picks", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--vectors", help="a .npy file of vectors, in place of random ones")
    parser.add_argument("--published-rows", type=int, default=5000)
    parser.add_argument("--published-picks", type=int, default=300)
    options = parser.parse_args()
    if options.vectors:
        x = np.asarray(np.load(options.vectors)[: options.rows], np.float32)
    else:
        # Clusters of all widths: real vectors are crowded in some places and sparse in others.
        rng = np.random.default_rng(0)
        centres = rng.normal(size=(200, options.dimensions))
        widths = rng.uniform(0.3, 1.5, size=200)
        home = rng.integers(0, 200, size=options.rows)
        x = (centres[home] + widths[home, None] * rng.normal(size=(options.rows, options.dimensions))).astype(np.float32)
    d = x.shape[1]
    # Densities among some of the rows: they need not be those of the whole pool for the picks to be timed.
    sigma = density(x, x[:2000])
    print(f"{'':22} {'n':>9} {'d':>6} {'k':>7} {'seconds':>10} {'product':>10} {'ratio':>8}")
    few, k = x[: options.published_rows], options.published_picks
    _, product = timed(lambda: bare_products(few, k))
    found, fast = timed(lambda: ours(few, sigma[: len(few)], k))
    expected, slow = timed(lambda: published(few, sigma[: len(few)].astype(np.float32), k, 0))
    same = sum(a == b for a, b in zip(found, expected, strict=True))
    row("published algorithm", (len(few), d, k), slow, product)
    row("ours", (len(few), d, k), fast, product, f"{slow / fast:.0f} times faster, {same} of {k} picks the same")
    for k in options.picks:
        _, product = timed(lambda k=k: bare_products(x, k))
        _, seconds = timed(lambda k=k: ours(x, sigma, k))
        row("ours", (len(x), d, k), seconds, product)
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
