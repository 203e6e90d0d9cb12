"""Strategies: STRATEGIES is the table, :func:`select` joins it with a corpus."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from variegate._version import __version__
from variegate.corpus import Corpus, same_dimensions
from variegate.data.record import SIDES, Side
from variegate.errors import DataError, VariegateError, bad_parameter, check_options, unknown_name
from variegate.loading import load
from variegate.strategies.kcenter import k_center
from variegate.strategies.levels import macro, meso, micro
from variegate.strategies.novel import novelselect
from variegate.strategies.random import random
from variegate.strategies.spec import Picks, Selection, StrategySpec
from variegate.views.clusters import is_clustering
from variegate.views.tags import KEYPHRASES

__all__ = ["STRATEGIES", "Selection", "StrategySpec", "select"]

STRATEGIES: dict[str, StrategySpec] = {
    spec.name: spec
    for spec in (
        StrategySpec(
            "novelselect", novelselect, "vectors", "greedy by novelty: density-aware distance to the picks so far",
            "k n d, and the neighbours once", "diverse sets that predict performance best", "Yang et al. 2025",
        ),
        StrategySpec(
            "k_center", k_center, "vectors", "farthest first: no row is far from a chosen one",
            "k n d", "cover every corner, outliers included", "Gonzalez 1985; Sener & Savarese 2018",
        ),
        StrategySpec(
            "macro", macro, "topics", "covers a given share of the possible topics: --level 0 to 100",
            "n log n", "control the diversity of subjects at a fixed size", "Li et al. 2025",
        ),
        StrategySpec(
            "meso", meso, "tags", "covers a given share of the possible tags: --level 0 to 100",
            "t log t", "control the diversity of tags at a fixed size", "Li et al. 2025",
        ),
        StrategySpec(
            "micro", micro, "tokens", "covers a given share of the possible mid-frequency tokens: --level 0 to 100",
            "t log t", "control the diversity of wording; on responses it predicts performance best", "Li et al. 2025",
        ),
        StrategySpec("random", random, None, "uniform", "n", "the baseline, and a representative sample", "none"),
    )
}  # fmt: skip

# As BERTopic finds topics; `kmeans:K` needs no further package.
DEFAULT_TOPICS = "umap-hdbscan"
StrategyLike = str | StrategySpec | Callable[..., Any]


def select(
    data: Any,
    size: int,
    strategy: StrategyLike = "novelselect",
    *,
    side: str = "both",
    embedder: str = "static",
    tokenizer: str = "llama2",
    topics: str = DEFAULT_TOPICS,
    tags: str = KEYPHRASES,
    reference: Any = None,
    seed: int = 0,
    **params: Any,
) -> Selection:
    """Choose `size` rows of a pool.

    Args:
        data: a corpus, an array of shape (n, d), a `datasets.Dataset`, or a path.
        size: how many rows; exactly that many are chosen.
        strategy: a name from `variegate list strategies`, or a function (vectors, size, seed) -> row numbers.
        side: which texts are looked at.
        embedder: see `variegate list embedders`.
        tokenizer: see `variegate list tokenizers`.
        topics: see `variegate list topics`.
        tags: see `variegate list tags`.
        reference: data set in which densities are taken; the pool if None.
        seed: of everything drawn at random.
        params: the strategy's own parameters, such as `first=0` or `metric="cosine"`.

    Returns:
        A selection: `corpus.take(selection.indices)` is the subset, in picking order.

    Raises:
        ParameterError: a name or parameter is unknown, or the pool has fewer rows than asked for.
        DataError: the pool cannot be embedded.
    """
    corpus = load(data)
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 1 <= size <= len(corpus):
        raise bad_parameter("size", "select", f"an int in [1, {len(corpus)}], the rows of {corpus.name}", size)
    if side not in SIDES:
        raise bad_parameter("side", "select", f"one of {', '.join(SIDES)}", side)
    spec = _spec_of(strategy)
    arguments: dict[str, Any] = dict(params)
    known = inspect.signature(spec.function).parameters
    own = [name for name, one in known.items() if one.kind == one.KEYWORD_ONLY and name not in ("seed", "reference")]
    if not any(one.kind == one.VAR_KEYWORD for one in known.values()):
        check_options(spec.name, {name: known[name].default for name in own}, params)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise bad_parameter("seed", "select", "a whole number of at least 0", seed)
    recorded: dict[str, Any] = {name: known[name].default for name in own} | params
    one: Side = next(known_side for known_side in SIDES if known_side == side)
    against = None if reference is None else load(reference)
    if against is not None and "reference" not in known:
        raise bad_parameter("reference", spec.name, "left out, since it takes no reference", str(reference))

    def view_of(part: Corpus) -> Any:
        return _view(spec, part, one, embedder, tokenizer, topics, tags)

    view = view_of(corpus)
    recorded |= _view_params(spec, corpus, side, embedder, tokenizer, topics, tags)
    if against is not None:
        recorded["reference"] = against.name
        arguments["reference"] = view_of(against)
        if spec.view == "vectors":
            same_dimensions(corpus, view, against, arguments["reference"])
    try:
        picks = _checked(spec.function(view, int(size), seed=seed, **arguments), int(size), len(corpus), spec.name)
    except DataError as error:
        raise error if corpus.name in str(error) else DataError(f"{corpus.name}: {error}") from None
    pool = {
        "files": [source.name for source in corpus.sources] or [corpus.name],
        "rows": corpus.row_count,
        "sha256": corpus.sha256,
    }
    return Selection(
        picks.rows, picks.gains, spec.name, recorded | picks.params, seed, len(picks.rows), pool, __version__, picks.notes
    )


def _view(spec: StrategySpec, corpus: Corpus, side: Side, embedder: str, tokenizer: str, topics: str, tags: str) -> Any:
    if spec.view == "vectors":
        return corpus.vectors(side, embedder)
    if spec.view == "topics":
        return corpus.topics(side, topics, embedder, corpus)
    if spec.view == "tags":
        return corpus.tags(side, tags, corpus)
    return corpus.tokens(side, tokenizer) if spec.view == "tokens" else len(corpus)


def _view_params(
    spec: StrategySpec, corpus: Corpus, side: str, embedder: str, tokenizer: str, topics: str, tags: str
) -> dict[str, Any]:
    made_by = {"embedder": "given vectors" if corpus.given_vectors is not None else embedder}
    if spec.view == "vectors":
        return {"side": side, **made_by}
    if spec.view == "topics":
        return {"side": side, "topics": topics, **(made_by if is_clustering(topics) else {})}
    if spec.view == "tags":
        return {"side": side, "tags": tags}
    return {"side": side, "tokenizer": tokenizer} if spec.view == "tokens" else {}


def _spec_of(strategy: StrategyLike) -> StrategySpec:
    if isinstance(strategy, StrategySpec):
        return strategy
    if isinstance(strategy, str):
        if strategy not in STRATEGIES:
            raise unknown_name("strategy", strategy, list(STRATEGIES))
        return STRATEGIES[strategy]
    name = getattr(strategy, "__name__", type(strategy).__name__)
    return StrategySpec(name, strategy, "vectors", (strategy.__doc__ or "").split("\n")[0], "unknown", "", "user")


def _checked(picks: Any, size: int, rows: int, name: str) -> Picks:
    """Hold every strategy, users' own included, to its promise: exactly `size` distinct rows of the pool."""
    if not isinstance(picks, Picks):
        picks = Picks(np.asarray(picks, np.int64), [None] * len(picks))
    chosen = picks.rows
    if len(chosen) != size or len(np.unique(chosen)) != size or chosen.min() < 0 or chosen.max() >= rows:
        raise VariegateError(
            f"The strategy {name} did not return {size} distinct rows of the pool ({len(chosen)} returned, "
            f"{len(np.unique(chosen))} distinct)."
        )
    return cast(Picks, picks)
