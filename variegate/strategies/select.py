"""Selections: a strategy, the view of a pool that it takes, and what limits the choice."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from variegate._version import __version__
from variegate.corpus import Corpus
from variegate.data.record import SIDES, Side
from variegate.errors import DataError, VariegateError, bad_parameter, check_options, unknown_name
from variegate.geometry import collecting, recorded
from variegate.loading import load_each
from variegate.strategies.limits import POOL, Limits
from variegate.strategies.quality import quality_of
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks, Selection, StrategySpec
from variegate.strategies.table import DEFAULT, STRATEGIES
from variegate.viewing import Views, kind_of

__all__ = ["refuse_parameters", "select"]

# As BERTopic finds topics; `kmeans:K` needs no further package.
DEFAULT_TOPICS = "umap-hdbscan"
# Parameters of a strategy's function that `select` fills in.
FILLED_IN = ("seed", "reference", "quality", "room")
# Where at least one row in so many may be chosen, vectors are made of the whole pool: these are cached, and serve again.
MOSTLY = 2
StrategyLike = str | StrategySpec | Callable[..., Any]


def select(
    data: Any,
    size: int | None = None,
    strategy: StrategyLike = DEFAULT,
    *,
    budget_tokens: int | None = None,
    budget_side: str = "both",
    length_range: str | None = None,
    response_share: float | None = None,
    match_length: Any = None,
    extend: Any = None,
    side: str = "both",
    embedder: str = Views.embedder,
    tokenizer: str = Views.tokenizer,
    topics: str = DEFAULT_TOPICS,
    tags: str = Views.tags,
    reference: Any = None,
    quality: str | None = None,
    seed: int = 0,
    **params: Any,
) -> Selection:
    """Choose rows of a pool: `size` of them, or as many as a budget of tokens allows.

    Args:
        data: a corpus, an array of shape (n, d), a `datasets.Dataset`, or a path.
        size: how many rows; exactly that many are chosen.
        strategy: a name from `variegate list strategies`, or a function (vectors, size, seed) -> row numbers.
        budget_tokens: how many tokens, in place of `size`: rows are chosen as long as one fits. Where a strategy's gains add up
            to an objective, it goes by gain per token as well, and the better of the two sets is returned.
        budget_side: whose tokens count.
        length_range: "LOW:HIGH", tokens of the response, both included; rows outside are left out of the pool.
        response_share: least share of a row's tokens that its response has, in [0, 1]; rows with less are left out of the pool,
            since a model learns from responses alone and prompts cost as much. None is the strategy's own limit, which most do
            not have; 0 keeps all.
        match_length: a data set whose response lengths the subset is to follow, or "pool" for the pool's own.
        extend: a data set that is owned already: rows are chosen to add to it, and none that it holds.
        side: which texts are looked at.
        embedder: see `variegate list embedders`.
        tokenizer: see `variegate list tokenizers`; counts tokens too.
        topics: see `variegate list topics`.
        tags: see `variegate list tags`.
        reference: data set in which densities are taken; the pool (with what it extends) if None.
        quality: column of numbers, larger is better, for strategies that weigh it; its least value counts as 0, its largest as 1.
        seed: of everything drawn at random.
        params: the strategy's own parameters, such as `first=0` or `metric="cosine"`.

    Returns:
        A selection: `corpus.take(selection.indices)` is the subset, in picking order.

    Raises:
        ParameterError: a name or parameter is unknown, or the pool has fewer rows than asked for.
        DataError: the pool cannot be embedded, or a budget or lengths cannot be had.
    """
    target = data if isinstance(match_length, str) and match_length == POOL else match_length
    corpus, owned, target, against = load_each(data, extend, target, reference)
    if side not in SIDES:
        raise bad_parameter("side", "select", f"one of {', '.join(SIDES)}", side)
    limits = Limits(size, budget_tokens, cast(Side, budget_side), length_range, response_share, target, owned, tokenizer)
    limits.check(corpus)
    spec = _spec_of(strategy)
    defaults = _defaults(spec, params)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise bad_parameter("seed", "select", "a whole number of at least 0", seed)
    _refuse_what_is_not_taken(spec, against, quality, limits)
    notes: list[str] = []
    if spec.response_share is not None and response_share is None:
        limits, notes = limits.with_share(corpus, spec.response_share)
    kept = limits.kept(corpus)
    views = Views(side, embedder, tokenizer, topics, tags).settled([corpus if against is None else against])
    part = corpus if len(kept) == len(corpus) else _part(corpus, kept, views, spec.view)
    if target is corpus:
        limits = replace(limits, match_length=part)
    arguments = dict(params)
    if "first" in params:
        arguments["first"] = _place_of(params["first"], kept, corpus)
    if quality is not None:
        worth = quality_of(corpus, quality)[kept]
        arguments["quality"] = worth if owned is None else np.concatenate([worth, np.zeros(len(owned))])
    room, about = limits.room(part)
    view = _view(views, spec.view, part, owned)
    if not limits.plain:
        arguments["room"] = room.copy()
    if against is not None:
        arguments["reference"] = views.build(spec.view, against)
        about["reference"] = against.name
        kind_of(spec.view).refuse_unlike(corpus, view, against, arguments["reference"])
    try:
        with collecting() as searches:
            picks = _checked(spec.function(view, room.size, seed=seed, **arguments), room, len(part), spec.name, limits)
    except DataError as error:
        raise error if corpus.name in str(error) else DataError(f"{corpus.name}: {error}") from None
    if "first" in picks.params:
        picks.params["first"] = int(kept[picks.params["first"]])
    rows = kept[picks.rows]
    all_params = {
        **defaults, **params, **({} if quality is None else {"quality": quality}), **_made(views, spec.view, corpus), **about,
        **picks.params, **recorded(searches), **limits.outcome(part.take(picks.rows)),
    }  # fmt: skip
    notes += [*picks.notes, *_copies(corpus, rows, spec.name)]
    return Selection(rows, picks.gains, spec.name, all_params, seed, len(rows), _about(corpus), __version__, notes)


def refuse_parameters(strategy: str, params: Mapping[str, Any], quality: str | None = None) -> None:
    """Refuse what a strategy does not take, as :func:`select` does, before there is a pool.

    Raises:
        ParameterError: it has no such parameter, or weighs no quality.
    """
    spec = _spec_of(strategy)
    _defaults(spec, dict(params))
    _refuse_quality(spec, quality)


def _part(corpus: Corpus, kept: NDArray[np.int64], views: Views, kind: str | None) -> Corpus:
    """Return the rows that may be chosen, with their share of what is cached for the whole pool."""
    if len(kept) * MOSTLY >= len(corpus):
        # What cannot be built for all rows may be for these.
        with suppress(DataError):
            kind_of(kind).prepare(views, corpus)
    return corpus.take(kept, corpus.name)


def _view(views: Views, kind: str | None, part: Corpus, owned: Corpus | None) -> Any:
    """Return the view of the rows that may be chosen, and then of those that are owned."""
    of = kind_of(kind)
    view = views.build(kind, part)
    of.refuse_empty(views, part, view)
    if owned is None or of.join is None:
        return view
    its_view = views.build(kind, owned, part)
    of.refuse_unlike(part, view, owned, its_view)
    return of.join(view, its_view)


def _made(views: Views, kind: str | None, corpus: Corpus) -> dict[str, Any]:
    """Return how a view was made, the side included."""
    side = {"side": views.side} if "side" in views.needs(kind) else {}
    return side | views.record(kind, corpus)


def _copies(corpus: Corpus, rows: NDArray[np.int64], strategy: str) -> list[str]:
    """Say how many of the rows that were chosen stand among them more than once, word for word."""
    if corpus.given_vectors is not None:
        return []
    import pyarrow as pa

    side: Side = "both" if "both" in corpus.sides else next(iter(corpus.sides))
    counts = Counter(corpus.texts(side).take(pa.array(rows)).to_pylist())
    copies = sum(times for times in counts.values() if times > 1)
    if not copies:
        return []
    held = "all of one text" if len(counts) == 1 else f"{len(counts):,} different texts in all"
    other = "" if strategy.startswith("novelselect") else ", or pass --strategy novelselect, which takes them last"
    return [
        f"{copies:,} of the {len(rows):,} rows chosen have an exact copy among them ({held}). Take copies out of the pool "
        f"first{other}"
    ]


def _about(corpus: Corpus) -> dict[str, Any]:
    files = [source.name for source in corpus.sources] or [corpus.name]
    return {"files": files, "rows": corpus.row_count, "sha256": corpus.sha256}


def _defaults(spec: StrategySpec, params: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a strategy's own parameters where none are given; refuse parameters that it does not have."""
    known = inspect.signature(spec.function).parameters
    own = {name: one.default for name, one in known.items() if one.kind == one.KEYWORD_ONLY and name not in FILLED_IN}
    if not any(one.kind == one.VAR_KEYWORD for one in known.values()):
        # null for "no bound" and the like, where the function says that it takes it.
        nullable = {name for name, one in known.items() if "None" in str(one.annotation)}
        check_options(
            getattr(spec.function, "__name__", spec.name),
            own,
            {name: value for name, value in params.items() if value is not None or name not in nullable},
        )
    return own


