"""Tables as Markdown, CSV or LaTeX, and results as plain data."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

import numpy as np

from variegate.errors import DataError, bad_parameter

__all__ = ["KINDS", "Column", "Row", "Table", "plain", "shown", "write_table"]

KINDS = ("markdown", "csv", "latex")
Kind = Literal["markdown", "csv", "latex"]
Row = Mapping[str, Any]
Table = tuple[list[Row], list["Column"]]

# What is shown where there is no value; CSV leaves the cell empty.
NOTHING = "-"
# A row that begins with a bracket would be taken for an option of the line break before it.
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "[": "{[}", "]": "{]}", "|": r"\textbar{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip
# An underscore inside a word is no markup.
MARKDOWN = re.compile(r"[\\`*\[\]<>|]|(?<!\w)_|_(?!\w)")


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        key: of the value in each row, and the header in CSV.
        title: the header elsewhere.
        digits: decimals of a number.
        p: whether it is a p-value: two significant digits, so that small ones stay apart.
    """

    key: str
    title: str
    digits: int = 2
    p: bool = False


def write_table(rows: Sequence[Row], columns: Sequence[Column], kind: Kind) -> str:
    """Return a table as text.

    Values may be text, whole numbers, numbers, pairs (an interval) and None. CSV holds numbers in
    full, and a pair in two columns, KEY_low and KEY_high. LaTeX uses the package booktabs.

    Args:
        rows: values by key.
        columns: which keys, in order.
        kind: "markdown", "csv" or "latex".

    Raises:
        ParameterError: an unknown kind.
        DataError: no columns, a row without a column's key, or a number that is not finite.

    >>> print(write_table([{"r": 0.976, "ci": (0.9, 1.0)}], [Column("r", "r"), Column("ci", "95 %")], "markdown"), end="")
    | r | 95 % |
    | ---: | ---: |
    | 0.98 | \\[0.90, 1.00\\] |
    >>> print(write_table([{"r": 0.976, "ci": (0.9, 1.0)}], [Column("r", "r"), Column("ci", "95 %")], "csv"), end="")
    r,ci_low,ci_high
    0.976,0.9,1.0
    """
    if kind not in KINDS:
        raise bad_parameter("kind", "write_table", " or ".join(map(repr, KINDS)), kind)
    if not columns:
        raise DataError("A table needs at least one column.")
    for row in rows:
        for column in columns:
            if column.key not in row:
                raise DataError(f"A row of the table has no value for {column.key}.")
            for value in _parts(row[column.key]):
                if isinstance(value, float) and not math.isfinite(value):
                    raise DataError(f"{column.key} is {value}, which is no number to write into a table.")
    return {"markdown": _markdown, "csv": _csv, "latex": _latex}[kind](rows, columns)


def plain(value: Any) -> Any:
    """Return results as what JSON holds; keys that are tuples become "a|b|c".

    Raises:
        DataError: a number that is not finite.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {"|".join(map(str, key)) if isinstance(key, tuple) else str(key): plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"A result is {value}, which is no measurement.")
    return value


def _parts(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def shown(value: Any, column: Column) -> str:
    """Return a value as a cell shows it."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return f"[{', '.join(shown(one, column) for one in value)}]"
    if isinstance(value, bool | int | np.integer):
        return f"{value}"
    if column.p:
        return f"{value:.2g}"
    text = f"{value:.{column.digits}f}"
    # No minus before a zero.
    return text.lstrip("-") if float(text) == 0 else text


def _numeric(rows: Sequence[Row], column: Column) -> bool:
    return any(not isinstance(row[column.key], str | None) for row in rows)


def _markdown(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    def cell(text: str) -> str:
        return MARKDOWN.sub(lambda found: "\\" + found[0], " ".join(text.split()))

    lines = [[cell(column.title) for column in columns], ["---:" if _numeric(rows, one) else "---" for one in columns]]
    lines += [[cell(shown(row[column.key], column)) for column in columns] for row in rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _latex(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    def cell(text: str) -> str:
        escaped = "".join(LATEX.get(letter, letter) for letter in " ".join(text.split()))
        # A hyphen before a number is a minus.
        return re.sub(r"(?<![\w.-])-(?=\d)", "$-$", escaped)

    lines = [" & ".join(cell(column.title) for column in columns)]
    lines += [" & ".join(cell(shown(row[column.key], column)) for column in columns) for row in rows]
    kinds = "".join("r" if _numeric(rows, column) else "l" for column in columns)
    body = [rf"{line} \\" for line in lines]
    parts = [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", body[0], r"\midrule", *body[1:], r"\bottomrule", r"\end{tabular}"]
    return "\n".join(parts) + "\n"


def _csv(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    pairs = {column.key for column in columns if any(isinstance(row[column.key], list | tuple) for row in rows)}
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ends = {key: [f"{key}_low", f"{key}_high"] for key in pairs}
    writer.writerow([name for column in columns for name in ends.get(column.key, [column.key])])
    for row in rows:
        cells: list[Any] = []
        for column in columns:
            value = row[column.key]
            cells += (value or (None, None)) if column.key in pairs else [value]
        writer.writerow(["" if one is None else repr(float(one)) if isinstance(one, float) else one for one in cells])
    return out.getvalue()
