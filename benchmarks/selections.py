"""Time and peak memory of strategies on vectors, and their ratio to the bare float32 product of all rows with as many picks, in one run.

Usage: selections.py [--rows N] [--picks K] [--vectors FILE.npy] [--dimensions D] [STRATEGY ...]. Each runs in a process of its own.
The bare product, n x d by d x k in blocks, is what it takes to look at every row once for each pick. Without a file the vectors are
drawn around 200 centres. Peers (requirements.txt) run on the same vectors where they are installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from variegate.strategies.table import STRATEGIES

ALL = ["facility_location", "k_center", "max_sum", "repr_filter", "semdedup", "k_means", "dpp", "novelselect"]
BLOCK = 256


def drawn(n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(200, d))[rng.integers(200, size=n)] + 1.5 * rng.normal(size=(n, d))).astype(np.float32)


def ours(name: str, x: np.ndarray, k: int) -> list[int]:
    return STRATEGIES[name].function(x, k, seed=0).rows.tolist()


def by_apricot(x: np.ndarray, k: int) -> list[int]:
    from apricot import FacilityLocationSelection

    return FacilityLocationSelection(k, metric="cosine", optimizer="lazy").fit(x).ranking.tolist()


def by_submodlib(x: np.ndarray, k: int) -> list[int]:
    from submodlib.functions.facilityLocation import FacilityLocationFunction

    function = FacilityLocationFunction(n=len(x), data=x, mode="dense", metric="cosine")
    return [row for row, _ in function.maximize(budget=k, optimizer="LazyGreedy", show_progress=False)]


def by_pyversity(strategy: str) -> Callable[[np.ndarray, int], list[int]]:
    def run(x: np.ndarray, k: int) -> list[int]:
        from pyversity import diversify

        return diversify(x, np.ones(len(x)), k, strategy=strategy, diversity=1.0).indices.tolist()

    return run


# For a strategy: a package, the module to look for, what it does, whether it holds all pairs in memory.
PEERS: dict[str, list[tuple[str, str, Callable[[np.ndarray, int], list[int]], bool]]] = {
    "facility_location": [
        ("apricot-select", "apricot", by_apricot, True),
        ("submodlib-py", "submodlib", by_submodlib, True),
    ],
    "dpp": [("pyversity", "pyversity", by_pyversity("dpp"), False)],
    "max_sum": [("pyversity, msd", "pyversity", by_pyversity("msd"), False)],
}
# Rows beyond which all pairs are too many to be held.
MOST_ROWS_OF_ALL_PAIRS = 25_000


def bare_product(x: np.ndarray, k: int) -> float:
    unit = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    out = np.empty((BLOCK, len(unit)), np.float32)
    start = time.perf_counter()
    for low in range(0, k, BLOCK):
        high = min(low + BLOCK, k)
        np.matmul(unit[low:high], unit.T, out=out[: high - low])
    return time.perf_counter() - start


def measured(
    queue: Any, call: Callable[..., list[int]], arguments: tuple[Any, ...], source: str | None, n: int, d: int, k: int
) -> None:
    x = np.array(np.load(source, mmap_mode="r")[:n]) if source else drawn(n, d)
    bare = bare_product(x, k)
    start = time.perf_counter()
    try:
        rows = call(*arguments, x, k)
    except Exception as error:
        queue.put((f"{type(error).__name__}: {error}", 0.0, bare, 0))
        return
    seconds = time.perf_counter() - start
    queue.put((rows, seconds, bare, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def line(label: str, call: Callable[..., list[int]], arguments: tuple[Any, ...], options: argparse.Namespace, k: int) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(
        target=measured, args=(queue, call, arguments, options.vectors, options.rows, options.dimensions, k)
    )
    process.start()
    rows, seconds, bare, peak = queue.get()
    process.join()
    if isinstance(rows, str):
        print(f"| {label} | {k:,} | {rows.splitlines()[0][:90]} | | | |", flush=True)
        return
    print(
        f"| {label} | {len(rows):,} | {seconds:.1f} | {peak / 2**20:.2f} | {bare:.2f} | {seconds / bare:.1f} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("strategies", nargs="*", default=ALL)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--picks", type=int, default=1000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--vectors", help="a .npy file of vectors, (n, d)")
    options = parser.parse_args()
    if options.vectors:
        shape = np.load(options.vectors, mmap_mode="r").shape
        options.rows, options.dimensions = min(options.rows, shape[0]), shape[1]
    print(f"n = {options.rows:,}  d = {options.dimensions}  {'vectors of ' + options.vectors if options.vectors else 'drawn'}")
    print("| strategy | picks | seconds | peak memory, GB | bare product, s | ratio |\n| --- | --- | --- | --- | --- | --- |")
    for name in options.strategies:
        # A kernel of d dimensions has no volume in more rows.
        k = min(options.picks, options.dimensions - 6) if name == "dpp" else options.picks
        line(f"`{name}`", ours, (name,), options, k)
        for label, module, call, all_pairs in PEERS.get(name, []):
            if importlib.util.find_spec(module) is None:
                print(f"| {label} | | not installed: pip install -r benchmarks/requirements.txt | | | |")
            elif all_pairs and options.rows > MOST_ROWS_OF_ALL_PAIRS:
                print(f"| {label} | | holds all pairs of rows, too many here | | | |")
            else:
                line(label, call, (), options, k)


if __name__ == "__main__":
    main()
