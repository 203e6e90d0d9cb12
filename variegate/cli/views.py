"""`variegate embed` and `variegate tokenize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from variegate.cli.options import (
    data_options,
    load_reported,
    prepare,
    refuse_overwriting,
    report_skipped,
    say,
    side_option,
    storage_option,
)
from variegate.data.record import SIDES, Side
from variegate.errors import DataError, ParameterError

if TYPE_CHECKING:
    from variegate.corpus import Corpus

__all__ = ["cache_in_use", "embed_command", "load_texts", "tokenize_command"]


def _wanted(side: str) -> tuple[Side, ...]:
    return SIDES if side == "all" else (cast(Side, side),)


def cache_in_use() -> str:
    """Return the cache folder, for verbs that are there to fill it."""
    from variegate.views.cache import cache_root

    root = cache_root()
    if root is None:
        raise ParameterError("With --cache off there is no cache to fill. Pass a folder, or leave the option out.")
    return str(root)


def load_texts(
    pool: str,
    schema: str | None,
    columns: str | None,
    on_bad_row: str,
    bad_rows: Path | None,
    quiet: bool,
    storage: str = "float32",
) -> Corpus:
    """Load a data set that must have texts."""
    listed = bad_rows or Path("variegate.bad-rows.jsonl")
    refuse_overwriting([listed if on_bad_row == "skip" else None], [pool])
    corpus = load_reported(pool, schema, columns, on_bad_row, quiet, storage)
    if corpus.given_vectors is not None:
        raise DataError(f"{corpus.name}: holds vectors already, so there is nothing to derive from it.")
    report_skipped([corpus], listed)
    return corpus


@click.command("embed")
@click.argument("pool")
@side_option("all")
@click.option("--embedder", default="static", show_default=True, help="What makes the vectors (variegate list embedders).")
@storage_option
@data_options
def embed_command(
    pool: str,
    side: str,
    embedder: str,
    storage: str,
    schema: str | None,
    columns: str | None,
    on_bad_row: str,
    bad_rows: Path | None,
    cache: str | None,
    quiet: bool,
) -> None:
    """Fill the cache with a pool's vectors; a run that was stopped goes on where it was.

    \b
    variegate embed pool.jsonl --side all
    variegate embed pool.jsonl --embedder sentence-transformers/all-MiniLM-L6-v2
    """
    prepare(cache, quiet)
    where = cache_in_use()
    corpus = load_texts(pool, schema, columns, on_bad_row, bad_rows, quiet, storage)
    for one in _wanted(side):
        n, d = corpus.vectors(one, embedder).shape
        half = "" if storage == "float32" else f", {storage},"
        say(f"{corpus.name}, {one}: {n:,} vectors of {d} dimensions{half} in {where}", quiet)


@click.command("tokenize")
@click.argument("pool")
@side_option("all")
@click.option("--tokenizer", default="llama2", show_default=True, help="What makes the tokens (variegate list tokenizers).")
@data_options
def tokenize_command(
    pool: str,
    side: str,
    tokenizer: str,
    schema: str | None,
    columns: str | None,
    on_bad_row: str,
    bad_rows: Path | None,
    cache: str | None,
    quiet: bool,
) -> None:
    """Fill the cache with a pool's token ids; a run that was stopped goes on where it was.

    \b
    variegate tokenize pool.jsonl --tokenizer meta-llama/Llama-3.1-8B
    """
    prepare(cache, quiet)
    where = cache_in_use()
    corpus = load_texts(pool, schema, columns, on_bad_row, bad_rows, quiet)
    for one in _wanted(side):
        tokens = corpus.tokens(one, tokenizer)
        say(f"{corpus.name}, {one}: {len(tokens.ids):,} tokens of {len(tokens):,} texts in {where}", quiet)
