"""Which sets of rows a study trains on: grids of selections, and controls that are not diverse."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.data.record import SIDES, Side
from variegate.errors import DataError, ParameterError
from variegate.strategies import STRATEGIES, Selection, select
from variegate.study.identity import identity
from variegate.study.keys import Keys, located
from variegate.study.ladder import ladder_levels
from variegate.views.clusters import is_clustering

__all__ = ["SubsetSettings", "read_subsets", "select_rows"]


@dataclass(frozen=True)
class SubsetSettings:
    """How one set of rows comes about.

    Attributes:
        strategy: a name from `variegate list strategies`.
        side: which texts it looks at.
        level: of strategies with a dial, 0 to 100 %; None for others.
        size: rows; None where a budget of tokens says how many.
        budget_tokens: tokens of both sides; None where a size says how many.
        seed: of everything drawn at random.
        embedder: what makes the vectors.
        tokenizer: what makes the tokens.
        topics: what topics are.
        tags: what tags are.
        match_length: "pool" to have the pool's lengths of responses; None to leave lengths to the strategy.
        length_range: "LOW:HIGH" tokens of the response; None for any.
        quality: a column that the strategy weighs; None for none.
        options: the strategy's own parameters, as JSON.
        only: a column and how many of its values rows may come from, drawn by seed, as in ("source", 3); None for all. A control:
            a set that is poor in sources.
        pool_sample: choose from so many rows of the pool, drawn by seed; None for all of them. By this, strategies that draw
            nothing at random have another subset for each seed, so that what luck does to them can be told.
        copies: how often each row stands in the set. A control: 10 makes a set with a tenth of the rows, each ten times.
        label: what people call it; the strategy's name if empty.
    """

    strategy: str
    side: str = "both"
    level: float | None = None
    size: int | None = None
    budget_tokens: int | None = None
    seed: int = 0
    embedder: str = "static"
    tokenizer: str = "llama2"
    topics: str = "kmeans:100"
    tags: str = "keyphrases"
    match_length: str | None = None
    length_range: str | None = None
    quality: str | None = None
    options: str = "{}"
    only: tuple[str, int] | None = None
    pool_sample: int | None = None
    copies: int = 1
    label: str = ""

    @property
    def id(self) -> str:
        """The hash of everything but the label, which changes no row."""
        return identity({name: value for name, value in asdict(self).items() if name != "label"})

    @property
    def name(self) -> str:
        """What people call it, with what else tells it from its neighbours in a grid."""
        level = "" if self.level is None else f" {self.level:g} %"
        return f"{self.arm}{level}, {self.side}, {self.amount}, seed {self.seed}"

    @property
    def arm(self) -> str:
        """What is compared with other ways to choose: all but side, level, amount and seed."""
        name = self.label or self.strategy
        if not self.label and self.embedder != "static":
            name += f" [{self.embedder.rstrip(chr(47)).rsplit(chr(47), 1)[-1]}]"
        if not self.label and self.options != "{}":
            name += f" {self.options}"
        return name if self.match_length is None else f"{name}, lengths matched"

    @property
    def amount(self) -> str:
        """How much data, in words: subsets of another amount are not compared."""
        return f"{self.size:,} rows" if self.size is not None else f"{self.budget_tokens:,} tokens"


def read_subsets(keys: Keys, study_seed: int, folder: Path) -> list[SubsetSettings]:
    """Read the grids under `subsets`: in each, every combination of its lists.

    Raises:
        ParameterError: a key or value is not known, or two entries describe the same set.
    """
    entries = keys.list_of("subsets")
    if not entries:
        raise ParameterError(
            f"{keys.file}: 'subsets' is missing. It must be a list of grids, such as [{{strategy: random, size: 1000}}]."
        )
    found: dict[str, SubsetSettings] = {}
    for entry in entries:
        for one in _grid(entry, study_seed, folder):
            if one.id in found:
                raise ParameterError(
                    f"{keys.file}: '{entry.where}' describes a set that '{found[one.id].name}' describes already. Take one out."
                )
            found[one.id] = one
    return list(found.values())


def _grid(keys: Keys, study_seed: int, folder: Path) -> Iterator[SubsetSettings]:
    strategies = keys.words("strategy", [], list(STRATEGIES))
    if not strategies:
        raise ParameterError(f"{keys.file}: '{keys.path('strategy')}' is missing. Known: {', '.join(STRATEGIES)}.")
    sides = keys.words("side", ["both"], SIDES)
    levels = _levels(keys)
    sizes, budgets = keys.wholes("size", [], 1), keys.wholes("budget_tokens", [], 1)
    if bool(sizes) == bool(budgets):
        raise ParameterError(f"{keys.file}: '{keys.where}' takes either 'size' (rows) or 'budget_tokens'. Give one of them.")
    seeds = keys.wholes("seed", [study_seed])
    embedders = [located(name, folder) for name in keys.words("embedder", ["static"])]
    matched = keys.some("match_length", [None], "pool or null", lambda value: value in ("pool", None))
    nothing: dict[str, Any] = {}
    options = keys.take("options", nothing, "a mapping of a strategy's parameters", lambda value: isinstance(value, Mapping))
    only = keys.take("only", None, "a column and a number, such as [source, 3]", _is_only)
    base = SubsetSettings(
        strategy="", tokenizer=keys.text("tokenizer", "llama2"), topics=keys.text("topics", "kmeans:100"),
        tags=keys.text("tags", "keyphrases"), length_range=keys.text("length_range", None), quality=keys.text("quality", None),
        options=json.dumps(options, sort_keys=True), only=None if only is None else (only[0], only[1]),
        pool_sample=keys.whole("pool_sample", None, 1), copies=keys.whole("copies", 1, 1), label=keys.text("label", ""),
    )  # fmt: skip
    keys.done()
    amounts: list[tuple[int | None, int | None]] = [(size, None) for size in sizes] + [(None, budget) for budget in budgets]
    for strategy, side, (size, budget), embedder, match, seed in itertools.product(
        strategies, sides, amounts, embedders, matched, seeds
    ):
        for level in levels if STRATEGIES[strategy].levelled else [None]:
            yield replace(
                base, strategy=strategy, side=side, size=size, budget_tokens=budget, embedder=embedder, match_length=match,
                seed=seed, level=level,
            )  # fmt: skip


def _levels(keys: Keys) -> list[float]:
    value = keys.take("level", 7, "a number of steps, or a list of levels in [0, 100]", lambda one: isinstance(one, int | list))
    try:
        return ladder_levels(value)
    except (ParameterError, TypeError):
        raise keys.wrong("level", "a number of steps of at least 2, or a list of levels in [0, 100]", value) from None


def _is_only(value: object) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int) and value[1] > 0
    )


def select_rows(pool: Corpus, wanted: SubsetSettings) -> tuple[NDArray[np.int64], Selection]:
    """Choose the rows of one set.

    Returns:
        Row numbers of the pool in picking order, each as often as it stands in the set, and the selection as the strategy made it
        (of the part of the pool that `only` and `pool_sample` leave).

    Raises:
        DataError, ParameterError: the set cannot be had.
    """
    rows = np.arange(len(pool)) if wanted.only is None else _only(pool, *wanted.only, wanted.seed)
    if wanted.pool_sample is not None:
        if wanted.pool_sample > len(rows):
            raise DataError(f"{pool.name}: 'pool_sample' asks for {wanted.pool_sample:,} of {len(rows):,} rows. Ask for fewer.")
        # Of another stream than the strategy's own, which would else draw by the same numbers.
        drawn = np.random.default_rng([wanted.seed, 1]).choice(len(rows), wanted.pool_sample, replace=False)
        rows = rows[np.sort(drawn)]
    _build_on(pool, wanted)
    part = pool if len(rows) == len(pool) else pool.take(rows)
    size = None if wanted.size is None else -(-wanted.size // wanted.copies)
    budget = None if wanted.budget_tokens is None else wanted.budget_tokens // wanted.copies
    level: dict[str, Any] = {} if wanted.level is None else {"level": wanted.level}
    chosen = select(
        part, size, wanted.strategy, budget_tokens=budget, side=wanted.side, embedder=wanted.embedder,
        tokenizer=wanted.tokenizer, topics=wanted.topics, tags=wanted.tags, match_length=wanted.match_length,
        length_range=wanted.length_range, quality=wanted.quality, seed=wanted.seed, **level, **json.loads(wanted.options),
    )  # fmt: skip
    # Whole rounds of copies, as an epoch goes through a set: no row's copies stand beside each other.
    repeated = np.tile(rows[chosen.indices], wanted.copies)
    return repeated if wanted.size is None else repeated[: wanted.size], chosen


def _build_on(pool: Corpus, wanted: SubsetSettings) -> None:
    """Build on the whole pool what a selection looks at, so that every part of it takes its share in place of making its own."""
    side, view = cast(Side, wanted.side), STRATEGIES[wanted.strategy].view or ""
    if "vectors" in view or (view == "topics" and is_clustering(wanted.topics)):
        pool.vectors(side, wanted.embedder)
    if "tokens" in view:
        pool.tokens(side, wanted.tokenizer)
    if wanted.budget_tokens is not None or wanted.match_length is not None or wanted.length_range is not None:
        for one in pool.sides:
            pool.tokens(one, wanted.tokenizer)


def _only(pool: Corpus, column: str, values: int, seed: int) -> NDArray[np.int64]:
    labels = pool.labels(column)
    known = np.unique(labels)
    if values > len(known):
        raise DataError(f"{pool.name}: has {len(known)} values of '{column}', fewer than the {values} asked for.")
    kept = np.random.default_rng(seed).choice(known, values, replace=False)
    return np.flatnonzero(np.isin(labels, kept))
