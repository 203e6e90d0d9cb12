"""`variegate tag`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from variegate.cli.embed import cache_in_use
from variegate.cli.layout import format_option, print_table
from variegate.cli.options import say, side_option
from variegate.cli.reading import OutputPath, Reading, data_options
from variegate.cli.streams import echo
from variegate.cli.tables import in_percent, short
from variegate.data.record import Side
from variegate.errors import ParameterError

if TYPE_CHECKING:
    from variegate.corpus import Corpus

__all__ = ["tag_command"]

# Rows without tags that are named, of however many.
SHOWN = 5
RowTags = list[list[str] | None]


@click.command("tag")
@click.argument("pool")
@click.option("--tags", required=True, help="What makes the tags (variegate list tags), e.g. llm:MODEL@http://HOST/v1.")
@side_option()
@format_option
@click.option("--dry-run", is_flag=True, help="Only count what a model would be asked, and ask nothing.")
@click.option("--limit-requests", type=click.IntRange(1), metavar="N", help="Ask a model for N texts at most, then stop.")
@click.option(
    "--on-failed",
    type=click.Choice(["error", "null"]),
    default="error",
    show_default=True,
    help="Where a model gives a row no usable tags: end with an error, or write null for it into OUT.",
)
@click.option("--top", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="How many of the tags to show.")
@click.option("-o", "--output", type=OutputPath(), metavar="OUT", help="Write the pool's rows, with their tags.")
@click.option("--column", default="tags", show_default=True, metavar="NAME", help="The column of OUT that holds the tags.")
@data_options
def tag_command(
    pool: str,
    tags: str,
    side: str,
    dry_run: bool,
    limit_requests: int | None,
    on_failed: str,
    top: int,
    output: Path | None,
    column: str,
    reading: Reading,
) -> None:
    """Fill the cache with a pool's tags, and show the most frequent; a run that was stopped goes on where it was.

    With -o also write the pool's rows with a column of tags, to look at or to use anywhere.

    \b
    variegate tag pool.jsonl --tags llm:gpt-4.1-nano --side instruction --dry-run
    variegate tag pool.jsonl --tags llm:MODEL@http://localhost:8000/v1 --limit-requests 50
    variegate tag pool.jsonl --tags normalized:llm:MODEL@http://localhost:8000/v1 -o tagged.jsonl
    """
    from variegate.data.write import check_writable, with_columns, write_rows
    from variegate.storage import whole_file
    from variegate.views.tags.tagger import is_llm

    if not is_llm(tags) and (limit_requests is not None or on_failed != "error"):
        raise ParameterError("--limit-requests and --on-failed null are for --tags llm:MODEL[@URL] alone.")
    if output is None:
        if on_failed == "null":
            raise ParameterError("--on-failed null writes null into a column of tags, so it needs -o OUT.")
        if not dry_run:
            cache_in_use()
    else:
        if dry_run or limit_requests is not None:
            raise ParameterError("-o writes the tags of all rows: leave out --dry-run and --limit-requests.")
        check_writable(output)
    reading.check([output])
    corpus = reading.load_texts(pool)
    reading.report()
    side = reading.side(side)
    if output is not None:
        # Before anything is asked: a column that is there already would only be found at the end.
        with_columns(corpus.name, corpus.places, {column: [None] * len(corpus)})
    found = _tags(corpus, cast(Side, side), tags, dry_run, limit_requests, on_failed)
    if found is None:
        return
    _table(corpus, side, found, top)
    if output is not None:
        # A list does not fit into CSV; as JSON it can be read back from there.
        text = any(ending in output.name.lower().split(".") for ending in ("csv", "tsv"))
        values = [row if row is None or not text else json.dumps(row, ensure_ascii=False) for row in found]
        with whole_file(output) as temporary:
            write_rows(temporary, with_columns(corpus.name, corpus.places, {column: values}), output)
        say(f"{len(corpus):,} rows written to {output}, their tags in the column '{column}'", reading.quiet)


def _tags(corpus: Corpus, side: Side, tags: str, dry_run: bool, limit_requests: int | None, on_failed: str) -> RowTags | None:
    """Return the tags of each row, or None where only the requests were to be counted."""
    from variegate.views.tags.tagger import is_llm, tag_texts
    from variegate.views.tags.tags import normalized

    wanted = normalized(tags)
    source = tags if wanted is None else wanted.source
    if dry_run:
        if is_llm(source):
            echo(str(tag_texts(corpus.texts(side), source, corpus.where, dry=True).plan))
        else:
            echo(f"{len(corpus):,} rows: {source} asks no model")
        return None
    if is_llm(tags):
        keep = on_failed == "null"
        tagged = tag_texts(corpus.texts(side), tags, corpus.where, limit=limit_requests, keep_failures=keep)
        for row, reason in list(tagged.failures.items())[:SHOWN]:
            say(f"note: {corpus.where(row)}: {reason}")
        if tagged.failures:
            say(f"note: {len(tagged.failures):,} of {len(corpus):,} rows have null for tags")
        return tagged.tags
    found = corpus.tags(side, tags, corpus)
    return [[found.names[tag] for tag in found[row].tolist()] for row in range(len(found))]


def _table(corpus: Corpus, side: str, found: RowTags, top: int) -> None:
    from collections import Counter

    counts = Counter(tag for row in found for tag in row or [])
    tagged = sum(bool(row) for row in found)
    each = f", {short(sum(counts.values()) / tagged)} a row" if tagged else ""
    title = f"{corpus.name}, {side}: {tagged:,} of {len(found):,} rows have tags, {len(counts):,} different ones{each}"
    # By name where the counts are the same, so that the table does not depend on the order of the rows.
    shown = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top]
    rows = [[tag, f"{n:,}", in_percent(n / len(found))] for tag, n in shown]
    print_table(["tag", "rows", "share"], rows, numbers_from=1, title=title)
