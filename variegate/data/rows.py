"""Raw rows as they stand in a file, kept so that a subset can be written out just as it came."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from variegate.data.schema import RowError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LineRows", "ListRows", "Rows", "TableRows", "in_order"]

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

    def __init__(self, lines: list[bytes], numbers: list[int]) -> None:
        self.lines = lines
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.lines)

    def parsed(self) -> Iterator[object]:
        """Yield each row, see :class:`Rows`."""
        return map(_parse_line, self.lines)

    def where(self, position: int) -> str:
        """Say where a row stands."""
        return f"line {self.numbers[position]}"

    def take(self, positions: Sequence[int]) -> list[Any]:
        """Return some rows as Python objects."""
        return [json.loads(self.lines[position]) for position in positions]


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
    """Rows held as Python objects: JSON lists and CSV files."""

    def __init__(self, rows: list[Any], numbers: list[int] | None = None) -> None:
        self.rows = rows
        self.numbers = numbers

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
            except (ValueError, OverflowError):
                yield from map(self._row, batch.to_struct_array())

    @staticmethod
    def _row(scalar: Any) -> object:
        try:
            return scalar.as_py()
        except UnicodeDecodeError:
            return RowError("is not valid UTF-8")
        except (ValueError, OverflowError) as error:
            return RowError(f"holds a value that cannot be read ({error})")

    def where(self, position: int) -> str:
        """Say where a row stands."""
        return f"row {position + 1}"

    def take(self, positions: Sequence[int]) -> list[Any]:
        """Return some rows as Python objects."""
        return list(self.table.take(list(positions)).to_pylist())