def _refuse_quality(spec: StrategySpec, quality: str | None) -> None:
    if quality is not None and "quality" not in inspect.signature(spec.function).parameters:
        raise bad_parameter("quality", spec.name, "left out, since it weighs no quality", quality)


def _refuse_what_is_not_taken(spec: StrategySpec, against: Corpus | None, quality: str | None, limits: Limits) -> None:
    known = inspect.signature(spec.function).parameters
    if against is not None and "reference" not in known:
        raise bad_parameter("reference", spec.name, "left out, since it takes no reference", against.name)
    _refuse_quality(spec, quality)
    if limits.extend is not None and not (spec.extends and kind_of(spec.view).join):
        raise bad_parameter("extend", spec.name, "left out, since it cannot add to what is owned", limits.extend.name)
    if not limits.plain and "room" not in known:
        name = "budget_tokens" if limits.budget_tokens is not None else "match_length"
        raise bad_parameter(name, spec.name, "left out, since its function takes no parameter 'room'", getattr(limits, name))


def _place_of(first: Any, kept: NDArray[np.int64], corpus: Corpus) -> Any:
    """Return where a row of the pool stands among those that are kept; anything else as it is."""
    if not isinstance(first, int) or isinstance(first, bool) or not 0 <= first < len(corpus):
        return first
    at = int(np.searchsorted(kept, first))
    if at == len(kept) or kept[at] != first:
        raise bad_parameter("first", "select", f"a row of {corpus.name} that the lengths and the data to extend leave in", first)
    return at


