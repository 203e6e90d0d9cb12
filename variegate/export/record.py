"""The record of a selection: which rows were chosen, and all that is needed to do it again. Nothing else writes one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from variegate.corpus import Corpus
from variegate.storage import as_json
from variegate.strategies import Selection, tokens_by_side
from variegate.viewing import Views

__all__ = ["FORMAT", "RECORD", "record_path", "selection_record", "write_record"]

# Rises when a field changes its meaning or goes away (docs/versions.md).
FORMAT = 1
RECORD = ".selection.json"


def record_path(output: Path) -> Path:
    """Return where the record of a file of rows lies: beside it."""
    return output.parent / f"{output.name}{RECORD}"


def selection_record(corpus: Corpus, selection: Selection, tokenizer: str = Views.tokenizer) -> dict[str, Any]:
    """Return the record of a selection.

    Args:
        corpus: the pool.
        selection: of its rows.
        tokenizer: that counts the tokens of what was chosen.

    Returns:
        What `.selection.json` holds: `indices` in picking order, numbered as in the pool's files, bad rows counted; `gains`,
        `strategy`, `params` (with `tokens` by side, where there are texts), `seed`, `n`, `pool` (files, rows, skipped, sha256),
        `version`, `notes` and `format`.
    """
    record = selection.as_dict()
    record["indices"] = corpus.numbers[selection.indices].tolist()
    record["pool"] = {**record["pool"], "skipped": len(corpus.skipped)}
    if corpus.given_vectors is None:
        counts = tokens_by_side(corpus.take(selection.indices), tokenizer)
        record["params"] = {**record["params"], "tokens": counts, "tokenizer": tokenizer}
    return {**record, "format": FORMAT}


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record; the caller sees to it that the file is whole or absent."""
    path.write_text(as_json(record), encoding="utf-8")
