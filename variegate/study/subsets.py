"""Which sets of rows a study trains on: grids of selections, and controls that are not diverse."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.data.record import SIDES, Side
from variegate.errors import DataError, ParameterError
from variegate.strategies import STRATEGIES, Selection, refuse_parameters, select
from variegate.strategies.lengths import range_of
from variegate.study.identity import identity, known_by, located_view, short_name
from variegate.study.keys import Keys
from variegate.study.ladder import ladder_levels
from variegate.viewing import Views, kind_of

__all__ = ["SubsetSettings", "read_subsets", "select_rows"]

# Not what `select` takes where nothing is said: a study that was begun goes on with the vectors that it was begun with.
EMBEDDER = "static"
LENGTHS = 'LOW:HIGH in tokens of the response, in quotes, such as "50:500"'
MOST_STEPS = 21


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
        response_share: least share of a row's tokens that its response has; None for any.
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
    embedder: str = EMBEDDER
    tokenizer: str = Views.tokenizer
    topics: str = Views.topics
    tags: str = Views.tags
    match_length: str | None = None
    length_range: str | None = None
    response_share: float | None = None
    quality: str | None = None
    options: str = "{}"
    only: tuple[str, int] | None = None
    pool_sample: int | None = None
    copies: int = 1
    label: str = ""

    @property
    def id(self) -> str:
        """The hash of everything but the label, which changes no row; files count by what they hold, not by where they lie."""
        settings = {name: value for name, value in asdict(self).items() if name != "label"}
        return identity({**settings, "embedder": known_by(self.embedder), "tokenizer": known_by(self.tokenizer)})

    @property
    def name(self) -> str:
        """What people call it, with what else tells it from its neighbours in a grid."""
        level = "" if self.level is None else f" {self.level:g} %"
        return f"{self.arm}{level}, {self.side}, {self.amount}, seed {self.seed}"

    @property
    def arm(self) -> str:
        """What is compared with other ways to choose: all but side, level, amount, seed and the sample of the pool."""
        name = self.label or self._described
        return name if self.match_length is None else f"{name}, lengths matched"

    @property
    def _described(self) -> str:
        """The strategy, and what is otherwise than by default."""
        name = self.strategy
        if self.embedder != EMBEDDER:
            name += f" [{short_name(self.embedder)}]"
        if self.options != "{}":
            name += f" {self.options}"
        own = {one.name: one.default for one in fields(self)}
        more = [f"{key} {value}" for key in ("tokenizer", "topics", "tags") if (value := getattr(self, key)) != own[key]]
        more += [f"lengths {self.length_range}"] if self.length_range else []
        more += [f"responses of {self.response_share:.0%} at least"] if self.response_share is not None else []
        more += [f"quality {self.quality}"] if self.quality else []
        more += [f"{self.only[1]} of {self.only[0]}"] if self.only else []
        more += [f"{self.copies} copies"] if self.copies > 1 else []
        return ", ".join([name, *more])

    @property
    def amount(self) -> str:
        """How much data, in words: subsets of another amount are not compared."""
        return f"{self.size:,} rows" if self.size is not None else f"{self.budget_tokens:,} tokens"


def read_subsets(keys: Keys, study_seed: int, folder: Path) -> list[SubsetSettings]:
    """Read the grids under `subsets`: in each, every combination of its lists.

    Raises:
        ParameterError: a key or value is not known, two entries describe the same set, or two ways to choose have one name.
    """
    entries = keys.list_of("subsets")
    if not entries:
        raise keys.missing("subsets", "a list of grids, such as [{strategy: random, size: 1000}]")
    found: dict[str, SubsetSettings] = {}
    ways: dict[str, SubsetSettings] = {}
    for entry in entries:
        for one in _grid(entry, study_seed, folder):
            if one.id in found:
                raise ParameterError(
                    f"{entry.place()}: '{entry.where}' describes a set that '{found[one.id].name}' describes already. "
                    "Take one out."
                )
            if _way(ways.setdefault(one.arm, one)) != _way(one):
                raise ParameterError(
                    f"{entry.place()}: '{entry.where}' is called '{one.arm}', as is a set that is chosen otherwise; the "
                    "two would be taken for one way to choose. Give it a 'label' of its own."
                )
            found[one.id] = one
    return list(found.values())


def _way(one: SubsetSettings) -> SubsetSettings:
    """Return what makes a way to choose: subsets that differ in the rest are compared as one."""
    return replace(one, side="both", level=None, size=1, budget_tokens=None, seed=0, pool_sample=None, label="")


def _grid(keys: Keys, study_seed: int, folder: Path) -> Iterator[SubsetSettings]:
    strategies = keys.words("strategy", [], list(STRATEGIES))
    if not strategies:
        raise keys.missing("strategy", f"one of {', '.join(STRATEGIES)}, or a list of these")
    given = set(keys.values)
    sides = keys.words("side", ["both"], SIDES)
    levels = _levels(keys)
    sizes, budgets = keys.wholes("size", [], 1), keys.wholes("budget_tokens", [], 1)
    if bool(sizes) == bool(budgets):
        raise ParameterError(f"{keys.place()}: '{keys.where}' takes either 'size' (rows) or 'budget_tokens'. Give one of them.")
    seeds = keys.wholes("seed", [study_seed])
    embedders = [located_view(name, folder) for name in keys.words("embedder", [EMBEDDER])]
    matched = keys.some("match_length", [None], "pool or null", lambda value: value in ("pool", None))
    base = _base(keys, folder)
    for strategy in strategies:
        _check_parameters(strategy, keys, json.loads(base.options), base.quality)
    keys.done()
    _refuse_unused(keys, strategies, given, base.topics)
    if budgets and any(matched):
        raise keys.wrong("match_length", "left out, since lengths that are matched take a 'size' and no 'budget_tokens'", "pool")
    if base.pool_sample is not None and any(base.pool_sample < -(-size // base.copies) for size in sizes):
        raise keys.wrong("pool_sample", f"at least the {max(sizes):,} rows of 'size'", base.pool_sample)
    amounts: list[tuple[int | None, int | None]] = [(size, None) for size in sizes] + [(None, budget) for budget in budgets]
    for strategy in strategies:
        used = _used(strategy, base.topics)
        # What a strategy does not look at makes no other set of it.
        for side, (size, budget), embedder, match, seed, level in itertools.product(
            sides if "side" in used else ["both"], amounts, embedders if "embedder" in used else [EMBEDDER], matched, seeds,
            levels if "level" in used else [None],
        ):  # fmt: skip
            yield replace(
                base, strategy=strategy, side=side, size=size, budget_tokens=budget, embedder=embedder, match_length=match,
                seed=seed, level=level, topics=base.topics if "topics" in used else Views.topics,
                tags=base.tags if "tags" in used else Views.tags,
            )  # fmt: skip


def _base(keys: Keys, folder: Path) -> SubsetSettings:
    """Read what is the same for all sets of a grid."""
    options = keys.plain("options")
    only = keys.take("only", None, "a column and a number, such as [source, 3]", _is_only)
    return SubsetSettings(
        strategy="", tokenizer=located_view(keys.text("tokenizer", Views.tokenizer), folder),
        topics=keys.text("topics", Views.topics), tags=keys.text("tags", Views.tags),
        length_range=keys.take("length_range", None, LENGTHS, _is_range),
        response_share=keys.take("response_share", None, "a number in [0, 1]", _is_share),
        quality=keys.text("quality", None), options=json.dumps(options, sort_keys=True),
        only=None if only is None else (only[0], only[1]), pool_sample=keys.whole("pool_sample", None, 1),
        copies=keys.whole("copies", 1, 1), label=keys.text("label", ""),
    )  # fmt: skip


def _used(strategy: str, topics: str) -> set[str]:
    """Return the keys that a strategy looks at."""
    spec = STRATEGIES[strategy]
    return {*Views(topics=topics).needs(spec.view), *(["level"] if spec.levelled else [])}


def _refuse_unused(keys: Keys, strategies: list[str], given: set[str], topics: str) -> None:
    """Refuse a key that none of the strategies looks at: it would change nothing."""
    used = {key for strategy in strategies for key in _used(strategy, topics)}
    for key in ("side", "level", "embedder", "topics", "tags"):
        if key in given and key not in used:
            raise ParameterError(
                f"{keys.place(key)}: '{keys.path(key)}' is nothing that {' or '.join(strategies)} looks at. Leave it out."
            )


def _check_parameters(strategy: str, keys: Keys, options: Mapping[str, Any], quality: str | None) -> None:
    """Refuse what a strategy does not take."""
    try:
        if "level" in options:
            raise ParameterError("'level' has a key of its own.")
        refuse_parameters(strategy, options, quality)
    except ParameterError as error:
        key = "quality" if "'quality'" in str(error) else "options"
        raise ParameterError(f"{keys.place(key)}: '{keys.path(key)}': {error}") from None


def _levels(keys: Keys) -> list[float]:
    allowed = f"a number of steps from 2 to {MOST_STEPS}, or a list of levels in [0, 100]"
    value = keys.take("level", 7, allowed, lambda one: isinstance(one, int | list) and not isinstance(one, bool))
    try:
        # One level alone is easily given as a number, which would be steps.
        if isinstance(value, int) and value > MOST_STEPS:
            raise ValueError
        return ladder_levels(value)
    except (ValueError, TypeError):
        raise keys.wrong("level", allowed, value) from None


def _is_only(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    column, count = value
    return isinstance(column, str) and isinstance(count, int) and not isinstance(count, bool) and count > 0


def _is_range(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(range_of(value))
    except ParameterError:
        return False


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


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
        length_range=wanted.length_range, response_share=wanted.response_share, quality=wanted.quality, seed=wanted.seed,
        **level, **json.loads(wanted.options),
    )  # fmt: skip
    # Whole rounds of copies, as an epoch goes through a set: no row's copies stand beside each other.
    repeated = np.tile(rows[chosen.indices], wanted.copies)
    return repeated if wanted.size is None else repeated[: wanted.size], chosen


def _build_on(pool: Corpus, wanted: SubsetSettings) -> None:
    """Build on the whole pool what a selection looks at, so that every part of it takes its share in place of making its own."""
    views = Views(cast(Side, wanted.side), wanted.embedder, wanted.tokenizer, wanted.topics, wanted.tags)
    kind_of(STRATEGIES[wanted.strategy].view).prepare(views, pool)
    limits = (wanted.budget_tokens, wanted.match_length, wanted.length_range, wanted.response_share)
    if any(one is not None for one in limits):
        for one in pool.sides:
            pool.tokens(one, wanted.tokenizer)


def _only(pool: Corpus, column: str, values: int, seed: int) -> NDArray[np.int64]:
    labels = pool.labels(column)
    known = np.unique(labels)
    if values > len(known):
        raise DataError(f"{pool.name}: has {len(known)} values of '{column}', fewer than the {values} asked for.")
    kept = np.random.default_rng(seed).choice(known, values, replace=False)
    return np.flatnonzero(np.isin(labels, kept))
