"""The tables of docs/simulate.md: every metric of vectors against the known order of simulated sets, in both spaces."""

from __future__ import annotations

import argparse
import re

from benchmarks.common import ROOT
from variegate.study.simulation.scenarios import SCENARIOS
from variegate.study.simulation.simulate import SEEDS, Simulation, simulate
from variegate.study.simulation.spaces import SPACES
from variegate.study.statistics.tables import Column, write_table


def table(found: Simulation) -> str:
    """Spearman by metric and scenario; the mean with half its interval."""
    rows = []
    for metric in found.metrics:
        row: dict[str, object] = {"metric": f"`{metric}`"}
        for name in found.scenarios:
            row[name] = found.find(metric, name).spearman
        mean = found.find(metric, None)
        row["mean"] = None if mean.interval is None else f"{mean.spearman:.2f} ± {(mean.interval[1] - mean.interval[0]) / 2:.2f}"
        rows.append(row)
    columns = [Column("metric", "metric"), *(Column(name, name) for name in found.scenarios), Column("mean", "mean")]
    return write_table(rows, columns, "markdown").replace("\\`", "`")


def scenarios() -> str:
    """What the sets are, and why their order is known."""
    rows = [
        {"name": f"`{one.name}`", "sets": "; ".join(one.sets), "reason": one.reason} for one in SCENARIOS.values()
    ]  # fmt: skip
    columns = [Column("name", "scenario"), Column("sets", "sets, the least diverse first"), Column("reason", "why in this order")]
    return write_table(rows, columns, "markdown").replace("\\`", "`")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    blocks = {"scenarios": scenarios()}
    for space in SPACES:
        blocks[space] = table(simulate(seeds=options.seeds, samples=options.samples, space=space))
        print(blocks[space], flush=True)
    if options.write:
        page = ROOT / "docs" / "simulate.md"
        text = page.read_text(encoding="utf-8")
        for name, block in blocks.items():
            place = re.compile(rf"(<!-- begin measured {name} -->\n).*?(<!-- end -->)", re.DOTALL)
            text = place.sub(lambda found, block=block: found[1] + block + found[2], text)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
