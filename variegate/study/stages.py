"""The stages of a study, one function each: what one subset or one run takes, done once and kept whole."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from variegate._version import __version__
from variegate.corpus import Corpus
from variegate.errors import DataError, ParameterError, VariegateError
from variegate.loading import load
from variegate.metrics import MAX_PAIR_ROWS, build_views, measure, metric_names, metric_specs
from variegate.strategies import tokens_by_side
from variegate.study.evaluation.settings import Evaluation
from variegate.study.folder import RunFolder, StudyFolder, SubsetFolder, read_json, write_json
from variegate.study.halves import half_of, lowest
from variegate.study.identity import fingerprint, identity, known_by
from variegate.study.plan import Measures, Pool, Study, Variant
from variegate.study.subsets import SubsetSettings, select_rows
from variegate.study.training import fine_tune
from variegate.viewing import Views
from variegate.views.lsa.names import settled

__all__ = [
    "Measure", "PoolData", "Run", "evaluate_run", "make_subset", "measure_subset", "measures_of", "missing_evaluations",
    "prepare_views", "runs_of", "subset_id", "train_run",
]  # fmt: skip

# What a run's numbers do not depend on: how many devices share the work, where things lie, what is looked for afterwards. The
# model counts by its files.
NOT_OF_A_RUN = ("model", "processes", "accelerate_config", "expects")


class PoolData:
    """The pool of a study, read when it is first needed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @cached_property
    def whole(self) -> Corpus:
        """All rows of the files."""
        return load(list(self._pool.data))

    @cached_property
    def corpus(self) -> Corpus:
        """The rows that subsets are chosen from."""
        return lowest(half_of(self.whole, self._pool.half), self._pool.rows)

    @cached_property
    def id(self) -> str:
        """The hash of what the pool holds."""
        return identity({"sha256": self.whole.sha256, "half": self._pool.half, "rows": self._pool.rows})

    def embedder(self, name: str) -> str:
        """Return the name of an embedder that stands for one fit, on the pool, whatever part is looked at."""
        return settled(name, [self.corpus])


def subset_id(pool: PoolData, wanted: SubsetSettings) -> str:
    """Return the hash of the pool and of how rows are chosen from it."""
    return identity({"pool": pool.id, "subset": wanted.id, "embedder": _files_of(wanted.embedder)})


def make_subset(pool: PoolData, wanted: SubsetSettings, folder: SubsetFolder) -> None:
    """Choose the rows of a subset, and write them as `messages`.

    Raises:
        DataError, ParameterError: the subset cannot be had; the message names it.
    """
    if folder.done:
        return
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        rows, chosen = select_rows(pool.corpus, replace(wanted, embedder=pool.embedder(wanted.embedder)))
    except VariegateError as error:
        raise type(error)(f"subset '{wanted.name}': {error}") from None
    part = pool.corpus.take(rows, wanted.name)
    part.converted("messages").write(folder.rows)
    record = chosen.as_dict()
    # Of a part of the pool, where only some of its values were allowed; `rows` counts in the pool itself.
    record.pop("indices", None)
    write_json(
        folder.record,
        {
            "name": wanted.name, "settings": asdict(wanted), "pool": pool.id, "rows": rows.tolist(),
            "file_rows": pool.corpus.numbers[rows].tolist(), "counts": _counts(part, wanted.tokenizer), "selection": record,
            "version": __version__,
        },
    )  # fmt: skip


def _counts(part: Corpus, tokenizer: str) -> dict[str, float]:
    of_side = tokens_by_side(part, tokenizer)
    n, both = len(part), of_side["both"]
    response = of_side.get("response", both)
    return {
        "rows": n, "tokens": both, "response_tokens": response, "mean_tokens": both / n, "mean_response_tokens": response / n,
        "distinct_rows": len(set(part.texts("both").to_pylist())),
    }  # fmt: skip


@dataclass(frozen=True)
class Measure:
    """Metrics that are measured together.

    Attributes:
        metrics: names.
        sides: of the texts.
        embedder: as the study spells it.
        views: how views are made, on every side; the embedder is the settled one.
        variant: whose parameters they have; None for a metric's own.
    """

    metrics: tuple[str, ...]
    sides: tuple[str, ...]
    embedder: str
    views: Views
    variant: Variant | None = None

    @property
    def id(self) -> str:
        """The hash of all that the values depend on but the rows; files count by what they hold, not by where they lie."""
        made = {
            "embedder": known_by(self.views.embedder), "tokenizer": known_by(self.views.tokenizer), "topics": self.views.topics,
            "tags": self.views.tags, "max_pair_rows": MAX_PAIR_ROWS,
        }  # fmt: skip
        return identity(
            {
                "metrics": self.metrics, "sides": self.sides, "embedder": known_by(self.embedder), "settings": made,
                "variant": None if self.variant is None else asdict(self.variant), "files": _files_of(self.embedder),
            }
        )  # fmt: skip


def measures_of(wanted: Measures, pool: PoolData) -> list[Measure]:
    """Return what is measured on each subset: all metrics by the first embedder, those of vectors by each."""
    names = [name for one in wanted.metrics or ("all",) for name in metric_names(one)]
    names = list(dict.fromkeys(names))
    found = []
    for at, embedder in enumerate(wanted.embedders):
        views = Views("both", pool.embedder(embedder), wanted.tokenizer, wanted.topics, wanted.tags)
        sides = wanted.embedder_sides.get(embedder, wanted.sides)
        some = tuple(name for name in names if not at or _looks_at_vectors(name, views))
        if some:
            found.append(Measure(some, sides, embedder, views))
        for variant in wanted.variants:
            if not at or _looks_at_vectors(variant.metric, views):
                found.append(Measure((variant.metric,), sides, embedder, views, variant))
    return found


