"""`variegate measure`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from variegate.cli.layout import format_option
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
from variegate.cli.reading import STDOUT, OutputPath, Reading, data_options, json_option, json_target, write_json
from variegate.errors import DataError, ParameterError, VariegateError

if TYPE_CHECKING:
    from variegate.corpus import Corpus
    from variegate.metrics import Comparison, Measurement, Yardstick
    from variegate.viewing import Views

__all__ = ["measure_command"]

FEWER_TOPICS = (
    "So the value only says how many rows there are. Ask for fewer topics: --topics kmeans:K, or the metric's option k."
)


@click.command("measure")
@click.argument("data", nargs=-1, required=True)
@side_option("all")
@click.option("--metrics", metavar="NAME,...|GROUP|all", help="Which metrics (variegate list metrics). [default: all that fit]")
@click.option("--reference", metavar="DATA", help="Where densities, bands and clusters are taken, and what is to be covered.")
@embedder_option
@storage_option
@click.option("--tokenizer", default="llama2", show_default=True, help="What makes the tokens (variegate list tokenizers).")
@click.option("--topics", default="kmeans:100", show_default=True, help="What topics are (variegate list topics).")
@click.option("--tags", default="keyphrases", show_default=True, help="What tags are (variegate list tags).")
@click.option(
    "--size-matched", type=click.IntRange(1), metavar="N", help="Measure subsamples of N rows, so that sizes are equal."
)
@click.option("--seeds", type=click.IntRange(1), metavar="K", help="Draw K times and give the mean with its 95 % interval.")
@click.option("--set", "settings", multiple=True, metavar="METRIC.KEY=VALUE", help="A metric's option, e.g. novelsum.alpha=2.")
@click.option(
    "--max-pair-rows", type=click.IntRange(0), metavar="N", default=200_000, show_default=True,
    help="Metrics over all pairs sample N rows where there are more, and say so; 0 for no limit.",
)  # fmt: skip
@click.option("--curve", metavar="auto|N,N,...", help="Measure at growing sizes instead: rarefaction, with --seeds draws (5).")
@click.option("--plot", type=OutputPath(), metavar="FILE", help="Draw --curve as .svg, .png or .pdf.")
@click.option(
    "--yardstick", is_flag=True, help="Show what random rows of --reference have, as many as the one data set has: 20 draws."
)
@click.option("--compare/--no-compare", default=True, help="Say which of several data sets is more diverse, and how sure.")
@click.option("--per-sample", type=OutputPath(), metavar="FILE", help="Write every sample's scores here as well.")
@click.option("--with-rows", is_flag=True, help="In --per-sample, next to every column of the data.")
@device_option
@memory_option
@neighbours_option
@format_option
@json_option("the results")
@data_options
def measure_command(
    data: tuple[str, ...],
    side: str,
    metrics: str | None,
    reference: str | None,
    embedder: str,
    tokenizer: str,
    topics: str,
    tags: str,
    size_matched: int | None,
    seeds: int | None,
    settings: tuple[str, ...],
    max_pair_rows: int,
    curve: str | None,
    plot: Path | None,
    yardstick: bool,
    compare: bool,
    per_sample: Path | None,
    with_rows: bool,
    json_to: Path | None,
    reading: Reading,
) -> None:
    """Measure the diversity of one or several data sets, side by side.

    DATA is a file (jsonl, json, csv, tsv, parquet, arrow, .npy), a folder, - for stdin, a URL, or a Hub id
    (name/set:config@split).

    \b
    variegate measure pool.jsonl
    variegate measure a.jsonl b.jsonl --reference pool.jsonl
    variegate measure a.jsonl b.jsonl --size-matched 1000 --seeds 5 --metrics novelsum,knn_distance@10
    variegate measure subset.jsonl --reference pool.jsonl --side all --json -
    variegate measure subset.jsonl --reference pool.jsonl --yardstick
    variegate measure pool.jsonl --curve auto --metrics vendi_score,token_types --plot curve.svg
    """
    from variegate.cli.tables import comparison_table, measurement_table, yardstick_table
    from variegate.geometry import sharing
    from variegate.viewing import Views

    json_to = json_target(json_to)
    names = _names(metrics)
    params = _by_metric(settings)
    sizes = _sizes(curve)
    _check_outputs(per_sample, plot, curve, len(data))
    if yardstick:
        _check_yardstick(len(data), reference, size_matched, curve)
    reading.check([json_to, per_sample, plot])
    # Once each: a set may be its own reference, or named twice, and stdin can be read only once.
    corpora = list({id(one): one for one in map(reading.load, data)}.values())
    if with_rows and corpora[0].given_vectors is not None:
        raise DataError(f"{corpora[0].name}: holds vectors only, so it has no columns to go with scores. Leave out --with-rows.")
    against = None if reference is None else reading.load(reference)
    reading.report()
    side = reading.side(side)
    views = Views("both", embedder, tokenizer, topics, tags)
    asked = _Asked(corpora, names, against, side, views, params, max_pair_rows, size_matched, seeds)
    left_out = _LeftOut(metrics, names, reading.quiet)
    with sharing():
        if curve is not None:
            _curve(asked, sizes, json_to, plot, left_out)
            return
        _warn_of_sizes(corpora, size_matched, compare, reading.quiet)
        results = _measured(asked, left_out)
        _report_samples(results, against, reading.quiet)
        # Said even with --quiet: who acts on the numbers must know.
        for doubt in dict.fromkeys(doubt for result in results for doubt in result.warnings):
            say(f"warning: {doubt}")
        if per_sample is not None:
            _write_per_sample(per_sample, asked, with_rows)
        # The table comes first, so that there is something to read while sets are drawn from and compared.
        if json_to != STDOUT:
            measurement_table(results)
        found = _compared(asked, results) if compare and len(corpora) > 1 else []
        marks = _yardstick(asked, results) if yardstick else []
        if json_to is not None:
            write_json([_with_what_is_beside(result, found, marks) for result in results], json_to, lambda: None)
        if json_to != STDOUT:
            comparison_table(found)
            yardstick_table(marks)


@dataclass(frozen=True)
class _Asked:
    """What is measured, of what and how: the library's options, together."""

    corpora: list[Corpus]
    metrics: list[str] | None
    reference: Corpus | None
    side: str
    views: Views
    params: dict[str, dict[str, Any]]
    max_pair_rows: int
    size_matched: int | None
    seeds: int | None

    @property
    def options(self) -> dict[str, Any]:
        """What every kind of measuring takes."""
        return {
            **self.views.as_options(), "reference": self.reference, "side": self.side, "params": self.params,
            "max_pair_rows": self.max_pair_rows,
        }  # fmt: skip


