"""Read rows from every file kind: what a file is, and a clear word where it cannot be read."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from variegate.data.rows import LineRows, ListRows, Rows
from variegate.data.schema import SCHEMAS
from variegate.data.tables import read_table
from variegate.data.unpacking import BLOCK, content_kind, lines_of, whole
from variegate.errors import DataError

__all__ = ["ENDINGS", "EmptyError", "columns_as_rows", "digest", "is_data_file", "kind_of", "read_rows"]

# Ending -> kind. `.npy` holds vectors, which have no rows of text: the corpus reads it itself.
ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".npy": "npy",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
# Files that variegate itself writes beside data, LLaMA-Factory's index, and what `Dataset.save_to_disk` writes beside
# its Arrow files: no rows in them.
NOT_DATA = ("selection.json", "dataset_info.json", "dataset_dict.json", "state.json")
RECORDS = (".selection.json", ".bad-rows.jsonl")
# The parts of `DataFrame.to_json(orient="split")`.
SPLIT = {"columns", "index", "data"}


class EmptyError(DataError):
    """A file without rows: among others of a folder it is left out, with a note."""


def kind_of(name: str) -> tuple[str, str | None]:
    """Return the kind and the compression that a file name stands for.

    Raises:
        DataError: the ending is not known.
    """
    path = Path(name)
    compression = COMPRESSIONS.get(path.suffix.lower())
    ending = Path(path.stem).suffix.lower() if compression else path.suffix.lower()
    kind = ENDINGS.get(ending)
    if kind is None:
        raise DataError(
            f"{name}: the ending '{ending}' is no known data file. Known: {', '.join(ENDINGS)}, each text kind also with "
            ".gz or .zst. Two line-parallel text files must first be joined into rows, for example: paste -d'\\t' "
            "INSTRUCTIONS RESPONSES with a first line of names, saved as .tsv."
        )
    if compression and kind in ("parquet", "arrow", "npy"):
        raise DataError(f"{name}: {kind} files are compressed inside; unpack this one and pass it without '{path.suffix}'.")
    return kind, compression


def is_data_file(path: Path) -> bool:
    """Whether a file of a folder is one of its data files: known ending, not hidden, not one of our own records."""
    if path.name.startswith(".") or path.name in NOT_DATA or path.name.endswith(RECORDS) or not path.is_file():
        return False
    endings = [suffix.lower() for suffix in path.suffixes[-2:]]
    kept = [ending for ending in endings if ending not in COMPRESSIONS]
    return bool(kept) and kept[-1] in ENDINGS and kept[-1] != ".npy"


def digest(content: bytes | Path) -> str:
    """Return the sha256 of a file's bytes, the one that `sha256sum` prints."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    hasher = hashlib.sha256()
    with content.open("rb") as stream:
        while block := stream.read(BLOCK):
            hasher.update(block)
    return hasher.hexdigest()


def read_rows(name: str, content: bytes | Path, kind: str, compression: str | None = None) -> Rows:
    """Read the rows of one file, as what its first bytes say that it is.

    Args:
        name: the file as the user named it, for errors.
        content: its path, or its bytes where it is no local file.
        kind: a value of `ENDINGS` other than `npy`, from its ending.
        compression: "gzip", "zstd" or None, from its ending.

    Raises:
        EmptyError: it has no rows.
        DataError: the file is missing, damaged, or of a kind that is not read.
    """
    try:
        found = content_kind(content)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}).") from None
    if found in ("parquet", "arrow"):
        kind, compression = found, None
    elif found in ("gzip", "zstd") and kind not in ("parquet", "arrow"):
        compression = found
    elif found is not None and kind not in ("parquet", "arrow"):
        raise DataError(f"{name}: is {found} by its content, which is not read. Unpack or convert it to .jsonl or .parquet.")
    if kind in ("parquet", "arrow"):
        table = read_table(name, content, kind)
        if not len(table):
            raise EmptyError(f"{name}: has no rows.")
        return table
    start = next((line for _, line in lines_of(name, content, compression)), None)
    if start is None:
        raise EmptyError(f"{name}: the file is empty.")
    if kind == "jsonl" and not start.lstrip().startswith(b"["):
        return _read_lines(name, lines_of(name, content, compression))
    readers: dict[str, Callable[[str, bytes], Rows]] = {
        "jsonl": _read_jsonl,
        "json": _read_json,
        "csv": lambda name, data: _read_csv(name, data, ","),
        "tsv": lambda name, data: _read_csv(name, data, "\t"),
    }
    return readers[kind](name, whole(name, content, compression))


