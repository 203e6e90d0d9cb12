"""A whole study, stage by stage; each goes on where a call that was killed left it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from variegate.errors import MissingExtraError, ParameterError, VariegateError, bad_parameter, unknown_name
from variegate.geometry import sharing
from variegate.progress import announce
from variegate.storage import alone_in
from variegate.study.folder import StudyFolder, SubsetFolder, clear_leftovers, leftovers, write_json
from variegate.study.plan import Study
from variegate.study.stages import (
    Measure,
    PoolData,
    Run,
    evaluate_run,
    make_subset,
    measure_subset,
    measures_of,
    missing_evaluations,
    prepare_views,
    runs_of,
    subset_id,
    train_run,
)
from variegate.study.subsets import SubsetSettings

__all__ = ["STAGES", "Work", "check_stage", "read_shard", "run_stages"]

# In their order; `correlate` is what comes after these, and looks at all that is there.
STAGES = ("subsets", "measures", "train", "evaluate", "correlate")
LOCK = "study.json"

Item = TypeVar("Item")


class Watcher(Protocol):
    """Who is told how far a study is."""

    def stage(self, name: str, total: int, done: int) -> None:
        """A stage begins; some of it is done already."""

    def starts(self, name: str, what: str) -> None:
        """One piece of a stage begins."""

    def ends(self, name: str) -> None:
        """It is done."""

    def fails(self, name: str) -> None:
        """It failed; the stage goes on."""


class Silent:
    """Nobody is told."""

    def stage(self, name: str, total: int, done: int) -> None:
        """Say nothing."""

    def starts(self, name: str, what: str) -> None:
        """Say nothing."""

    def ends(self, name: str) -> None:
        """Say nothing."""

    def fails(self, name: str) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class How(Generic[Item]):
    """How the pieces of a stage are done.

    Attributes:
        name: of a piece, for people.
        folder: where its result comes to lie.
        done: whether it is done.
        act: does it.
        fatal: errors that every other piece would have too.
    """

    name: Callable[[Item], str]
    folder: Callable[[Item], Path]
    done: Callable[[Item], bool]
    act: Callable[[Item], None]
    fatal: tuple[type[Exception], ...] = ()


@dataclass
class Work:
    """What a study has to do.

    Attributes:
        study: as its file says.
        folder: where everything lies.
        shard: (which, of how many); subsets are dealt out, with all their runs.
    """

    study: Study
    folder: StudyFolder
    shard: tuple[int, int] = (1, 1)
    pool: PoolData = field(init=False)
    failures: list[tuple[str, str]] = field(default_factory=list)
    _runs: list[Run] | None = None
    _measures: list[Measure] | None = None

    def __post_init__(self) -> None:
        which, count = self.shard
        if not 1 <= which <= count:
            raise bad_parameter("shard", "the study", "I/N with I from 1 to N", f"{which}/{count}")
        self.pool = PoolData(self.study.pool)

    @property
    def all_runs(self) -> list[Run]:
        """Every run, whoever does it."""
        if self._runs is None:
            self._runs = runs_of(self.study, self.pool)
        return self._runs

    @property
    def measures(self) -> list[Measure]:
        """What is measured on each subset."""
        if self._measures is None:
            self._measures = measures_of(self.study.measures, self.pool)
        return self._measures

    @property
    def subsets(self) -> list[SubsetSettings]:
        """Our share of the subsets."""
        which, count = self.shard
        return list(self.study.subsets[which - 1 :: count])

    @property
    def runs(self) -> list[Run]:
        """Our share of the runs: those of our subsets."""
        ours = {one.id for one in self.subsets}
        return [run for run in self.all_runs if run.subset.id in ours]

    def is_done(self, run: Run) -> bool:
        """Whether a run is trained and evaluated."""
        folder = self.folder.run(run.id)
        return folder.training.exists() and not missing_evaluations(self.study, run, folder)


def check_stage(only: str | None) -> None:
    """Refuse a stage that there is not.

    Raises:
        ParameterError: the message names those that are near.
    """
    if only is not None and only not in STAGES:
        raise unknown_name("stage", only, STAGES)


def run_stages(work: Work, only: str | None = None, watch: Watcher | None = None) -> None:
    """Do what is not done yet, up to the evaluation of every run.

    What fails does not keep the rest from being done: `work.failures` says what, and why. It is tried again by the next call.

    Args:
        work: what there is to do.
        only: one stage of `STAGES`; all if None.
        watch: is told how far it is.

    Raises:
        DataError, ParameterError: the study cannot be done as it is planned.
    """
    check_stage(only)
    watch = watch or Silent()
    work.folder.make()
    room = work.folder.path / f".shard-{work.shard[0]}-of-{work.shard[1]}"
    room.mkdir(exist_ok=True)
    # Two calls with the same share of the work would only stand in each other's way.
    with alone_in(room), sharing():
        for one in work.study.evaluations:
            if only in (None, "train", "evaluate"):
                one.check()
        if work.shard[0] == 1:
            _write_lock(work)
        _clear(work)
        if only in (None, "subsets"):
            _subsets(work, watch)
        if only in (None, "measures"):
            _measures(work, watch)
        if only in (None, "train", "evaluate"):
            _runs(work, only, watch)


def _write_lock(work: Work) -> None:
    """Write what the study is made of, and remove what a call that was killed meanwhile left of it."""
    # Two calls of another number of shares may both be the first.
    with alone_in(work.folder.path, told=False):
        for left in work.folder.path.glob(f".*.{LOCK}"):
            left.unlink()
        write_json(work.folder.path / LOCK, _lock(work))


def _lock(work: Work) -> dict[str, Any]:
    runs = work.all_runs
    return {
        "name": work.study.name,
        "pool": work.pool.id,
        "runs": [{"run": run.id, "subset": run.subset_id, "name": run.subset.name, "seed": run.seed} for run in runs],
        "evaluations": {one.name: one.id for one in work.study.evaluations},
        "measures": [one.id for one in work.measures],
    }


def _clear(work: Work) -> None:
    """Remove what calls that were killed left in our folders."""
    folders = [work.folder.subset(subset_id(work.pool, one)).path for one in work.subsets]
    for folder in [*folders, *(work.folder.run(run.id).path for run in work.runs)]:
        if leftovers(folder):
            # Another share that overlaps with ours may be at work in it.
            with alone_in(folder, told=False):
                clear_leftovers(folder)


def _each(work: Work, stage: str, items: Sequence[Item], how: How[Item], watch: Watcher) -> None:
    """Do what is not done of some pieces, one after the other; what fails is noted."""
    todo = [item for item in items if not how.done(item)]
    watch.stage(stage, len(items), len(items) - len(todo))
    for item in todo:
        watch.starts(stage, how.name(item))
        try:
            how.folder(item).mkdir(parents=True, exist_ok=True)
            # A call with another share that overlaps with ours would work in the same folder.
            with alone_in(how.folder(item), told=False):
                if not how.done(item):
                    how.act(item)
        except how.fatal:
            raise
        except Exception as error:
            # A device that is out of memory, a full disk, a template's own code: the other pieces may still be done.
            why = str(error) if isinstance(error, VariegateError) else _described(error)
            work.failures.append((f"{stage}: {how.name(item)}", why))
            announce(f"failed: {how.name(item)}: {why}")
            watch.fails(stage)
            continue
        watch.ends(stage)


def _described(error: Exception) -> str:
    """Say what an error that nobody planned for is, and where it came up."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first} ({Path(at.filename).name}, line {at.lineno})"


