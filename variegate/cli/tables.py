"""Tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from variegate.cli.layout import print_table, table_format
from variegate.cli.streams import echo

if TYPE_CHECKING:
    from variegate.diagnosing import Diagnosis
    from variegate.metrics import Comparison, Measurement, Yardstick
    from variegate.metrics.compare import Pair

__all__ = ["comparison_table", "curve_table", "diagnosis_tables", "in_percent", "measurement_table", "short", "yardstick_table"]

# Metrics of the user's own, which have no level, come first.
_LEVELS = (None, "macro", "meso", "micro")


def measurement_table(results: Sequence[Measurement]) -> None:
    """Print one row per metric; one column per side of one data set, or per data set (and a row per side)."""
    if table_format() == "csv":
        _long_table(results)
        return
    names = list(dict.fromkeys(result.dataset for result in results))
    sides = list(dict.fromkeys(result.side for result in results))
    by_side = len(names) == 1 and len(sides) > 1
    found = {(result.metric, result.side, result.dataset): result for result in results}
    # By level, within each as they came.
    ordered = sorted(results, key=lambda result: _LEVELS.index(_level(result.metric)))
    metrics = {result.metric: result for result in ordered}
    rows: list[list[str]] = []
    breaks = []
    level = None
    for metric, some in metrics.items():
        if level not in (None, _level(metric)):
            breaks.append(len(rows) + 1)
        level = _level(metric)
        shown = metric if some.higher_is_more_diverse else f"{metric} (less = more diverse)"
        if by_side:
            rows.append([shown, *(_cell(found.get((metric, side, names[0]))) for side in sides)])
        else:
            rows += [
                [shown, side, *(_cell(found.get((metric, side, name))) for name in names)]
                for side in sides
                if any((metric, side, name) in found for name in names)
            ]
    if by_side:
        samples = ["samples", *(_samples(results, names[0]) for _ in sides)]
        print_table(["metric", *sides], [samples, *rows], numbers_from=1, breaks=breaks)
    else:
        samples = ["samples", "", *(_samples(results, name) for name in names)]
        print_table(["metric", "side", *names], [samples, *rows], numbers_from=2, breaks=breaks)


def _long_table(results: Sequence[Measurement]) -> None:
    """Print a row for each value, with all its digits, for programs."""
    header = ["dataset", "side", "metric", "value", "low", "high", "n"]
    rows = []
    for one in results:
        low, high = map(repr, one.interval) if one.interval is not None else ("", "")
        rows.append([one.dataset, one.side, one.metric, repr(one.value), low, high, str(one.n)])
    print_table(header, rows, numbers_from=3)


def comparison_table(found: Sequence[Comparison]) -> None:
    """Print which data set is more diverse, by level and side: which metrics say so, or each two of more than two sets."""
    if not found:
        return
    title = (
        f"Which is more diverse? {found[0].draws} draws of {found[0].n:,} rows of each were compared. A set is more diverse on a "
        "level\nwhere a metric says so beyond chance and none says the contrary. Metrics that disagree make it mixed."
    )
    sets = sorted(found[0].order)
    if len(sets) == 2:
        both = [(sets[0], sets[1]), (sets[1], sets[0])]
        rows = [[one.level, one.side, _verdict(one), *(_metrics(one.pair(*two).more, one) for two in both)] for one in found]
        print_table(["level", "side", "verdict", *(f"{name} leads by" for name in sets)], rows, title=title)
        return
    rows = [
        [one.level, one.side, name, *("" if name == other else _beside(one.pair(name, other)) for other in sets)]
        for one in found
        for name in one.order
    ]
    header = ["level", "side", "a set", *(f"beside {name}" for name in sets)]
    print_table(header, rows, title=title, breaks=range(len(sets), len(rows), len(sets)))


def _beside(pair: Pair) -> str:
    if pair.verdict == "mixed":
        return f"mixed: more by {', '.join(pair.more)}, less by {', '.join(pair.less)}"
    return {"more": "more diverse", "less": "less diverse"}.get(pair.verdict, pair.verdict)


def _verdict(found: Comparison) -> str:
    (pair,) = found.pairs
    return {"more": f"{pair.first} > {pair.second}", "less": f"{pair.second} > {pair.first}"}.get(pair.verdict, pair.verdict)


def _metrics(names: Sequence[str], found: Comparison) -> str:
    return f"{', '.join(names)} ({len(names)} of {len(found.metrics)})" if names else "none"


def yardstick_table(marks: Sequence[Yardstick]) -> None:
    """Print, for each metric and side, the value, what random rows have, and which of the two is more diverse."""
    if not marks:
        return
    one = marks[0]
    title = (
        f"Is that much? {one.dataset} beside {one.draws} random draws of {one.rows:,} rows of {one.of}. The range is where\n"
        "one more draw would fall 19 times of 20. Inside it, the set is as diverse as random rows are."
    )
    said = {"more": "more diverse", "less": "less diverse", "usual": "as random rows"}
    marks = sorted(marks, key=lambda mark: _LEVELS.index(_level(mark.metric)))
    levels = [_level(mark.metric) for mark in marks]
    breaks = [at for at in range(1, len(levels)) if levels[at] != levels[at - 1]]
    rows = [
        [mark.metric, mark.side, _number(mark.value), " to ".join(map(_number, mark.interval)), f"{100 * mark.below:.0f} %",
         said[mark.verdict]]
        for mark in marks
    ]  # fmt: skip
    print_table(
        ["metric", "side", "value", "random rows", "of them below", "so it is"], rows, numbers_from=2, title=title, breaks=breaks
    )


def curve_table(results: Sequence[Measurement]) -> None:
    """Print, for each data set, one row per metric and side, and one column per size."""
    for name in dict.fromkeys(result.dataset for result in results):
        own = [result for result in results if result.dataset == name]
        sizes = sorted({_size(result) for result in own})
        found = {(result.metric, result.side, _size(result)): result for result in own}
        lines = list(dict.fromkeys((result.metric, result.side) for result in own))
        rows = [[metric, side, *(_cell(found.get((metric, side, size))) for size in sizes)] for metric, side in lines]
        print_table(["metric", "side", *(f"{size:,}" for size in sizes)], rows, numbers_from=2, title=f"{name}, by sample size")


def diagnosis_tables(found: Diagnosis) -> None:
    """Print where a data set is not diverse."""
    against = "" if found.reference is None else f", against {found.reference}"
    echo(f"{found.dataset}, {found.side} side, {found.n:,} rows{against}\n")
    echo(f"{found.duplicate_rows:,} rows are near-duplicates of an earlier one (L2 distance up to {found.radius:.3g})\n")
    rows = [[f"{one.size:,}", ", ".join(map(str, one.rows[:4])), one.example] for one in found.duplicates]
    _titled("The largest groups of near-duplicates", ["rows", "numbers", "the first"], rows)
    expected = "equal shares" if found.reference is None else "reference"
    rows = [[in_percent(one.share), in_percent(one.reference_share), "\n".join(one.examples)] for one in found.crowded]
    _titled("Regions that hold more than their share", ["share", expected, "from the middle"], rows)
    rows = [
        [f"{one.coverage:.3f}", in_percent(one.share), in_percent(one.reference_share), "\n".join(one.examples)]
        for one in found.missed
    ]
    header = ["similarity", "share", "reference", "from the middle"]
    _titled("Regions of the reference that are covered worst (similarity to the nearest row)", header, rows)
    rows = [[repr(one.text), in_percent(one.share), in_percent(one.reference_share)] for one in found.tokens]
    _titled("Tokens in more rows than in the reference", ["token", "in rows", "of the reference"], rows)
    rows = [[f"{one.rows:,}", in_percent(one.share), repr(one.text)] for one in found.phrases]
    _titled("Phrases that stand in most rows", ["rows", "share", "phrase"], rows)


def _titled(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        print_table(header, rows, title=title)


def _level(metric: str) -> str | None:
    from variegate.metrics import ALIASES, METRICS

    base = metric.partition("@")[0]
    spec = METRICS.get(ALIASES.get(base, base))
    return spec.level if spec else None


def _size(result: Measurement) -> int:
    return int(result.params.get("size_matched", result.n))


def _samples(results: Sequence[Measurement], name: str) -> str:
    return f"{max(result.n for result in results if result.dataset == name):,}"


def _cell(result: Measurement | None) -> str:
    if result is None:
        return "-"
    if result.interval is None or result.interval[0] == result.interval[1]:
        return _number(result.value)
    return f"{_number(result.value)} ± {short((result.interval[1] - result.interval[0]) / 2)}"


def _number(value: float) -> str:
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def in_percent(share: float) -> str:
    """Return a share of 1 in per cent, never in powers of ten.

    >>> in_percent(1.0), in_percent(0.9961), in_percent(0.123), in_percent(0.00421), in_percent(0.00004)
    ('100 %', '99.6 %', '12 %', '0.42 %', '0.004 %')
    """
    # Near the whole a digit more: 99.6 % is not all.
    return f"{100 * share:.3g} %" if 0.99 <= share < 1 else f"{short(100 * share)} %"


def short(value: float) -> str:
    """Return a number with two digits that count, written out.

    >>> short(149.8), short(0.049), short(0.0)
    ('150', '0.049', '0')
    """
    return f"{value:,.0f}" if abs(value) >= 10 else f"{Decimal(f'{value:.2g}'):f}"
