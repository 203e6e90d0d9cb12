"""`variegate study`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from variegate.cli.layout import format_option, print_table
from variegate.cli.options import say
from variegate.cli.reading import OutputPath, Reading, json_option, write_json
from variegate.cli.streams import echo
from variegate.errors import DataError

if TYPE_CHECKING:
    from variegate.study.analyse import Findings
    from variegate.study.cost import Cost
    from variegate.study.outcome import Conducted
    from variegate.study.statistics.correlate import Correlations

__all__ = ["study_command"]

INIT = "init"
SHOWN = 10


@click.command("study")
@click.argument("study")
@click.argument("new_file", required=False, metavar="[NEW.yaml]")
@click.option("-o", "--output", type=OutputPath(), metavar="DIR", help="Folder of the study. [default: STUDY without .yaml]")
@click.option("--dry-run", is_flag=True, help="Check the file, show what there is to do and what it costs, and do nothing.")
@click.option("--only", metavar="STAGE", help="One stage: subsets, measures, train, evaluate or correlate.")
@click.option("--shard", default="1/1", show_default=True, metavar="I/N", help="Do the I-th of N shares, for N jobs at once.")
@click.option("--report", type=OutputPath(), metavar="FILE", help="Where the page goes. [default: DIR/page.html]")
@format_option
@json_option("what was found")
@click.option("--quiet", is_flag=True, help="No progress and no notes.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
def study_command(
    study: str,
    new_file: str | None,
    output: Path | None,
    dry_run: bool,
    only: str | None,
    shard: str,
    report: Path | None,
    json_to: Path | None,
    quiet: bool,
) -> int:
    """Fine-tune on many subsets of a pool, evaluate, and say which subsets train best and which metric tells so.

    STUDY is a YAML file (docs/study.md). What is done stays done: after a kill, the same command goes on. `variegate study init`
    writes a file to start from, with a comment on every key.

    \b
    variegate study init study.yaml
    variegate study study.yaml --dry-run
    variegate study study.yaml
    variegate study study.yaml --shard 2/8 --only train
    variegate study study.yaml --only correlate
    """
    from variegate.progress import announce_by
    from variegate.study.conduct import check_stage, conduct, plan_study, write_starter
    from variegate.study.execute import read_shard

    # Where stderr is a file, as on a cluster, this is all that a person gets to know.
    announce_by(lambda message: say(message, quiet and not message.startswith("warning:")))

    if study == INIT:
        written = write_starter(new_file or "study.yaml")
        say(f"{written} is written. Fill it in, then: variegate study {written} --dry-run", quiet)
        return 0
    if new_file is not None:
        raise click.UsageError(f"Got unexpected extra argument ({new_file}).")
    Reading(quiet=quiet).check([json_to, report])
    share = read_shard(shard)
    check_stage(only)
    if dry_run:
        _show_plan(study, output, share, json_to)
        return 0
    from variegate.cli.live import Live

    plan_study(study, output, share)
    with Live(quiet).shown() as live:
        found = conduct(study, output, only=only, shard=share, watch=live, report=report)
    if found.page is not None:
        say(f"The page is {found.page}.", quiet)
    write_json(_as_json(found), json_to, lambda: _show(found))
    for what, why in found.failures:
        echo(f"failed: {what}: {why}", err=True)
    if found.failures:
        echo(f"{len(found.failures):,} pieces of work failed. The same command tries these again.", err=True)
    return 1 if found.failures else 0


def _show_plan(study: str, output: Path | None, share: tuple[int, int], json_to: Path | None) -> None:
    from variegate.study.conduct import plan_study
    from variegate.study.cost import cost_of

    work = plan_study(study, output, share)
    for one in work.study.evaluations:
        one.check()
    cost = cost_of(work)
    of_subset = {one.id: 0 for one in work.subsets}
    for run in work.runs:
        of_subset[run.subset.id] += work.is_done(run)
    rows = [
        [one.arm, one.side, "" if one.level is None else f"{one.level:g}", one.amount, str(one.seed),
         f"{of_subset[one.id]} of {len(work.study.training_seeds)}"]
        for one in work.subsets
    ]  # fmt: skip

    def show() -> None:
        print_table(["subset", "side", "level", "amount", "seed", "runs done"], rows, numbers_from=5)
        for line in _cost_lines(cost):
            echo(line)
        echo(f"Everything lies in {work.folder.path}. Nothing of it was done just now.")

    write_json({"cost": vars(cost), "subsets": [one.name for one in work.subsets]}, json_to, show)


def _cost_lines(cost: Cost) -> list[str]:
    from variegate.progress import duration

    seen, planned = cost.tokens
    lines = [
        f"{cost.subsets[1]:,} subsets ({cost.subsets[0]:,} are chosen).",
        f"{cost.measures[1]:,} measures of them ({cost.measures[0]:,} done).",
        f"{cost.runs[1]:,} runs of training and evaluation ({cost.runs[0]:,} done).",
    ]
    if planned is None:
        lines.append("How many tokens a run sees is up to the command that trains.")
    else:
        about = "about " if cost.estimated else ""
        lines.append(f"{about}{planned:,} tokens of training in all, {seen:,} of them seen.".capitalize())
    if cost.requests:
        lines.append(f"At most {cost.requests:,} requests to judges: each prompt in both orders, for each run that is left.")
    if cost.runs[0] == cost.runs[1]:
        lines.append("Every run is done.")
    elif cost.seconds_left is None:
        lines.append("How long it takes is known when the first run is finished: start the study, and ask again.")
    else:
        lines.append(
            f"About {duration(cost.seconds_left)} of training and evaluation are left, by the {cost.timed_runs:,} runs that are "
            "finished; N shares at once take an Nth of it."
        )
    return lines


def _as_json(found: Conducted) -> dict[str, Any]:
    from variegate.study.analyse import plain_findings

    return {
        "study": found.study.name, "folder": str(found.folder), "page": None if found.page is None else str(found.page),
        "runs": len(found.finished), "runs_planned": found.planned,
        "findings": [plain_findings(one) for one in found.findings], "failures": [list(one) for one in found.failures],
    }  # fmt: skip


def _show(found: Conducted) -> None:
    echo(f"{len(found.finished):,} of {found.planned:,} runs are finished, in {found.folder}.")
    for one in found.findings:
        _show_findings(one)


def _show_findings(one: Findings) -> None:
    if not one.arms:
        raise DataError("There are no runs to compare.")
    what = f"{one.amount}, {one.family}: {len(one.runs):,} runs of {len({run.subset for run in one.runs}):,} subsets"
    against = {(arm.strategy, arm.side, arm.level): arm for arm in one.differences}
    rows = []
    for arm in one.arms[:SHOWN]:
        other = against.get((arm.strategy, arm.side, arm.level))
        interval = "" if other is None or other.interval is None else f"{other.interval[0]:.2f} to {other.interval[1]:.2f}"
        rows.append(
            [f"{arm.strategy}{'' if arm.level is None else f' {arm.level:g} %'}", arm.side, str(arm.n), f"{arm.mean:.2f}",
             "" if other is None else f"{other.value:+.2f}", interval]
        )  # fmt: skip
    print_table(
        ["subset", "side", "subsets", "performance", "over baseline", "interval"], rows, numbers_from=2,
        title=f"What trains best ({what})",
    )  # fmt: skip
    for (group, held), table in one.correlations.items():
        _show_correlations(table, f"{what}; {group}, {held}")


def _show_correlations(table: Correlations, what: str) -> None:
    rows = []
    for row in table.rows[:SHOWN]:
        interval = "" if row.mean.interval is None else f"{row.mean.interval[0]:.2f} to {row.mean.interval[1]:.2f}"
        coefficients = [f"{one.value:.2f}" for one in (row.pearson, row.spearman, row.mean)]
        rows.append([row.metric, row.side, row.embedder, *coefficients, interval, f"{row.mean.p_max:.2g}"])
    print_table(
        ["metric", "side", "embedder", "Pearson", "Spearman", "mean", "interval", "p, all metrics"], rows, numbers_from=3,
        title=f"What predicts performance ({what})",
    )  # fmt: skip
