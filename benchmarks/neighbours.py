"""Approximate neighbours beside exact ones: processor time, how many are found, and what becomes of densities, NovelSelect and NovelSum.

Usage: neighbours.py [--rows N,...] [--picks K] [--vectors FILE.npy] [--dimensions D] [--effort E]. Without a file the vectors are drawn
around 200 centres. Sizes below 65,536 rows are searched by the graph too, which the package itself does not do.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import drawn

import variegate as vg
from variegate.geometry import density, near_duplicates, sharing, use_neighbours
from variegate.geometry.neighbours import searches
from variegate.strategies.novelselect import strategy as novel


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what the work gives, and its processor time: wall time says little where others work too."""
    begun = time.process_time()
    return work(), time.process_time() - begun


def one_way(how: str, x: np.ndarray, picks: int) -> dict[str, Any]:
    """Group, take densities, and choose by them."""
    use_neighbours(how)
    groups, grouping = timed(lambda: near_duplicates(x))
    points = x[groups.representatives]
    with searches.collecting() as found:
        sigma, ranking = timed(lambda: density(x, points))
    # The picks go by the densities that there are already.
    novel.density = lambda *_, **__: sigma
    chosen = vg.select(x, picks, first=0).indices
    novel.density = density
    use_neighbours("exact")
    value = vg.measure(x[chosen], "novelsum", reference=x)[0].value
    return {
        "groups": groups, "sigma": sigma, "chosen": chosen, "value": value, "grouping": grouping, "density": ranking,
        "recall": found[0].recall if found else 1.0,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="20000,40000")
    parser.add_argument("--picks", type=int, default=1000)
    parser.add_argument("--vectors")
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--effort", type=int)
    given = parser.parse_args()
    searches.FEWEST = 1
    how = "approximate" if given.effort is None else f"approximate:{given.effort}"
    sizes = [int(size) for size in given.rows.split(",")]
    whole = drawn(max(sizes), given.dimensions, 0.5) if given.vectors is None else np.load(given.vectors, mmap_mode="r")
    header = ["rows", "grouping, s", "exact", "other groups", "density, s", "exact", "recall@11", "off by, mean", "99 %"]
    header += ["same picks", "their NovelSum", "exact"]
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for n in sizes:
        x = np.ascontiguousarray(whole[np.sort(np.random.default_rng(0).choice(len(whole), n, replace=False))])
        with sharing():
            ours, exact = one_way(how, x, given.picks), one_way("exact", x, given.picks)
        off = np.abs(ours["sigma"] / exact["sigma"] - 1)
        others = int((ours["groups"].representative != exact["groups"].representative).sum())
        same = len(np.intersect1d(ours["chosen"], exact["chosen"]))
        cells = [f"{n:,}", f"{ours['grouping']:.1f}", f"{exact['grouping']:.1f}", f"{others}"]
        cells += [f"{ours['density']:.1f}", f"{exact['density']:.1f}", f"{ours['recall']:.3f}", f"{off.mean():.1%}"]
        cells += [f"{np.quantile(off, 0.99):.1%}", f"{same} of {given.picks}", f"{ours['value']:.4f}", f"{exact['value']:.4f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
