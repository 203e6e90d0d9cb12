"""Raw rows as they stand in a file, kept so that a subset can be written out just as it came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from variegate.data.calls import as_pairs
from variegate.data.schema import RowError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LineRows", "ListRows", "Rows", "TableRows", "in_order", "rows_of"]

BATCH = 8192


class Rows(Protocol):
    """Rows of one source, by position."""

    def __len__(self) -> int: ...

    def parsed(self) -> Iterator[object]:
        """Yield each row as a Python object, or the :class:`RowError` that says why it cannot be read."""
        ...

    def where(self, position: int) -> str:
        """Say where a row stands, for an error message."""
        ...

    def take(self, positions: Sequence[int]) -> list[Any]:
        """Return some rows as Python objects."""
        ...

    def with_constants(self, constants: Mapping[str, Any]) -> Rows:
        """Return these rows with fields that are the same in each; those that they have stay."""
        ...


def in_order(places: Sequence[tuple[Rows, int]]) -> Iterator[Any]:
    """Yield the rows at some places as Python objects, many at a time: tables are slow row by row."""
    for start in range(0, len(places), BATCH):
        batch = places[start : start + BATCH]
        objects: list[Any] = [None] * len(batch)
        for source in {id(rows): rows for rows, _ in batch}.values():
            slots = [slot for slot, (rows, _) in enumerate(batch) if rows is source]
            for slot, row in zip(slots, source.take([batch[slot][1] for slot in slots]), strict=True):
                objects[slot] = row
        yield from objects


class LineRows:
    """JSON Lines: the bytes of each line, untouched."""

    def __init__(self, lines: list[bytes], numbers: list[int], constants: Mapping[str, Any] | None = None) -> None:
        self.lines = lines
        self.numbers = numbers
        self.constants = dict(constants or {})

    def __len__(self) -> int:
        return len(self.lines)

    def parsed(self) -> Iterator[object]:
        """Yield each row, see :class:`Rows`."""
        return map(self._with_constants, map(_parse_line, self.lines))

    def where(self, position: int) -> str:
        """Say where a row stands."""
        return f"line {self.numbers[position]}"

    def take(self, positions: Sequence[int]) -> list[Any]:
        """Return some rows as Python objects."""
        return [self._with_constants(json.loads(self.lines[position])) for position in positions]

    def with_constants(self, constants: Mapping[str, Any]) -> LineRows:
        """Return these rows with fields that are the same in each."""
        return LineRows(self.lines, self.numbers, {**self.constants, **constants})

    def _with_constants(self, row: object) -> object:
        return {**self.constants, **row} if self.constants and isinstance(row, dict) else row


def _parse_line(line: bytes) -> object:
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError as error:
        return RowError(f"is not valid UTF-8 (byte 0x{line[error.start]:02x} at byte {error.start + 1})")
    except json.JSONDecodeError as error:
        return RowError(f"is not valid JSON: {error.msg} at column {error.colno}")
    except RecursionError:
        return RowError("is nested too deeply to be read")
    except ValueError as error:
        return RowError(f"is not valid JSON: {error}")


class ListRows:
    """Rows held as Python objects: JSON lists and CSV files.

    Attributes:
        rows: the rows.
        numbers: the line of each, where they have lines.
        as_columns: whether the file is one object of columns.
    """

    def __init__(self, rows: list[Any], numbers: list[int] | None = None, as_columns: bool = False) -> None:
        self.rows = rows
        self.numbers = numbers
        self.as_columns = as_columns

    def __len__(self) -> int:
        return len(self.rows)

    def parsed(self) -> Iterator[object]:
        """Yield each row, see :class:`Rows`."""
        return iter(self.rows)

    def where(self, position: int) -> str:
        """Say where a row stands."""
        return f"line {self.numbers[position]}" if self.numbers else f"row {position + 1}"

    def take(self, positions: Sequence[int]) -> list[Any]:
        """Return some rows as Python objects."""
        return [self.rows[position] for position in positions]

    def with_constants(self, constants: Mapping[str, Any]) -> ListRows:
        """Return these rows with fields that are the same in each."""
        rows = [{**constants, **row} if isinstance(row, dict) else row for row in self.rows]
        return ListRows(rows, self.numbers, self.as_columns)


class TableRows:
    """Rows of an Arrow table: parquet, arrow and Hugging Face data sets."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def parsed(self) -> Iterator[object]:
        """Yield each row, see :class:`Rows`."""
        for batch in self.table.to_batches(max_chunksize=BATCH):
            try:
                yield from batch.to_pylist()
            except Exception:
                # Whatever a value makes Arrow raise, it is one row's.
                yield from map(self._row, batch.to_struct_array())

    @staticmethod
    def _row(scalar: Any) -> object:
        try:
            return scalar.as_py()
        except UnicodeDecodeError:
            return RowError("is not valid UTF-8")
        except Exception as error:
            return RowError(f"holds a value that cannot be read ({error})")

    def where(self, position: int) -> str:
        """Say where a row stands."""
        return f"row {position + 1}"

    def take(self, positions: Sequence[int]) -> list[Any]:
        """Return some rows as Python objects."""
        rows = list(rows_of(self.table, positions).to_pylist())
        return list(map(_unmapped, rows)) if any("map<" in str(kind) for kind in self.table.schema.types) else rows

    def with_constants(self, constants: Mapping[str, Any]) -> TableRows:
        """Return these rows with columns that are the same in each."""
        import pyarrow as pa

        table = self.table
        for name, value in constants.items():
            if name not in table.column_names:
                kind = pa.int64() if isinstance(value, int) else pa.string()
                table = table.append_column(name, pa.array([value] * len(table), kind))
        return TableRows(table)


def _unmapped(value: Any) -> Any:
    """Return a value with an object for each of Arrow's maps, which are lists of pairs in Python."""
    if isinstance(value, dict):
        return {key: _unmapped(one) for key, one in value.items()}
    if isinstance(value, list):
        found = as_pairs(value)
        return _unmapped(found) if isinstance(found, dict) else [_unmapped(one) for one in value]
    return value


def rows_of(table: pa.Table, positions: Sequence[int]) -> pa.Table:
    """Return some rows of a table, in the order given; by slices where Arrow cannot take values of one of its types."""
    import pyarrow as pa

    try:
        return table.take(list(positions))
    except pa.ArrowNotImplementedError:
        return pa.concat_tables([table.slice(position, 1) for position in positions] or [table.slice(0, 0)])
