"""Time and peak memory of every metric, and of all of them together.

Usage: metrics.py [POOL] [--side SIDE] [--reference DATA] [--write]. Each metric runs in a process of its own on views that are cached
already; the last row is all metrics in one call, which share their work. --write puts the table into docs/metrics.md.
"""

from __future__ import annotations

import argparse
import re
import resource
import time

from common import ROOT, in_own_process

import variegate as vg
from variegate.metrics import METRICS


def measured(pool: str, side: str, reference: str | None, names: list[str]) -> tuple[list[float], float, int, int]:
    corpus = vg.load(pool)
    against = None if reference is None else corpus if reference == pool else vg.load(reference)
    # The views are what the cache keeps: what is timed is the metrics.
    for one in {id(corpus): corpus, id(against): against}.values():
        if one is not None:
            one.vectors(side)
            one.tokens(side)
            one.tags(side, "keyphrases", against or corpus)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    results = vg.measure(corpus, names, side=side, reference=against, on_failure=lambda *_: None)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return [result.value for result in results], seconds, before, peak


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool", nargs="?", default=str(ROOT / "examples" / "sample.jsonl"))
    parser.add_argument("--side", default="both")
    parser.add_argument("--reference")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    lines = ["| metric | value | seconds | peak memory, GB |", "| --- | --- | --- | --- |"]
    for names in [*([name] for name in METRICS), list(METRICS)]:
        values, seconds, _, peak = in_own_process(measured, options.pool, options.side, options.reference, names)
        value = f"{values[0]:.5g}" if len(names) == 1 and values else ""
        label = f"`{names[0]}`" if len(names) == 1 else "all in one call"
        lines.append(f"| {label} | {value} | {seconds:.1f} | {peak / 2**20:.2f} |")
        print(lines[-1], flush=True)
    if options.write:
        page = ROOT / "docs" / "metrics.md"
        block = re.compile(r"(<!-- begin measured metrics -->\n).*?(<!-- end -->)", re.DOTALL)
        page.write_text(
            block.sub(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], page.read_text(encoding="utf-8")),
            encoding="utf-8",
        )


if __name__ == "__main__":
    main()
