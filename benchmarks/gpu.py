"""NovelSelect and NovelSum on a device: seconds, beside those of the bare product in the same run, and peak device memory.

Usage: gpu.py [--device cuda|torch] [--rows N] [--dimensions D] [--picks K] [--half]. `--device torch` is PyTorch on the CPU, for a try
with small sizes. Vectors are drawn around 200 centres; densities of the picks' strategy are drawn too, since only the picks are timed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from variegate.geometry import active_device, kernels_run, use_device
from variegate.metrics.novelty import novelsum
from variegate.strategies.novelselect.loop import greedy
from variegate.strategies.room import Room

ROWS = 8192


def drawn(n: int, d: int, kind: Any) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, d), np.float32)
    out = np.empty((n, d), kind)
    for start in range(0, n, ROWS):
        block = out[start : start + ROWS]
        block[:] = centres[rng.integers(200, size=len(block))] + 1.5 * rng.standard_normal(block.shape, np.float32)
    return out


def wait() -> None:
    if active_device().type == "cuda":
        torch.cuda.synchronize()


def seconds(call: Callable[[], Any]) -> float:
    wait()
    start = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - start


def peak() -> str:
    """Return the most device memory since the last call, in GB."""
    if active_device().type != "cuda":
        return ""
    used = torch.cuda.max_memory_allocated() / 2**30
    torch.cuda.reset_peak_memory_stats()
    return f"{used:.1f}"


def bare_product(held: Any, k: int) -> None:
    """Multiply all rows by k of them, a block at a time, in the type that they have."""
    for start in range(0, k, 256):
        held[: min(256, k - start)] @ held.T


def bare_seconds(x: np.ndarray, k: int) -> float:
    held = torch.from_numpy(x).to(active_device())
    bare_product(held, min(k, 256))
    return seconds(lambda: bare_product(held, k))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rows", type=int, default=396_000)
    parser.add_argument("--dimensions", type=int, default=4096)
    parser.add_argument("--picks", type=int, default=10_000)
    parser.add_argument("--half", action="store_true", help="float16 vectors; else float32")
    options = parser.parse_args()
    use_device(options.device)
    n, k = options.rows, options.picks
    x = drawn(n, options.dimensions, np.float16 if options.half else np.float32)
    sigma = np.random.default_rng(1).uniform(0.5, 2, size=n)
    print(f"n = {n:,}  d = {options.dimensions}  picks = {k:,}  {x.dtype}  kernels: {'Triton' if kernels_run() else 'plain'}")
    print("| what | seconds | bare product, s | ratio | peak device memory, GB |\n| --- | --- | --- | --- | --- |")
    bare = bare_seconds(x, k)
    calls: list[tuple[str, Callable[[], Any]]] = [
        (f"NovelSelect, {k:,} picks", lambda: greedy(x, sigma, Room(n, k), 0, 1.0, "both")),
        (f"NovelSum of {k:,}, densities in all", lambda: novelsum(x[:k], reference=x, duplicates="keep")),
    ]
    # The kernels are compiled before the clock starts.
    greedy(x[:ROWS], sigma[:ROWS], Room(min(n, ROWS), min(k, 64)), 0, 1.0, "both")
    novelsum(x[: min(k, 64)], reference=x[:ROWS], duplicates="keep")
    for name, call in calls:
        peak()
        taken = seconds(call)
        print(f"| {name} | {taken:.2f} | {bare:.2f} | {taken / bare:.1f} | {peak()} |", flush=True)


if __name__ == "__main__":
    main()
