"""From what a user names (a file, a folder, stdin, a URL, a Hub id, a Dataset) to rows with a schema."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from variegate.data.detect import SAMPLE_ROWS, detect_schema, fit
from variegate.data.files import ENDINGS, EmptyError, digest, is_data_file, kind_of, read_rows
from variegate.data.rows import ListRows, Rows, TableRows
from variegate.data.schema import RowError, Schema, mapped_schema, named_schema
from variegate.data.tables import plain_table
from variegate.errors import DataError, ParameterError, missing_extra

__all__ = ["Source", "is_named", "open_sources"]

# How Hive writes a null into a folder's name.
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
HUB_ID = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(?::(?P<config>[^@]+))?(?:@(?P<split>.+))?")


@dataclass
class Source:
    """The rows of one file (or Hub split) and how they are read.

    Attributes:
        name: as the user named it.
        rows: the raw rows.
        schema: the schema that they are read by.
        detected: whether the schema was detected rather than given.
        sha256: of the file's bytes; None where there is no file.
        notes: what a user should know about how it was read.
    """

    name: str
    rows: Rows
    schema: Schema
    detected: bool
    sha256: str | None
    notes: list[str] = field(default_factory=list)


def is_named(data: object) -> bool:
    """Whether data is named, by a path, a URL or a Hub id, rather than held in memory."""
    return isinstance(data, str | PathLike)


def open_sources(data: object, schema: str | None = None, columns: Mapping[str, str] | None = None) -> list[Source]:
    """Open everything that one data argument names.

    Args:
        data: a path, a folder, "-" for stdin, a URL, a Hub id (`name/set:config@split`), or rows in memory: a list of
            mappings, a `datasets.Dataset`, or a table (pyarrow, pandas, polars).
        schema: a name from `SCHEMAS`; detected if None.
        columns: which field plays which part, in place of a schema (see `mapped_schema`).

    Raises:
        DataError: something cannot be read, or no schema fits.
        ParameterError: the name cannot be a data set, or both `schema` and `columns` are given.
    """
    if schema is not None and columns is not None:
        raise ParameterError("--schema and --columns exclude each other: --columns is itself a schema.")
    given = named_schema(schema) if schema is not None else mapped_schema(columns) if columns else None
    sources = []
    for opened in _open(data):
        sample = list(itertools.islice(opened.rows.parsed(), SAMPLE_ROWS))
        if not sample:
            raise EmptyError(f"{opened.name}: has no rows.")
        if isinstance(sample[0], RowError) and all(isinstance(row, RowError) for row in sample):
            raise DataError(f"{opened.name}, {opened.rows.where(0)}: {sample[0]}.")
        good = [at for at, row in enumerate(sample) if not isinstance(row, RowError)]
        found = given or detect_schema(opened.name, [sample[at] for at in good])
        place = opened.rows.where(good[0])
        found, notes = fit(opened.name, place, found, given is not None, [sample[at] for at in good])
        sources.append(Source(opened.name, opened.rows, found, given is None, opened.sha256, [*opened.notes, *notes]))
    return sources


@dataclass
class _Opened:
    name: str
    rows: Rows
    sha256: str | None = None
    notes: list[str] = field(default_factory=list)


def _open(data: object) -> Iterator[_Opened]:
    if not is_named(data):
        yield _Opened("rows in memory", _rows_in_memory(data))
        return
    name = str(data)
    path = Path(name)
    try:
        path.exists()
    except (OSError, ValueError) as error:
        raise DataError(f"{name[:80]}: cannot be the name of a file ({getattr(error, 'strerror', None) or error}).") from None
    if name == "-":
        if sys.stdin is None:
            raise DataError("stdin: is closed, so nothing can be read from it.")
        content = sys.stdin.buffer.read()
        yield _Opened("stdin", read_rows("stdin", content, "jsonl"), digest(content))
    elif "://" in name:
        yield _open_url(name)
    elif path.is_dir():
        yield from _open_folder(name, path)
    elif path.exists():
        yield _open_file(name, path)
    elif HUB_ID.fullmatch(name) and not _looks_like_a_file(name):
        yield _open_hub(name)
    else:
        raise DataError(f"{name}: no such file or folder.")


def _open_folder(name: str, path: Path) -> list[_Opened]:
    """Open the data files of a folder, with the columns that its folders' names hold; parts without rows are named in a note."""
    found = sorted(file for file in path.rglob("*") if is_data_file(file) and not _hidden(file, path))
    if not found:
        raise DataError(f"{name}: no data file in this folder. Known endings: {', '.join(ENDINGS)}.")
    opened, empty = [], []
    for file in found:
        try:
            opened.append(_open_file(str(file), file))
        except EmptyError as error:
            empty.append(error)
    if not opened:
        raise empty[0]
    places = [partition_of(Path(one.name).relative_to(path)) for one in opened]
    numbered = {key for place in places for key in place} - {
        key for place in places for key, value in place.items() if value is not None and not value.isdecimal()
    }
    for one, place in zip(opened, places, strict=True):
        if place:
            values = {key: int(value) if value is not None and key in numbered else value for key, value in place.items()}
            one.rows = one.rows.with_constants(values)
            one.notes.append(f"{', '.join(f'{key}={value}' for key, value in values.items())} is from the folder's name")
    if empty:
        more = f" and {len(empty) - 3} more" if len(empty) > 3 else ""
        opened[0].notes.append(f"left out, without rows: {'; '.join(str(error).rstrip('.') for error in empty[:3])}{more}")
    return opened


