"""What a study's YAML file says, checked before anything starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from variegate.data.record import SIDES
from variegate.errors import ParameterError, check_options
from variegate.metrics import METRICS, metric_names, metric_specs
from variegate.study.evaluation.settings import Evaluation, read_evaluations
from variegate.study.halves import HALVES
from variegate.study.identity import known_by, located_view, short_name
from variegate.study.keys import Keys, located, read_yaml
from variegate.study.subsets import EMBEDDER, SubsetSettings, read_subsets
from variegate.study.training.settings import Command, Training, read_training
from variegate.viewing import Views

__all__ = ["TOGETHER", "Analysis", "Measures", "Pool", "Study", "Variant", "read_study", "slug"]

# The family of all evaluations.
TOGETHER = "together"
# A name on the Hub, with or without who put it there; anything else is a path.
HUB = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")

DEFAULT_HELD = ["mean_response_tokens"]
COVARIATES = ("mean_response_tokens", "mean_tokens", "tokens", "response_tokens", "rows")


@dataclass(frozen=True)
class Pool:
    """What subsets are chosen from.

    Attributes:
        data: files or Hub names, as :func:`variegate.load` reads them.
        half: "design" or "test" for the rows that a hash puts into that half; None for all.
        rows: so many of these, those of the lowest hashes; None for all.
    """

    data: tuple[str, ...]
    half: str | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Variant:
    """A metric with parameters of its own, under a name of its own.

    Attributes:
        name: what tables call it.
        metric: from `variegate list metrics`.
        params: its parameters.
        reference: whether it is measured against the pool.
    """

    name: str
    metric: str
    params: Mapping[str, Any] = field(default_factory=dict)
    reference: bool = True


@dataclass(frozen=True)
class Measures:
    """What is measured on each subset.

    Attributes:
        metrics: names and groups; None for all that the data allows.
        variants: metrics with parameters of their own.
        sides: of the texts.
        embedders: the first for every metric, the others for those that look at vectors.
        embedder_sides: sides that an embedder is used on, where these are not all.
        tokenizer: what makes the tokens.
        topics: what topics are.
        tags: what tags are.
    """

    metrics: tuple[str, ...] | None = None
    variants: tuple[Variant, ...] = ()
    sides: tuple[str, ...] = SIDES
    embedders: tuple[str, ...] = (EMBEDDER,)
    embedder_sides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tokenizer: str = Views.tokenizer
    topics: str = Views.topics
    tags: str = Views.tags


@dataclass(frozen=True)
class Analysis:
    """How metrics are compared with performance.

    Attributes:
        families: name of a family of tests -> the values of evaluations that belong to it.
        held: covariates whose part in a correlation is taken out, in tables of their own.
        baseline: the subsets that others are compared with, by label.
        confidence: of intervals.
        resamples: of the bootstrap.
        permutations: of the tests.
    """

    families: Mapping[str, tuple[str, ...]]
    held: tuple[str, ...] = tuple(DEFAULT_HELD)
    baseline: str = "random"
    confidence: float = 0.95
    resamples: int = 2_000
    permutations: int = 10_000


@dataclass(frozen=True)
class Study:
    """A whole study.

    Attributes:
        name: its title.
        seed: of subsets and trainings that name none.
        pool: what subsets are chosen from.
        subsets: what is trained on.
        measures: what is measured on each.
        training: how a model is fine-tuned.
        training_seeds: each subset is trained on once with each.
        keep_models: whether models stay after their evaluation.
        evaluations: what is evaluated of each model.
        analysis: how metrics are compared with performance.
    """

    name: str
    seed: int
    pool: Pool
    subsets: tuple[SubsetSettings, ...]
    measures: Measures
    training: Training | Command
    training_seeds: tuple[int, ...]
    keep_models: bool
    evaluations: tuple[Evaluation, ...]
    analysis: Analysis


def read_study(path: str | Path) -> Study:
    """Read a study's file, and check everything in it that can be checked without doing the work.

    Paths of files stand relative to the folder of the study's file.

    Raises:
        DataError: the file cannot be read, or a file that it names is not there.
        ParameterError: a key or value is not known; the message names the line, what was given and what is allowed.
        MissingExtraError: a package that it takes is not installed.
    """
    file = Path(path)
    keys = read_yaml(file)
    seed = keys.whole("seed", 0)
    name = keys.text("name", file.stem)
    pool = _pool(_section(keys, "pool"), file.parent)
    subsets = tuple(read_subsets(keys, seed, file.parent))
    measures = _measures(keys.inner("measures"), file.parent)
    train = _section(keys, "train")
    seeds = tuple(train.wholes("seeds", [seed]))
    _refuse_repeats(train, "seeds", seeds)
    keep = train.flag("keep_models", False)
    _resolve_model(train, file.parent)
    training = read_training(train)
    evaluations = read_evaluations(keys, file.parent, training.model)
    analysis = _analysis(keys.inner("analysis"), evaluations, subsets, keys)
    keys.done()
    return Study(name, seed, pool, subsets, measures, training, seeds, keep, evaluations, analysis)


def slug(text: str) -> str:
    """Return words as a file's name.

    >>> slug("200,000 tokens")
    '200000_tokens'
    """
    return "_".join("".join(letter for letter in text.lower() if letter.isalnum() or letter in " _-").split())


def _section(keys: Keys, name: str) -> Keys:
    found = keys.inner(name)
    if found is None:
        raise keys.missing(name, "a mapping of keys to values; `variegate study init` writes a file that has every key")
    return found


def _refuse_repeats(keys: Keys, name: str, values: tuple[Any, ...]) -> None:
    if len(set(values)) < len(values):
        raise keys.wrong(name, "values that are all different", list(values))


def _pool(keys: Keys, folder: Path) -> Pool:
    data = keys.words("data", [])
    if not data:
        raise keys.missing("data", "a file of samples, a Hub name, or a list of these")
    half, rows = keys.one_of("half", None, HALVES), keys.whole("rows", None, 1)
    keys.done()
    return Pool(tuple(located(one, folder) for one in data), half, rows)


def _resolve_model(train: Keys, folder: Path) -> None:
    model = train.values.get("model")
    if isinstance(model, str):
        train.values["model"] = located(model, folder)
        if not HUB.fullmatch(model) and not Path(train.values["model"]).exists():
            raise train.wrong("model", "a Hub id, or the path of a model that is there", model)
    template = train.values.get("chat_template")
    if isinstance(template, str) and "{" not in template:
        train.values["chat_template"] = located(template, folder)


def _embedders(keys: Keys, folder: Path) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Read names, or mappings of a name and the sides that it is used on."""
    allowed = "an embedder, or a mapping with 'name' and 'sides'"
    entries = keys.some("embedders", [EMBEDDER], allowed, lambda one: isinstance(one, str | Mapping) and bool(one))
    names, on_sides = [], {}
    for at, entry in enumerate(entries):
        if isinstance(entry, str):
            names.append(located_view(entry, folder))
            continue
        inner = Keys(entry, keys.path(f"embedders[{at}]"), keys.file, keys.lines)
        name = located_view(inner.required("name", inner.text("name", None), "an embedder"), folder)
        sides = inner.words("sides", list(SIDES), SIDES)
        _refuse_repeats(inner, "sides", tuple(sides))
        on_sides[name] = tuple(sides)
        inner.done()
        names.append(name)
    # By what tables call them, and by what they are: two names of one folder are one embedder.
    _refuse_repeats(keys, "embedders", tuple(map(short_name, names)))
    _refuse_repeats(keys, "embedders", tuple(map(known_by, names)))
    return names, on_sides


