"""A study from its file to its findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from variegate.errors import DataError
from variegate.progress import announce
from variegate.storage import whole_file
from variegate.study.analyse import Findings, analyse, write_findings
from variegate.study.execute import STAGES, Watcher, Work, run_stages
from variegate.study.folder import StudyFolder
from variegate.study.plan import Study, read_study
from variegate.study.results import Finished, collect, write_runs

__all__ = ["STAGES", "Conducted", "conduct", "plan_study", "starter", "write_starter"]


@dataclass(frozen=True)
class Conducted:
    """What a call of :func:`conduct` has come to.

    Attributes:
        study: as its file says.
        folder: where everything lies.
        finished: runs that are done, of this call and earlier ones.
        planned: runs in all.
        findings: by amount of data and family of tests; empty before there is something to compare.
        failures: what failed, and why; it is tried again by the next call.
    """

    study: Study
    folder: Path
    finished: Sequence[Finished]
    planned: int
    findings: Sequence[Findings] = ()
    failures: Sequence[tuple[str, str]] = field(default=())


def conduct(
    file: str | Path,
    folder: str | Path | None = None,
    *,
    only: str | None = None,
    shard: tuple[int, int] = (1, 1),
    watch: Watcher | None = None,
) -> Conducted:
    """Do what a study's file says: subsets, measures, training, evaluation, tables.

    A call that is killed goes on where it was; what is done is never done again, and what a changed setting does not touch stays.

    Args:
        file: the study, in YAML.
        folder: where everything comes to lie; beside the file, under its name without an ending, if None.
        only: one stage of `STAGES`; all if None.
        shard: (I, N): only the I-th of N shares of the subsets, with their runs, for N calls at once.
        watch: is told how far it is.

    Returns:
        What is done and what was found.

    Raises:
        DataError, ParameterError: the file, or what it names, cannot be used.
        MissingExtraError: a package that it takes is not installed.
    """
    work = plan_study(file, folder, shard)
    run_stages(work, only, watch)
    finished = collect(work)
    findings: list[Findings] = []
    if only in (None, "correlate"):
        if len(finished) < len(work.all_runs):
            announce(f"note: {len(finished):,} of {len(work.all_runs):,} runs are finished; the tables are made of these")
        if finished:
            write_runs(finished, work)
        if len({one.run.subset_id for one in finished}) > 1:
            findings = analyse(finished, work.study.analysis)
            write_findings(findings, work.folder.tables)
        else:
            announce("note: there are no two subsets with finished runs yet, so nothing can be compared")
    return Conducted(work.study, work.folder.path, finished, len(work.all_runs), findings, work.failures)


def plan_study(file: str | Path, folder: str | Path | None = None, shard: tuple[int, int] = (1, 1)) -> Work:
    """Read a study's file, and return what there is to do; nothing is done."""
    path = Path(file)
    place = Path(folder) if folder is not None else path.with_suffix("")
    if place == path:
        raise DataError(f"{path}: has no ending, so its folder cannot have its name. Call it {path}.yaml, or name a folder.")
    return Work(read_study(path), StudyFolder(place), shard)


def write_starter(target: str | Path) -> Path:
    """Write a study's file to start from, with a comment on every key.

    Raises:
        DataError: something lies there already.
    """
    path = Path(target)
    if path.exists():
        raise DataError(f"{path}: is there already, and nothing is overwritten. Name a new file.")
    with whole_file(path) as temporary:
        temporary.write_text(starter(), encoding="utf-8")
    return path


def starter() -> str:
    """Return a study's file with a comment on every key."""
    return files("variegate.study").joinpath("starter.yaml").read_text(encoding="utf-8")
