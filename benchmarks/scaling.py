"""Time and memory against the number of rows, and against the number of picks: a CSV and a picture of it.

Usage: scaling.py [--vectors FILE.npy] [--rows N,...] [--picks K,...] [--at-rows N] [--at-picks K] [--dimensions D] [--only WORD,...] [--csv FILE]
[--figure FILE.svg]; or scaling.py --from FILE.csv [--figure FILE.svg], which only draws.

Each point is a process of its own. Seconds are by the clock. Memory is by how much the process's largest resident set (ru_maxrss) rises
above what it was once the vectors were read and a small call had loaded the code: it is what is held besides vectors and code, for
threads too. A rise of nothing is written as 0 and not drawn, since the axes are logarithmic. Without a file vectors are drawn around 200
centres. NovelSelect's picks alone are timed with densities among 2,000 rows, which are made in another process. Points that fail are
reported and left out. Drawing needs matplotlib: pip install 'variegate[plot]'
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, drawn, in_own_process, some_rows

from variegate.errors import DataError, VariegateError, missing_extra
from variegate.storage import whole_file

SMALL = 200


@dataclass(frozen=True)
class Point:
    """What one process measured."""

    what: str
    n: int
    d: int
    k: int
    seconds: float
    cpu_seconds: float
    memory_mib: float


# --- what is timed; code is imported where it is used, so that a process holds no more than it needs


def strategy(name: str, x: np.ndarray, k: int, sigma: np.ndarray) -> None:
    from variegate.strategies.table import STRATEGIES

    STRATEGIES[name].function(x, k, seed=0)


def novel_picks(x: np.ndarray, k: int, sigma: np.ndarray) -> None:
    from variegate.strategies.novelselect.loop import greedy
    from variegate.strategies.room import Room

    greedy(x, sigma, Room(len(x), k), 0, 1.0, "both")


def novelsum_of_all(x: np.ndarray, k: int, sigma: np.ndarray) -> None:
    from variegate.metrics.novelty import novelsum

    novelsum(x, reference=x)


def novelsum_of_k(x: np.ndarray, k: int, sigma: np.ndarray) -> None:
    from variegate.metrics.novelty import novelsum

    novelsum(np.ascontiguousarray(x[:: len(x) // k][:k]), reference=x)


def near_duplicates(x: np.ndarray, k: int, sigma: np.ndarray) -> None:
    from variegate.geometry import near_duplicates as grouped

    grouped(x)


def density(x: np.ndarray, k: int, sigma: np.ndarray) -> None:
    from variegate.geometry import density as of

    of(x, x, points_at=np.arange(len(x)))


# Name: what to do, and whether k matters to it, n does.
WORK: dict[str, tuple[Callable[[np.ndarray, int, np.ndarray], None], str]] = {
    "NovelSelect, picks alone": (novel_picks, "nk"),
    "NovelSelect, whole": (partial(strategy, "novelselect"), "nk"),
    "facility_location": (partial(strategy, "facility_location"), "nk"),
    "k_center": (partial(strategy, "k_center"), "nk"),
    "max_sum": (partial(strategy, "max_sum"), "nk"),
    "NovelSum of n rows": (novelsum_of_all, "n"),
    "NovelSum of k rows, densities in n": (novelsum_of_k, "k"),
    "near-duplicates": (near_duplicates, "n"),
    "density, 10 neighbours": (density, "n"),
}


# --- points


def prepared(folder: str, n: int, d: int, source: str | None) -> int:
    """Write n vectors and their densities among a few of them; return the vectors' dimensions."""
    from variegate.geometry import density as of

    x = np.asarray(some_rows(source, n), np.float32) if source else drawn(n, d)
    np.save(f"{folder}/{n}.npy", x)
    np.save(f"{folder}/{n}-sigma.npy", of(x, x[:: max(1, n // 2000)]))
    return x.shape[1]


def measured(what: str, folder: str, n: int, k: int) -> Point:
    work = WORK[what][0]
    x, sigma = np.load(f"{folder}/{n}.npy"), np.load(f"{folder}/{n}-sigma.npy")
    few = min(SMALL, n)
    work(x[:few].copy(), min(k, few // 4), sigma[:few])
    before, cpu, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time(), time.perf_counter()
    work(x, k, sigma)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    risen = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    # KiB, but bytes on macOS.
    mib = risen / (2**20 if sys.platform == "darwin" else 2**10)
    return Point(what, n, x.shape[1], k, round(seconds, 4), round(cpu, 4), round(mib, 2))


def measure(options: argparse.Namespace) -> list[Point]:
    """Measure all points, and write the CSV anew after each: a long run that is stopped has not been for nothing."""
    points: list[Point] = []
    wanted = [word for word in options.only.split(",") if word]
    by_rows = {n: {options.at_picks} for n in options.rows}
    by_rows.setdefault(options.at_rows, set()).update(options.picks)
    print("| " + " | ".join(field.name for field in fields(Point)) + " |\n" + "| --- " * len(fields(Point)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for n, picks in sorted(by_rows.items()):
            in_own_process(prepared, folder, n, options.dimensions, options.vectors)
            for what, (_, along) in WORK.items():
                # Where the number of picks does not matter, one point will do.
                of_k = sorted(picks) if "k" in along else [options.at_picks] if n in options.rows else []
                for k in of_k if not wanted or any(word in what for word in wanted) else []:
                    if along == "k" and n != options.at_rows:
                        continue
                    try:
                        points.append(in_own_process(measured, what, folder, n, k))
                    except ChildProcessError as error:
                        print(f"{what}, n = {n:,}, k = {k:,}: {error}", file=sys.stderr)
                        continue
                    print("| " + " | ".join(str(cell) for cell in astuple(points[-1])) + " |", flush=True)
                    write(points, options.csv)
            for part in Path(folder).iterdir():
                part.unlink()
    return points


def write(points: list[Point], path: Path) -> None:
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow([field.name for field in fields(Point)])
    rows.writerows(astuple(point) for point in points)
    with whole_file(path) as part:
        part.write_text(out.getvalue(), encoding="utf-8")


def read(path: Path) -> list[Point]:
    kinds = {"what": str, "n": int, "d": int, "k": int}
    with path.open(newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines)
        if table.fieldnames != [field.name for field in fields(Point)]:
            raise DataError(f"{path}: the columns must be those that scaling.py writes. Measure anew, without --from.")
        points = []
        for line, row in enumerate(table, start=2):
            try:
                points.append(Point(**{name: kinds.get(name, float)(value) for name, value in row.items()}))
            except (TypeError, ValueError):
                raise DataError(f"{path}, line {line}: a number is missing or is none. Measure anew, without --from.") from None
            if points[-1].what not in WORK:
                raise DataError(f"{path}, line {line}: nothing is known of {points[-1].what!r}. Known: {'; '.join(WORK)}.")
    return points


# --- the picture

# Colours that can be told apart without seeing red or green (Okabe & Ito), and marks for those who see none.
COLOURS = ["#000000", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c510a"]
MARKS = "osD^vP*Xh"
QUANTITIES = {"seconds": "seconds", "memory_mib": "memory besides the vectors, MiB"}


def draw(points: list[Point], path: Path) -> None:
    """Draw time and memory against n and against k, as SVG that is the same for the same points."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    names = [name for name in WORK if any(point.what == name for point in points)]
    styles = {
        name: {"color": COLOURS[at], "marker": MARKS[at], "markersize": 4, "linewidth": 1.2} for at, name in enumerate(WORK)
    }
    drawn_names: dict[str, Any] = {}
    # Letters stay letters, in the reader's own font, and names inside the file follow from its content.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "variegate", "font.size": 9}):
        figure = Figure(figsize=(9, 7.6), layout="constrained", facecolor="white")
        panels = figure.subplots(2, 2)
        for column, along in enumerate("nk"):
            lines = {name: series(points, name, along) for name in names}
            for row, (quantity, label) in enumerate(QUANTITIES.items()):
                axes = panels[row, column]
                for name, line in lines.items():
                    shown = [(getattr(one, along), getattr(one, quantity)) for one in line if getattr(one, quantity) > 0]
                    if shown:
                        (drawn_names[name],) = axes.plot(*zip(*shown, strict=True), **styles[name])
                finish(axes, along, label, [one for line in lines.values() for one in line])
        figure.legend(drawn_names.values(), drawn_names.keys(), loc="outside lower center", ncols=3, frameon=False)
        with whole_file(path) as part:
            figure.savefig(part, format="svg", metadata={"Date": None})


def series(points: list[Point], name: str, along: str) -> list[Point]:
    """Return the points of a line: those that differ in one number alone, of the larger family if there are two."""
    if along not in WORK[name][1]:
        return []
    other = "k" if along == "n" else "n"
    families: dict[int, list[Point]] = {}
    for point in points:
        if point.what == name:
            families.setdefault(getattr(point, other), []).append(point)
    line = max(families.values(), key=len, default=[])
    return sorted(line, key=lambda point: getattr(point, along)) if len(line) > 1 else []


def fixed(points: list[Point], along: str) -> str:
    """Return what stays the same in a panel."""
    other = "k" if along == "n" else "n"
    values = sorted({getattr(point, other) for point in points if other in WORK[point.what][1]})
    return ", ".join([f"{other} = {value:,}" for value in values] + [f"d = {point.d}" for point in points[:1]])


def finish(axes: Any, along: str, label: str, points: list[Point]) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel({"n": "rows, n", "k": "picks, k"}[along])
    axes.set_ylabel(label)
    axes.set_title(fixed(points, along), fontsize=9)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks(sorted({getattr(point, along) for point in points}))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, linewidth=0.5)
    if not axes.lines:
        return
    # Straight lines whose slopes are those of n and of its square, from the lower left corner.
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    for power in (1, 2):
        end = min(right, left * (top / bottom) ** (1 / power))
        axes.plot([left, end], [bottom, bottom * (end / left) ** power], color="0.6", linewidth=0.7, linestyle=":", zorder=0)
        at = math.sqrt(left * end)
        name = along if power == 1 else f"{along}\u00b2"
        axes.annotate(name, (at, bottom * (at / left) ** power), color="0.45", ha="right", va="bottom")
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def parsed() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", help="a .npy file of vectors, (n, d), of which rows are drawn")
    parser.add_argument("--rows", type=numbers, default="5000,10000,20000,50000,100000", help="at --at-picks picks each")
    parser.add_argument("--picks", type=numbers, default="100,200,500,1000,2000,5000", help="from --at-rows rows each")
    parser.add_argument("--at-rows", type=int, default=50_000)
    parser.add_argument("--at-picks", type=int, default=1000)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--only", default="", help="measure only what has one of these words in its name")
    parser.add_argument("--csv", type=Path, default=ROOT / "docs" / "scaling.csv")
    parser.add_argument("--figure", type=Path, help="the CSV's name with .svg, if left out")
    parser.add_argument("--from", dest="source", type=Path, help="a CSV to draw; nothing is measured")
    options = parser.parse_args()
    options.figure = options.figure or (options.source or options.csv).with_suffix(".svg")
    if options.source is None:
        pairs = [*((n, options.at_picks) for n in options.rows), *((options.at_rows, k) for k in options.picks)]
        if bad := next(((n, k) for n, k in pairs if not 0 < k <= n), None):
            parser.error(f"{bad[1]:,} picks from {bad[0]:,} rows cannot be: change --rows, --picks, --at-rows or --at-picks")
        if options.vectors and (most := len(np.load(options.vectors, mmap_mode="r"))) < max(n for n, _ in pairs):
            parser.error(f"{options.vectors} has {most:,} vectors, fewer than {max(n for n, _ in pairs):,}")
    return options


def main() -> None:
    options = parsed()
    try:
        # Before hours of measuring, not after.
        if importlib.util.find_spec("matplotlib") is None:
            raise missing_extra("matplotlib", "plot", "The picture")
        points = measure(options) if options.source is None else read(options.source)
        if not points:
            raise DataError("There is no point to draw.")
        draw(points, options.figure)
    except (VariegateError, ChildProcessError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
