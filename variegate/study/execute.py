"""A whole study, stage by stage; each goes on where a call that was killed left it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from variegate.errors import ParameterError, VariegateError, bad_parameter
from variegate.geometry import sharing
from variegate.progress import announce
from variegate.storage import alone_in
from variegate.study.folder import StudyFolder, write_json
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

__all__ = ["STAGES", "Work", "run_stages"]

# In their order; `correlate` is what comes after these, and looks at all that is there.
STAGES = ("subsets", "measures", "train", "evaluate", "correlate")

Item = TypeVar("Item")


class Watcher(Protocol):
    """Who is told how far a study is."""

    def stage(self, name: str, total: int, done: int) -> None:
        """A stage begins; some of it is done already."""

    def starts(self, name: str, what: str) -> None:
        """One piece of a stage begins."""

    def ends(self, name: str) -> None:
        """It is done."""


class Silent:
    """Nobody is told."""

    def stage(self, name: str, total: int, done: int) -> None:
        """Say nothing."""

    def starts(self, name: str, what: str) -> None:
        """Say nothing."""

    def ends(self, name: str) -> None:
        """Say nothing."""


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


def run_stages(work: Work, only: str | None = None, watch: Watcher | None = None) -> None:
    """Do what is not done yet, up to the evaluation of every run.

    What fails does not keep the rest from being done: `work.failures` says what, and why. It is tried again by the next call.

    Args:
        work: what there is to do.
        only: one stage of `STAGES`; all if None.
        watch: is told how far it is.

    Raises:
        DataError, ParameterError: the study cannot be done as it is planned; nothing was started.
    """
    if only is not None and only not in STAGES:
        raise bad_parameter("only", "the study", f"one of {', '.join(STAGES)}", only)
    watch = watch or Silent()
    work.folder.make()
    room = work.folder.path / f".shard-{work.shard[0]}-of-{work.shard[1]}"
    room.mkdir(exist_ok=True)
    # Two calls with the same share of the work would do everything twice.
    with alone_in(room), sharing():
        for one in work.study.evaluations:
            if only in (None, "train", "evaluate"):
                one.check()
        if work.shard[0] == 1:
            write_json(work.folder.path / "study.json", _lock(work))
        if only in (None, "subsets"):
            _subsets(work, watch)
        if only in (None, "measures"):
            _measures(work, watch)
        if only in (None, "train", "evaluate"):
            _runs(work, only, watch)


def _lock(work: Work) -> dict[str, Any]:
    runs = work.all_runs
    return {
        "name": work.study.name,
        "pool": work.pool.id,
        "runs": [{"run": run.id, "subset": run.subset_id, "name": run.subset.name, "seed": run.seed} for run in runs],
        "evaluations": {one.name: one.id for one in work.study.evaluations},
        "measures": [one.id for one in work.measures],
    }


def _each(
    work: Work, stage: str, items: Sequence[Item], done: Iterable[Item], name: Callable[[Item], str],
    act: Callable[[Item], None], watch: Watcher,
) -> None:  # fmt: skip
    finished = list(done)
    watch.stage(stage, len(items), len(finished))
    for item in items:
        if item in finished:
            continue
        watch.starts(stage, name(item))
        try:
            act(item)
        except VariegateError as error:
            work.failures.append((f"{stage}: {name(item)}", str(error)))
            announce(f"failed: {name(item)}: {error}")
            continue
        watch.ends(stage)


def _subsets(work: Work, watch: Watcher) -> None:
    def folder(wanted: SubsetSettings) -> Any:
        return work.folder.subset(subset_id(work.pool, wanted))

    ours = work.subsets
    _each(
        work, "subsets", ours, [one for one in ours if folder(one).done], lambda one: one.name,
        lambda one: make_subset(work.pool, one, folder(one)), watch,
    )  # fmt: skip


def _measures(work: Work, watch: Watcher) -> None:
    made = [(one, work.folder.subset(subset_id(work.pool, one))) for one in work.subsets]
    there = [(one, folder, measure) for one, folder in made if folder.done for measure in work.measures]
    _tell_missing(len(made) - sum(folder.done for _, folder in made), "subsets are not chosen yet, and are not measured")
    done = [one for one in there if one[1].measures(one[2].id).exists()]
    missing = {one[2].id for one in there if one not in done}
    prepare_views(work.pool, [one for one in work.measures if one.id in missing])
    _each(
        work, "measures", there, done, lambda one: f"{one[0].name}, {one[2].variant.name if one[2].variant else one[2].embedder}",
        lambda one: measure_subset(work.pool, one[1], one[2]), watch,
    )  # fmt: skip


def _runs(work: Work, only: str | None, watch: Watcher) -> None:
    ours = [run for run in work.runs if work.folder.subset(run.subset_id).done]
    _tell_missing(len(work.runs) - len(ours), "runs have no subset yet, and are not trained")
    if only == "evaluate":
        trained = [run for run in ours if work.folder.run(run.id).trained or work.is_done(run)]
        _tell_missing(len(ours) - len(trained), "runs are not trained yet, and are not evaluated")
        ours = trained

    def act(run: Run) -> None:
        if only != "evaluate":
            train_run(work.study, run, work.folder)
        if only != "train":
            evaluate_run(work.study, run, work.folder)

    def finished(run: Run) -> bool:
        return work.is_done(run) or (only == "train" and work.folder.run(run.id).trained)

    _each(
        work, "runs", ours, [run for run in ours if finished(run)], lambda run: f"{run.subset.name}, training seed {run.seed}",
        act, watch,
    )  # fmt: skip


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
