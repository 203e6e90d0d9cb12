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
from variegate.strategies.clustered import k_means, semdedup
from variegate.strategies.coverage import blend, token_coverage
from variegate.strategies.dpp import dpp
from variegate.strategies.facility import facility_location
from variegate.strategies.kcenter import k_center
from variegate.strategies.levels import macro, meso, micro
from variegate.strategies.mig import mig
from variegate.strategies.novel import novelselect
from variegate.strategies.random import random
from variegate.strategies.spec import Picks, Selection, StrategySpec
from variegate.strategies.spread import max_sum, repr_filter
from variegate.strategies.tagged import instag
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
            "facility_location", facility_location, "vectors", "every row of the pool is near to a chosen one: exact lazy greedy",
            "n^2 d, then k n d", "a subset that stands for the pool; with --quality it is QDIT",
            "Nemhauser et al. 1978; Bukharin & Zhao 2024",
        ),
        StrategySpec(
            "dpp", dpp, "vectors", "largest volume: greedy MAP of a determinantal point process; at most the kernel's rank",
            "k^2 n", "small, maximally different sets", "Chen et al. 2018",
        ),
        StrategySpec(
            "max_sum", max_sum, "vectors", "largest sum of cosine distances", "k n d", "a baseline: the rim of the pool",
            "Ravi et al. 1994",
        ),
        StrategySpec(
            "repr_filter", repr_filter, "vectors", "in order of quality (or at random), nothing too like what is kept",
            "k n d", "quality first, without near-repeats", "Liu et al. 2024",
        ),
        StrategySpec(
            "k_means", k_means, "vectors", "equally many rows of each cluster", "n c d an iteration",
            "balance over regions", "a common baseline",
        ),
        StrategySpec(
            "semdedup", semdedup, "vectors", "drops the rows most like another inside k-means clusters", "n^2 d / clusters",
            "thin a redundant pool out", "Abbas et al. 2023",
        ),
        StrategySpec(
            "instag", instag, "tags", "rows with many tags first, as long as they bring new ones", "t a pass",
            "complex and varied instructions", "Lu et al. 2023",
        ),
        StrategySpec(
            "mig", mig, "tag graph", "most information on a graph of tags, shared among like ones: exact lazy greedy",
            "T^2 d for T tags, then lazily", "covers many subjects evenly, near-synonyms counted once; weighs --quality",
            "Chen et al. 2025",
        ),
        StrategySpec(
            "token_coverage", token_coverage, "tokens", "greedy maximum of sum over token types of log(1 + occurrences)",
            "t, then lazily", "micro diversity as an objective", "Lin & Bilmes 2011",
        ),
        StrategySpec(
            "blend", blend, "vectors+tokens", "weighted sum of token coverage and facility location", "n^2 d, then k n d",
            "micro and macro at once", "both of these",
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
    quality: str | None = None,
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
        quality: column of numbers, larger is better, for strategies that weigh it; its least value counts as 0, its largest as 1.
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
    own = [
        name
        for name, one in known.items()
        if one.kind == one.KEYWORD_ONLY and name not in ("seed", "reference", "quality", "existing")
    ]
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

    if quality is not None:
        if "quality" not in known:
            raise bad_parameter("quality", spec.name, "left out, since it weighs no quality", quality)
        arguments["quality"] = _scaled(corpus, quality)
        recorded["quality"] = quality
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


def _scaled(corpus: Corpus, column: str) -> np.ndarray[Any, Any]:
    """Return a column of numbers, scaled so that the least is 0 and the largest 1."""
    values = corpus.column(column)
    for row, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise DataError(f"{corpus.where(row)}: the quality '{column}' must be a finite number. Got {value!r} instead.")
    numbers = np.array(values, np.float64)
    spread = numbers.max() - numbers.min()
    return (numbers - numbers.min()) / spread if spread else np.ones(len(numbers))


def _view(spec: StrategySpec, corpus: Corpus, side: Side, embedder: str, tokenizer: str, topics: str, tags: str) -> Any:
    if spec.view == "vectors":
        return corpus.vectors(side, embedder)
    if spec.view == "vectors+tokens":
        return corpus.vectors(side, embedder), corpus.tokens(side, tokenizer)
    if spec.view == "topics":
        return corpus.topics(side, topics, embedder, corpus)
    if spec.view == "tags":
        return corpus.tags(side, tags, corpus)
    if spec.view == "tag graph":
        return corpus.tags(side, tags, corpus), corpus.tag_vectors(side, tags, embedder, corpus)
    return corpus.tokens(side, tokenizer) if spec.view == "tokens" else len(corpus)


def _view_params(
    spec: StrategySpec, corpus: Corpus, side: str, embedder: str, tokenizer: str, topics: str, tags: str
) -> dict[str, Any]:
    made_by = {"embedder": "given vectors" if corpus.given_vectors is not None else embedder}
    if spec.view == "vectors":
        return {"side": side, **made_by}
    if spec.view == "vectors+tokens":
        return {"side": side, "tokenizer": tokenizer, **made_by}
    if spec.view == "topics":
        return {"side": side, "topics": topics, **(made_by if is_clustering(topics) else {})}
    if spec.view == "tags":
        return {"side": side, "tags": tags}
    if spec.view == "tag graph":
        return {"side": side, "tags": tags, "embedder": embedder}
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
