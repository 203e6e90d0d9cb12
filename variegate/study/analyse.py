"""From runs to findings: what predicts performance, which strategy trains best, how much of it is luck."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from variegate.errors import DataError
from variegate.progress import announce, track
from variegate.storage import whole_file
from variegate.study.folder import write_json
from variegate.study.plan import TOGETHER, Analysis, slug
from variegate.study.results import Finished
from variegate.study.statistics.correlate import Correlations, correlations
from variegate.study.statistics.differences import Arm, Difference, differences, ranking
from variegate.study.statistics.noise import NoiseCeiling, noise_ceiling
from variegate.study.statistics.paper_tables import ceiling_table, correlation_table, difference_table, ranking_table, slope_table
from variegate.study.statistics.performance import Performance, RunResult, performance
from variegate.study.statistics.regression import LevelSlope, level_slopes
from variegate.study.statistics.tables import Table, plain, write_table

__all__ = ["ALL", "TOGETHER", "Findings", "analyse", "plain_findings", "tables_of", "write_findings"]

# Subsets whose lengths were matched with the pool's are looked at apart too: length is what fools most metrics.
ALL, FREE, MATCHED = "all subsets", "lengths as chosen", "lengths matched"
ENDINGS = {"markdown": "md", "csv": "csv", "latex": "tex"}


@dataclass(frozen=True)
class Findings:
    """What runs of one amount of data say by one family of tests.

    Attributes:
        amount: of data, in words.
        family: of tests; "together" for the mean over all.
        runs: that were looked at, in the order of `outcome`.
        outcome: their performance.
        correlations: by which subsets were looked at, and with which covariates held.
        ceilings: what noise leaves to predict, from repeats and from redraws.
        slopes: of ladders of levels.
        differences: every arm against the baseline.
        arms: in order of performance.
        missing: what could not be computed, and why.
    """

    amount: str
    family: str
    runs: Sequence[RunResult]
    outcome: Performance
    correlations: Mapping[tuple[str, str], Correlations]
    ceilings: Sequence[NoiseCeiling]
    slopes: Sequence[LevelSlope]
    differences: Sequence[Difference]
    arms: Sequence[Arm]
    missing: Mapping[str, str]


def analyse(found: Sequence[Finished], analysis: Analysis) -> list[Findings]:
    """Analyse runs: apart by amount of data, and by family of tests.

    A run that lacks a value of a family is left out of it, and named; so is an amount of which nothing can be said.

    Raises:
        DataError: no run has a value that a family asks for.
    """
    families = dict(analysis.families)
    if len(families) > 1:
        families[TOGETHER] = tuple(dict.fromkeys(name for names in families.values() for name in names))
    amounts = list(dict.fromkeys(one.amount for one in found))
    findings = []
    with track("analysing", len(amounts) * len(families), "tables") as advance:
        for family, names in families.items():
            _refuse_unknown(found, family, names)
        for amount, (family, names) in itertools.product(amounts, families.items()):
            some = [one for one in found if one.amount == amount and all(name in one.values for name in names)]
            lacking = [one.run.id for one in found if one.amount == amount and one not in some]
            missing = {"runs": f"{len(lacking)} runs have no value for this, {lacking[0]} the first"} if lacking else {}
            if lacking:
                announce(f"note: {amount}, {family}: {missing['runs']}; they are left out")
            try:
                if len({one.run.subset_id for one in some}) > 1:
                    findings.append(_findings(amount, family, some, names, analysis, missing))
            except DataError as error:
                announce(f"note: nothing can be said of {amount}, {family}: {error}")
            advance(1)
    return findings


def _refuse_unknown(found: Sequence[Finished], family: str, names: Sequence[str]) -> None:
    for name in names:
        if found and not any(name in one.values for one in found):
            known = ", ".join(sorted(found[0].values)[:8])
            raise DataError(f"'analysis.families' counts {name!r} for {family!r}, and no run has it. The first has: {known}.")


def _only(one: Finished, names: Sequence[str]) -> RunResult:
    """Return a run with the evaluations of one family alone."""
    better = one.result.higher_is_better
    return replace(
        one.result,
        evaluations={name: one.values[name] for name in names},
        higher_is_better={name: better[name] for name in names},
    )


def _findings(
    amount: str, family: str, some: Sequence[Finished], names: Sequence[str], analysis: Analysis, missing: dict[str, str]
) -> Findings:
    runs = [_only(one, names) for one in some]
    outcome = performance(runs)
    values = outcome.values
    directions = {name: up for one in some for name, up in one.directions.items()}
    missing = dict(missing)
    found: dict[tuple[str, str], Correlations] = {}
    matched = [one.run.subset.match_length is not None for one in some]
    groups = {ALL: [True] * len(runs)}
    if any(matched) and not all(matched):
        groups |= {FREE: [not one for one in matched], MATCHED: matched}
    for group, kept in groups.items():
        part = [run for run, keep in zip(runs, kept, strict=True) if keep]
        of_part = replace(outcome, runs=tuple(run.id for run in part), values=values[kept])
        for held in ((), analysis.held) if analysis.held else ((),):
            label = "nothing held" if not held else f"{', '.join(held)} held"
            try:
                found[(group, label)] = correlations(
                    part, of_part, held=held, directions=directions, resamples=analysis.resamples,
                    permutations=analysis.permutations, confidence=analysis.confidence,
                )  # fmt: skip
            except DataError as error:
                missing[f"correlations, {group}, {label}"] = str(error)
    plainly = found.get((ALL, "nothing held"))
    if plainly is not None:
        missing |= {", ".join(part for part in key if part): reason for key, reason in plainly.left_out.items()}
    slopes, without = level_slopes(runs, values, confidence=analysis.confidence)
    missing |= {f"slope of {key[0]}, {key[1]}": reason for key, reason in without.items()}
    against: list[Difference] = []
    try:
        against = differences(runs, values, baseline=analysis.baseline, confidence=analysis.confidence)
    except DataError as error:
        missing["differences"] = str(error)
    ceilings = [noise_ceiling(runs, values, source, confidence=analysis.confidence) for source in ("repeats", "redraws")]
    return Findings(amount, family, runs, outcome, found, ceilings, slopes, against, ranking(runs, values), missing)


def tables_of(one: Findings) -> dict[str, Table]:
    """Return the tables of findings by file name."""
    tables = {}
    for (group, held), found in one.correlations.items():
        parts = ["correlations"] + ([slug(group)] if group != ALL else []) + (["held"] if held != "nothing held" else [])
        tables["_".join(parts)] = correlation_table(found)
    tables["ceilings"] = ceiling_table(one.ceilings)
    if one.slopes:
        tables["slopes"] = slope_table(one.slopes)
    if one.differences:
        tables["against_baseline"] = difference_table(one.differences)
    tables["ranking"] = ranking_table(one.arms)
    return tables


def write_findings(findings: Sequence[Findings], folder: Path) -> list[Path]:
    """Write every table as Markdown, CSV and LaTeX, and everything as JSON; return the files.

    What an earlier call wrote and this one did not, such as the tables of a family that is gone, is removed.
    """
    written = []
    for one in findings:
        place = folder / slug(one.amount) / slug(one.family)
        place.mkdir(parents=True, exist_ok=True)
        for name, (rows, columns) in tables_of(one).items():
            for kind, ending in ENDINGS.items():
                path = place / f"{name}.{ending}"
                with whole_file(path) as temporary:
                    temporary.write_text(write_table(rows, columns, kind), encoding="utf-8")  # type: ignore[arg-type]
                written.append(path)
        path = place / "findings.json"
        write_json(path, plain_findings(one))
        written.append(path)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif path.is_file() and path not in written:
            path.unlink()
    return written


def plain_findings(one: Findings) -> dict[str, Any]:
    """Return findings as what JSON holds."""
    return {
        "amount": one.amount, "family": one.family, "runs": len(one.runs), "subsets": len({run.subset for run in one.runs}),
        "performance": dict(zip(one.outcome.runs, one.outcome.values.tolist(), strict=True)),
        "evaluations_left_out": dict(one.outcome.left_out),
        "correlations": {f"{group}, {held}": plain(found) for (group, held), found in one.correlations.items()},
        "ceilings": plain(list(one.ceilings)), "slopes": plain(list(one.slopes)), "differences": plain(list(one.differences)),
        "arms": plain(list(one.arms)), "missing": dict(one.missing),
    }  # fmt: skip