def _measures(keys: Keys | None, folder: Path) -> Measures:
    if keys is None:
        return Measures()
    metrics = keys.words("metrics", [])
    for at, metric in enumerate(metrics):
        try:
            metric_names(metric)
        except ParameterError as error:
            key = keys.item("metrics", at)
            raise ParameterError(f"{keys.place(key)}: '{keys.path(key)}': {error}") from None
    sides = keys.words("sides", list(SIDES), SIDES)
    _refuse_repeats(keys, "sides", tuple(sides))
    embedders, on_sides = _embedders(keys, folder)
    variants = tuple(_variant(one) for one in keys.list_of("variants"))
    _refuse_repeats(keys, "variants", tuple(one.name for one in variants))
    found = Measures(
        tuple(metrics) if metrics else None, variants, tuple(sides), tuple(embedders), on_sides,
        located_view(keys.text("tokenizer", Views.tokenizer), folder), keys.text("topics", Views.topics),
        keys.text("tags", Views.tags),
    )  # fmt: skip
    keys.done()
    return found


def _variant(keys: Keys) -> Variant:
    name = keys.required("name", keys.text("name", None), "what tables call the variant")
    metric = keys.required("metric", keys.text("metric", None), "a metric")
    if metric.partition("@")[0] not in METRICS:
        raise keys.unknown("metric", metric, list(METRICS))
    if name.partition("@")[0] in METRICS:
        raise keys.wrong("name", "a name that no metric has", name)
    params = keys.plain("params")
    reference = keys.flag("reference", True)
    try:
        (spec,) = metric_specs(metric)
        check_options(metric, spec.defaults, {**spec.preset, **params})
    except ParameterError as error:
        raise ParameterError(f"{keys.place('params')}: '{keys.path('params')}': {error}") from None
    keys.done()
    return Variant(name, metric, params, reference)


def _analysis(
    keys: Keys | None, evaluations: tuple[Evaluation, ...], subsets: tuple[SubsetSettings, ...], root: Keys
) -> Analysis:
    keys = keys or Keys({}, "analysis", root.file, root.lines)
    families = {one.name: one.headline for one in evaluations}
    inner = keys.inner("families")
    if inner is not None:
        families = {name: tuple(inner.words(name, [])) for name in list(inner.values)}
        _check_families(inner, families, evaluations)
    if len(families) > 1:
        _refuse_names(keys, list(families))
    labels = list(dict.fromkeys(one.arm for one in subsets))
    baseline = keys.one_of("baseline", "random" if "random" in labels else labels[0], labels)
    held = tuple(keys.words("held", DEFAULT_HELD, COVARIATES, empty=True))
    found = Analysis(
        families, held, baseline, keys.number("confidence", 0.95, 0.5, 0.999),
        keys.whole("resamples", 2_000, 100), keys.whole("permutations", 10_000, 100),
    )  # fmt: skip
    keys.done()
    return found


def _check_families(keys: Keys, families: Mapping[str, tuple[str, ...]], evaluations: tuple[Evaluation, ...]) -> None:
    """Refuse values of evaluations that there are not."""
    for name, values in families.items():
        _refuse_repeats(keys, name, values)
        for at, value in enumerate(values):
            if not any(one.gives(value) for one in evaluations):
                raise keys.unknown(keys.item(name, at), value, [headline for one in evaluations for headline in one.headline])


def _refuse_names(keys: Keys, names: list[str]) -> None:
    """Refuse families that would share a folder of tables, with each other or with that of all families together."""
    folders = [slug(name) for name in names]
    for name, folder in zip(names, folders, strict=True):
        if not folder or folder == TOGETHER or folders.count(folder) > 1:
            allowed = f"families whose names differ in their letters and digits, none of them '{TOGETHER}'"
            raise keys.wrong("families", allowed, name)
