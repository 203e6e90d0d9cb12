"""Load a data set: from whatever a user names to a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from variegate.corpus import BadRow, Corpus
from variegate.data.record import SIDES, Side
from variegate.data.schema import RowError
from variegate.data.sources import Source, is_named, open_sources
from variegate.data.vectors import read_vectors
from variegate.errors import DataError, ParameterError, bad_parameter
from variegate.progress import track
from variegate.views.precision import FLOAT32, check_storage, refuse_storage

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["load", "load_each", "separate"]

_SKIP = "Correct the row, or pass --on-bad-row skip to go on without bad rows."
# Rows whose texts are gathered before they go into an Arrow array.
CHUNK = 8192


def load(
    data: Any,
    *,
    schema: str | None = None,
    columns: Mapping[str, str] | None = None,
    on_bad_row: str = "error",
    name: str | None = None,
    vector_storage: str = FLOAT32,
    side: str | None = None,
) -> Corpus:
    """Load a data set.

    Args:
        data: a path (jsonl, json, csv, tsv, parquet, arrow, also .gz or .zst; .npy for vectors), a folder, "-" for stdin,
            a URL, a Hugging Face Hub id (`name/set:config@split`), or a list of these to be joined; or what is in memory: a
            list of rows (mappings), a `datasets.Dataset`, a table (pyarrow, pandas, polars), an array of shape (n, d).
        schema: a name from `variegate list schemas`; detected if None.
        columns: which field plays which part, in place of a schema: `{"instruction": "question", "response": "answer"}`.
        on_bad_row: "error" stops at the first bad row; "skip" leaves bad rows out and lists them in `Corpus.skipped`.
        name: what to call it in results; the path if None.
        vector_storage: "float16" keeps vectors that are made of its texts in half the room, rounded; everything is then computed
            from the rounded ones. Vectors that are given are taken as they are.
        side: rows that are empty on this side ("all" for any side) are bad rows, too; None lets them be.

    Raises:
        DataError: the data cannot be read; the message names file, row and field.
        ParameterError: an option is not possible.
    """
    check_storage(vector_storage)
    if on_bad_row not in ("error", "skip"):
        raise bad_parameter("on_bad_row", "load", "'error' or 'skip'", on_bad_row)
    if isinstance(data, Corpus):
        return data
    if isinstance(data, np.ndarray):
        refuse_storage(vector_storage, name or "vectors")
        return Corpus.from_vectors(data, name)
    several = separate(data)
    if not several:
        raise ParameterError("No data given.")
    if len(several) == 1 and is_named(several[0]) and str(several[0]).lower().endswith(".npy"):
        refuse_storage(vector_storage, str(several[0]))
        return Corpus.from_vectors(read_vectors(str(several[0])), name or str(several[0]))
    sources = [source for part in several for source in open_sources(part, schema, columns)]
    label = name or ", ".join(str(part) if is_named(part) else "rows in memory" for part in several)
    unnamed = name is None and not any(map(is_named, several))
    corpus = replace(_read(label, sources, on_bad_row), vector_storage=vector_storage, unnamed=unnamed)
    return corpus if side is None else _with_words(corpus, side, on_bad_row)


def _with_words(corpus: Corpus, side: str, on_bad_row: str) -> Corpus:
    """Return a corpus without the rows that are empty on a side, or raise at the first of them."""
    import pyarrow.compute as pc

    if side != "all" and side not in SIDES:
        raise bad_parameter("side", "load", f"one of {', '.join(SIDES)}, all", side)
    reasons: dict[int, str] = {}
    for one in SIDES:
        if one in corpus.sides and side in (one, "all"):
            lengths = pc.utf8_length(pc.utf8_trim_whitespace(corpus.texts(one))).to_numpy()
            for row in np.flatnonzero(lengths == 0).tolist():
                reasons.setdefault(row, f"is empty on the {one} side")
    empty = []
    for row, reason in sorted(reasons.items()):
        source = corpus.sources[corpus.origin[row, 0]]
        place = source.rows.where(int(corpus.origin[row, 1]))
        empty.append(BadRow(source.name, place, int(corpus.numbers[row]), reason))
        if on_bad_row == "error":
            raise DataError(f"{source.name}, {place}: {reason}. {_SKIP}")
    if not empty:
        return corpus
    if len(empty) == len(corpus):
        raise DataError(f"{corpus.name}: every row {empty[0].reason}. Pass another side.")
    part = corpus.take(np.setdiff1d(np.arange(len(corpus)), list(reasons)), corpus.name)
    skipped = sorted([*corpus.skipped, *empty], key=lambda bad: bad.row)
    return replace(part, skipped=skipped, multi_turn=corpus.multi_turn, unnamed=corpus.unnamed)


def load_each(*data: Any) -> list[Any]:
    """Load several data sets, each once: one that is given twice, as the same object or the same path, is one corpus.

    What is derived from it is then made once too, and a set that is its own reference is known to be.

    Args:
        data: as for :func:`load`; None stays None.
    """
    loaded: dict[str | int, Corpus] = {}
    corpora: list[Corpus | None] = []
    for one in data:
        key = str(one) if is_named(one) else id(one)
        if one is not None and key not in loaded:
            loaded[key] = load(one)
        corpora.append(None if one is None else loaded[key])
    return corpora


def separate(data: Any) -> list[Any]:
    """Return the parts of a list of data; a list of rows is itself one part, like everything else."""
    is_list = isinstance(data, list | tuple)
    return list(data) if is_list and not any(isinstance(part, Mapping) for part in data) else [data]


def _read(name: str, sources: list[Source], on_bad_row: str) -> Corpus:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts: dict[Side, list[pa.Array]] = {side: [] for side in SIDES}
    pending: dict[Side, list[str]] = {side: [] for side in SIDES}
    origin: list[tuple[int, int]] = []
    skipped: list[BadRow] = []
    first = multi_turn = 0
    numbers: list[int] = []

    def flush() -> None:
        for side, strings in pending.items():
            texts[side].append(pa.array(strings, pa.large_string()))
            strings.clear()

    with track(f"reading {name}", sum(len(source.rows) for source in sources)) as advance:
        for at, source in enumerate(sources):
            for position, raw in enumerate(source.rows.parsed()):
                try:
                    if isinstance(raw, RowError):
                        raise raw
                    record = source.schema.record(raw)
                except RowError as error:
                    skipped.append(BadRow(source.name, source.rows.where(position), first + position, str(error)))
                    if on_bad_row == "error":
                        raise DataError(_bad_row_message(skipped[0], source)) from None
                    continue
                origin.append((at, position))
                numbers.append(first + position)
                multi_turn += sum(turn.role == "user" for turn in record.turns) > 1
                for side in SIDES:
                    pending[side].append(record.side(side))
                if len(pending["both"]) == CHUNK:
                    flush()
                    advance(CHUNK)
            first += len(source.rows)
    flush()
    if not origin:
        raise DataError(f"{name}: no row could be read; the first, {skipped[0].place}, {skipped[0].reason}.")
    sides: dict[Side, Any] = {side: pa.chunked_array(arrays, pa.large_string()) for side, arrays in texts.items()}
    if not all(source.schema.has_response for source in sources):
        sides = {"instruction": sides["instruction"]}
    elif not pc.any(pc.greater(pc.binary_length(sides["instruction"]), 0)).as_py():
        del sides["instruction"]
    return Corpus(name, sources, np.array(origin, np.int64), np.array(numbers, np.int64), sides, skipped, multi_turn=multi_turn)


def _bad_row_message(bad: BadRow, source: Source) -> str:
    how = "detected" if source.detected else "as asked"
    return f"{bad.file}, {bad.place}: {bad.reason} (schema {source.schema.name}, {how}). {_SKIP}"
