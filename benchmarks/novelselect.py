"""NovelSelect's time against the algorithm as published and against bare matrix products, in one run.

Usage: novelselect.py [--rows N] [--dimensions D] [--picks K]. The published algorithm recomputes all distances to all
picks at every step and sorts them; since its cost grows with the square of the picks, it runs on fewer of them.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

import variegate as vg
from variegate.geometry import density


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--picks", type=int, default=100)
    options = parser.parse_args()
    n, d, k = options.rows, options.dimensions, options.picks
    x = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    start = time.perf_counter()
    sigma = density(x, x)
    density_time = time.perf_counter() - start
    start = time.perf_counter()
    for low in range(0, n, 2048):
        x[low : low + 2048] @ x.T
    product_time = time.perf_counter() - start
    start = time.perf_counter()
    ours = vg.select(x, k, "novelselect", first=0, duplicates="exact").indices.tolist()
    greedy_time = max(time.perf_counter() - start - density_time, 1e-9)
    start = time.perf_counter()
    theirs = published(x, sigma.astype(np.float32), k, 0)
    published_time = time.perf_counter() - start
    same = sum(a == b for a, b in zip(ours, theirs, strict=True))
    print(f"n = {n:,}  d = {d}  k = {k}")
    print(
        f"density             {density_time:8.2f} s   bare product of all pairs {product_time:8.2f} s   ratio {density_time / product_time:6.2f}"
    )
    print(
        f"greedy picks        {greedy_time:8.2f} s   published algorithm       {published_time:8.2f} s   ratio {published_time / greedy_time:6.1f}"
    )
    print(f"the same picks      {same} of {k}   peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")


if __name__ == "__main__":
    main()
