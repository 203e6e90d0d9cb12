"""`variegate simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from variegate.cli.layout import format_option, print_table
from variegate.cli.reading import OutputPath, Reading, json_option, write_json
from variegate.cli.streams import echo

if TYPE_CHECKING:
    from variegate.study.simulation.simulate import Agreement, Simulation

__all__ = ["simulate_command"]


@click.command("simulate")
@click.option("--scenarios", metavar="NAME,...", help="Which scenarios (docs/simulate.md). [default: all]")
@click.option("--metrics", metavar="NAME,...|GROUP", help="Which metrics of vectors. [default: all, and variants of novelsum]")
@click.option("--size", type=click.IntRange(20), default=100, show_default=True, metavar="N", help="Samples of a set.")
@click.option("--seeds", type=click.IntRange(2), default=10, show_default=True, metavar="K", help="Draw each scenario K times.")
@click.option(
    "--space", type=click.Choice(["sphere", "features"]), default="sphere", show_default=True,
    help="How points become vectors: on a cap of the sphere, or as 256 features, of which far ones are orthogonal.",
)  # fmt: skip
@click.option("--plot", type=OutputPath(), metavar="FILE", help="Draw the sets and the agreements as .svg, .png or .pdf.")
@format_option
@json_option("the agreements")
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
def simulate_command(
    scenarios: str | None,
    metrics: str | None,
    size: int,
    seeds: int,
    space: str,
    plot: Path | None,
    json_to: Path | None,
    quiet: bool,
) -> None:
    """Test the metrics on simulated sets whose order of diversity is known.

    Points in the plane are drawn in clusters, with copies, unevenly, as outliers and so on;
    Spearman's rank correlation says how far each metric's order agrees with the known one. 1 is the
    known order, 0 none, -1 the reverse.

    \b
    variegate simulate
    variegate simulate --space features --plot simulated.svg
    variegate simulate --scenarios copies,near_copies --metrics knn_distance@5,vendi_score
    """
    from variegate.progress import show_progress
    from variegate.study.simulation.simulate import simulate

    _check_outputs(json_to, plot, quiet)
    if not quiet:
        show_progress()
    found = simulate(_names(scenarios), _names(metrics), samples=size, seeds=seeds, space=space)
    if plot is not None:
        _draw(found, plot)
    write_json(found.as_dict(), json_to, lambda: _show(found))


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",")]


def _check_outputs(json_to: Path | None, plot: Path | None, quiet: bool) -> None:
    from variegate.report.pictures import new_figure, picture_kind

    Reading(quiet=quiet).check([json_to, plot])
    if plot is not None:
        # Before the work, not after.
        picture_kind(plot)
        new_figure(1, 1)


def _show(found: Simulation) -> None:
    from variegate.study.simulation.scenarios import SCENARIOS

    columns = _columns(found)
    rows = [[metric, *(_cell(found.find(metric, name)) for name in columns.values())] for metric in found.metrics]
    where = {"sphere": "on a sphere", "features": "as features"}[found.space]
    title = (
        f"Spearman with the known order: {found.seeds} drawings of each scenario, sets of {found.samples} from pools of "
        f"{found.pool:,}, {where}."
    )
    print_table(["metric", *columns], rows, numbers_from=1, title=title)
    for name in found.scenarios:
        echo(f"{name}: {SCENARIOS[name].reason}.")


def _columns(found: Simulation) -> dict[str, str | None]:
    """Return the columns by title; the mean is over scenarios whose order is certain."""
    has_mean = any(one.scenario is None for one in found.agreements)
    return {name: name for name in found.scenarios} | ({"mean": None} if has_mean else {})


def _cell(one: Agreement) -> str:
    if one.spearman is None or one.interval is None:
        return "-"
    if one.scenario is not None:
        return f"{one.spearman:.2f}"
    return f"{one.spearman:.2f} ± {(one.interval[1] - one.interval[0]) / 2:.2f}"


def _draw(found: Simulation, plot: Path) -> None:
    from variegate.report.simulated import plot_simulation
    from variegate.storage import whole_file
    from variegate.study.simulation.scenarios import SCENARIOS

    drawings = {
        name: [
            (label, drawn.pool, drawn.pool[rows]) for label, rows in zip(SCENARIOS[name].sets, drawn.sets, strict=True)
        ]
        for name, drawn in found.drawn.items()
    }  # fmt: skip
    columns = _columns(found)
    agreements = [[found.find(metric, name).spearman for name in columns.values()] for metric in found.metrics]
    with whole_file(plot) as temporary:
        plot_simulation(drawings, found.metrics, list(columns), agreements, temporary, plot)
