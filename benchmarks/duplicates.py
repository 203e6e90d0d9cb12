"""What is gained by grouping near-duplicates before NovelSelect: coverage and close picks, rule by rule.

Usage: duplicates.py [POOL] [--size N] [--write]. Without a pool it takes the bundled sample and 100 rows; --write puts the
table into docs/duplicates.md.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

import variegate as vg
from variegate.geometry import nearest
from variegate.metrics.spectral import vendi_score

ROOT = Path(__file__).resolve().parents[1]
RULES: dict[str, dict[str, object]] = {
    "authors' rule": {"duplicates": "exact"},
    "grouped, closeness 1/6": {"closeness": 1 / 6, "spacing": 0},
    "grouped, closeness 1/3": {"spacing": 0},
    "grouped, closeness 1/2": {"closeness": 1 / 2, "spacing": 0},
    "grouped and spaced (default)": {},
    "no density": {"beta": 0, "duplicates": "keep"},
}


def typical_pair_distance(x: np.ndarray) -> float:
    left, right = np.random.default_rng(0).integers(len(x), size=(2, 100_000))
    return float(np.median(np.linalg.norm(x[left] - x[right], axis=1)))


def coverage(x: np.ndarray, picks: np.ndarray) -> float:
    """Mean cosine similarity of a pool row to its nearest pick; the static vectors have length 1."""
    total = sum(float((x[start : start + 8192] @ x[picks].T).max(axis=1).sum()) for start in range(0, len(x), 8192))
    return total / len(x)


def row(side: str, rule: str, x: np.ndarray, picks: np.ndarray, params: dict[str, object], close: float) -> list[str]:
    distances, _ = nearest(x[picks], x[picks], 2)
    ratio = float(params["density_max"]) / float(params["density_median"]) if "density_max" in params else None
    return [
        side,
        rule,
        f"{params['near_duplicate_rows']:,}" if "near_duplicate_rows" in params else "",
        f"{ratio:,.1f}" if ratio is not None else "",
        str(int((distances[:, 1] <= close**2).sum())),
        f"{coverage(x, picks):.3f}",
        f"{vendi_score(x[picks]):.1f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pool", nargs="?", default=str(ROOT / "examples" / "sample.jsonl"))
    parser.add_argument("--size", type=int)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    pool = vg.load(options.pool)
    size = options.size or min(1000, len(pool) // 4)
    lines = [["side", "rule", "rows grouped", "largest / median density", "close picks", "facility location", "Vendi score"]]
    lines.append(["---"] * len(lines[0]))
    for side in ("both", "response"):
        x = np.asarray(pool.vectors(side))
        close = typical_pair_distance(x) / 7
        lines.append(row(side, "random", x, vg.select(pool, size, "random").indices, {}, close))
        for rule, params in RULES.items():
            chosen = vg.select(pool, size, "novelselect", side=side, first=0, **params)
            lines.append(row(side, rule, x, chosen.indices, chosen.params, close))
            print(" | ".join(lines[-1]), flush=True)
    text = "".join("| " + " | ".join(line) + " |\n" for line in lines)
    print(text)
    if options.write:
        page = ROOT / "docs" / "duplicates.md"
        block = re.compile(r"(<!-- begin measured duplicates -->\n).*?(<!-- end -->)", re.DOTALL)
        page.write_text(block.sub(lambda found: found[1] + text + found[2], page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
