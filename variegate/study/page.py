"""The page of a study: the answer first, then pictures and tables, and the folder of every run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from variegate._version import __version__
from variegate.progress import announce, track
from variegate.report.html import markup, render
from variegate.report.study_figures import Curve, Interval, Scatter, curves_svg, intervals_svg, scatters_svg
from variegate.storage import whole_file
from variegate.study.analyse import ALL, Findings, tables_of
from variegate.study.answers import answers_of
from variegate.study.results import Finished
from variegate.study.statistics.correlate import Correlation, Correlations
from variegate.study.statistics.paper_tables import correlation_table
from variegate.study.statistics.performance import RunResult, subset_means
from variegate.study.statistics.tables import Table, shown
from variegate.study.training.settings import Command

if TYPE_CHECKING:
    from variegate.study.outcome import Conducted

__all__ = ["PAGE", "write_page"]

PAGE = "page.html"
NOTHING_HELD = "nothing held"


def write_page(found: Conducted, target: Path | None = None) -> Path:
    """Write the page of a study, whole or not at all; it needs no network and runs no script.

    Without matplotlib it has its tables alone, and says so.

    Args:
        found: what the study has come to.
        target: where the page goes; `page.html` in the study's folder if None.
    """
    target = target or found.folder / PAGE
    links = quote(Path(os.path.relpath(found.folder.resolve(), target.resolve().parent)).as_posix())
    drawn = find_spec("matplotlib") is not None
    pictures = ""
    if not drawn:
        pictures = "It has no pictures, since matplotlib is not installed: pip install 'variegate[plot]'."
        announce("note: the page has no pictures; pip install 'variegate[plot]' and `--only correlate` draw them")
    with track("drawing the page", len(found.findings), "sections") as advance:
        sections = []
        for one in found.findings:
            sections.append(_section(one, found, drawn, links))
            advance(1)
    values = list(dict.fromkeys(name for names in found.study.analysis.families.values() for name in names))
    text = render(
        "study.html", title=found.study.name, finished=f"{len(found.finished):,}", planned=f"{found.planned:,}",
        about=_about(found), sections=sections, values=values, runs=[_run(one, values, links) for one in found.finished],
        version=__version__, pictures=pictures,
    )  # fmt: skip
    with whole_file(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return target


def _about(found: Conducted) -> str:
    study, training = found.study, found.study.training
    half = "" if study.pool.half is None else f", {study.pool.half} half"
    pool = ", ".join(Path(one).name or one for one in study.pool.data)
    model = Path(training.model).name or training.model
    if isinstance(training, Command):
        how = "by a command"
    else:
        budget = training.budget
        amount = (
            f"{budget.epochs:g} epochs" if budget.epochs is not None
            else f"{budget.tokens:,} tokens" if budget.tokens is not None
            else f"{budget.response_tokens:,} response tokens"
        )  # fmt: skip
        how = f"for {amount} a run"
    return f"Pool: {pool}{half}. Model: {model}, fine-tuned {how}."


def _section(one: Findings, found: Conducted, drawn: bool, links: str) -> dict[str, Any]:
    tables = tables_of(one)
    names = found.study.analysis.families.get(one.family) or tuple(one.outcome.scores)
    return {
        "amount": one.amount, "family": one.family, "answers": answers_of(one, found.study.analysis.baseline),
        "tests": f"It is made of {', '.join(names)}.", "arms": _table(tables.get("against_baseline", tables["ranking"])),
        "arms_figure": _arms(one, found.study.analysis.baseline) if drawn and one.differences else None,
        "correlations": [
            {"title": f"{group}, {held}", "table": _table(correlation_table(some))}
            for (group, held), some in one.correlations.items()
        ],
        "curves_figure": _curves(one, links) if drawn and one.slopes else None,
        "slopes": _table(tables["slopes"]) if one.slopes else None,
        "scatters": _scatters(one, _directions(found), links) if drawn and (ALL, NOTHING_HELD) in one.correlations else [],
        "ceilings": _table(tables["ceilings"]), "missing": list(one.missing.items()),
    }  # fmt: skip


def _table(table: Table) -> dict[str, Any]:
    rows, columns = table
    number = {column.key: any(isinstance(row.get(column.key), int | float | tuple | list) for row in rows) for column in columns}
    return {
        "columns": [{"title": column.title, "number": number[column.key]} for column in columns],
        "rows": [[shown(row.get(column.key), column) for column in columns] for row in rows],
    }


def _arms(one: Findings, baseline: str) -> Any:
    arms = sorted(one.differences, key=lambda arm: -arm.value)
    named = [
        Interval(
            f"{arm.strategy}{'' if arm.level is None else f' {arm.level:g} %'}, {arm.side}", arm.value,
            *(arm.interval or (None, None)),
        )
        for arm in arms
    ]  # fmt: skip
    return markup(intervals_svg(named, f"performance over {baseline}, in standard deviations ({one.amount}, {one.family})"))


def _links(runs: Sequence[RunResult], links: str) -> list[str]:
    return [f"{links}/subsets/{run.subset}/subset.json" for run in runs]


def _directions(found: Conducted) -> dict[str, bool]:
    """Return by metric whether larger is more diverse."""
    return {name: up for one in found.finished for name, up in one.directions.items()}


def _scatters(one: Findings, directions: Mapping[str, bool], links: str) -> list[dict[str, Any]]:
    """Draw every metric, those of one side and embedder together, with what is more diverse to the right."""
    runs, means = subset_means(one.runs, one.outcome.values)
    found: Correlations = one.correlations[(ALL, NOTHING_HELD)]
    groups: dict[tuple[str, str], list[Correlation]] = {}
    for row in found.rows:
        groups.setdefault((row.side, row.embedder), []).append(row)
    pictures = []
    for (side, embedder), rows in groups.items():
        panels = []
        for row in rows:
            key = (row.metric, row.side, row.embedder)
            x = np.array([run.metrics[key] for run in runs])
            turned = not directions.get(row.metric, True)
            note = f"r = {row.pearson.value:.2f}, rho = {row.spearman.value:.2f}{', axis turned' if turned else ''}"
            panels.append(Scatter(row.metric, note, x, means, _links(runs, links), turned))
        title = f"{side} side, {f'vectors by {embedder}' if embedder else 'metrics that look at no vectors'}"
        pictures.append({"title": title, "figure": markup(scatters_svg(panels, f"{title} ({one.amount}, {one.family})"))})
    return pictures


def _curves(one: Findings, links: str) -> Any:
    runs, means = subset_means(one.runs, one.outcome.values)
    panels = []
    for slope in one.slopes:
        at = [
            place for place, run in enumerate(runs)
            if (run.strategy, run.side, run.size) == (slope.strategy, slope.side, slope.size) and run.level is not None
        ]  # fmt: skip
        panels.append(
            Curve(
                f"{slope.strategy}, {slope.side}: {slope.slope:+.2f}", np.array([runs[place].level for place in at], np.float64),
                means[at], _links([runs[place] for place in at], links), np.array(slope.levels), np.array(slope.band),
            )
        )  # fmt: skip
    return markup(curves_svg(panels, f"performance by level ({one.amount}, {one.family})"))


def _run(one: Finished, values: Sequence[str], links: str) -> dict[str, Any]:
    seen = one.training.get("tokens_seen")
    return {
        "id": one.run.id, "link": f"{links}/runs/{one.run.id}/", "name": one.run.subset.name,
        "subset_link": f"{links}/subsets/{one.run.subset_id}/subset.json", "seed": one.run.seed,
        "tokens": "" if seen is None else f"{seen:,}",
        "cells": [f"{one.values[name]:.4f}" if name in one.values else "-" for name in values],
    }  # fmt: skip