def _names(metrics: str | None) -> list[str] | None:
    from variegate.metrics import metric_names

    return None if metrics is None else [name for part in metrics.split(",") for name in metric_names(part.strip())]


class _LeftOut:
    """Metrics that the data does not allow: told together, one line a reason."""

    def __init__(self, metrics: str | None, names: list[str] | None, quiet: bool) -> None:
        # Metrics named one by one must all be there; of a group, those that the data does not allow are left out and named.
        self.tell = None if metrics is not None and len(names or []) == len(metrics.split(",")) else self._add
        self.quiet = quiet
        self._by_reason: dict[str, list[str]] = {}

    def _add(self, what: str, error: VariegateError) -> None:
        metrics = self._by_reason.setdefault(str(error), [])
        # Mostly the same for every side and data set: once is enough.
        if (metric := what.partition(",")[0]) not in metrics:
            metrics.append(metric)

    def report(self, nothing_left: bool) -> None:
        """Say what was left out.

        Raises:
            DataError: nothing is left.
        """
        lines = [f"left out: {', '.join(metrics)}: {reason}" for reason, metrics in self._by_reason.items()]
        if nothing_left:
            raise DataError(f"None of the metrics can be computed on this data: {'; '.join(line[10:] for line in lines)}")
        for line in lines:
            say(line, self.quiet)


def _sizes(curve: str | None) -> list[int] | None:
    if curve is None or curve == "auto":
        return None
    try:
        return [int(size) for size in curve.split(",")]
    except ValueError:
        raise ParameterError(f"--curve takes auto or sizes, for example 100,1000,10000. Got {curve!r} instead.") from None


def _check_outputs(per_sample: Path | None, plot: Path | None, curve: str | None, sets: int) -> None:
    from variegate.data.write import check_writable

    if per_sample is not None:
        check_writable(per_sample)
        if sets != 1 or curve is not None:
            raise ParameterError("--per-sample takes one data set at a time, and no --curve.")
    if plot is not None and curve is None:
        raise ParameterError("--plot draws a curve: give --curve auto as well.")


def _check_yardstick(sets: int, reference: str | None, size_matched: int | None, curve: str | None) -> None:
    if sets != 1 or reference is None or size_matched is not None or curve is not None:
        raise ParameterError(
            "--yardstick sets one data set beside random rows of --reference, as many as it has. Give one data set and "
            "--reference, without --size-matched and --curve."
        )


