"""Read rows from every file kind: what a file is, and a clear word where it cannot be read."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from variegate.data.rows import LineRows, ListRows, Rows, TableRows
from variegate.data.schema import SCHEMAS
from variegate.errors import DataError

__all__ = ["ENDINGS", "digest", "is_data_file", "kind_of", "read_rows"]

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
BLOCK = 1 << 20
# Files that variegate itself writes beside data, LLaMA-Factory's index, and what `Dataset.save_to_disk` writes beside
# its Arrow files: no rows in them.
NOT_DATA = (".selection.json", ".bad-rows.jsonl", "dataset_info.json", "dataset_dict.json", "state.json")


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
    if path.name.startswith(".") or path.name.endswith(NOT_DATA) or not path.is_file():
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
    """Read the rows of one file.

    Args:
        name: the file as the user named it, for errors.
        content: its path, or its bytes where it is no local file.
        kind: a value of `ENDINGS` other than `npy`.
        compression: "gzip", "zstd" or None.

    Raises:
        DataError: the file is missing, empty, damaged, or not what its ending says.
    """
    if kind in ("parquet", "arrow"):
        return _read_table(name, content, kind)
    data = _bytes(name, content, compression)
    if data[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
        raise DataError(f"{name}: is UTF-32 text. Convert it first: iconv -f utf-32 -t utf-8 FILE > NEW")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{name}: is UTF-16 text. Convert it first: iconv -f utf-16 -t utf-8 FILE > NEW")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise DataError(f"{name}: the file is empty.")
    readers: dict[str, Callable[[str, bytes], Rows]] = {
        "jsonl": _read_jsonl,
        "json": _read_json,
        "csv": lambda name, data: _read_csv(name, data, ","),
        "tsv": lambda name, data: _read_csv(name, data, "\t"),
    }
    return readers[kind](name, data)


def _bytes(name: str, content: bytes | Path, compression: str | None) -> bytes:
    import pyarrow as pa

    try:
        data = content if isinstance(content, bytes) else content.read_bytes()
        if compression:
            with pa.CompressedInputStream(pa.BufferReader(data), compression) as stream:
                data = bytes(stream.read())
    except (pa.ArrowException, EOFError, zlib.error) as error:
        raise DataError(f"{name}: is no whole {compression} file ({_first_line(error)}).") from None
    except OSError as error:
        # pyarrow reports damaged streams as plain OSErrors without a number; those with one come from the file system.
        reason = error.strerror if error.errno else f"no whole {compression} file: {_first_line(error)}"
        raise DataError(f"{name}: cannot be read ({reason}).") from None
    return data


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _read_table(name: str, content: bytes | Path, kind: str) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if isinstance(content, Path) and not content.stat().st_size:
            raise DataError(f"{name}: the file is empty.")
        source = pa.memory_map(str(content)) if isinstance(content, Path) else pa.BufferReader(content)
        if kind == "parquet":
            table = pq.read_table(source)
        else:
            try:
                table = pa.ipc.open_file(source).read_all()
            except pa.ArrowInvalid:
                source.seek(0)
                table = pa.ipc.open_stream(source).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{name}: is no readable {kind} file ({_first_line(error)}).") from None
    twice = sorted({column for column in table.column_names if table.column_names.count(column) > 1})
    if twice:
        raise DataError(f"{name}: the column {twice[0]!r} stands twice in the table. Rename one of them.")
    return TableRows(table)


def _read_jsonl(name: str, data: bytes) -> Rows:
    if data.lstrip()[:1] == b"[":
        document = _document(data)
        if isinstance(document, list):
            return _list_rows(name, document)
        if _document(data.lstrip().split(b"\n", 1)[0]) is None:
            # A list over several lines, and a broken one: its own reader says where.
            return _read_json(name, data)
    lines, numbers = [], []
    for number, line in enumerate(data.split(b"\n"), start=1):
        line = line.rstrip(b"\r")
        if line.strip():
            lines.append(line)
            numbers.append(number)
    rows = LineRows(lines, numbers)
    if len(rows) > 1 and not isinstance(next(rows.parsed()), dict):
        document = _document(data)
        if isinstance(document, dict):
            return _one_object(name, document)
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
        raise DataError(f"{name}: the list has no rows.")
    return ListRows(document)


def _one_object(name: str, document: dict[str, Any]) -> Rows:
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
        raise DataError(f"{name}: has a header but no rows.")
    return ListRows(rows, numbers)


def _has_bare_quotes(text: str) -> bool:
    """Whether quotes in a tab-separated text cannot be those around fields."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True))
    except csv.Error:
        return True
    return len(rows) != len(text.splitlines())