def _read_jsonl(name: str, data: bytes) -> Rows:
    document = _document(data)
    if isinstance(document, list):
        return _list_rows(name, document)
    if _document(data.lstrip().split(b"\n", 1)[0]) is None:
        # A list over several lines, and a broken one: its own reader says where.
        return _read_json(name, data)
    return _read_lines(name, lines_of(name, data, None))


def _read_lines(name: str, numbered: Iterable[tuple[int, bytes]]) -> Rows:
    lines, numbers = [], []
    for number, line in numbered:
        lines.append(line)
        numbers.append(number)
    rows = LineRows(lines, numbers)
    first = next(rows.parsed())
    if len(rows) > 1 and not isinstance(first, dict):
        document = _document(b"\n".join(lines))
        if isinstance(document, dict):
            return _one_object(name, document)
    if len(rows) == 1 and isinstance(first, dict):
        return columns_as_rows(first) or rows
    return rows


def _document(data: bytes) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _read_json(name: str, data: bytes) -> Rows:
    try:
        document = json.loads(data.decode())
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name}, line {line}: is not valid UTF-8 (byte 0x{data[error.start]:02x}).") from None
    except json.JSONDecodeError as error:
        if data.lstrip()[:1] == b"{" and isinstance(_document(data.lstrip().split(b"\n", 1)[0]), dict):
            # JSON Lines under the ending .json, which is common.
            return _read_jsonl(name, data)
        raise DataError(f"{name}, line {error.lineno}: {_broken(data, error)}") from None
    except RecursionError:
        raise DataError(f"{name}: is nested too deeply to be read.") from None
    except ValueError as error:
        raise DataError(f"{name}: is not valid JSON ({error}).") from None
    if isinstance(document, list):
        return _list_rows(name, document)
    if isinstance(document, dict):
        return _one_object(name, document)
    raise DataError(f"{name}: holds a single JSON value, not a list of rows.")


def _broken(data: bytes, error: json.JSONDecodeError) -> str:
    text = data.strip()
    if text[:1] == b"[" and text[-1:] != b"]":
        return (
            f"the list that opens the file is never closed ({error.msg} at column {error.colno}). The file is cut off or "
            "unfinished: close the list with ']' after the last whole row, or get the whole file."
        )
    if text[:1] not in b"[{":
        return (
            f"is not valid JSON ({error.msg} at column {error.colno}). A list must open with '[' as the first character; "
            "this may be a piece of a larger file."
        )
    return f"is not valid JSON: {error.msg} at column {error.colno}."


def _list_rows(name: str, document: list[Any]) -> Rows:
    if not document:
        raise EmptyError(f"{name}: the list has no rows.")
    return ListRows(document)


def _one_object(name: str, document: dict[str, Any]) -> Rows:
    columns = columns_as_rows(document)
    if columns is not None:
        return columns
    if any(schema.names_fit(document) or schema.matches(document) for schema in SCHEMAS.values()):
        return ListRows([document])
    keys = ", ".join(list(document)[:8]) + (", ..." if len(document) > 8 else "")
    way = "Write it as a list of rows, each with the fields of one schema (`variegate list schemas`)."
    lists = [key for key, value in document.items() if isinstance(value, list) and value and isinstance(value[0], dict)]
    if lists:
        longest = max(lists, key=lambda key: len(document[key]))
        way = f"If the rows are under '{longest}', write them out: jq -c '.[\"{longest}\"][]' FILE > rows.jsonl"
    elif len(document) > 1 and all(isinstance(value, dict) for value in document.values()):
        way = "If its values are the rows, write them out: jq -c '.[]' FILE > rows.jsonl"
    raise DataError(f"{name}: is one JSON object (keys: {keys}), not a list of rows. {way}")


