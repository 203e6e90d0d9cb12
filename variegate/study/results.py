"""What a study has found so far: one row a run, as the statistics take it and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from variegate.progress import announce
from variegate.storage import whole_file
from variegate.study.execute import Work
from variegate.study.folder import read_json
from variegate.study.identity import short_name
from variegate.study.stages import Run
from variegate.study.statistics.performance import MetricKey, RunResult

__all__ = ["RUNS", "Finished", "collect", "write_runs"]

RUNS = "runs.parquet"


@dataclass(frozen=True)
class Finished:
    """A run that is done.

    Attributes:
        run: what it was.
        result: what the statistics look at.
        training: of its record: tokens seen and more.
        values: of all evaluations, the parts by source included.
        directions: metric -> whether larger is more diverse.
    """

    run: Run
    result: RunResult
    training: dict[str, Any]
    values: dict[str, float]
    directions: dict[str, bool]

    @property
    def amount(self) -> str:
        """How much data it had; runs of other amounts are not compared."""
        return self.run.subset.amount


def collect(work: Work) -> list[Finished]:
    """Return the runs that are done, in the order of the plan."""
    measured: dict[str, tuple[dict[MetricKey, float], dict[str, bool], dict[str, float]]] = {}
    found = []
    for run in work.all_runs:
        if not work.is_done(run):
            continue
        if run.subset_id not in measured:
            measured[run.subset_id] = _measured(work, run)
        metrics, directions, counts = measured[run.subset_id]
        folder = work.folder.run(run.id)
        values: dict[str, float] = {}
        better: dict[str, bool] = {}
        for one in work.study.evaluations:
            record = read_json(folder.evaluation(one.id))
            values |= record["values"]
            better |= record["higher_is_better"]
        wanted = run.subset
        result = RunResult(
            run.id, run.subset_id, wanted.arm, wanted.side, values, better, metrics, counts, wanted.level, wanted.size,
            wanted.seed, str(run.seed),
        )  # fmt: skip
        found.append(Finished(run, result, read_json(folder.training), values, directions))
    _tell_of_differences(found)
    return found


def _measured(work: Work, run: Run) -> tuple[dict[MetricKey, float], dict[str, bool], dict[str, float]]:
    folder = work.folder.subset(run.subset_id)
    metrics: dict[MetricKey, float] = {}
    directions: dict[str, bool] = {}
    for one in work.measures:
        path = folder.measures(one.id)
        if path.exists():
            for value in read_json(path)["values"]:
                # As the study calls the embedder now: its folder may have lain elsewhere when this was measured.
                embedder = short_name(one.embedder) if value["embedder"] else ""
                metrics[(value["metric"], value["side"], embedder)] = value["value"]
                directions[value["metric"]] = value["higher_is_more_diverse"]
    return metrics, directions, read_json(folder.record)["counts"]


def _tell_of_differences(found: Sequence[Finished]) -> None:
    """Say where runs were not made alike, though their settings are the same."""
    for name in ("device", "dtype", "version"):
        seen = sorted({str(one.training.get(name)) for one in found})
        if len(seen) > 1:
            announce(f"note: runs differ in their {name} ({', '.join(seen)}), which may move their numbers a little")


def write_runs(found: Sequence[Finished], work: Work) -> None:
    """Write one row a run as a table: settings, tokens seen, every metric, every evaluation."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [_row(one) for one in found]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: [row.get(name) for row in rows] for name in columns})
    with whole_file(work.folder.path / RUNS) as temporary:
        pq.write_table(table, temporary)


def _row(one: Finished) -> dict[str, Any]:
    wanted, result = one.run.subset, one.result
    row: dict[str, Any] = {
        "run": one.run.id, "subset": one.run.subset_id, "arm": wanted.arm, "strategy": wanted.strategy, "side": wanted.side,
        "level": wanted.level, "amount": wanted.amount, "embedder": wanted.embedder, "selection_seed": wanted.seed,
        "training_seed": one.run.seed, "lengths_matched": wanted.match_length is not None, "options": wanted.options,
    }  # fmt: skip
    row |= {name: float(value) for name, value in result.covariates.items()}
    row |= {name: one.training.get(name) for name in ("tokens_seen", "response_tokens_seen", "steps", "epochs")}
    row |= {f"evaluation:{name}": float(value) for name, value in one.values.items()}
    return row | {f"metric:{'|'.join(key)}": float(value) for key, value in result.metrics.items()}
