"""What a study costs: runs, tokens, and the time that is left as far as finished runs tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from variegate.strategies import tokens_by_side
from variegate.study.evaluation.settings import JudgedAnswers
from variegate.study.execute import Work
from variegate.study.folder import read_json
from variegate.study.stages import Run, subset_id
from variegate.study.subsets import SubsetSettings
from variegate.study.training.settings import Command

__all__ = ["Cost", "cost_of"]

# Rows of the pool that say how long a row is, where a subset is not chosen yet.
SAMPLE = 2_000


@dataclass(frozen=True)
class Cost:
    """What there is to do, and what is done of it.

    Attributes:
        subsets: (done, in all).
        measures: (done, in all).
        runs: (done, in all).
        tokens: (seen, in all), of training; in all None for a command, which settles that itself.
        estimated: whether tokens are estimated: from the pool's mean length where subsets are not chosen yet, by another
            tokenizer where no run is finished yet.
        seconds_left: of training and evaluation, one run after the other; None before the first run is finished.
        timed_runs: finished runs that this rests on.
        requests: that judges get at most for the runs that are left.
    """

    subsets: tuple[int, int]
    measures: tuple[int, int]
    runs: tuple[int, int]
    tokens: tuple[int, int | None]
    estimated: bool
    seconds_left: float | None
    timed_runs: int
    requests: int = 0


class _Lengths:
    """Mean tokens of a row of the pool, looked at once."""

    def __init__(self, work: Work) -> None:
        self._work = work

    @cached_property
    def mean(self) -> float:
        corpus = self._work.pool.corpus
        rows = np.sort(np.random.default_rng(0).choice(len(corpus), min(SAMPLE, len(corpus)), replace=False))
        return tokens_by_side(corpus.take(rows), "llama2")["both"] / len(rows)


def cost_of(work: Work) -> Cost:
    """Count what a study has to do; nothing is chosen, measured or trained."""
    folders = {one.id: work.folder.subset(subset_id(work.pool, one)) for one in work.subsets}
    chosen = sum(folder.done for folder in folders.values())
    measured = sum(folder.measures(one.id).exists() for folder in folders.values() for one in work.measures)
    done = {run.id for run in work.runs if work.is_done(run)}
    finished = [run for run in work.runs if run.id in done]
    records = [read_json(work.folder.run(run.id).training) for run in finished]
    seconds = sum(_seconds(work, run, record) for run, record in zip(finished, records, strict=True))
    seen = sum(record["tokens_seen"] or 0 for record in records)
    lengths = _Lengths(work)
    planned = {run.id: _planned(work, run, lengths) for run in work.runs}
    left = _total([planned[run.id] for run in work.runs if run.id not in done])
    before = _total([planned[run.id] for run in finished])
    if left and seen and before:
        # What is planned is counted by another tokenizer than the model's, and without its template: finished runs tell the rate.
        left = round(left * seen / before)
    seconds_left = None
    if finished and seen and left is not None:
        seconds_left = seconds / seen * left
    elif finished:
        seconds_left = seconds / len(finished) * (len(work.runs) - len(finished))
    return Cost(
        (chosen, len(folders)), (measured, len(folders) * len(work.measures)), (len(finished), len(work.runs)),
        (seen, None if left is None else seen + left), bool(left) and (chosen < len(folders) or not finished), seconds_left,
        len(finished), _requests(work, len(work.runs) - len(finished)),
    )  # fmt: skip


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _requests(work: Work, runs: int) -> int:
    """Return how many requests judges get at most: both orders of each prompt, for each run that is left."""
    judges = [one for one in work.study.evaluations if isinstance(one, JudgedAnswers)]
    return 2 * runs * sum(len(one.chosen) for one in judges)


def _seconds(work: Work, run: Run, record: dict[str, Any]) -> float:
    folder = work.folder.run(run.id)
    took = float(record.get("seconds_in_all") or record.get("seconds") or 0)
    return took + sum(float(read_json(folder.evaluation(one.id)).get("seconds", 0)) for one in work.study.evaluations)


def _planned(work: Work, run: Run, lengths: _Lengths) -> int | None:
    """Return the tokens that a run will see, or about as many; None where its settings do not tell."""
    training = work.study.training
    if isinstance(training, Command):
        return None
    budget = training.budget
    if budget.tokens is not None:
        return budget.tokens
    folder = work.folder.subset(run.subset_id)
    counts = read_json(folder.record)["counts"] if folder.done else None
    tokens = counts["tokens"] if counts else _expected(run.subset, lengths)
    if budget.epochs is not None:
        return round(budget.epochs * tokens)
    share = counts["response_tokens"] / counts["tokens"] if counts else 0.5
    return round((budget.response_tokens or 0) / share)


def _expected(wanted: SubsetSettings, lengths: _Lengths) -> float:
    return wanted.budget_tokens if wanted.budget_tokens is not None else (wanted.size or 0) * lengths.mean
