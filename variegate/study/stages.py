"""The stages of a study, one function each: what one subset or one run takes, done once and kept whole."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from variegate._version import __version__
from variegate.corpus import Corpus
from variegate.errors import DataError, VariegateError
from variegate.loading import load
from variegate.metrics import build_views, measure, metric_names, metric_specs
from variegate.metrics.run import Settings
from variegate.strategies import tokens_by_side
from variegate.study.evaluation.settings import Evaluation
from variegate.study.folder import RunFolder, StudyFolder, SubsetFolder, read_json, write_json
from variegate.study.halves import half_of, lowest
from variegate.study.identity import identity
from variegate.study.plan import Measures, Pool, Study, Variant
from variegate.study.subsets import SubsetSettings, select_rows
from variegate.study.training import fine_tune
from variegate.views.clusters import is_clustering
from variegate.views.lsa import settled

__all__ = [
    "Measure", "PoolData", "Run", "evaluate_run", "make_subset", "measure_subset", "measures_of", "missing_evaluations",
    "prepare_views", "runs_of", "subset_id", "train_run",
]  # fmt: skip

# What a run's numbers do not depend on: how many devices share the work, and where things lie. The model counts by its files.
NOT_OF_A_RUN = ("model", "processes", "accelerate_config")
# Of a model's file, so much at either end is looked at to tell it from others; small ones whole.
ENDS = 8 << 20


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
    return identity({"pool": pool.id, "subset": wanted.id, "embedder": files_of(wanted.embedder)})


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
        settings: how views are made; its embedder is the settled one.
        variant: whose parameters they have; None for a metric's own.
    """

    metrics: tuple[str, ...]
    sides: tuple[str, ...]
    embedder: str
    settings: Settings
    variant: Variant | None = None

    @property
    def id(self) -> str:
        """The hash of all that the values depend on but the rows."""
        return identity({**asdict(self), "files": files_of(self.embedder)})


def measures_of(wanted: Measures, pool: PoolData) -> list[Measure]:
    """Return what is measured on each subset: all metrics by the first embedder, those of vectors by each."""
    names = [name for one in wanted.metrics or ("all",) for name in metric_names(one)]
    names = list(dict.fromkeys(names))
    found = []
    for at, embedder in enumerate(wanted.embedders):
        settings = Settings(pool.embedder(embedder), wanted.tokenizer, wanted.topics, wanted.tags)
        sides = wanted.embedder_sides.get(embedder, wanted.sides)
        some = tuple(name for name in names if not at or _looks_at_vectors(name, wanted.topics))
        if some:
            found.append(Measure(some, sides, embedder, settings))
        for variant in wanted.variants:
            if not at or _looks_at_vectors(variant.metric, wanted.topics):
                found.append(Measure((variant.metric,), sides, embedder, settings, variant))
    return found


def _looks_at_vectors(name: str, topics: str) -> bool:
    (spec,) = metric_specs(name)
    return spec.view == "vectors" or (spec.view == "topics" and is_clustering(topics))


def prepare_views(pool: PoolData, measures: list[Measure]) -> None:
    """Build on the pool what metrics look at, so that subsets take their share of it."""
    for one in measures:
        specs = [spec for name in one.metrics for spec in metric_specs(name)]
        build_views(pool.corpus, [side for side in one.sides if side in pool.corpus.sides], specs, one.settings)


def measure_subset(pool: PoolData, folder: SubsetFolder, wanted: Measure) -> None:
    """Measure a subset against the pool; what cannot be measured is kept as a reason, never as a number."""
    target = folder.measures(wanted.id)
    if target.exists():
        return
    target.parent.mkdir(exist_ok=True)
    part = pool.corpus.take(np.array(read_json(folder.record)["rows"], np.int64))
    variant, failures = wanted.variant, []
    own = {} if variant is None else {variant.metric: dict(variant.params)}
    values = []
    for side in wanted.sides:
        found = measure(
            part, list(wanted.metrics), reference=pool.corpus if variant is None or variant.reference else None, side=side,
            embedder=wanted.settings.embedder, tokenizer=wanted.settings.tokenizer, topics=wanted.settings.topics,
            tags=wanted.settings.tags, params=own, on_failure=lambda name, error: failures.append([name, str(error)]),
        )  # fmt: skip
        for one in found:
            values.append(
                {
                    "metric": one.metric if variant is None else variant.name, "side": side, "value": one.value, "n": one.n,
                    "embedder": wanted.embedder if _looks_at_vectors(one.metric, wanted.settings.topics) else "",
                    "higher_is_more_diverse": one.higher_is_more_diverse, "params": one.params,
                }
            )  # fmt: skip
    write_json(target, {"values": values, "failures": failures, "version": __version__})


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


@lru_cache(maxsize=16)
def fingerprint(model: str) -> str:
    """Return what a model is known by: its name on the Hub, or the hash of the files of its folder."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    hasher = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".bin", ".model", ".jinja") and path.name != "base_model.json":
            hasher.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            for part in _ends(path):
                hasher.update(part)
    return hasher.hexdigest()


def files_of(embedder: str) -> str | None:
    """Return the hash of an embedder's files, where it is a folder: another model under the same name makes other vectors."""
    path = embedder.removeprefix("hf:")
    return fingerprint(path) if Path(path).is_dir() else None


def _ends(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield stream.read(ENDS)
        if path.stat().st_size > ENDS:
            stream.seek(-ENDS, 2)
            yield stream.read()


def train_run(study: Study, run: Run, study_folder: StudyFolder) -> None:
    """Train a run's model, unless it lies there."""
    folder = study_folder.run(run.id)
    if folder.trained:
        return
    folder.path.mkdir(parents=True, exist_ok=True)
    about = {"subset": run.subset_id, "subset_name": run.subset.name, "seed": run.seed, "training": study.training.as_dict()}
    write_json(folder.settings, about)
    done = fine_tune(study_folder.subset(run.subset_id).rows, folder.path, study.training, seed=run.seed)
    write_json(folder.training, {**done, "version": __version__})


def missing_evaluations(study: Study, run: Run, folder: RunFolder) -> list[Evaluation]:
    """Return the evaluations of a run that are not there yet."""
    return [one for one in study.evaluations if not folder.evaluation(one.id).exists()]


def evaluate_run(study: Study, run: Run, study_folder: StudyFolder) -> None:
    """Evaluate a run's model, and remove the model where it is not to be kept."""
    folder = study_folder.run(run.id)
    for one in missing_evaluations(study, run, folder):
        target = folder.evaluation(one.id)
        target.parent.mkdir(exist_ok=True)
        begun = time.perf_counter()
        found = one.run(folder.model, run.id, study_folder.path)
        _refuse_no_numbers(found["values"], one.name, run)
        write_json(target, {"name": one.name, **found, "seconds": time.perf_counter() - begun, "version": __version__})
    if not study.keep_models:
        shutil.rmtree(folder.model, ignore_errors=True)


def _refuse_no_numbers(values: Mapping[str, Any], name: str, run: Run) -> None:
    for key, value in values.items():
        if not np.isfinite(value):
            raise DataError(f"run {run.id}: {name} gave {value} for {key}, which is no measurement.")