def columns_as_rows(document: dict[str, Any]) -> ListRows | None:
    """Return the rows of an object of columns, as `pandas.DataFrame.to_json` writes it; None where an object is none.

    Its values are lists of one length, or objects with the same keys, that hold texts, numbers and the like; or it has the
    columns' names, the index and the data apart (`orient="split"`).
    """
    names, data = document.get("columns"), document.get("data")
    if isinstance(names, list) and isinstance(data, list) and data and {"columns", "data"} <= document.keys() <= SPLIT:
        if all(isinstance(row, list) and len(row) == len(names) for row in data):
            return ListRows([dict(zip(map(str, names), row, strict=True)) for row in data], as_columns=True)
        return None
    values = list(document.values())
    if len(values) > 1 and all(isinstance(value, dict) for value in values):
        keys = list(values[0])
        if len(keys) and all(list(value) == keys for value in values) and all(_is_index(key, at) for at, key in enumerate(keys)):
            lists = [list(value.values()) for value in values]
            return ListRows([dict(zip(document, row, strict=True)) for row in zip(*lists, strict=True)], as_columns=True)
        return None
    listed = (
        len(values) > 1 and all(isinstance(value, list) and value for value in values) and len({len(one) for one in values}) == 1
    )
    if not listed or any(isinstance(one, dict | list) for value in values for one in value):
        return None
    return ListRows([dict(zip(document, row, strict=True)) for row in zip(*values, strict=True)], as_columns=True)


def _is_index(key: str, at: int) -> bool:
    return key.lstrip("-").isdigit() or key == str(at)


def _read_csv(name: str, data: bytes, delimiter: str) -> Rows:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}, line {line}: is not valid UTF-8 (byte 0x{data[error.start]:02x}). If it is Latin-1, convert it: "
            "iconv -f latin1 -t utf-8 FILE > NEW"
        ) from None
    if "\0" in text:
        raise DataError(f"{name}, line {text.count(chr(10), 0, text.index(chr(0))) + 1}: holds a NUL character.")
    # A field may be as long as it likes; the default limit of 128 KiB is meant for hand-made files.
    csv.field_size_limit(2**31 - 1)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
    if delimiter == "\t" and len({line.count("\t") for line in text.splitlines() if line}) == 1:
        # One row a line, as in files that were pasted together: quotes are then part of the text.
        quoting = csv.QUOTE_NONE if _has_bare_quotes(text) else quoting
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True, quoting=quoting)
    rows: list[dict[str, str]] = []
    numbers: list[int] = []
    start = 1
    try:
        names = next(reader)
        twice = sorted({field for field in names if names.count(field) > 1})
        if twice:
            raise DataError(f"{name}, line 1: the name {twice[0]!r} stands twice in the header. Rename one of them.")
        start = reader.line_num + 1
        for fields in reader:
            if fields:
                if len(fields) != len(names):
                    raise DataError(
                        f"{name}, line {start}: has {len(fields)} fields but the header names {len(names)}. "
                        "Put a field that holds the delimiter or a line break in double quotes."
                    )
                rows.append(dict(zip(names, fields, strict=True)))
                numbers.append(start)
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {start}: is not valid CSV ({error}).") from None
    if not rows:
        raise EmptyError(f"{name}: has a header but no rows.")
    return ListRows(rows, numbers)


def _has_bare_quotes(text: str) -> bool:
    """Whether quotes in a tab-separated text cannot be those around fields."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True))
    except csv.Error:
        return True
    return len(rows) != len(text.splitlines())
