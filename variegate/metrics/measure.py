"""Metrics of data sets: each on the sides that are asked for, one data set or several side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from variegate.corpus import Corpus
from variegate.data.record import SIDES, Side
from variegate.errors import DataError, ParameterError, VariegateError, bad_parameter, check_options
from variegate.geometry import sharing
from variegate.loading import load_each, separate
from variegate.metrics.doubts import doubts_of_sets, doubts_of_vectors
from variegate.metrics.run import MAX_PAIR_ROWS, Draws, measure_side, naming
from variegate.metrics.spec import Measurement, MetricSpec
from variegate.metrics.table import GROUPS, METRICS, metric_specs
from variegate.viewing import Views

__all__ = ["measure", "sides_of"]

MetricLike = str | Callable[..., float] | MetricSpec


def measure(
    data: Any,
    metrics: MetricLike | Iterable[MetricLike] | None = None,
    *,
    reference: Any = None,
    side: str = "both",
    embedder: str = Views.embedder,
    tokenizer: str = Views.tokenizer,
    topics: str = Views.topics,
    tags: str = Views.tags,
    size_matched: int | None = None,
    seeds: int | None = None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    max_pair_rows: int = MAX_PAIR_ROWS,
    on_failure: Callable[[str, VariegateError], None] | None = None,
) -> list[Measurement]:
    """Measure one data set, or several side by side.

    Args:
        data: a corpus, an array of shape (n, d), a `datasets.Dataset`, a path, or a list of these. Sets that were given no
            name, such as parts of one corpus, are numbered in the results where their names are the same.
        metrics: names ("novelsum", "knn_distance@10"), group names ("embedding", "lexical", "label", "macro", "meso", "micro",
            "all"), functions of the vectors, or `MetricSpec`s; all that the data allows if None.
        reference: data set in which densities and frequency bands are taken, on which clusters and tags are fitted, and which
            is to be covered; metrics that know no reference ignore it. Without one NovelSum has no density,
            facility location no value, and for the rest each data set is its own reference.
        side: "instruction", "response", "both" or "all" (each of the three).
        embedder: see `variegate list embedders`.
        tokenizer: "llama2", "words", or a Hugging Face tokenizer's name or path.
        topics: see `variegate list topics`.
        tags: see `variegate list tags`.
        size_matched: measure subsamples of this many rows instead of the whole sets.
        seeds: how many subsamples; of all rows, how many seeds of the metrics that draw at random. The value is their mean.
        params: options by metric, for example `{"novelsum": {"alpha": 2}}`.
        max_pair_rows: metrics that look at every pair of rows see a sample of this many where there are more, and their results
            say so; 0 for no limit.
        on_failure: called with "metric, side" and the error of a metric that cannot be computed on the data; without it the
            error is raised.

    Returns:
        One measurement per data set, side and metric, in that order.
    """
    *corpora, against = load_each(*separate(data), reference)
    labels = _labels(corpora)
    for name, value, lowest in (("size_matched", size_matched, 1), ("seeds", seeds, 1), ("max_pair_rows", max_pair_rows, 0)):
        if value is not None and value < lowest:
            raise bad_parameter(name, "measure", f"an int of at least {lowest}", value)
    views = Views("both", embedder, tokenizer, topics, tags).settled(corpora if against is None else [against])
    draws = Draws(size_matched, seeds, max_pair_rows)
    given = params or {}
    for name in given:
        (spec,) = metric_specs(name) if name not in GROUPS else [None]
        if spec is None:
            raise ParameterError(f"params takes options by metric, but {name!r} is a group of metrics.")
        check_options(name, spec.defaults, given[name])
    results = []
    with sharing():
        for label, corpus in zip(labels, corpora, strict=True):
            if size_matched is not None and size_matched > len(corpus):
                raise DataError(
                    f"{label}: has {len(corpus)} rows, fewer than the {size_matched} asked for. Choose a size that "
                    "every data set has."
                )
            specs = _specs(metrics, corpus)
            for one in sides_of(side, corpus):

                def fail(name: str, error: DataError, label: str = label, one: Side = one) -> None:
                    if on_failure is None:
                        raise naming(label, error) from None
                    on_failure(f"{name}, {one} side of {label}", error)

                of_side = replace(views, side=one)
                found = measure_side(corpus, against, specs, given, of_side, draws, fail)
                vectors = {spec.name for spec in specs if spec.view == "vectors"}
                doubts = doubts_of_vectors(corpus, of_side) if any(each.metric in vectors for each in found) else ()
                results += [
                    replace(result, dataset=label, warnings=doubts if result.metric in vectors else ()) for result in found
                ]
    return _with_doubts_of_sets(results, corpora if against is None else [*corpora, against])


def _with_doubts_of_sets(results: list[Measurement], corpora: Sequence[Corpus]) -> list[Measurement]:
    """Add to each result why its set does not compare with the others."""
    distinct = list({id(one): one for one in corpora}.values())
    sides = {result.side for result in results} if len(distinct) > 1 else set()
    doubts = {side: doubts_of_sets(distinct, cast(Side, side)) for side in sides}
    return [replace(result, warnings=(*result.warnings, *doubts.get(result.side, ()))) for result in results]


def _labels(corpora: Sequence[Corpus]) -> list[str]:
    """Return names that tell data sets apart: those that got theirs from us are numbered where they are the same.

    Raises:
        DataError: two data sets have one name that the caller gave them.
    """
    alike: dict[str, list[Corpus]] = {}
    for corpus in corpora:
        same = alike.setdefault(corpus.name, [])
        if not any(one is corpus for one in same):
            same.append(corpus)
    for name, same in alike.items():
        if len(same) > 1 and not all(one.unnamed for one in same):
            raise DataError(
                f"{name}: {len(same)} data sets have this name, so nobody could tell which one a number is of. "
                "Give them names: load(..., name=...), or take(rows, name)."
            )
    numbers = {id(one): at for same in alike.values() for at, one in enumerate(same, 1)}
    return [one.name if len(alike[one.name]) == 1 else f"{one.name} {numbers[id(one)]}" for one in corpora]


def sides_of(side: str, corpus: Corpus) -> Sequence[Side]:
    """Return the sides that a value of `--side` stands for; vectors alone have no sides."""
    if side == "all":
        return SIDES if corpus.given_vectors is None else ("both",)
    if side not in SIDES:
        raise bad_parameter("side", "measure", "instruction, response, both or all", side)
    return tuple(known for known in SIDES if known == side)


def _specs(metrics: MetricLike | Iterable[MetricLike] | None, corpus: Corpus) -> list[MetricSpec]:
    if metrics is None:
        return [spec for spec in METRICS.values() if corpus.given_vectors is None or spec.view == "vectors"]
    several = [metrics] if isinstance(metrics, str | MetricSpec) or callable(metrics) else list(metrics)
    specs: dict[str, MetricSpec] = {}
    for one in several:
        if isinstance(one, str):
            specs |= {spec.name: spec for spec in metric_specs(one)}
        else:
            spec = one if isinstance(one, MetricSpec) else _spec_of(one)
            specs[spec.name] = spec
    if not specs:
        raise ParameterError("No metric given.")
    return list(specs.values())


def _spec_of(function: Callable[..., float]) -> MetricSpec:
    name = getattr(function, "__name__", type(function).__name__)
    return MetricSpec(name, function, "vectors", (function.__doc__ or "").split("\n")[0], "unknown", "unknown", "unknown", "user")
