"""Which of several data sets is more diverse, on which level and side, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from variegate.errors import DataError
from variegate.loading import load_each, separate
from variegate.metrics.measure import measure
from variegate.metrics.spec import Measurement
from variegate.metrics.table import METRICS

__all__ = ["PANEL", "Comparison", "compare", "comparisons"]

# Few metrics a level, each of another kind, so that near-copies of one metric do not outvote the rest.
PANEL = {
    "macro": ("novelsum", "distsum_cosine", "knn_distance", "vendi_score", "partition_entropy"),
    "meso": ("tag_count", "tag_entropy"),
    "micro": ("token_entropy", "hdd", "ngram_ratio", "compression_ratio"),
}
# Each set's own clusters say nothing about another set: only with a reference in common.
NEEDS_REFERENCE = {"partition_entropy"}
DRAWS = 8
LARGEST_DRAW = 5000
SMALLEST_DRAW = 20
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """The verdict of one level and side.

    Attributes:
        level: macro, meso or micro.
        side: which texts.
        order: names of the data sets, the most diverse first, by mean rank over the metrics.
        metrics: the metrics that were asked.
        agreeing: those for which the first of `order` is first.
        certain: those of them where its lead over the next is more than chance (Welch's t-test over draws, 95 %).
        n: rows a draw.
        draws: number of draws.
    """

    level: str
    side: str
    order: tuple[str, ...]
    metrics: tuple[str, ...]
    agreeing: tuple[str, ...]
    certain: tuple[str, ...]
    n: int
    draws: int


def compare(data: Any, *, reference: Any = None, metrics: Sequence[str] | None = None, **options: Any) -> list[Comparison]:
    """Compare data sets by random subsamples of one size: half the smallest set, 5,000 rows at most, 8 draws of each.

    The spread over draws of half a set is what its value would vary by if the set were drawn anew from where it came from.

    Args:
        data: a list of data sets, as for :func:`measure`.
        reference: as for :func:`measure`.
        metrics: names, instead of a panel of each level.
        options: everything else that :func:`measure` takes, but `size_matched` and `seeds`.

    Returns:
        One comparison per level and side; none for levels on which nothing can be measured.

    Raises:
        DataError: fewer than two data sets, or one that is too small to be drawn from.
    """
    *corpora, against = load_each(*separate(data), reference)
    if len(corpora) < 2:
        raise DataError("A comparison needs at least two data sets.")
    smallest = min(corpora, key=len)
    size = min(len(smallest) // 2, LARGEST_DRAW)
    if size < SMALLEST_DRAW:
        raise DataError(f"{smallest.name}: has {len(smallest)} rows, too few to tell a difference from chance.")
    names = list(metrics) if metrics is not None else panel(against is not None)
    results = measure(corpora, names, reference=against, size_matched=size, seeds=DRAWS, on_failure=lambda *_: None, **options)
    return comparisons(results)


def panel(with_reference: bool) -> list[str]:
    """Return the metrics of all levels that a comparison asks."""
    return [name for names in PANEL.values() for name in names if with_reference or name not in NEEDS_REFERENCE]


def comparisons(results: Sequence[Measurement]) -> list[Comparison]:
    """Read comparisons off measurements of several data sets, drawn at one size with several seeds."""
    found: dict[tuple[str, str], dict[str, dict[str, Measurement]]] = {}
    names = list(dict.fromkeys(result.dataset for result in results))
    for result in results:
        spec = METRICS.get(result.metric.partition("@")[0])
        if spec is not None:
            found.setdefault((spec.level, result.side), {}).setdefault(result.metric, {})[result.dataset] = result
    out = []
    for (level, side), by_metric in found.items():
        # A metric that one of the sets has no value of says nothing about the others.
        shared = {metric: values for metric, values in by_metric.items() if len(values) == len(names)}
        if shared and len(names) > 1:
            out.append(_comparison(level, side, names, shared))
    return sorted(out, key=lambda one: (list(PANEL).index(one.level), one.side))


def _comparison(level: str, side: str, names: list[str], by_metric: dict[str, dict[str, Measurement]]) -> Comparison:
    from scipy.stats import rankdata

    ranks = np.zeros(len(names))
    for values in by_metric.values():
        ranks += rankdata([-_oriented(values[name]) for name in names])
    order = [names[at] for at in np.argsort(ranks, kind="stable")]
    agreeing, certain = [], []
    for metric, values in by_metric.items():
        rivals = [name for name in names if name != order[0]]
        next_best = max(rivals, key=lambda name: _oriented(values[name]))
        if _oriented(values[order[0]]) > _oriented(values[next_best]):
            agreeing.append(metric)
            if _beyond_chance(values[order[0]], values[next_best]):
                certain.append(metric)
    some = next(iter(next(iter(by_metric.values())).values()))
    return Comparison(level, side, tuple(order), tuple(by_metric), tuple(agreeing), tuple(certain), some.n, len(some.draws))


def _oriented(result: Measurement) -> float:
    return result.value if result.higher_is_more_diverse else -result.value


def _beyond_chance(first: Measurement, second: Measurement) -> bool:
    from scipy.stats import t

    a, b = np.array(first.draws), np.array(second.draws)
    if len(a) < 2 or len(b) < 2:
        return False
    # The spread of the draws, not of their mean: a draw of half a set varies as the whole set would.
    va, vb = a.var(ddof=1), b.var(ddof=1)
    if va + vb == 0:
        return bool(a[0] != b[0])
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return bool(abs(a.mean() - b.mean()) > t.ppf(0.5 + CONFIDENCE / 2, freedom) * np.sqrt(va + vb))
