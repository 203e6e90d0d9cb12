"""Metrics: METRICS is the table, :func:`measure` joins it with corpora."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from variegate._version import __version__
from variegate.corpus import Corpus, same_dimensions
from variegate.data.record import SIDES, Side
from variegate.errors import DataError, ParameterError, VariegateError, bad_parameter, check_options, unknown_name
from variegate.loading import load, separate
from variegate.metrics.novelty import novelty
from variegate.metrics.spec import Measurement, MetricSpec
from variegate.metrics.table import GROUPS, METRICS, metric_names

__all__ = ["GROUPS", "METRICS", "Measurement", "MetricSpec", "Settings", "measure", "metric_names", "novelty", "sides_of"]

MetricLike = str | Callable[..., float] | MetricSpec
DEFAULT_TOPICS = "kmeans:100"


@dataclass(frozen=True)
class Settings:
    """How the views are made that the metrics look at."""

    embedder: str = "static"
    tokenizer: str = "llama2"
    topics: str = DEFAULT_TOPICS


def measure(
    data: Any,
    metrics: MetricLike | Iterable[MetricLike] | None = None,
    *,
    reference: Any = None,
    side: str = "both",
    embedder: str = "static",
    tokenizer: str = "llama2",
    topics: str = DEFAULT_TOPICS,
    size_matched: int | None = None,
    seeds: int | None = None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    on_failure: Callable[[str, VariegateError], None] | None = None,
) -> list[Measurement]:
    """Measure one data set, or several side by side.

    Args:
        data: a corpus, an array of shape (n, d), a `datasets.Dataset`, a path, or a list of these.
        metrics: names, group names ("embedding", "lexical", "label", "all"), functions of the vectors, or `MetricSpec`s;
            all that the data allows if None.
        reference: data set against which densities are taken and clusters are fitted; metrics that know no reference ignore
            it. Without one NovelSum has no density.
        side: "instruction", "response", "both" or "all" (each of the three).
        embedder: see `variegate list embedders`.
        tokenizer: "llama2", "words", or a Hugging Face tokenizer's name or path.
        topics: "kmeans:K" or the name of a column that holds the topic.
        size_matched: measure subsamples of this many rows instead of the whole sets.
        seeds: how many subsamples (and seeds of metrics that draw at random); the value is their mean.
        params: options by metric, for example `{"novelsum": {"alpha": 2}}`.
        on_failure: called with "metric, side" and the error of a metric that cannot be computed on the data; without it the
            error is raised.

    Returns:
        One measurement per data set, side and metric, in that order.
    """
    corpora = [load(one) for one in separate(data)]
    against = None if reference is None else load(reference)
    settings = Settings(embedder, tokenizer, topics)
    if size_matched is not None and size_matched < 1:
        raise bad_parameter("size_matched", "measure", "an int of at least 1", size_matched)
    if seeds is not None and seeds < 1:
        raise bad_parameter("seeds", "measure", "an int of at least 1", seeds)
    given = params or {}
    for name in given:
        if name not in METRICS:
            raise unknown_name("metric in params", name, list(METRICS))
        defaults = {one: inspect.signature(METRICS[name].function).parameters[one].default for one in _options(METRICS[name])}
        check_options(name, defaults, given[name])
    results = []
    for corpus in corpora:
        if size_matched is not None and size_matched > len(corpus):
            raise DataError(
                f"{corpus.name}: has {len(corpus)} rows, fewer than the {size_matched} asked for. Choose a size that every "
                "data set has."
            )
        for one_side in sides_of(side, corpus):
            for spec in _specs(metrics, corpus):
                try:
                    results.append(
                        _one(corpus, against, one_side, spec, settings, size_matched, seeds, dict(given.get(spec.name, {})))
                    )
                except DataError as error:
                    if on_failure is None:
                        raise _naming(corpus.name, error) from None
                    on_failure(f"{spec.name}, {one_side} side of {corpus.name}", error)
    return results


def _naming(name: str, error: DataError) -> DataError:
    """Make an error of a function that knows no corpus say which data set it is about."""
    return error if name in str(error) else DataError(f"{name}: {error}")


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
            specs |= {name: METRICS[name] for name in metric_names(one)}
        else:
            spec = one if isinstance(one, MetricSpec) else _spec_of(one)
            specs[spec.name] = spec
    if not specs:
        raise ParameterError("No metric given.")
    return list(specs.values())


def _spec_of(function: Callable[..., float]) -> MetricSpec:
    name = getattr(function, "__name__", type(function).__name__)
    return MetricSpec(name, function, "vectors", (function.__doc__ or "").split("\n")[0], "unknown", "unknown", "unknown", "user")


def _one(
    corpus: Corpus,
    reference: Corpus | None,
    side: Side,
    spec: MetricSpec,
    settings: Settings,
    size: int | None,
    seeds: int | None,
    options: dict[str, Any],
) -> Measurement:
    known = inspect.signature(spec.function).parameters
    defaults = {name: known[name].default for name in _options(spec)}
    check_options(spec.name, defaults, options)
    recorded = {**defaults, **options, **_view_params(spec, settings, corpus)}
    arguments = dict(options)
    if "reference" in known:
        recorded["reference"] = reference.name if reference is not None else None
        if reference is not None:
            recorded["reference_n"] = len(reference)
            arguments["reference"] = _view(reference, reference, side, spec, settings)
            if spec.view == "vectors":
                same_dimensions(corpus, _view(corpus, reference, side, spec, settings), reference, arguments["reference"])
    view = _view(corpus, reference, side, spec, settings)
    result = Measurement(
        corpus.name, spec.name, side, 0.0, size or len(corpus), recorded, __version__,
        higher_is_more_diverse=spec.higher_is_more_diverse,
    )  # fmt: skip
    if size is None and seeds is None:
        return replace(result, value=_value(spec, view, arguments))
    if size is not None:
        recorded["size_matched"] = size
    values = []
    # Where nothing is drawn at random all seeds would give one value.
    draws = (seeds or 1) if size is not None or "seed" in known else 1
    for seed in range(draws):
        seeded = {**arguments, "seed": seed} if "seed" in known else arguments
        part = view if size is None else _take(view, np.random.default_rng(seed).choice(len(corpus), size, replace=False))
        values.append(_value(spec, part, seeded))
    mean, interval = _mean_interval(values)
    return replace(result, value=mean, interval=interval if seeds else None, seeds=seeds)


def _options(spec: MetricSpec) -> list[str]:
    parameters = inspect.signature(spec.function).parameters.values()
    return [one.name for one in parameters if one.kind == one.KEYWORD_ONLY and one.name != "reference"]


def _value(spec: MetricSpec, view: Any, arguments: Mapping[str, Any]) -> float:
    value = float(spec.function(view, **arguments))
    if not np.isfinite(value):
        raise DataError(f"{spec.name} came out as {value}, which is no measurement. Are the vectors of a sensible scale?")
    return value


def _view(corpus: Corpus, reference: Corpus | None, side: Side, spec: MetricSpec, settings: Settings) -> Any:
    if spec.view == "vectors":
        return corpus.vectors(side, settings.embedder)
    if spec.view == "tokens":
        return corpus.tokens(side, settings.tokenizer)
    if settings.topics.startswith("kmeans:"):
        fitted_on = corpus if reference is None else reference
        return corpus.clusters(side, settings.embedder, settings.topics, fitted_on)
    return corpus.labels(settings.topics)


def _view_params(spec: MetricSpec, settings: Settings, corpus: Corpus) -> dict[str, Any]:
    embedder = "given vectors" if corpus.given_vectors is not None else settings.embedder
    if spec.view == "vectors":
        return {"embedder": embedder}
    if spec.view == "tokens":
        return {"tokenizer": settings.tokenizer}
    return {"topics": settings.topics} | ({"embedder": embedder} if settings.topics.startswith("kmeans:") else {})


def _take(view: Any, rows: np.ndarray[Any, Any]) -> Any:
    rows = np.sort(rows)
    return view[rows] if isinstance(view, np.ndarray) else view.take(rows)


def _mean_interval(values: list[float]) -> tuple[float, tuple[float, float]]:
    """Return the mean and the 95 % Student t interval of the mean; a single value is its own interval."""
    mean = float(np.mean(values))
    if len(values) == 1 or min(values) == max(values):
        return mean, (mean, mean)
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, (mean - half, mean + half)
