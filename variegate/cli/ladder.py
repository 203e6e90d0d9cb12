"""`variegate ladder`."""

from __future__ import annotations

from pathlib import Path

import click

from variegate.cli.layout import print_table
from variegate.cli.options import (
    device_option,
    embedder_option,
    memory_option,
    neighbours_option,
    say,
    side_option,
    storage_option,
)
from variegate.cli.reading import OutputPath, Reading, data_options
from variegate.errors import ParameterError

__all__ = ["ladder_command"]


@click.command("ladder")
@click.argument("pool")
@click.option("--strategies", required=True, metavar="NAME,...", help="Which (variegate list strategies).")
@click.option("--levels", default="7", show_default=True, metavar="K|P,P,...", help="Steps from 0 to 100 %, or levels.")
@click.option("--size", "sizes", metavar="N,...", help="Rows of a data set.")
@click.option("--budget-tokens", "budgets", metavar="T,...", help="Tokens of a data set (both sides), in place of --size.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, metavar="K", help="Each with K seeds.")
@side_option("all")
@click.option("--metrics", metavar="NAME,...|GROUP|all", help="Measured on each data set, on all sides, against the pool.")
@embedder_option
@storage_option
@click.option("--tokenizer", default="llama2", show_default=True, help="What makes the tokens (variegate list tokenizers).")
@click.option("--topics", default="umap-hdbscan", show_default=True, help="What macro's topics are (variegate list topics).")
@click.option("--tags", default="keyphrases", show_default=True, help="What meso's tags are (variegate list tags).")
@click.option("--format", "ending", default="jsonl", show_default=True, metavar="KIND", help="jsonl, parquet, json, csv, ...")
@click.option("-o", "--output", type=OutputPath(), required=True, metavar="DIR", help="Folder of the data sets.")
@device_option
@memory_option
@neighbours_option
@data_options
def ladder_command(
    pool: str,
    strategies: str,
    levels: str,
    sizes: str | None,
    budgets: str | None,
    seeds: int,
    side: str,
    metrics: str | None,
    embedder: str,
    tokenizer: str,
    topics: str,
    tags: str,
    ending: str,
    output: Path,
    reading: Reading,
) -> None:
    """Write the data sets of a whole grid: strategies x sides x levels x sizes x seeds.

    DIR/manifest.jsonl holds a row for each: the levels asked for and realised, and every metric. A second call goes on where
    the first stopped.

    \b
    variegate ladder pool.jsonl --strategies macro,meso,micro --size 10000 --side all -o ladder
    variegate ladder pool.jsonl --strategies micro,random --levels 0,50,100 --size 1000,2000 --seeds 3 --metrics micro -o ladder
    variegate ladder pool.jsonl --strategies novelselect,micro,random --budget-tokens 1000000,3000000 --side response -o ladder
    """
    from variegate.study.ladder import MANIFEST, ladder

    steps = [float(level) for level in _numbers(levels, "--levels", float)]
    rows_of_each = [int(size) for size in _numbers(sizes, "--size", int)] if sizes else []
    tokens_of_each = [int(budget) for budget in _numbers(budgets, "--budget-tokens", int)] if budgets else []
    reading.check([], folder=output)
    corpus = reading.load(pool)
    reading.report()
    side = reading.side(side)
    rows = ladder(
        corpus, [name.strip() for name in strategies.split(",")], output, sizes=rows_of_each, budgets=tokens_of_each,
        levels=int(steps[0]) if levels.strip().isdigit() and "," not in levels else steps, seeds=seeds, side=side,
        metrics=None if metrics is None else [name.strip() for name in metrics.split(",")], ending=f".{ending.lstrip('.')}",
        embedder=embedder, tokenizer=tokenizer, topics=topics, tags=tags,
    )  # fmt: skip
    for row in rows:
        counts = row["params"]["tokens"]
        row["tokens"] = counts.get("both", next(iter(counts.values())))
    shown = ("strategy", "side", "level", "size", "seed", "tokens")
    realised = ("k_asked", "k_realised", "k_min", "k_max")
    cells = [
        [*("" if row[key] is None else f"{row[key]:g}" if isinstance(row[key], float) else _shown(row[key]) for key in shown)]
        + [f"{row['params'][key]:,}" if key in row["params"] else "" for key in realised]
        for row in rows
    ]
    print_table([*shown, *realised], cells, numbers_from=2)
    say(f"{len(rows):,} data sets in {output}, described in {output / MANIFEST}", reading.quiet)


def _shown(value: int | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


def _numbers(text: str, option: str, kind: type) -> list[float] | list[int]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"{option} takes numbers with commas between them. Got {text!r} instead.") from None