def _looks_at_vectors(name: str, views: Views) -> bool:
    (spec,) = metric_specs(name)
    return "embedder" in views.needs(spec.view)


def prepare_views(pool: PoolData, measures: list[Measure]) -> None:
    """Build on the pool what metrics look at, so that subsets take their share of it."""
    for one in measures:
        specs = [spec for name in one.metrics for spec in metric_specs(name)]
        build_views(pool.corpus, [side for side in one.sides if side in pool.corpus.sides], specs, one.views)


def measure_subset(pool: PoolData, folder: SubsetFolder, wanted: Measure) -> list[list[str]]:
    """Measure a subset against the pool.

    Returns:
        What could not be measured, as [metric, reason]: kept as that, never as a number.
    """
    target = folder.measures(wanted.id)
    if target.exists():
        return []
    target.parent.mkdir(exist_ok=True)
    part = pool.corpus.take(np.array(read_json(folder.record)["rows"], np.int64))
    variant, failures = wanted.variant, list[list[str]]()
    own = {} if variant is None else {variant.metric: dict(variant.params)}
    values = []
    for side in wanted.sides:
        found = measure(
            part, list(wanted.metrics), reference=pool.corpus if variant is None or variant.reference else None,
            **wanted.views.as_options() | {"side": side}, params=own,
            on_failure=lambda name, error: failures.append([name, str(error)]),
        )  # fmt: skip
        for one in found:
            values.append(
                {
                    "metric": one.metric if variant is None else variant.name, "side": side, "value": one.value, "n": one.n,
                    "embedder": wanted.embedder if _looks_at_vectors(one.metric, wanted.views) else "",
                    "higher_is_more_diverse": one.higher_is_more_diverse, "params": one.params,
                }
            )  # fmt: skip
    write_json(target, {"values": values, "failures": failures, "version": __version__})
    return failures


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        id: the hash of subset, model, training and seed.
        subset: what it is trained on.
        subset_id: the hash of that.
        seed: of the training.
    """

    id: str
    subset: SubsetSettings
    subset_id: str
    seed: int


def runs_of(study: Study, pool: PoolData) -> list[Run]:
    """Return all runs: every subset with the first seed, then with the next."""
    model = fingerprint(study.training.model)
    settings = {name: value for name, value in study.training.as_dict().items() if name not in NOT_OF_A_RUN}
    found = []
    for seed in study.training_seeds:
        for wanted in study.subsets:
            of_subset = subset_id(pool, wanted)
            name = identity({"subset": of_subset, "model": model, "training": settings, "seed": seed})
            found.append(Run(name, wanted, of_subset, seed))
    return found


def _files_of(embedder: str) -> str | None:
    """Return the hash of an embedder's files, where it names some."""
    known = known_by(embedder)
    return None if known == embedder else known.rpartition(":")[2]


def train_run(study: Study, run: Run, study_folder: StudyFolder) -> None:
    """Train a run's model, unless it lies there."""
    folder = study_folder.run(run.id)
    if folder.trained:
        return
    folder.path.mkdir(parents=True, exist_ok=True)
    # The record of a model that was removed is not that of the one to come.
    folder.training.unlink(missing_ok=True)
    about = {"subset": run.subset_id, "subset_name": run.subset.name, "seed": run.seed, "training": study.training.as_dict()}
    write_json(folder.settings, {**about, "model": fingerprint(study.training.model)})
    done = fine_tune(study_folder.subset(run.subset_id).rows, folder.path, study.training, seed=run.seed)
    write_json(folder.training, {**done, "version": __version__})


def missing_evaluations(study: Study, run: Run, folder: RunFolder) -> list[Evaluation]:
    """Return the evaluations of a run that are not there yet."""
    return [one for one in study.evaluations if not folder.evaluation(one.id).exists()]


def evaluate_run(study: Study, run: Run, study_folder: StudyFolder) -> None:
    """Evaluate a run's model, and remove the model where it is not to be kept.

    Raises:
        DataError: an evaluation came to no number.
        ParameterError: one has no value of a name that counts for performance, in this run or in any.
    """
    folder = study_folder.run(run.id)
    for one in missing_evaluations(study, run, folder):
        target = folder.evaluation(one.id)
        target.parent.mkdir(exist_ok=True)
        begun = time.perf_counter()
        found = one.run(folder.model, run.id, study_folder.path)
        _refuse_no_numbers(found["values"], one.name, run)
        write_json(target, {"name": one.name, **found, "seconds": time.perf_counter() - begun, "version": __version__})
        _refuse_what_is_not_there(study, one, found["values"], run)
    if not study.keep_models:
        folder.remove_model()


def _refuse_no_numbers(values: Mapping[str, Any], name: str, run: Run) -> None:
    for key, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
            raise DataError(f"run {run.id}: {name} gave {value!r} for {key}, which is no measurement.")


def _refuse_what_is_not_there(study: Study, one: Evaluation, values: Mapping[str, Any], run: Run) -> None:
    """Stop at the first run rather than after the last, where what counts for performance is nothing that is evaluated."""
    for family, names in study.analysis.families.items():
        for name in names:
            if name.split("/")[0] == one.name and name not in values and name not in one.optional:
                raise ParameterError(
                    f"'analysis.families' counts {name!r} for {family!r}, and run {run.id} has no such value. Its evaluation "
                    f"has: {', '.join(values)}. Correct the name; what is evaluated is kept."
                )
