"""A study from its file to its findings."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from variegate.errors import DataError
from variegate.progress import announce
from variegate.storage import alone_in, whole_file
from variegate.study.analyse import Findings, analyse, write_findings
from variegate.study.execute import STAGES, Watcher, Work, check_stage, run_stages
from variegate.study.folder import StudyFolder, clear_leftovers
from variegate.study.outcome import Conducted
from variegate.study.page import write_page
from variegate.study.plan import read_study
from variegate.study.results import RUNS, collect, write_runs

__all__ = ["STAGES", "Conducted", "check_stage", "conduct", "plan_study", "starter", "write_starter"]


def conduct(
    file: str | Path,
    folder: str | Path | None = None,
    *,
    only: str | None = None,
    shard: tuple[int, int] = (1, 1),
    watch: Watcher | None = None,
    report: Path | None = None,
) -> Conducted:
    """Do what a study's file says: subsets, measures, training, evaluation, tables, page.

    A call that is killed goes on where it was; what is done is never done again, and what a changed setting does not touch stays.

    Args:
        file: the study, in YAML.
        folder: where everything comes to lie; beside the file, under its name without an ending, if None.
        only: one stage of `STAGES`; all if None.
        shard: (I, N): only the I-th of N shares of the subsets, with their runs, for N calls at once.
        watch: is told how far it is.
        report: where the page goes; into the folder if None.

    Returns:
        What is done and what was found.

    Raises:
        DataError, ParameterError: the file, or what it names, cannot be used.
        MissingExtraError: a package that it takes is not installed.
    """
    work = plan_study(file, folder, shard)
    run_stages(work, only, watch)
    if only not in (None, "correlate"):
        return Conducted(work.study, work.folder.path, collect(work), len(work.all_runs), (), work.failures)
    # One after the other: of several shares that end at once, the last one finds the runs of all.
    with alone_in(work.folder.tables):
        return _correlated(work, report)


def _correlated(work: Work, report: Path | None) -> Conducted:
    """Make the tables and the page of the runs that are finished."""
    from variegate.study.page import PAGE

    clear_leftovers(work.folder.tables)
    for name in (RUNS, PAGE):
        for left in work.folder.path.glob(f".*.{name}"):
            left.unlink()
    finished, planned = collect(work), len(work.all_runs)
    if len(finished) < planned:
        announce(f"note: {len(finished):,} of {planned:,} runs are finished; the tables are made of these")
    if finished:
        write_runs(finished, work)
    findings: list[Findings] = []
    if len({one.run.subset_id for one in finished}) > 1:
        findings = analyse(finished, work.study.analysis)
    found = Conducted(work.study, work.folder.path, finished, planned, findings, work.failures)
    if findings:
        write_findings(findings, work.folder.tables)
        return replace(found, page=write_page(found, report))
    announce("note: there are no two subsets with finished runs that differ, so nothing can be compared yet")
    if any(work.folder.tables.iterdir()):
        announce(f"note: what lies in {work.folder.tables} was found by an earlier call, of other settings")
    return found


def plan_study(file: str | Path, folder: str | Path | None = None, shard: tuple[int, int] = (1, 1)) -> Work:
    """Read a study's file, and return what there is to do; nothing is done."""
    path = Path(file)
    study = read_study(path)
    place = Path(folder) if folder is not None else path.with_suffix("")
    if place == path:
        raise DataError(f"{path}: has no ending, so its folder cannot have its name. Call it {path}.yaml, or name a folder.")
    return Work(study, StudyFolder(place), shard)


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
