"""Tables for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from variegate.metrics import Measurement

__all__ = ["measurement_table", "print_table"]

# Wide enough that a table sent to a file is never folded.
WIDE = 500


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int | None = None) -> None:
    """Print a table on stdout; columns from `numbers_from` on are set flush right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for at, name in enumerate(header):
        right = numbers_from is not None and at >= numbers_from
        table.add_column(name, justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in rows:
        # Names come from the data's files: brackets in them are no markup.
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    Console(width=None if sys.stdout.isatty() else WIDE, highlight=False).print(table)


def measurement_table(results: Sequence[Measurement]) -> None:
    """Print one row per metric and side, one column per data set."""
    names = list(dict.fromkeys(result.dataset for result in results))
    found = {(result.metric, result.side, result.dataset): result for result in results}
    lines = list(dict.fromkeys((result.metric, result.side, result.higher_is_more_diverse) for result in results))
    rows = [["samples", "", *(_samples(results, name) for name in names)]]
    for metric, side, higher in lines:
        shown = metric if higher else f"{metric} (less = more diverse)"
        rows.append([shown, side, *(_cell(found.get((metric, side, name))) for name in names)])
    print_table(["metric", "side", *names], rows, numbers_from=2)


def _samples(results: Sequence[Measurement], name: str) -> str:
    return next(f"{result.n:,}" for result in results if result.dataset == name)


def _cell(result: Measurement | None) -> str:
    if result is None:
        return "-"
    if result.interval is None or result.interval[0] == result.interval[1]:
        return _number(result.value)
    return f"{_number(result.value)} ± {(result.interval[1] - result.interval[0]) / 2:.2g}"


def _number(value: float) -> str:
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
