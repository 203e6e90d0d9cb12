"""Arrow and Parquet: tables that are validated before they are used, in types that every function of Arrow knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from variegate.data.rows import TableRows
from variegate.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["first_line", "plain_table", "read_table"]

# What a damaged file makes the library raise, besides its own errors: lengths that no memory holds, and errors of its bindings.
DAMAGE = (OSError, ValueError, MemoryError, SystemError, NotImplementedError, KeyError, TypeError, IndexError)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its name."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def read_table(name: str, content: bytes | Path, kind: str) -> TableRows:
    """Read a table whole, and check all of its values: what is damaged could end the whole program when it is used.

    Args:
        name: the file, for errors.
        content: its path, or its bytes.
        kind: "parquet" or "arrow".

    Raises:
        DataError: it is empty, damaged, or has two columns of one name.
    """
    import pyarrow as pa

    try:
        if isinstance(content, Path) and not content.stat().st_size:
            raise DataError(f"{name}: the file is empty.")
        source = pa.memory_map(str(content)) if isinstance(content, Path) else pa.BufferReader(content)
        table = _opened(source, kind)
        _validate(table)
        twice = sorted({column for column in table.column_names if table.column_names.count(column) > 1})
        if twice:
            raise DataError(f"{name}: the column {twice[0]!r} stands twice in the table. Rename one of them.")
        return TableRows(plain_table(table))
    except DataError:
        raise
    except (pa.ArrowException, *DAMAGE) as error:
        raise DataError(f"{name}: is no readable {kind} file ({first_line(error)}).") from None


def _opened(source: Any, kind: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if kind == "parquet":
        return pq.read_table(source)
    try:
        return pa.ipc.open_file(source).read_all()
    except pa.ArrowInvalid:
        source.seek(0)
        return pa.ipc.open_stream(source).read_all()


def _validate(table: pa.Table) -> None:
    import pyarrow as pa

    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        if "utf8" not in str(error).lower():
            raise
        # Texts that are no UTF-8 are bad rows, and the others can be read. All else must hold nevertheless.
        names = [str(at) for at in range(table.num_columns)]
        columns = [column.cast(_mapped(column.type, _as_bytes)) for column in table.columns]
        pa.table(dict(zip(names, columns, strict=True))).validate(full=True)


def plain_table(table: pa.Table) -> pa.Table:
    """Return a table without the types that not all of Arrow's functions know: views, and values with run lengths."""
    for at, field in enumerate(table.schema):
        plain = _mapped(field.type, _without_views)
        if plain != field.type:
            table = table.set_column(at, field.with_type(plain), _cast(table.column(at), plain))
    return table


def _cast(column: pa.ChunkedArray, plain: Any) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        return column.cast(plain)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError):
        # Some versions cast no views inside of lists.
        return pa.chunked_array([pa.array(chunk.to_pylist(), plain) for chunk in column.chunks], plain)


def _mapped(kind: Any, change: Callable[[Any], Any]) -> Any:
    """Return a type with another in place of each that it is made of."""
    import pyarrow as pa

    inner: Callable[[Any], Any] = lambda field: field.with_type(_mapped(field.type, change))  # noqa: E731
    if _is(kind, "list_view"):
        return pa.list_(inner(kind.value_field))
    if _is(kind, "large_list_view") or pa.types.is_large_list(kind):
        return pa.large_list(inner(kind.value_field))
    if pa.types.is_list(kind):
        return pa.list_(inner(kind.value_field))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(inner(kind.value_field), kind.list_size)
    if pa.types.is_struct(kind):
        return pa.struct([inner(kind.field(at)) for at in range(kind.num_fields)])
    if pa.types.is_map(kind):
        return pa.map_(_mapped(kind.key_type, change), _mapped(kind.item_type, change))
    if pa.types.is_dictionary(kind):
        value = _mapped(kind.value_type, change)
        return kind if value == kind.value_type else value
    return change(kind)


def _without_views(kind: Any) -> Any:
    import pyarrow as pa

    if _is(kind, "string_view"):
        return pa.large_string()
    if _is(kind, "binary_view"):
        return pa.large_binary()
    return _mapped(kind.value_type, _without_views) if _is(kind, "run_end_encoded") else kind


def _as_bytes(kind: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_string(kind):
        return pa.binary()
    return pa.large_binary() if pa.types.is_large_string(kind) or _is(kind, "string_view") else kind


def _is(kind: Any, name: str) -> bool:
    import pyarrow as pa

    # Not every version that is admitted has every type.
    known = getattr(pa.types, f"is_{name}", None)
    return known is not None and bool(known(kind))
