"""`variegate diagnose`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from variegate.cli.options import (
    data_options,
    device_option,
    load_reported,
    memory_option,
    neighbours_option,
    prepare,
    refuse_overwriting,
    report_skipped,
    side_option,
    storage_option,
)

__all__ = ["diagnose_command"]


@click.command("diagnose")
@click.argument("data")
@click.option("--reference", metavar="DATA", help="Data whose regions and tokens are what there should be, usually the pool.")
@side_option()
@click.option("--embedder", default="static", show_default=True, help="What makes the vectors (variegate list embedders).")
@storage_option
@click.option("--tokenizer", default="llama2", show_default=True, help="What makes the tokens (variegate list tokenizers).")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="How many of each kind.")
@click.option("--clusters", type=click.IntRange(1), metavar="K", help="Regions. [default: 100, fewer for less than 2,000 rows]")
@device_option
@memory_option
@neighbours_option
@click.option("--json", "json_to", metavar="FILE|-", help="Write what was found as JSON; - is stdout.")
@data_options
def diagnose_command(
    data: str,
    reference: str | None,
    side: str,
    embedder: str,
    storage: str,
    tokenizer: str,
    top: int,
    clusters: int | None,
    json_to: str | None,
    schema: str | None,
    columns: str | None,
    on_bad_row: str,
    bad_rows: Path | None,
    cache: str | None,
    quiet: bool,
    device: str,
    memory: str | None,
    neighbours: str,
) -> None:
    """Say where a data set is not diverse, with example rows.

    The largest groups of near-duplicates, regions that hold more than their share of rows, the phrases that stand in most
    rows; against a reference also the regions that are covered worst and the tokens that are used more than there.

    \b
    variegate diagnose pool.jsonl --side response
    variegate diagnose subset.jsonl --reference pool.jsonl --top 10
    """
    from variegate.cli.tables import diagnosis_tables
    from variegate.metrics import diagnose
    from variegate.storage import check_target, whole_file

    prepare(cache, quiet, device, memory, neighbours)
    results_to = Path(json_to) if json_to not in (None, "-") and json_to is not None else None
    if results_to is not None:
        check_target(results_to)
    listed = bad_rows or Path("variegate.bad-rows.jsonl")
    refuse_overwriting([results_to, listed if on_bad_row == "skip" else None], [data, reference, embedder])
    corpus = load_reported(data, schema, columns, on_bad_row, quiet, storage)
    against = None if reference is None else load_reported(reference, schema, columns, on_bad_row, quiet, storage)
    report_skipped([corpus, against] if against is not None else [corpus], listed)
    found = diagnose(corpus, reference=against, side=side, embedder=embedder, tokenizer=tokenizer, top=top, clusters=clusters)
    text = json.dumps(found.as_dict(), indent=1) + "\n"
    if json_to == "-":
        click.echo(text, nl=False)
        return
    diagnosis_tables(found)
    if results_to is not None:
        with whole_file(results_to) as temporary:
            temporary.write_text(text, encoding="utf-8")
