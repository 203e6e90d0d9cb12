"""Does each metric see that a set was drawn from more sources?

Usage: sources.py POOL [--column source] [--size 2000] [--write]. Subsets of equal size, drawn from 1, 2, 4, 8, 16 and 32 sources of the
pool, two seeds each; for every metric and side the Spearman correlation of its value with the number of sources. Metrics for which less
is more diverse are turned round. --write puts the table into docs/metrics.md.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

import variegate as vg
from variegate.geometry import sharing
from variegate.metrics import METRICS

ROOT = Path(__file__).resolve().parents[1]
COUNTS = (1, 2, 4, 8, 16, 32)
SIDES = ("instruction", "response", "both")


def subset(sources: np.ndarray, count: int, size: int, seed: int) -> np.ndarray:
    """Draw equal shares from some sources that are large enough for a share."""
    rng = np.random.default_rng([seed, count])
    names, rows = np.unique(sources, return_counts=True)
    share = -(-size // count)
    large = names[rows >= share]
    if len(large) < count:
        # As many as there are of the largest; what they lack comes from the pool of the chosen.
        large = names[np.argsort(-rows, kind="stable")[:count]]
    chosen = rng.choice(large, count, replace=False)
    parts = [rng.permutation(np.flatnonzero(sources == name))[:share] for name in chosen]
    picked = np.concatenate(parts)
    rest = np.setdiff1d(np.flatnonzero(np.isin(sources, chosen)), picked)
    missing = max(0, size - len(picked))
    return np.sort(rng.permutation(np.concatenate([picked, rng.choice(rest, missing, replace=False)]))[:size])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool")
    parser.add_argument("--column", default="source")
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    pool = vg.load(options.pool)
    sources = np.array(pool.column(options.column))
    # Built on the whole pool, so that every subset takes its part of them.
    for side in SIDES:
        pool.vectors(side)
        pool.tokens(side)
    draws = [(count, seed) for count in COUNTS for seed in range(options.seeds)]
    found: dict[tuple[str, str], list[float]] = {}
    # The pool's clusters are the same for every subset.
    with sharing():
        for count, seed in draws:
            part = pool.take(subset(sources, count, options.size, seed), f"{count} sources, seed {seed}")
            for result in vg.measure(part, "all", side="all", reference=pool):
                sign = 1 if result.higher_is_more_diverse else -1
                found.setdefault((result.metric, result.side), []).append(sign * result.value)
            print(f"{count} sources, seed {seed}: done", flush=True)
    lines = ["| metric | " + " | ".join(SIDES) + " |", "| --- | " + "--- | " * len(SIDES)]
    for name in METRICS:
        cells = [f"{spearmanr([count for count, _ in draws], found[name, side]).statistic:.2f}" for side in SIDES]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    print("\n".join(lines))
    if options.write:
        page = ROOT / "docs" / "metrics.md"
        block = re.compile(r"(<!-- begin measured sources -->\n).*?(<!-- end -->)", re.DOTALL)
        page.write_text(
            block.sub(lambda match: match[1] + "\n".join(lines) + "\n" + match[2], page.read_text(encoding="utf-8")),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
