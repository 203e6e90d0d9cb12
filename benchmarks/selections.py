"""Time and peak memory of strategies on vectors, and their ratio to the bare float32 product of all rows with as many picks, in one run.

Usage: selections.py [--rows N] [--picks K] [--vectors FILE.npy] [--dimensions D] [STRATEGY ...]. Each runs in a process of its own.
The bare product, n x d by d x k in blocks, is what it takes to look at every row once for each pick. Without a file the vectors are
drawn around 200 centres. table.py sets strategies beside peers.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from common import bare_product, drawn, in_own_process, some_rows

from variegate.strategies.table import STRATEGIES

ALL = ["facility_location", "k_center", "max_sum", "repr_filter", "semdedup", "k_means", "dpp", "novelselect"]


def measured(name: str, source: str | None, n: int, d: int, k: int) -> tuple[float, float, int]:
    x = np.asarray(some_rows(source, n), np.float32) if source else drawn(n, d)
    bare = bare_product(x, x[:k])
    start = time.perf_counter()
    STRATEGIES[name].function(x, k, seed=0)
    return time.perf_counter() - start, bare, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("strategies", nargs="*", default=ALL)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--picks", type=int, default=1000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--vectors", help="a .npy file of vectors, (n, d), of which rows are drawn")
    options = parser.parse_args()
    if options.vectors:
        shape = np.load(options.vectors, mmap_mode="r").shape
        options.rows, options.dimensions = min(options.rows, shape[0]), shape[1]
    print(f"n = {options.rows:,}  d = {options.dimensions}  {'vectors of ' + options.vectors if options.vectors else 'drawn'}")
    print("| strategy | picks | seconds | peak memory, GB | bare product, s | ratio |\n| --- | --- | --- | --- | --- | --- |")
    for name in options.strategies:
        # A kernel of d dimensions has no volume in more rows.
        k = min(options.picks, options.dimensions - 6) if name == "dpp" else options.picks
        try:
            seconds, bare, peak = in_own_process(measured, name, options.vectors, options.rows, options.dimensions, k)
        except ChildProcessError as error:
            print(f"| `{name}` | {k:,} | {error} | | | |", flush=True)
            continue
        print(
            f"| `{name}` | {k:,} | {seconds:.1f} | {peak / 2**20:.2f} | {bare:.2f} | {seconds / bare:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
