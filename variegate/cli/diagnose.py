"""`variegate diagnose`."""

from __future__ import annotations

from pathlib import Path

import click

from variegate.cli.layout import format_option
from variegate.cli.options import device_option, embedder_option, memory_option, neighbours_option, side_option, storage_option
from variegate.cli.reading import Reading, data_options, json_option, write_json

__all__ = ["diagnose_command"]


@click.command("diagnose")
@click.argument("data")
@click.option("--reference", metavar="DATA", help="Data whose regions and tokens are what there should be, usually the pool.")
@side_option()
@embedder_option
@storage_option
@click.option("--tokenizer", default="llama2", show_default=True, help="What makes the tokens (variegate list tokenizers).")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="How many of each kind.")
@click.option("--clusters", type=click.IntRange(1), metavar="K", help="Regions. [default: 100, fewer for less than 2,000 rows]")
@device_option
@memory_option
@neighbours_option
@format_option
@json_option("what was found")
@data_options
def diagnose_command(
    data: str,
    reference: str | None,
    side: str,
    embedder: str,
    tokenizer: str,
    top: int,
    clusters: int | None,
    json_to: Path | None,
    reading: Reading,
) -> None:
    """Say where a data set is not diverse, with example rows.

    The largest groups of near-duplicates, regions that hold more than their share of rows, the phrases that stand in most
    rows; against a reference also the regions that are covered worst and the tokens that are used more than there.

    \b
    variegate diagnose pool.jsonl --side response
    variegate diagnose subset.jsonl --reference pool.jsonl --top 10
    """
    from variegate.cli.tables import diagnosis_tables
    from variegate.diagnosing import diagnose

    reading.check([json_to])
    corpus = reading.load(data)
    against = None if reference is None else reading.load(reference)
    reading.report()
    side = reading.side(side)
    found = diagnose(corpus, reference=against, side=side, embedder=embedder, tokenizer=tokenizer, top=top, clusters=clusters)
    write_json(found.as_dict(), json_to, lambda: diagnosis_tables(found))
