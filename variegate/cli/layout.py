"""How a table is printed: for a terminal of any width, or as CSV, Markdown, LaTeX or JSON."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

import click

from variegate.cli.streams import echo, fits_stdout, is_terminal, json_that_fits

__all__ = ["FORMATS", "format_option", "print_table", "table_format"]

Command = TypeVar("Command", bound=Callable[..., Any])

FORMATS = ("table", "csv", "markdown", "latex", "json")
_format: ContextVar[str] = ContextVar("format", default="table")

# Wide enough that a table sent to a file is never folded.
WIDE = 500
# A column of texts may be folded down to this; one of numbers, or of short names, never is.
FOLDED = 24
# A header may be folded anywhere, but in pieces that can be read.
HEADER = 8
# Between two columns.
GAP = 3


def format_option(command: Command) -> Command:
    """Add --format to verbs that print tables."""

    def remember(_: click.Context, __: click.Parameter, value: str) -> None:
        # Each command runs in a context of its own, so none leaves this to the next.
        _format.set(value)

    return click.option(
        "--format", type=click.Choice(FORMATS), default="table", show_default=True, expose_value=False, callback=remember,
        is_eager=True, help="How tables are printed.",
    )(command)  # fmt: skip


def table_format() -> str:
    """Return the format that the command was asked for."""
    return _format.get()


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    numbers_from: int | None = None,
    title: str | None = None,
    breaks: Sequence[int] = (),
) -> None:
    """Print a table on stdout.

    Args:
        header: names of the columns.
        rows: cells.
        numbers_from: columns from here on are set flush right.
        title: what the table shows, in sentences.
        breaks: rows before which a terminal shows a gap.
    """
    kind = table_format()
    if kind == "table":
        header, title = [fits_stdout(name) for name in header], None if title is None else fits_stdout(title)
        rows = [[fits_stdout(cell) for cell in row] for row in rows]
        _for_a_terminal(header, rows, numbers_from, title, breaks)
    elif kind == "json":
        named = [dict(zip(header, row, strict=True)) for row in rows]
        found = {"title": title, "rows": named} if title else named
        echo(json_that_fits(found))
    else:
        _for_a_document(header, rows, kind, title)


def _for_a_document(header: Sequence[str], rows: Sequence[Sequence[str]], kind: str, title: str | None) -> None:
    from variegate.study.statistics.tables import Column, write_table

    columns = [Column(str(at), name) for at, name in enumerate(header)]
    cells = [{str(at): cell for at, cell in enumerate(row)} for row in rows]
    if kind == "csv":
        # There the keys are the header.
        columns = [Column(name, name) for name in header]
        cells = [dict(zip(header, row, strict=True)) for row in rows]
    if title and kind != "csv":
        echo(title if kind == "markdown" else "".join(f"% {line}\n" for line in title.splitlines()).rstrip())
        echo()
    echo(write_table(cells, columns, kind))  # type: ignore[arg-type]


def _for_a_terminal(
    header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int | None, title: str | None, breaks: Sequence[int]
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else WIDE
    console = Console(width=width, highlight=False, markup=False)
    if title is not None:
        console.print(title)
    # Beside the columns there are gaps between them, and one cell at each edge.
    room = width - GAP * (len(header) - 1) - 2
    widths = _widths(header, rows, numbers_from, room)
    if widths is None:
        _as_list(console, header, rows, breaks)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for at, name in enumerate(header):
        right = numbers_from is not None and at >= numbers_from
        table.add_column(Text(name), justify="right" if right else "left", width=widths[at], overflow="fold")
    for at, row in enumerate(rows):
        if at in breaks:
            table.add_row()
        # Names come from the data's files: brackets in them are no markup.
        table.add_row(*map(Text, row))
    console.print(table)


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int | None, room: int) -> list[int] | None:
    """Return how wide each column is, in cells of a terminal; None where they cannot stand side by side without cutting a number.

    Texts and headers are folded where there is too little room, numbers never.
    """
    from rich.cells import cell_len

    full, least = [], []
    for at, name in enumerate(header):
        longest = max((cell_len(line) for row in rows for line in row[at].splitlines()), default=0)
        is_number = numbers_from is not None and at >= numbers_from
        full.append(max(longest, cell_len(name), 1))
        least.append(max(longest if is_number else min(longest, FOLDED), min(cell_len(name), HEADER), 1))
    if sum(least) > room:
        return None
    while sum(full) > room:
        # The widest column that can still give gives one cell.
        at = max((at for at in range(len(full)) if full[at] > least[at]), key=full.__getitem__)
        full[at] -= 1
    return full


def _as_list(console: Any, header: Sequence[str], rows: Sequence[Sequence[str]], breaks: Sequence[int]) -> None:
    """Print each row as a block of its own: what a narrow terminal can show of a wide table without cutting it."""
    from rich.text import Text

    for at, row in enumerate(rows):
        if at in breaks:
            console.print()
        console.print(Text(row[0] or header[0]), overflow="fold")
        for name, cell in zip(header[1:], row[1:], strict=True):
            if cell:
                # What does not fit beside its name goes below it: a number is never parted.
                joined = f"  {name}  {cell}"
                both = Text(joined) if len(joined) <= console.width else Text(f"  {name}\n    {cell}")
                console.print(both, overflow="fold")
