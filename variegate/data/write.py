"""Write rows in the format that a file's ending stands for."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from variegate.data.files import kind_of
from variegate.data.rows import LineRows, ListRows, Rows, TableRows, in_order, rows_of
from variegate.errors import DataError
from variegate.storage import check_target

__all__ = ["as_table", "check_writable", "replaced", "with_columns", "write_rows"]

Place = tuple[Rows, int]
# Most programs end a text there, so none reads it from CSV.
NUL = "\0"


def check_writable(target: Path) -> None:
    """Refuse an output name before any work is done for it.

    Raises:
        DataError: its ending is unknown or cannot hold rows, or its folder does not exist.
    """
    if str(target) == "-":
        raise DataError("-o -: OUT must be the name of a file, such as out.jsonl, since what was done is recorded beside it.")
    kind, _ = kind_of(target.name)
    if kind == "npy":
        raise DataError(f"{target}: rows of text cannot be written as .npy. Use .jsonl, .json, .csv, .parquet or .arrow.")
    check_target(target)


def write_rows(path: Path, places: Sequence[Place], named: Path | None = None) -> None:
    """Write rows with every column that they came with.

    Args:
        path: where the bytes go.
        places: for each row in output order, the rows that it is among and its position there.
        named: the file whose ending decides the format, if it is not `path`.
    """
    target = named or path
    kind, compression = kind_of(target.name)
    if kind in ("parquet", "arrow"):
        _write_table(path, target, places, kind)
        return
    try:
        _write_text(path, target, places, kind, compression)
    except (TypeError, OverflowError, UnicodeEncodeError) as error:
        raise DataError(f"{target}: {error}") from None


def _write_text(path: Path, target: Path, places: Sequence[Place], kind: str, compression: str | None) -> None:
    writer = {"jsonl": _jsonl, "json": _json, "csv": _csv, "tsv": _tsv}[kind]
    with path.open("wb") as stream:
        if compression == "gzip":
            # No name and no time inside, so that the same rows give the same bytes.
            with gzip.GzipFile(fileobj=stream, mode="wb", filename="", mtime=0) as packed:
                for block in writer(target, places):
                    packed.write(block)
        elif compression == "zstd":
            import pyarrow as pa

            with pa.CompressedOutputStream(pa.PythonFile(stream, mode="w"), "zstd") as packed:
                for block in writer(target, places):
                    packed.write(block)
        else:
            stream.writelines(writer(target, places))


def _plain(value: object) -> str:
    # Raised as a TypeError, as json does itself; who knows the file says so.
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        # Old writers of tables have texts as bytes; what is no text is refused.
        with suppress(UnicodeDecodeError):
            return value.decode()
    raise TypeError(f"a value of type {type(value).__name__} cannot be written as text. Write .parquet instead.")


def _dump(row: object) -> bytes:
    # Half a surrogate pair in some other column cannot be UTF-8; escaped it comes through unharmed.
    text = json.dumps(row, ensure_ascii=False, default=_plain)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(row, default=_plain).encode()


def _jsonl(target: Path, places: Sequence[Place]) -> Iterator[bytes]:
    if all(isinstance(rows, LineRows) and not rows.constants for rows, _ in places):
        for rows, position in places:
            yield rows.lines[position] + b"\n"  # type: ignore[attr-defined]
        return
    for row in in_order(places):
        yield _dump(row) + b"\n"


def _json(target: Path, places: Sequence[Place]) -> Iterator[bytes]:
    yield b"["
    for at, row in enumerate(in_order(places)):
        yield (b",\n" if at else b"\n") + _dump(row)
    yield b"\n]\n"


def _csv(target: Path, places: Sequence[Place], delimiter: str = ",") -> Iterator[bytes]:
    rows = list(in_order(places))
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        if NUL in str(name):
            raise DataError(f"{target}: a NUL character in the name {name!r} does not fit into CSV. Write .jsonl instead.")
    buffer = io.StringIO(newline="")
    # Before Python 3.13 the writer quotes a lone carriage return only if it is part of the line's end.
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(names)
    for row in rows:
        for name, value in row.items():
            if isinstance(value, list | dict):
                raise DataError(f"{target}: the nested field '{name}' does not fit into CSV. Write .jsonl or .parquet instead.")
            if isinstance(value, bytes):
                _plain(value)
            if isinstance(value, str) and NUL in value:
                raise DataError(f"{target}: a NUL character in the field '{name}' does not fit into CSV. Write .jsonl instead.")
        writer.writerow(["" if row.get(name) is None else row[name] for name in names])
    yield buffer.getvalue().encode()


def _tsv(target: Path, places: Sequence[Place]) -> Iterator[bytes]:
    return _csv(target, places, "\t")


def _write_table(path: Path, target: Path, places: Sequence[Place], kind: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _fits(str(target)):
        table = as_table(str(target), places)
        if kind == "parquet":
            pq.write_table(table, path)
        else:
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)


def with_columns(name: str, places: Sequence[Place], columns: Mapping[str, Sequence[Any]]) -> list[Place]:
    """Return rows with further columns, each a value per row.

    Args:
        name: the data set, for errors.
        places: the rows, in order.
        columns: plain values by column name.

    Raises:
        DataError: the rows have such a column already.
    """
    if places and all(isinstance(rows, TableRows) for rows, _ in places):
        import pyarrow as pa

        table = as_table(name, places)
        _refuse_known(name, table.column_names, columns)
        for column, values in columns.items():
            table = table.append_column(column, pa.array(values))
        whole: Rows = TableRows(table)
    else:
        rows = list(in_order(places))
        _refuse_known(name, {field for row in rows for field in row}, columns)
        added = zip(*columns.values(), strict=True)
        whole = ListRows([{**row, **dict(zip(columns, values, strict=True))} for row, values in zip(rows, added, strict=True)])
    return [(whole, at) for at in range(len(places))]


def replaced(
    name: str, places: Sequence[Place], columns: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]
) -> Rows:
    """Return rows with some of their columns replaced by others; in a table the columns that stay keep their types.

    Args:
        name: the data set, for errors.
        places: the rows, in order.
        columns: of each row the fields that are put in, first.
        others: of each row the fields that stay.
    """
    names = list(dict.fromkeys(field for row in columns for field in row))
    if all(isinstance(rows, TableRows) for rows, _ in places):
        import pyarrow as pa

        table = as_table(name, places)
        kept = {field for row in others for field in row}
        with _fits(name):
            new = [pa.array([row.get(field) for row in columns]) for field in names]
            stays = table.select([field for field in table.column_names if field in kept])
            fields = [*(pa.field(field, values.type) for field, values in zip(names, new, strict=True)), *stays.schema]
            return TableRows(pa.table([*new, *stays.columns], schema=pa.schema(fields, stays.schema.metadata)))
    return ListRows([{**own, **rest} for own, rest in zip(columns, others, strict=True)])


def _refuse_known(name: str, known: Collection[str], columns: Mapping[str, Sequence[Any]]) -> None:
    for column in columns:
        if column in known:
            raise DataError(f"{name}: the rows have a field '{column}' already, and it would be lost. Rename it first.")


@contextmanager
def _fits(target: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"{target}: the rows do not fit into a table, for example because a field has values of mixed types ({first}). "
            "Write .jsonl instead."
        ) from None


def as_table(target: str, places: Sequence[Place]) -> Any:
    """Return rows as an Arrow table, with the schema that they came with where it is one schema.

    Raises:
        DataError: a field has values of mixed types; the message begins with `target`.
    """
    with _fits(target):
        return _joined(places)


def _joined(places: Sequence[Place]) -> Any:
    import pyarrow as pa

    tables = {id(rows): rows.table for rows, _ in places if isinstance(rows, TableRows)}
    schemas = [table.schema for table in tables.values()]
    if schemas and all(id(rows) in tables for rows, _ in places) and all(schema.equals(schemas[0]) for schema in schemas):
        # A folder of parquet parts: one schema, which plain rows would lose.
        starts = dict(zip(tables, itertools.accumulate(map(len, tables.values()), initial=0), strict=False))
        return rows_of(pa.concat_tables(tables.values()), [starts[id(rows)] + position for rows, position in places])
    dicts = list(in_order(places))
    names = list(dict.fromkeys(name for row in dicts for name in row))
    return pa.table({name: pa.array([row.get(name) for row in dicts]) for name in names})
