"""`variegate embed` and `variegate tokenize`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from variegate.cli.options import embedder_option, say, side_option, storage_option
from variegate.cli.reading import OutputPath, Reading, data_options
from variegate.data.record import SIDES, Side
from variegate.errors import ParameterError

if TYPE_CHECKING:
    from variegate.corpus import Corpus

__all__ = ["cache_in_use", "embed_command", "tokenize_command"]


def _wanted(side: str) -> tuple[Side, ...]:
    return SIDES if side == "all" else (cast(Side, side),)


def cache_in_use() -> str:
    """Return the cache folder, for verbs that are there to fill it."""
    from variegate.views.cache import cache_root

    root = cache_root()
    if root is None:
        raise ParameterError("With --cache off there is no cache to fill. Pass a folder, or leave the option out.")
    return str(root)


def _texts(pool: str, reading: Reading, output: Path | None = None) -> Corpus:
    reading.check([output])
    corpus = reading.load_texts(pool)
    reading.report()
    return corpus


@click.command("embed")
@click.argument("pool")
@side_option("all")
@embedder_option
@storage_option
@click.option("--save-fit", type=OutputPath(), metavar="FILE", help="Save what lsa was fitted to; --embedder lsa:FILE reads it.")
@data_options
def embed_command(
    pool: str,
    side: str,
    embedder: str,
    save_fit: Path | None,
    reading: Reading,
) -> None:
    """Fill the cache with a pool's vectors; a run that was stopped goes on where it was.

    \b
    variegate embed pool.jsonl --side all
    variegate embed pool.jsonl --embedder sentence-transformers/all-MiniLM-L6-v2
    variegate embed pool.jsonl --embedder lsa --save-fit pool.lsa
    """
    from variegate.views.lsa.names import fit_of, is_lsa, settled

    if save_fit is not None and not is_lsa(embedder):
        raise ParameterError(f"--save-fit goes with --embedder lsa: {embedder!r} is not fitted to the data.")
    where = cache_in_use()
    corpus = _texts(pool, reading, save_fit)
    for one in _wanted(reading.side(side)):
        n, d = corpus.vectors(one, embedder).shape
        half = "" if reading.storage == "float32" else f", {reading.storage},"
        say(f"{corpus.name}, {one}: {n:,} vectors of {d} dimensions{half} in {where}", reading.quiet)
    if save_fit is not None:
        fit = fit_of(settled(embedder, [corpus]))
        fit.save(save_fit)
        say(f"fit {fit.hash} of {fit.rows:,} texts saved in {save_fit}", reading.quiet)


@click.command("tokenize")
@click.argument("pool")
@side_option("all")
@click.option("--tokenizer", default="llama2", show_default=True, help="What makes the tokens (variegate list tokenizers).")
@data_options
def tokenize_command(
    pool: str,
    side: str,
    tokenizer: str,
    reading: Reading,
) -> None:
    """Fill the cache with a pool's token ids; a run that was stopped goes on where it was.

    \b
    variegate tokenize pool.jsonl --tokenizer meta-llama/Llama-3.1-8B
    """
    where = cache_in_use()
    corpus = _texts(pool, reading)
    for one in _wanted(reading.side(side)):
        tokens = corpus.tokens(one, tokenizer)
        say(f"{corpus.name}, {one}: {len(tokens.ids):,} tokens of {len(tokens):,} texts in {where}", reading.quiet)