def partition_of(place: Path) -> dict[str, str | None]:
    """Return the columns that stand in the names of a file's folders, as Hive and Spark write them: `lang=de/0.parquet`.

    >>> partition_of(Path("lang=de/year=2024/0.parquet"))
    {'lang': 'de', 'year': '2024'}
    """
    pairs = [part.partition("=") for part in place.parent.parts]
    return {unquote(key): None if value == HIVE_NULL else unquote(value) for key, equals, value in pairs if key and equals}


def _hidden(file: Path, folder: Path) -> bool:
    # Names that begin with an underscore are those of Spark's and Delta's own files.
    return any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)


def _looks_like_a_file(name: str) -> bool:
    path = Path(name)
    return path.suffix.lower() in (*ENDINGS, ".gz", ".zst", ".txt") or name.startswith((".", "/")) or path.parent.is_dir()


def _open_file(name: str, path: Path) -> _Opened:
    try:
        kind, compression = kind_of(name)
    except DataError:
        if _looks_like_json(path):
            raise DataError(f"{name}: looks like JSON under an ending that is not known. Rename it to .json or .jsonl.") from None
        raise
    if kind == "npy":
        raise DataError(f"{name}: holds vectors, but rows of text are needed here.")
    try:
        rows = read_rows(name, path, kind, compression)
        notes = ["the file is one object of columns, read as rows"] if getattr(rows, "as_columns", False) else []
        return _Opened(name, rows, digest(path), notes)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}).") from None


def _looks_like_json(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            start = stream.read(256).lstrip()
    except OSError:
        return False
    # A brace or bracket alone is not enough: shell commands open with them as well.
    return start[:1] in (b"{", b"[") and b'"' in start


def _open_url(url: str) -> _Opened:
    import fsspec

    kind, compression = kind_of(url.split("?", 1)[0])
    try:
        with fsspec.open(url, "rb") as stream:
            content = stream.read()
    except ImportError as error:
        raise DataError(f"{url}: {error}. Install the file system that this URL needs.") from None
    except FileNotFoundError:
        raise DataError(f"{url}: no such file.") from None
    except Exception as error:
        # Every file system has errors of its own; what they have in common is that the URL cannot be read.
        raise DataError(f"{url}: cannot be read ({type(error).__name__}: {error}).") from error
    return _Opened(url, read_rows(url, content, kind, compression), digest(content))


def _open_hub(name: str) -> _Opened:
    try:
        import datasets
    except ImportError:
        raise missing_extra(
            "datasets", "hub", f"{name}: no such file or folder, and reading it from the Hugging Face Hub"
        ) from None
    match = HUB_ID.fullmatch(name)
    assert match is not None
    repository, config, split = match["id"], match["config"], match["split"]
    try:
        loaded = datasets.load_dataset(repository, config, split=split)
    except Exception as error:
        # datasets raises whatever its many layers raise: all of it means that the set cannot be had under this name.
        first = (str(error).splitlines() or [""])[0]
        raise DataError(
            f"{name}: no such file or folder, and not to be had from the Hugging Face Hub ({type(error).__name__}: {first})."
        ) from error
    if split is None:
        splits = list(loaded)
        if "train" not in splits and len(splits) > 1:
            raise DataError(f"{name}: has the splits {', '.join(splits)}. Say which with {name}@{splits[0]}.")
        loaded = loaded["train" if "train" in splits else splits[0]]
    return _Opened(name, _dataset_rows(name, loaded))


def _dataset_rows(name: str, dataset: Any) -> Rows:
    if not len(dataset):
        raise DataError(f"{name}: has no rows.")
    return TableRows(plain_table(dataset.with_format("arrow")[:]))


def _rows_in_memory(data: Any) -> Rows:
    # Without importing the package: where it was not imported, the data cannot be of it.
    datasets = sys.modules.get("datasets")
    if datasets is not None and isinstance(data, datasets.Dataset):
        return _dataset_rows("dataset", data)
    if datasets is not None and isinstance(data, datasets.DatasetDict | datasets.IterableDatasetDict):
        raise ParameterError(f"A {type(data).__name__} holds several data sets ({', '.join(data)}). Give one of them.")
    if datasets is not None and isinstance(data, datasets.IterableDataset):
        raise ParameterError("An IterableDataset has no length. Give the rows that you want: list(data.take(100_000)).")
    if hasattr(data, "__arrow_c_stream__"):
        import pyarrow as pa

        return TableRows(plain_table(pa.table(data)))
    if isinstance(data, list | tuple) and data and isinstance(data[0], Mapping):
        return ListRows(list(data))
    raise ParameterError(
        "Data must be a path, a URL, a Hub id, a list of those or of rows (mappings), a datasets.Dataset, a table, or an "
        f"array of vectors. Got {type(data).__name__} instead."
    )