def _by_metric(settings: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in values(settings).items():
        metric, dot, option = name.partition(".")
        if not (metric and dot and option):
            raise ParameterError(f"--set of measure takes METRIC.KEY=VALUE, for example novelsum.alpha=2. Got {name!r} instead.")
        found.setdefault(metric, {})[option] = value
    return found


def _warn_of_sizes(corpora: list[Corpus], size_matched: int | None, compared: bool, quiet: bool) -> None:
    sizes = {len(corpus) for corpus in corpora}
    if len(sizes) > 1 and size_matched is None:
        more = " (the comparison below does)" if compared else ""
        say(
            "note: the data sets differ in size, and most metrics depend on it; compare at one size with "
            f"--size-matched {min(sizes)} --seeds 5{more}",
            quiet,
        )


def _measured(asked: _Asked, left_out: _LeftOut) -> list[Measurement]:
    from variegate.metrics import measure
    from variegate.metrics.doubts import only_counts_rows

    results = measure(
        asked.corpora, asked.metrics, size_matched=asked.size_matched, seeds=asked.seeds, on_failure=left_out.tell,
        **asked.options,
    )  # fmt: skip
    if left_out.tell is not None:
        for result in [one for one in results if only_counts_rows(one)]:
            left_out.tell(result.metric, DataError(f"with {result.n:,} rows each is a topic of its own. {FEWER_TOPICS}"))
            results.remove(result)
    left_out.report(nothing_left=not results)
    return results


def _report_samples(results: list[Measurement], against: Corpus | None, quiet: bool) -> None:
    if against is None and any(result.metric == "novelsum" for result in results):
        say("novelsum without --reference takes no account of density", quiet)
    for result in results:
        if "sampled_from" in result.params:
            total = result.params["sampled_from"]
            say(
                f"note: {result.metric}, {result.side} side of {result.dataset}: {result.n:,} of {total:,} rows "
                "(--max-pair-rows)",
                quiet,
            )


def _yardstick(asked: _Asked, results: list[Measurement]) -> list[Yardstick]:
    from variegate.metrics import yardstick

    return yardstick(results, rows=len(asked.corpora[0]), **asked.options)


def _with_what_is_beside(result: Measurement, found: list[Comparison], marks: list[Yardstick]) -> dict[str, Any]:
    """Return a result as JSON, with what it says of its data set beside the others and beside random rows."""
    mark = [one.as_dict() for one in marks if (one.metric, one.side) == (result.metric, result.side)]
    beside = [
        one for comparison in found if comparison.side == result.side for one in comparison.of(result.dataset, result.metric)
    ]
    return {**result.as_dict(), **({"comparisons": beside} if beside else {}), **({"yardstick": mark[0]} if mark else {})}


def _compared(asked: _Asked, results: list[Measurement]) -> list[Comparison]:
    from variegate.metrics import compare, comparisons, panel

    names = asked.metrics
    shown = [name for name in panel(asked.reference is not None) if names is None or name in names] or names
    try:
        if asked.size_matched is not None and asked.seeds is not None and asked.seeds > 2:
            return comparisons([result for result in results if result.metric in (shown or [])])
        return compare(asked.corpora, metrics=shown, **asked.options)
    except DataError as error:
        say(f"no comparison: {error}")
        return []


def _curve(asked: _Asked, sizes: list[int] | None, json_to: Path | None, plot: Path | None, left_out: _LeftOut) -> None:
    from variegate.cli.tables import curve_table
    from variegate.metrics import rarefaction
    from variegate.storage import whole_file

    results = rarefaction(
        asked.corpora, asked.metrics, sizes=sizes, seeds=asked.seeds or 5, on_failure=left_out.tell, **asked.options
    )  # fmt: skip
    left_out.report(nothing_left=not results)
    if plot is not None:
        from variegate.report.curves import plot_curves

        with whole_file(plot) as temporary:
            plot_curves(results, temporary, plot)
    write_json([result.as_dict() for result in results], json_to, lambda: curve_table(results))


def _write_per_sample(path: Path, asked: _Asked, with_rows: bool) -> None:
    from variegate.data.rows import ListRows
    from variegate.data.write import with_columns, write_rows
    from variegate.metrics import sample_scores, sides_of
    from variegate.storage import whole_file

    (corpus,) = asked.corpora
    columns: dict[str, list[Any]] = {} if with_rows else {"row": corpus.numbers.tolist()}
    for one in sides_of(asked.side, corpus):
        scores = sample_scores(
            corpus, one, reference=asked.reference, embedder=asked.views.embedder, tokenizer=asked.views.tokenizer,
            novelty=asked.params.get("novelsum"),
        )  # fmt: skip
        columns |= {f"{name}_{one}": found.tolist() for name, found in scores.items()}
    if with_rows:
        places = with_columns(corpus.name, corpus.places, columns)
    else:
        rows = ListRows([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
        places = [(rows, at) for at in range(len(corpus))]
    with whole_file(path) as temporary:
        write_rows(temporary, places, path)
    say(f"scores of {len(corpus):,} samples written to {path}")
