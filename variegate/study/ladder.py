"""A ladder: the data sets of a whole grid of strategies, sides, levels, sizes and seeds, in one resumable call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from variegate._version import __version__
from variegate.corpus import Corpus
from variegate.data.write import check_writable
from variegate.errors import DataError, ParameterError, bad_parameter, unknown_name
from variegate.export.record import RECORD, record_path, selection_record, write_record
from variegate.geometry import asked_for, sharing
from variegate.loading import load
from variegate.metrics import build_views, measure, metric_names, metric_specs, sides_of
from variegate.progress import track
from variegate.storage import refuse_inputs, whole_file, whole_files
from variegate.strategies import STRATEGIES, select
from variegate.viewing import Views
from variegate.views.lsa.names import is_lsa
from variegate.views.precision import FLOAT32

__all__ = ["Rung", "ladder", "ladder_levels"]

MANIFEST = "manifest.jsonl"
SETTINGS = "ladder.json"


@dataclass(frozen=True)
class Rung:
    """One data set of the grid: rows or tokens; `level` is None for strategies that have no dial."""

    strategy: str
    side: str
    level: float | None
    size: int | None
    seed: int
    budget_tokens: int | None = None

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        level = "" if self.level is None else f"-level{self.level:g}"
        amount = f"n{self.size}" if self.budget_tokens is None else f"tokens{self.budget_tokens}"
        return f"{self.strategy}-{self.side}{level}-{amount}-seed{self.seed}"


def ladder_levels(levels: int | Sequence[float]) -> list[float]:
    """Return levels at equal steps from 0 to 100, or those that are given, ascending.

    >>> ladder_levels(5)
    [0.0, 25.0, 50.0, 75.0, 100.0]
    """
    if isinstance(levels, int):
        if levels < 2:
            raise bad_parameter("levels", "ladder", "a number of steps of at least 2, or a list of levels", levels)
        # Two decimals are enough to name a level by, and what is named is what is used.
        return [round(level, 2) for level in np.linspace(0, 100, levels).tolist()]
    if not levels or not all(0 <= level <= 100 for level in levels):
        raise bad_parameter("levels", "ladder", "levels in [0, 100]", levels)
    return sorted({float(level) for level in levels})


def ladder(
    data: Any,
    strategies: Sequence[str],
    out: str | Path,
    *,
    sizes: Sequence[int] = (),
    budgets: Sequence[int] = (),
    levels: int | Sequence[float] = 7,
    seeds: int = 1,
    side: str = "response",
    metrics: Iterable[str] | None = None,
    ending: str = ".jsonl",
    **views: Any,
) -> list[dict[str, Any]]:
    """Write the data sets of a grid, with a manifest of how each came out; a second call goes on where the first stopped.

    Args:
        data: the pool, as for :func:`select`.
        strategies: names; those with a dial are run at every level, the others once.
        out: folder, made if there is none.
        sizes: rows of a data set.
        budgets: tokens of a data set, in place of rows; both kinds may stand in one grid.
        levels: number of steps from 0 to 100 %, or the levels.
        seeds: 0 to seeds - 1.
        side: "instruction", "response", "both", or "all" for each of them.
        metrics: measured on every side of each data set, with the pool as reference; none if None.
        ending: kind of the files.
        views: `embedder`, `tokenizer`, `topics`, `tags`, as for :func:`select`.

    Returns:
        The manifest, one row a data set: `file`, `strategy`, `side`, `level`, `size` (its rows), `budget_tokens`, `seed`,
        `params` (with the tokens of each side, and `k_asked`, `k_realised`, `k_min`, `k_max` for strategies with a dial) and
        `metrics`.

    Raises:
        ParameterError: a name or number is not possible.
        DataError: the folder holds the ladder of another pool or of other settings.
    """
    corpus = load(data)
    if corpus.given_vectors is not None:
        raise DataError(f"{corpus.name}: holds vectors only, so there are no rows to write.")
    names = None if metrics is None else [one for name in metrics for one in metric_names(name)]
    grid = _grid(corpus, strategies, sizes, budgets, ladder_levels(levels), seeds, side)
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be made ({error.strerror}).") from None
    check_writable(folder / f"any{ending}")
    # The pool may lie in the folder, but not under a name that is written.
    written = [MANIFEST, SETTINGS, *(f"{rung.name}{ending}{more}" for rung in grid for more in ("", RECORD))]
    refuse_inputs([folder / name for name in written], [source.name for source in corpus.sources])
    settings = {"pool_sha256": corpus.sha256, "views": views, "metrics": names, "ending": ending, "version": __version__}
    if corpus.vector_storage != FLOAT32:
        settings["vector_storage"] = corpus.vector_storage
    if (asked := asked_for()) is not None:
        settings["neighbours"] = str(asked)
    if is_lsa(str(views.get("embedder"))):
        # A file that was saved may be another one the next time.
        settings["lsa_fit"] = corpus.made_by(views["embedder"])["lsa_fit"]
    rows = _begun(folder, settings)
    if names is not None and any(rung.name not in rows for rung in grid):
        specs = [spec for name in names for spec in metric_specs(name)]
        build_views(corpus, sides_of("all", corpus), specs, Views(**views))
    with sharing(), track("ladder", len(grid), "sets") as advance:
        for rung in grid:
            if rung.name not in rows:
                rows[rung.name] = _climb(corpus, rung, folder / f"{rung.name}{ending}", names, views)
                _write_manifest(folder, rows)
            advance(1)
    return [rows[rung.name] for rung in grid]


def _grid(
    corpus: Corpus,
    strategies: Sequence[str],
    sizes: Sequence[int],
    budgets: Sequence[int],
    levels: list[float],
    seeds: int,
    side: str,
) -> list[Rung]:
    for name in strategies:
        if name not in STRATEGIES:
            raise unknown_name("strategy", name, list(STRATEGIES))
    if not strategies or not (sizes or budgets):
        raise ParameterError("A ladder needs at least one strategy, and one size or budget of tokens.")
    for size in sizes:
        if not 1 <= size <= len(corpus):
            raise bad_parameter("size", "ladder", f"ints in [1, {len(corpus)}], the rows of {corpus.name}", size)
    for budget in budgets:
        if budget < 1:
            raise bad_parameter("budget_tokens", "ladder", "ints of at least 1", budget)
    if seeds < 1:
        raise bad_parameter("seeds", "ladder", "an int of at least 1", seeds)
    amounts: list[tuple[int | None, int | None]] = [(size, None) for size in dict.fromkeys(sizes)]
    amounts += [(None, budget) for budget in dict.fromkeys(budgets)]
    return [
        Rung(name, one, level, size, seed, budget)
        for name in dict.fromkeys(strategies)
        for one in sides_of(side, corpus)
        for size, budget in amounts
        for level in (levels if STRATEGIES[name].levelled else [None])
        for seed in range(seeds)
    ]


def _begun(folder: Path, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the rows of a ladder that was begun here, whose files are all there; refuse another ladder's folder."""
    plain = json.loads(json.dumps(settings))
    known = folder / SETTINGS
    if known.exists():
        if json.loads(known.read_text(encoding="utf-8")) != plain:
            raise DataError(f"{folder}: holds a ladder of another pool, or of other settings. Choose another folder.")
    else:
        with whole_file(known) as temporary:
            temporary.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    manifest = folder / MANIFEST
    if not manifest.exists():
        return {}
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    return {row["name"]: row for row in rows if (folder / row["file"]).exists()}


