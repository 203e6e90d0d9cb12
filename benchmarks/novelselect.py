"""The two parts of NovelSelect, density and greedy picks, timed against the algorithm as published and against bare matrix products, in one run.

Usage: novelselect.py [--rows N] [--dimensions D] [--picks K]. The published algorithm recomputes all distances to all
picks at every step and sorts them; since its cost grows with the square of the picks, it runs on fewer of them.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from variegate.geometry import density
from variegate.strategies.novel import _greedy as greedy


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--picks", type=int, default=300)
    options = parser.parse_args()
    n, d, k = options.rows, options.dimensions, options.picks
    x = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
    sigma, density_time = timed(lambda: density(x, x))
    _, product_time = timed(lambda: [(x[low : low + 2048] @ x.T)[0, 0] for low in range(0, n, 2048)])
    (ours, _), greedy_time = timed(lambda: greedy(x, sigma, k, 0, 1.0, "both", None))
    theirs, published_time = timed(lambda: published(x, sigma.astype(np.float32), k, 0))
    same = sum(a == b for a, b in zip(ours.tolist(), theirs, strict=True))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"n = {n:,}  d = {d}  k = {k}")
    print(
        f"density       {density_time:8.2f} s   bare product, all pairs  {product_time:8.2f} s   ratio {density_time / product_time:8.2f}"
    )
    print(
        f"greedy picks  {greedy_time:8.2f} s   published algorithm      {published_time:8.2f} s   ratio {published_time / greedy_time:8.1f}"
    )
    print(f"the same picks: {same} of {k}; peak memory of the process: {memory:.2f} GB")


if __name__ == "__main__":
    main()
