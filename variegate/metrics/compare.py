"""Which of several data sets is more diverse, on which level and side, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.loading import load_each, separate
from variegate.metrics.measure import measure
from variegate.metrics.spec import Measurement
from variegate.metrics.table import METRICS

__all__ = ["PANEL", "Comparison", "Pair", "compare", "comparisons"]

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
CHANCE = 0.05


@dataclass(frozen=True)
class Pair:
    """What the metrics of one level and side say of two data sets.

    Attributes:
        first: name of a data set.
        second: name of another.
        more: metrics by which `first` is more diverse, beyond chance.
        less: metrics by which it is less diverse, beyond chance.
        p_values: of each metric's difference, corrected for all pairs and metrics of the level and side
            (Welch's t-test over draws; Holm 1979).
    """

    first: str
    second: str
    more: tuple[str, ...]
    less: tuple[str, ...]
    p_values: Mapping[str, float]

    @property
    def verdict(self) -> str:
        """`more` or `less` where all differences beyond chance point one way, `mixed` where they do not, `undecided` without any.

        It is said of `first`: `more` means that it is more diverse than `second`.
        """
        if self.more and self.less:
            return "mixed"
        return "more" if self.more else "less" if self.less else "undecided"

    def seen_from(self, name: str) -> Pair:
        """Return the same with `name` as the first."""
        return self if name == self.first else Pair(self.second, self.first, self.less, self.more, self.p_values)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields and the verdict, as JSON takes them."""
        return {
            "first": self.first, "second": self.second, "verdict": self.verdict, "more": list(self.more), "less": list(self.less),
            "p_values": dict(self.p_values),
        }  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """The verdicts of one level and side.

    Attributes:
        level: macro, meso or micro.
        side: which texts.
        order: names of the data sets, the most diverse first, by mean rank over the metrics.
        metrics: the metrics that were asked.
        agreeing: those for which the first of `order` is first.
        certain: those of them where it leads every other set by more than chance.
        n: rows a draw.
        draws: number of draws.
        pairs: every two data sets, those that stand first in `order` first.
    """

    level: str
    side: str
    order: tuple[str, ...]
    metrics: tuple[str, ...]
    agreeing: tuple[str, ...]
    certain: tuple[str, ...]
    n: int
    draws: int
    pairs: tuple[Pair, ...] = ()

    def pair(self, first: str, second: str) -> Pair:
        """Return what is said of two data sets, seen from the first.

        Raises:
            DataError: one of them was not compared.
        """
        for one in self.pairs:
            if {one.first, one.second} == {first, second}:
                return one.seen_from(first)
        raise DataError(f"{first} and {second} were not compared. Compared were: {', '.join(self.order)}.")

    def of(self, dataset: str, metric: str) -> list[dict[str, Any]]:
        """Return what a metric, and its level, say of one data set beside each other one, as `measure --json` writes it."""
        if metric not in self.metrics or dataset not in self.order:
            return []
        return [
            {
                "with": other, "direction": "more" if metric in two.more else "less" if metric in two.less else "undecided",
                "p_value": two.p_values[metric], "level": self.level, "verdict": two.verdict, "n": self.n, "draws": self.draws,
            }
            for other in self.order if other != dataset for two in [self.pair(dataset, other)]
        ]  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return {
            "level": self.level, "side": self.side, "order": list(self.order), "metrics": list(self.metrics), "n": self.n,
            "draws": self.draws, "pairs": [one.as_dict() for one in self.pairs],
        }  # fmt: skip


def compare(data: Any, *, reference: Any = None, metrics: Sequence[str] | None = None, **options: Any) -> list[Comparison]:
    """Compare data sets by random subsamples of one size: half the smallest set, 5,000 rows at most, 8 draws of each.

    The spread over draws of half a set is what its value would vary by if the set were drawn again from where it came from.

    Args:
        data: a list of data sets, as for :func:`measure`.
        reference: as for :func:`measure`.
        metrics: names, instead of a panel of each level.
        options: everything else that :func:`measure` takes, but `size_matched` and `seeds`.

    Returns:
        One comparison per level and side; none for levels on which nothing can be measured.

    Raises:
        DataError: fewer than two data sets, one that is given twice, or one that is too small to be drawn from.
    """
    *corpora, against = load_each(*separate(data), reference)
    if len(corpora) < 2:
        raise DataError("A comparison needs at least two data sets.")
    if len({id(one) for one in corpora}) < len(corpora):
        twice = next(one.name for one in corpora if sum(other is one for other in corpora) > 1)
        raise DataError(f"{twice}: is given twice. Give each data set once.")
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
    order = tuple(names[at] for at in np.argsort(ranks, kind="stable"))
    pairs = _pairs(order, by_metric)
    first = order[0]
    rivals = [one.seen_from(first) for one in pairs if first in (one.first, one.second)]
    agreeing = tuple(
        metric
        for metric, values in by_metric.items()
        if all(_oriented(values[first]) > _oriented(values[name]) for name in order[1:])
    )
    certain = tuple(metric for metric in agreeing if all(metric in one.more for one in rivals))
    some = next(iter(next(iter(by_metric.values())).values()))
    return Comparison(level, side, order, tuple(by_metric), agreeing, certain, some.n, len(some.draws), pairs)


def _pairs(order: tuple[str, ...], by_metric: dict[str, dict[str, Measurement]]) -> tuple[Pair, ...]:
    """Test every two data sets by every metric, all of them one family of tests."""
    two = list(combinations(order, 2))
    tests = [(first, second, metric) for first, second in two for metric in by_metric]
    corrected = holm(np.array([_p_value(by_metric[metric][a], by_metric[metric][b]) for a, b, metric in tests]))
    p_values = dict(zip(tests, corrected.tolist(), strict=True))
    out = []
    for first, second in two:
        beyond = [metric for metric in by_metric if p_values[first, second, metric] < CHANCE]
        leads = {metric: _oriented(by_metric[metric][first]) > _oriented(by_metric[metric][second]) for metric in beyond}
        more, less = (tuple(metric for metric in beyond if leads[metric] == lead) for lead in (True, False))
        out.append(Pair(first, second, more, less, {metric: p_values[first, second, metric] for metric in by_metric}))
    return tuple(out)


def holm(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values corrected for their number (Holm 1979): the i-th smallest of m times m - i + 1, never falling.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    steps = p_values[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected


def _oriented(result: Measurement) -> float:
    return result.value if result.higher_is_more_diverse else -result.value


def _p_value(first: Measurement, second: Measurement) -> float:
    """Return the p-value of a difference by Welch's t-test, with the spread of draws in place of that of their mean.

    A draw of half a set varies as the whole set would.
    """
    from scipy.stats import t

    a, b = np.array(first.draws), np.array(second.draws)
    if len(a) < 2 or len(b) < 2:
        return 1.0
    va, vb = a.var(ddof=1), b.var(ddof=1)
    if va + vb == 0:
        return float(a[0] == b[0])
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return float(2 * t.sf(abs(a.mean() - b.mean()) / np.sqrt(va + vb), freedom))
