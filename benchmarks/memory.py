"""Peak memory of strategies and metrics on vectors, besides the vectors themselves.

Usage: memory.py [--rows N] [--picks K] [--vectors FILE.npy] [--dimensions D] [--memory SIZE] [--half] [--picks-to FILE.json] [NAME ...]. A name is
a strategy's, or `measure:` and a metric's. The vectors are memory-mapped, each line is a process of its own, and what numpy allocates
is counted by tracemalloc: neither the file's pages nor the interpreter count. Without a file the vectors are drawn around 200 centres.
Seconds are CPU seconds of the call while nothing is counted.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
from common import drawn, in_own_process, some_rows

from variegate.metrics import METRICS
from variegate.strategies.table import STRATEGIES

ALL = [
    *(name for name, spec in STRATEGIES.items() if spec.view == "vectors"),
    *(f"measure:{name}" for name, spec in METRICS.items() if spec.view == "vectors"),
]


def call(name: str, x: np.ndarray, picks: int) -> list[int] | float:
    kind, _, metric = name.rpartition(":")
    if kind:
        spec = METRICS[metric]
        return spec.function(x, **({"reference": x} if spec.takes_reference else {}))
    # There is no volume in more rows than dimensions.
    size = min(picks, x.shape[1] // 2) if name == "dpp" else picks
    return STRATEGIES[name].function(x, size, seed=0).rows.tolist()


def measured(name: str, path: str, picks: int, memory: str | None) -> tuple[list[int] | float, float, int]:
    if memory is not None:
        from variegate.geometry import use_memory

        use_memory(memory)
    x = np.load(path, mmap_mode="r")
    start = time.process_time()
    result = call(name, x, picks)
    seconds = time.process_time() - start
    tracemalloc.start()
    call(name, x, picks)
    return result, seconds, tracemalloc.get_traced_memory()[1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=ALL)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--picks", type=int, default=1000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--vectors", help="a .npy file of vectors, (n, d), of which rows are drawn")
    parser.add_argument("--half", action="store_true", help="vectors in float16")
    parser.add_argument("--memory", help="as --memory of the command")
    parser.add_argument("--picks-to", type=Path, help="write what was picked or measured as JSON")
    options = parser.parse_args()
    x = some_rows(options.vectors, options.rows) if options.vectors else drawn(options.rows, options.dimensions)
    if options.half:
        x = x.astype(np.float16)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/vectors.npy"
        np.save(path, x)
        print(f"{len(x):,} x {x.shape[1]} {x.dtype}, {x.nbytes / 2**20:.0f} MiB\n")
        print("| what | CPU seconds | peak besides the vectors, MiB | of the vectors in float32 |\n| --- | --- | --- | --- |")
        for name in options.names:
            results[name], seconds, peak = in_own_process(measured, name, path, options.picks, options.memory)
            print(f"| `{name}` | {seconds:.1f} | {peak / 2**20:.0f} | {peak / (4 * x.size):.1f} |", flush=True)
    if options.picks_to is not None:
        options.picks_to.write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
