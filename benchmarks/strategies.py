"""Every strategy on one pool: time, memory, and what the subset is like.

Usage: strategies.py [POOL] [--rows N] [--size N] [--side SIDE] [--topics T] [--write]. Each strategy runs in a process of its own on
views that are cached already. --rows takes the first so many rows of the pool. --write puts the table into docs/strategies.md.
"""

from __future__ import annotations

import argparse
import re
import resource
import time

import numpy as np
from common import ROOT, in_own_process

import variegate as vg
from variegate.strategies import STRATEGIES

# Label in the table: strategy, its options. A strategy with a dial stands there at both ends.
RUNS = {
    **{name: (name, {}) for name, spec in STRATEGIES.items() if not spec.levelled},
    "novelselect, authors' rule": ("novelselect", {"duplicates": "exact"}),
    **{f"{name} {level}": (name, {"level": level}) for name, spec in STRATEGIES.items() if spec.levelled for level in (0, 100)},
}
# Column of the table: metric.
MEASURED = {
    "mean distance": "distsum_cosine",
    "nearest distance": "knn_distance@1",
    "facility location": "facility_location",
    "NovelSum": "novelsum",
    "log det": "log_det",
    "topics": "topic_count",
    "tags": "tag_count",
    "types": "token_types",
    "token entropy": "token_entropy",
}
# The kernel of a determinantal point process has as many dimensions as the vectors.
RANK = 256


def chosen(pool: str, rows: int | None, views: dict[str, str], label: str, size: int) -> tuple[float, int, int, list[float]]:
    corpus = vg.load(pool)
    corpus = corpus if rows is None else corpus.take(np.arange(min(rows, len(corpus))))
    strategy, options = RUNS[label]
    # The views are what the cache keeps: what is timed is the choosing.
    side = views["side"]
    corpus.vectors(side), corpus.tokens(side), corpus.tags(side, "keyphrases", corpus)
    corpus.topics(side, views["topics"], "static", corpus), corpus.tag_vectors(side, "keyphrases", "static", corpus)
    start = time.perf_counter()
    selection = vg.select(corpus, size, strategy, **views, **options)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    part = corpus.take(selection.indices)
    found = vg.measure(part, list(MEASURED.values()), reference=corpus, **views)
    return seconds, peak, int(part.tokens(side).lengths.sum()), [one.value for one in found]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool", nargs="?", default=str(ROOT / "examples" / "sample.jsonl"))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--side", default="response")
    parser.add_argument("--topics", default="umap-hdbscan")
    parser.add_argument("--only", help="NAME,...")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    views = {"side": options.side, "topics": options.topics}
    header = ["strategy", "seconds", "GB", "tokens", *MEASURED]
    lines = ["| " + " | ".join(header) + " |", "| --- " * len(header) + "|"]
    print(lines[0])
    for label, (name, _) in RUNS.items():
        if options.only and name not in options.only.split(","):
            continue
        size = min(options.size, RANK) if name == "dpp" else options.size
        seconds, peak, tokens, values = in_own_process(chosen, options.pool, options.rows, views, label, size)
        shown = label if size == options.size else f"{label} ({size} rows)"
        cells = [
            shown,
            f"{seconds:.1f}",
            f"{peak / 2**20:.2f}",
            f"{tokens:,}",
            *(f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}" for value in values),
        ]
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    if options.write:
        page = ROOT / "docs" / "strategies.md"
        block = re.compile(r"(<!-- begin measured strategies -->\n).*?(<!-- end -->)", re.DOTALL)
        page.write_text(
            block.sub(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], page.read_text(encoding="utf-8")),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
