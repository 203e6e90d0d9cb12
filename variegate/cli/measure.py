"""`variegate measure`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from variegate.cli.options import (
    data_options,
    load_reported,
    prepare,
    refuse_overwriting,
    report_skipped,
    say,
    side_option,
    values,
)
from variegate.errors import DataError, ParameterError

if TYPE_CHECKING:
    from variegate.corpus import Corpus

__all__ = ["measure_command"]


@click.command("measure")
@click.argument("data", nargs=-1, required=True)
@side_option("all")
@click.option(
    "--metrics", default=None, metavar="NAME,...|GROUP|all", help="Which metrics; all that the data allows if not given."
)
@click.option("--reference", metavar="DATA", help="Data in which densities are taken and clusters are fitted.")
@click.option("--embedder", default="static", show_default=True, help="What makes the vectors (variegate list embedders).")
@click.option("--tokenizer", default="llama2", show_default=True, help="What makes the tokens (variegate list tokenizers).")
@click.option(
    "--topics", default="kmeans:100", show_default=True, metavar="kmeans:K|COLUMN", help="What the topic metrics count."
)
@click.option(
    "--size-matched", type=click.IntRange(1), metavar="N", help="Measure subsamples of N rows, so that sizes are equal."
)
@click.option("--seeds", type=click.IntRange(1), metavar="K", help="Draw K times and give the mean with its 95 % interval.")
@click.option("--set", "settings", multiple=True, metavar="METRIC.KEY=VALUE", help="A metric's option, e.g. novelsum.alpha=2.")
@click.option("--per-sample", type=click.Path(path_type=Path), metavar="FILE", help="Write every sample's novelty here as well.")
@click.option("--json", "json_to", metavar="FILE|-", help="Write the results as JSON; - is stdout.")
@data_options
def measure_command(
    data: tuple[str, ...],
    side: str,
    metrics: str | None,
    reference: str | None,
    embedder: str,
    tokenizer: str,
    topics: str,
    size_matched: int | None,
    seeds: int | None,
    settings: tuple[str, ...],
    per_sample: Path | None,
    json_to: str | None,
    schema: str | None,
    columns: str | None,
    on_bad_row: str,
    bad_rows: Path | None,
    cache: str | None,
    quiet: bool,
) -> None:
    """Measure the diversity of one or several data sets, side by side.

    DATA is a file (jsonl, json, csv, tsv, parquet, arrow, .npy), a folder, - for stdin, a URL, or a Hub id
    (name/set:config@split).

    \b
    variegate measure pool.jsonl
    variegate measure a.jsonl b.jsonl --size-matched 1000 --seeds 5
    variegate measure subset.jsonl --reference pool.jsonl --metrics novelsum --side all --json -
    """
    from variegate.data.write import check_writable
    from variegate.metrics import measure, metric_names
    from variegate.storage import check_target

    prepare(cache, quiet)
    names = None if metrics is None else [name for part in metrics.split(",") for name in metric_names(part.strip())]
    params = _by_metric(settings)
    if json_to not in (None, "-"):
        check_target(Path(str(json_to)))
    if per_sample is not None:
        check_writable(per_sample)
        if len(data) != 1:
            raise ParameterError("--per-sample takes one data set at a time.")
    # Metrics named one by one must all be there; of a group, those that the data does not allow are left out and named.
    strict = metrics is not None and len(names or []) == len(metrics.split(","))
    listed = bad_rows or Path("variegate.bad-rows.jsonl")
    results_to = Path(json_to) if json_to not in (None, "-") and json_to is not None else None
    refuse_overwriting([results_to, per_sample, listed if on_bad_row == "skip" else None], [*data, reference, embedder])
    loaded: dict[str, Corpus] = {}
    for one in (*data, *([reference] if reference is not None else [])):
        # Once each: a set may be its own reference, and stdin can be read only once.
        if one not in loaded:
            loaded[one] = load_reported(one, schema, columns, on_bad_row, quiet)
    report_skipped(loaded.values(), listed)
    corpora = [loaded[one] for one in dict.fromkeys(data)]
    against = None if reference is None else loaded[reference]
    _warn_of_sizes(corpora, size_matched)
    results = measure(
        corpora,
        names,
        reference=against,
        side=side,
        embedder=embedder,
        tokenizer=tokenizer,
        topics=topics,
        size_matched=size_matched,
        seeds=seeds,
        params=params,
        on_failure=None if strict else lambda what, error: say(f"left out: {what}: {error}"),
    )
    if not results:
        raise DataError("None of the metrics can be computed on this data; the lines above say why.")
    if against is None and any(result.metric == "novelsum" for result in results):
        say("novelsum without --reference takes no account of density", quiet)
    if per_sample is not None:
        _write_per_sample(per_sample, corpora[0], against, side, embedder, params.get("novelsum", {}))
    _write_results(results, json_to)


def _by_metric(settings: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in values(settings).items():
        metric, dot, option = name.partition(".")
        if not (metric and dot and option):
            raise ParameterError(f"--set of measure takes METRIC.KEY=VALUE, for example novelsum.alpha=2. Got {name!r} instead.")
        found.setdefault(metric, {})[option] = value
    return found


def _warn_of_sizes(corpora: list[Corpus], size_matched: int | None) -> None:
    sizes = {len(corpus) for corpus in corpora}
    if len(sizes) > 1 and size_matched is None:
        say(
            "note: the data sets differ in size, and most metrics depend on it; compare with "
            f"--size-matched {min(sizes)} --seeds 5"
        )


def _write_results(results: list[Any], json_to: str | None) -> None:
    from variegate.cli.tables import measurement_table
    from variegate.storage import whole_file

    text = json.dumps([result.as_dict() for result in results], indent=1) + "\n"
    if json_to == "-":
        click.echo(text, nl=False)
        return
    measurement_table(results)
    if json_to is not None:
        with whole_file(Path(json_to)) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _write_per_sample(
    path: Path, corpus: Corpus, against: Corpus | None, side: str, embedder: str, options: dict[str, Any]
) -> None:
    from variegate.corpus import same_dimensions
    from variegate.data.rows import ListRows
    from variegate.data.write import write_rows
    from variegate.metrics import novelty, sides_of
    from variegate.storage import whole_file

    table: list[dict[str, Any]] = [{"row": int(number)} for number in corpus.numbers]
    for one in sides_of(side, corpus):
        if against is not None:
            same_dimensions(corpus, corpus.vectors(one, embedder), against, against.vectors(one, embedder))
        reference = None if against is None else against.vectors(one, embedder)
        try:
            values = novelty(corpus.vectors(one, embedder), reference, **options)
        except DataError as error:
            raise DataError(f"{corpus.name}: {error}") from None
        for row, value in zip(table, values, strict=True):
            row[f"novelty_{one}"] = float(value)
    with whole_file(path) as temporary:
        rows = ListRows(table)
        write_rows(temporary, [(rows, at) for at in range(len(table))], path)
    say(f"novelty of {len(table):,} samples written to {path}")
