"""Strategies: STRATEGIES is the table, :func:`select` joins it with a corpus."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from variegate._version import __version__
from variegate.corpus import same_dimensions
from variegate.data.record import SIDES, Side
from variegate.errors import DataError, VariegateError, bad_parameter, check_options, unknown_name
from variegate.loading import load
from variegate.strategies.kcenter import k_center
from variegate.strategies.novel import novelselect
from variegate.strategies.random import random
from variegate.strategies.spec import Picks, Selection, StrategySpec

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
        StrategySpec("random", random, None, "uniform", "n", "the baseline, and a representative sample", "none"),
    )
}  # fmt: skip

StrategyLike = str | StrategySpec | Callable[..., Any]


def select(
    data: Any,
    size: int,
    strategy: StrategyLike = "novelselect",
    *,
    side: str = "both",
    embedder: str = "static",
    reference: Any = None,
    seed: int = 0,
    **params: Any,
) -> Selection:
    """Choose `size` rows of a pool.

    Args:
        data: a corpus, an array of shape (n, d), a `datasets.Dataset`, or a path.
        size: how many rows; exactly that many are chosen.
        strategy: a name from `variegate list strategies`, or a function (vectors, size, seed) -> row numbers.
        side: which side's vectors are looked at.
        embedder: see `variegate list embedders`.
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
    vectors_of: Side = next(known_side for known_side in SIDES if known_side == side)
    if spec.view == "vectors":
        view: Any = corpus.vectors(vectors_of, embedder)
        recorded |= {"side": side, "embedder": "given vectors" if corpus.given_vectors is not None else embedder}
    else:
        view = len(corpus)
    if reference is not None:
        if "reference" not in known:
            raise bad_parameter("reference", spec.name, "left out, since it takes no reference", str(reference))
        against = load(reference)
        recorded["reference"] = against.name
        arguments["reference"] = against.vectors(vectors_of, embedder)
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
