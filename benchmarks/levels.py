"""The table of a ladder: what was asked for, what was realised, and every metric on both sides.

Usage: levels.py DIR [--write]. DIR is what `variegate ladder ... --metrics ... -o DIR` wrote. --write puts the tables into docs/levels.md.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from scipy.stats import spearmanr

ROOT = Path(__file__).resolve().parents[1]
# The metric that counts what a strategy turns.
OWN = {"macro": "topic_count", "meso": "tag_count", "micro": "token_types"}
SIDES = ("instruction", "response")


def value_of(row: dict, metric: str, side: str) -> float:
    return next(one["value"] for one in row["metrics"] if (one["metric"], one["side"]) == (metric, side))


def grid(rows: list[dict]) -> dict[tuple[str, str], list[dict]]:
    """Return the rows of each strategy and side, by level."""
    found: dict[tuple[str, str], list[dict]] = {}
    for row in sorted(rows, key=lambda row: row["level"]):
        found.setdefault((row["strategy"], row["side"]), []).append(row)
    return {key: found[key] for key in sorted(found, key=lambda key: (SIDES.index(key[1]), list(OWN).index(key[0])))}


def realised(rows: list[dict]) -> list[str]:
    lines = ["| strategy | side | level | k asked | k realised | own metric | tokens | tokens of responses |", "| --- " * 8 + "|"]
    for (strategy, side), steps in grid(rows).items():
        counts = [value_of(row, OWN[strategy], side) for row in steps]
        reached = [row["params"]["k_realised"] for row in steps]
        # What the page claims of every row.
        assert reached == sorted(reached) and counts == sorted(counts), (strategy, side)
        for row, own in zip(steps, counts, strict=True):
            params, tokens = row["params"], row["params"]["tokens"]
            lines.append(
                f"| {strategy} | {side} | {row['level']:g} | {params['k_asked']:,} | {params['k_realised']:,} | {own:,.0f} | "
                f"{tokens['both']:,} | {tokens['response']:,} |"
            )
    return lines


def measured(rows: list[dict], side: str) -> list[str]:
    metrics = list(dict.fromkeys(one["metric"] for one in rows[0]["metrics"]))
    lines = ["| strategy | of | level | " + " | ".join(metrics) + " |", "| --- " * (3 + len(metrics)) + "|"]
    for (strategy, of), steps in grid(rows).items():
        for row in steps:
            cells = [value_of(row, metric, side) for metric in metrics]
            shown = " | ".join(f"{value:,.0f}" if value >= 1000 else f"{value:.4g}" for value in cells)
            lines.append(f"| {strategy} | {of} | {row['level']:g} | {shown} |")
    return lines


def correlated(rows: list[dict]) -> list[str]:
    """Return how each metric follows the level of each strategy: Spearman's rank correlation."""
    columns = grid(rows)
    lines = [
        "| metric | on | " + " | ".join(f"{name}, {side}" for name, side in columns) + " |",
        "| --- " * (2 + len(columns)) + "|",
    ]
    for metric in dict.fromkeys(one["metric"] for one in rows[0]["metrics"]):
        for side in SIDES:
            cells = []
            for steps in columns.values():
                values = [value_of(row, metric, side) for row in steps]
                cells.append(
                    f"{spearmanr([row['level'] for row in steps], values).statistic:.2f}" if len(set(values)) > 1 else "-"
                )
            lines.append(f"| `{metric}` | {side} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows = [json.loads(line) for line in (options.folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    blocks = {
        "realised": realised(rows),
        "correlated": correlated(rows),
        **{f"on-{side}": measured(rows, side) for side in SIDES},
    }
    for lines in blocks.values():
        print("\n".join(lines), end="\n\n")
    if options.write:
        page = ROOT / "docs" / "levels.md"
        text = page.read_text(encoding="utf-8")
        for name, lines in blocks.items():
            block = re.compile(rf"(<!-- begin measured {name} -->\n).*?(<!-- end -->)", re.DOTALL)
            text = block.sub(lambda found, lines=lines: found[1] + "\n".join(lines) + "\n" + found[2], text)
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
