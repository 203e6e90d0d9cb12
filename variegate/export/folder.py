"""A folder that is ready for training: the rows, how they were chosen, and what trainers and people read about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from variegate.corpus import Corpus
from variegate.data.trainers import llama_factory_entry, merged_info, trl_problem
from variegate.errors import DataError, VariegateError
from variegate.export.card import Card, CardFile, CardMetric, card_text, public_name, published
from variegate.export.record import write_record
from variegate.metrics import METRICS, build_views, measure, metric_specs
from variegate.storage import whole_folder
from variegate.viewing import Views

__all__ = ["CARD_METRICS", "FORMATS", "Figures", "figures", "write_folder"]

# One metric of each kind that is cheap: how far apart, how near the nearest, how many, and the words.
CARD_METRICS = ("distsum_cosine", "knn_distance", "vendi_score", "token_entropy", "ngram_ratio")
# Rows of each set that a card's metrics look at: some seconds on two cores.
CARD_ROWS = 5_000
CARD_DRAWS = 3
FORMATS = ("parquet", "jsonl")


@dataclass(frozen=True)
class Figures:
    """The metric values of a card.

    Attributes:
        metrics: of the subset and of random rows.
        measured: how, in a sentence.
        failures: what could not be computed, and why.
    """

    metrics: list[CardMetric]
    measured: str
    failures: list[str] = field(default_factory=list)


def figures(corpus: Corpus, chosen: Any, names: Sequence[str], views: Views | None = None) -> Figures:
    """Measure a subset beside as many random rows of the pool; of large sets a sample of each.

    Args:
        corpus: the pool.
        chosen: (n,) rows of it.
        names: metrics.
        views: which side, and how its views are made; by default as :func:`measure` makes those of both.
    """
    if not names:
        return Figures([], "Nothing was measured.")
    n = min(len(chosen), CARD_ROWS)
    generator = np.random.default_rng(0)
    subset = np.asarray(chosen) if n == len(chosen) else np.sort(generator.choice(chosen, n, replace=False))
    draws = [np.sort(generator.choice(len(corpus), n, replace=False)) for _ in range(CARD_DRAWS)]
    # One corpus of all rows that are looked at: its views are made once, and no more of the pool than that.
    rows = np.unique(np.concatenate([subset, *draws]))
    seen = corpus.take(rows, corpus.name)
    specs = [spec for name in names for spec in metric_specs(name)]
    views = (views or Views()).settled([corpus])
    build_views(seen, [views.side], specs, views)
    failures: dict[str, str] = {}
    values: dict[str, list[float]] = {}

    def fail(what: str, error: VariegateError) -> None:
        failures.setdefault(what.split(",")[0], str(error))

    for part in (subset, *draws):
        found = measure(
            seen.take(np.searchsorted(rows, part), corpus.name), list(names), on_failure=fail, **views.as_options(),
        )  # fmt: skip
        for one in found:
            values.setdefault(one.metric, []).append(one.value)
    whole = {name: each for name, each in values.items() if name not in failures}
    sample = "" if n == len(chosen) else f"a sample of {n:,} rows of "
    return Figures(
        [
            CardMetric(name, each[0], float(np.mean(each[1:])), METRICS[name.partition("@")[0]].higher_is_more_diverse)
            for name, each in whole.items()
        ],
        f"Measured on {sample}this subset (side: {views.side}), and on {n:,} random rows of the pool (mean of {CARD_DRAWS} "
        "draws).",
        [f"{name}: {reason}" for name, reason in failures.items()],
    )


def write_folder(
    corpus: Corpus,
    part: Corpus,
    record: dict[str, Any],
    target: Path,
    *,
    ending: str = "parquet",
    measured: Figures,
    command: str | None = None,
    places: Sequence[str] = (),
) -> list[str]:
    """Write a subset as a folder that `datasets.load_dataset` and LLaMA-Factory read; whole or not at all.

    Args:
        corpus: the pool.
        part: the chosen rows, in the schema that they are to be in.
        record: how they were chosen.
        target: the folder; there must be none of that name, or an empty one.
        ending: "parquet", which keeps every type, or "jsonl".
        measured: the card's metric values.
        command: that does it again.
        places: names of files that are to appear without their folders, beside those of the pool.

    Returns:
        What a user should know about it.

    Raises:
        DataError: the folder holds files, or the rows do not fit into the format.
    """
    known = [*(source.name for source in corpus.sources), corpus.name, *places]
    shown = published(record, known)
    data_file = f"data/train.{ending}"
    name = target.resolve().name
    notes: list[str] = []
    factory = None
    with whole_folder(target) as folder:
        (folder / "data").mkdir()
        _write_rows(part, folder / data_file, target)
        try:
            entry = llama_factory_entry(part.samples(), data_file)
            (folder / "dataset_info.json").write_text(merged_info({}, _entry_name(name), entry), encoding="utf-8")
            notes += entry.notes
        except DataError as error:
            factory = str(error)
            notes.append(f"no dataset_info.json for LLaMA-Factory: {error}")
        card = Card(
            title=name, data_file=data_file, schema=", ".join(dict.fromkeys(source.schema.name for source in part.sources)),
            converted=part.sources is not corpus.sources, columns=list(dict.fromkeys(key for row in part.rows() for key in row)),
            files=[CardFile(public_name(one.name), len(one.rows), one.sha256) for one in corpus.sources],
            pool_rows=corpus.row_count, record=shown, command=command, metrics=measured.metrics, measured=measured.measured,
            failures=published(measured.failures, known), entry=None if factory else _entry_name(name),
            trl=published(trl_problem(part.samples()), known), factory=published(factory, known),
        )  # fmt: skip
        (folder / "README.md").write_text(card_text(card), encoding="utf-8", errors="replace")
        write_record(folder / "selection.json", shown)
    return notes


def _entry_name(folder: str) -> str:
    # LLaMA-Factory parts names at commas and strips spaces.
    return folder.replace(",", "_").strip() or "train"


def _write_rows(part: Corpus, path: Path, target: Path) -> None:
    try:
        part.write(path, named=path)
    except VariegateError as error:
        reason = str(error).removeprefix(f"{path}: ").replace(" Write .jsonl instead.", " Pass --format jsonl.")
        reason = reason.replace(" Write .parquet instead.", " Pass --format parquet.")
        raise type(error)(f"{target}: {reason}") from None