def _subsets(work: Work, watch: Watcher) -> None:
    def folder(wanted: SubsetSettings) -> SubsetFolder:
        return work.folder.subset(subset_id(work.pool, wanted))

    how = How[SubsetSettings](
        lambda one: one.name, lambda one: folder(one).path, lambda one: folder(one).done,
        lambda one: make_subset(work.pool, one, folder(one)),
    )  # fmt: skip
    _each(work, "subsets", work.subsets, how, watch)


def _measures(work: Work, watch: Watcher) -> None:
    made = [(one, work.folder.subset(subset_id(work.pool, one))) for one in work.subsets]
    there = [(one, folder, measure) for one, folder in made if folder.done for measure in work.measures]
    _tell_missing(len(made) - sum(folder.done for _, folder in made), "subsets are not chosen yet, and are not measured")
    names = {measure.id for measure in work.measures for _, folder in made if not folder.measures(measure.id).exists()}
    prepare_views(work.pool, [one for one in work.measures if there and one.id in names])
    lacking: dict[str, list[str]] = {}

    def act(item: tuple[SubsetSettings, SubsetFolder, Measure]) -> None:
        for metric, reason in measure_subset(work.pool, item[1], item[2]):
            lacking.setdefault(item[2].variant.name if item[2].variant else metric, []).append(reason)

    how = How[tuple[SubsetSettings, SubsetFolder, Measure]](
        lambda item: f"{item[0].name}, {item[2].variant.name if item[2].variant else item[2].embedder}",
        lambda item: item[1].path, lambda item: item[1].measures(item[2].id).exists(), act,
    )  # fmt: skip
    _each(work, "measures", there, how, watch)
    for metric, reasons in lacking.items():
        announce(f"note: {metric} could not be measured {len(reasons):,} times, the first for this: {reasons[0]}")


def _runs(work: Work, only: str | None, watch: Watcher) -> None:
    ours = [run for run in work.runs if work.folder.subset(run.subset_id).done]
    _tell_missing(len(work.runs) - len(ours), "runs have no subset yet, and are not trained")
    if only == "evaluate":
        trained = [run for run in ours if work.folder.run(run.id).trained or work.is_done(run)]
        _tell_missing(len(ours) - len(trained), "runs have no model, and are not evaluated; `--only train` makes it")
        ours = trained

    def act(run: Run) -> None:
        if only != "evaluate":
            train_run(work.study, run, work.folder)
        if only != "train":
            evaluate_run(work.study, run, work.folder)

    def done(run: Run) -> bool:
        return work.is_done(run) or (only == "train" and work.folder.run(run.id).trained)

    # A setting that is not possible with this model or on this machine is as impossible for every other run.
    how = How[Run](
        lambda run: f"{run.subset.name}, training seed {run.seed}", lambda run: work.folder.run(run.id).path, done, act,
        fatal=(ParameterError, MissingExtraError),
    )  # fmt: skip
    _each(work, "runs", ours, how, watch)


def _tell_missing(count: int, what: str) -> None:
    if count:
        announce(f"note: {count:,} {what}")


def read_shard(text: str) -> tuple[int, int]:
    """Read I/N.

    Raises:
        ParameterError: it is something else.

    >>> read_shard("2/8")
    (2, 8)
    """
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts) or not 1 <= int(parts[0]) <= int(parts[1]):
        raise ParameterError(f"--shard takes I/N with I from 1 to N, such as 1/8. Got {text!r} instead.")
    return int(parts[0]), int(parts[1])