def _spec_of(strategy: StrategyLike) -> StrategySpec:
    if isinstance(strategy, StrategySpec):
        return strategy
    if isinstance(strategy, str):
        if strategy not in STRATEGIES:
            raise unknown_name("strategy", strategy, list(STRATEGIES))
        return STRATEGIES[strategy]
    name = getattr(strategy, "__name__", type(strategy).__name__)
    return StrategySpec(name, strategy, "vectors", (strategy.__doc__ or "").split("\n")[0], "unknown", "", "user")


def _checked(picks: Any, room: Room, rows: int, name: str, limits: Limits) -> Picks:
    """Hold every strategy, users' own included, to its promise: exactly as many distinct rows as there is room for."""
    if not isinstance(picks, Picks):
        picks = Picks(np.asarray(picks, np.int64), [None] * len(picks))
    chosen = picks.rows
    size = len(chosen) if limits.budget_tokens is not None else room.size
    wrong = len(chosen) != size or len(np.unique(chosen)) != size or chosen.min(initial=0) < 0 or chosen.max(initial=0) >= rows
    # A budget is kept by having room for every pick.
    if wrong or len(room.fill(chosen.tolist())) != len(chosen) or not len(chosen):
        raise VariegateError(
            f"The strategy {name} did not return {size} distinct rows of the pool ({len(chosen)} returned, "
            f"{len(np.unique(chosen))} distinct)."
        )
    return cast(Picks, picks)