def _climb(corpus: Corpus, rung: Rung, target: Path, metrics: list[str] | None, views: dict[str, Any]) -> dict[str, Any]:
    dial: dict[str, Any] = {} if rung.level is None else {"level": rung.level}
    chosen = select(
        corpus, rung.size, rung.strategy, budget_tokens=rung.budget_tokens, side=rung.side, seed=rung.seed, **views, **dial
    )  # fmt: skip
    part = corpus.take(chosen.indices, rung.name)
    record = selection_record(corpus, chosen, views.get("tokenizer", Views.tokenizer))
    found = [] if metrics is None else measure(
        part, metrics, side="all", reference=corpus, on_failure=lambda *_: None, **views
    )  # fmt: skip
    with whole_files(target, record_path(target)) as (rows_path, beside_path):
        part.write(rows_path, named=target)
        write_record(beside_path, record)
    return {
        "name": rung.name, "file": target.name, "strategy": rung.strategy, "side": rung.side, "level": rung.level,
        "size": chosen.n, "budget_tokens": rung.budget_tokens, "seed": rung.seed, "params": record["params"],
        "metrics": [{"metric": one.metric, "side": one.side, "value": one.value} for one in found],
    }  # fmt: skip


def _write_manifest(folder: Path, rows: dict[str, dict[str, Any]]) -> None:
    with whole_file(folder / MANIFEST) as temporary:
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows.values()), encoding="utf-8")
