"""`variegate select`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from variegate.cli.options import (
    device_option,
    embedder_option,
    memory_option,
    neighbours_option,
    say,
    side_option,
    storage_option,
    values,
)
from variegate.cli.reading import OutputPath, Reading, data_options
from variegate.cli.training import Training, training_options
from variegate.data.record import SIDES, Side
from variegate.errors import ParameterError

if TYPE_CHECKING:
    from variegate.corpus import Corpus
    from variegate.strategies import Selection
    from variegate.viewing import Views

__all__ = ["select_command"]

# As a value of --match-length: the pool's own lengths.
POOL = "pool"


@click.command("select")
@click.argument("pool")
@click.option("--size", type=int, metavar="N", help="How many rows to choose.")
@click.option("--budget-tokens", type=int, metavar="T", help="How many tokens to choose, in place of --size.")
@click.option(
    "--budget-side", type=click.Choice(SIDES), default="both", show_default=True, help="Whose tokens count against the budget."
)
@click.option(
    "--strategy", default="novelselect_rich", show_default=True, metavar="NAME", help="How (variegate list strategies)."
)
@side_option()
@embedder_option
@storage_option
@click.option("--tokenizer", default="llama2", show_default=True, help="What makes the tokens (variegate list tokenizers).")
@click.option("--topics", default="umap-hdbscan", show_default=True, help="What macro's topics are (variegate list topics).")
@click.option("--tags", default="keyphrases", show_default=True, help="What meso, instag and mig go by (variegate list tags).")
@click.option(
    "--level", type=float, metavar="P", help="How much of the possible diversity macro, meso and micro are to have, 0 to 100 %."
)
@click.option("--reference", metavar="DATA", help="Data in which densities are taken; the pool if not given.")
@click.option("--extend", "--existing", metavar="DATA", help="Data that is owned already; what is chosen adds to it.")
@click.option("--length-range", metavar="LOW:HIGH", help="Only rows whose response has so many tokens, such as 20:2000.")
@click.option(
    "--response-share",
    type=float,
    metavar="SHARE",
    help="Only rows whose response has at least this share of their tokens, such as 0.5. novelselect_rich takes 0.5 by itself; "
    "0 is for all rows.",
)
@click.option("--match-length", metavar="DATA|pool", help="Choose so that lengths of responses are distributed as in DATA.")
@click.option("--quality", metavar="COLUMN", help="A column of numbers, larger is better, for strategies that weigh it.")
@device_option
@memory_option
@neighbours_option
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, metavar="K", help="Of everything drawn at random.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A strategy's parameter, e.g. first=0 or alpha=2.")
@click.option(
    "-o",
    "--output",
    type=OutputPath(),
    required=True,
    metavar="OUT|FOLDER/",
    help="The subset, in the pool's schema: a file, or a folder that is ready for training.",
)
@training_options
@data_options
def select_command(
    pool: str,
    size: int | None,
    budget_tokens: int | None,
    budget_side: str,
    strategy: str,
    side: str,
    embedder: str,
    tokenizer: str,
    topics: str,
    tags: str,
    level: float | None,
    reference: str | None,
    extend: str | None,
    length_range: str | None,
    response_share: float | None,
    match_length: str | None,
    quality: str | None,
    seed: int,
    settings: tuple[str, ...],
    output: Path,
    training: Training,
    reading: Reading,
) -> None:
    """Choose rows of a pool and write them, in the pool's schema with every column.

    Beside OUT goes OUT.selection.json: which rows, in picking order, and how they were chosen. A .npy pool has no rows to
    write: there OUT is that record alone. An OUT that ends in a slash becomes a folder for `datasets`, TRL, LLaMA-Factory and
    the Hub: rows, record, dataset_info.json and a card.

    \b
    variegate select pool.jsonl --size 1000 -o subset.jsonl
    variegate select pool.parquet --size 500 --strategy k_center --set metric=cosine -o subset.parquet
    variegate select pool.jsonl --size 1000 --strategy micro --side response --level 100 -o subset.jsonl
    variegate select pool.jsonl --budget-tokens 1000000 --strategy facility_location -o subset.jsonl
    variegate select pool.jsonl --size 1000 --extend owned.jsonl -o more.jsonl
    variegate select pool.jsonl --size 1000 --as messages -o subset/
    """
    from variegate.data.write import check_writable
    from variegate.export.record import record_path
    from variegate.strategies import STRATEGIES, select
    from variegate.viewing import Views

    if strategy not in STRATEGIES:
        from variegate.errors import unknown_name

        raise unknown_name("strategy", strategy, list(STRATEGIES))
    beside = record_path(output)
    reading.bad_rows = reading.bad_rows or Path(f"{output}.bad-rows.jsonl")
    reading.check(
        [output, None if training.folder else beside, training.info], folder=output if training.folder else None
    )  # fmt: skip
    training.check(output, pool.lower().endswith(".npy"))
    if pool.lower().endswith(".npy"):
        if output.suffix.lower() == ".npy":
            raise ParameterError(f"{output}: for a pool of vectors the choice is recorded as JSON. Give it a name in .json.")
    elif not training.folder:
        check_writable(output)
    params = values(settings)
    _refuse_reserved(params)
    corpus = reading.load(pool)
    against, owned, target = (
        one if one is None or one == POOL else reading.load(one) for one in (reference, extend, match_length)
    )
    reading.report()
    side, budget_side = reading.side(side), reading.side(budget_side, "budget_side")
    if level is not None:
        params["level"] = level
    selection = select(
        corpus, size, strategy, budget_tokens=budget_tokens, budget_side=budget_side, length_range=length_range,
        response_share=response_share, match_length=target, extend=owned, side=side, embedder=embedder,
        tokenizer=tokenizer, topics=topics, tags=tags, reference=against, quality=quality, seed=seed, **params,
    )  # fmt: skip
    for note in selection.notes:
        say(f"note: {note}", reading.quiet)
    # Of the subset a card measures its own clusters, whatever topics the strategy went by.
    views = Views(cast(Side, side), embedder, tokenizer, tags=tags)
    _write(corpus, selection, output, training, views, reading.quiet)


def _refuse_reserved(params: dict[str, Any]) -> None:
    reserved = {
        "data", "size", "budget_tokens", "budget_side", "strategy", "side", "embedder", "tokenizer", "topics", "tags", "level",
        "reference", "extend", "length_range", "response_share", "match_length", "quality", "seed",
    } & params.keys()  # fmt: skip
    if reserved:
        name = min(reserved)
        own = "the argument POOL" if name == "data" else f"the option --{name.replace('_', '-')}"
        raise ParameterError(f"--set {name}=... is no parameter of a strategy: give {own} instead.")


def _write(corpus: Corpus, selection: Selection, output: Path, training: Training, views: Views, quiet: bool) -> None:
    from variegate.export.record import record_path, selection_record, write_record
    from variegate.storage import whole_file, whole_files

    record = selection_record(corpus, selection, views.tokenizer)
    if corpus.given_vectors is not None:
        with whole_file(output) as temporary:
            write_record(temporary, record)
        say(f"{selection.n:,} rows chosen, recorded in {output}", quiet)
        return
    counts = ", ".join(f"{side} {count:,}" for side, count in record["params"]["tokens"].items())
    tokens = f"tokens by side ({views.tokenizer}): {counts}"
    chosen = f"{selection.n:,} of {len(corpus):,} rows written to {output}"
    part = training.rows(corpus.take(selection.indices))
    if training.folder:
        notes = training.write_folder(corpus, part, selection.indices, record, output, views)
        say(f"{chosen}/, ready for training; README.md there is its card", quiet)
        say(tokens, quiet)
        training.report(part, notes, quiet)
        return
    beside = record_path(output)
    notes = []
    targets = [output, beside, *([training.info] if training.info else [])]
    with ExitStack() as locked, whole_files(*targets) as (rows_path, beside_path, *info_path):
        part.write(rows_path, named=output)
        write_record(beside_path, record)
        for path in info_path:
            # From reading what the others have written to having it replaced.
            locked.enter_context(training.info_alone())
            info, entry = training.entry(part, output)
            path.write_text(info, encoding="utf-8")
            notes = entry.notes
    say(f"{chosen}, how they were chosen to {beside}", quiet)
    say(tokens, quiet)
    training.report(part, notes, quiet)
