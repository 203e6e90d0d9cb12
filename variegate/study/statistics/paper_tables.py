"""The results of a study as tables in the papers' form: rows, and the columns to write of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from variegate.study.statistics.correlate import Correlations, Estimate
from variegate.study.statistics.differences import Arm, Difference
from variegate.study.statistics.noise import NoiseCeiling
from variegate.study.statistics.regression import LevelSlope
from variegate.study.statistics.tables import Column, Row, Table

__all__ = ["ceiling_table", "correlation_table", "difference_table", "ranking_table", "slope_table"]

COEFFICIENTS = {"pearson": "Pearson", "spearman": "Spearman", "mean": "Mean"}


def correlation_table(found: Correlations) -> Table:
    """Return a table of correlations after table 2 of Yang et al. 2025: a row a metric and side.

    Stars would hide how many metrics were tried: the corrected p-values of the mean stand in their
    place.
    """
    rows: list[Row] = []
    for one in found.rows:
        row: dict[str, Any] = {"metric": one.metric, "side": one.side, "embedder": one.embedder}
        for kind in COEFFICIENTS:
            row |= _estimate(kind, getattr(one, kind))
        rows.append(row)
    interval = f"{100 * found.confidence:g} % interval"
    columns = [Column("metric", "Metric"), Column("side", "Side"), Column("embedder", "Embedder")]
    for kind, title in COEFFICIENTS.items():
        columns += [Column(kind, title), Column(f"{kind}_interval", interval)]
    titles = {"mean_p": "p", "mean_p_max": "p, all metrics", "mean_p_holm": "p, Holm"}
    return rows, columns + [Column(key, title, p=True) for key, title in titles.items()]


def slope_table(slopes: Sequence[LevelSlope]) -> Table:
    """Return a table of slopes after Li et al. 2025: a row a size and side, a column a strategy."""
    at = {(one.size, one.side, one.strategy): one for one in slopes}
    strategies = list(dict.fromkeys(one.strategy for one in slopes))
    rows: list[Row] = []
    for size, side in dict.fromkeys((one.size, one.side) for one in slopes):
        row: dict[str, Any] = {"size": size, "side": side}
        for name in strategies:
            one = at.get((size, side, name))
            row[name] = None if one is None else one.slope
            row[f"{name}_interval"] = None if one is None else one.interval
            row[f"{name}_positive"] = None if one is None else one.positive
        rows.append(row)
    columns = [Column("size", "Size"), Column("side", "Side")]
    for name in strategies:
        interval = f"{100 * slopes[0].confidence:g} % interval"
        columns += [Column(name, name), Column(f"{name}_interval", interval)]
        columns.append(Column(f"{name}_positive", "P(slope > 0)"))
    return rows, columns


def difference_table(found: Sequence[Difference]) -> Table:
    """Return a table of strategies against the baseline."""
    columns = [
        Column("strategy", "Strategy"), Column("side", "Side"), Column("level", "Level", 0),
        Column("size", "Size"), Column("value", "Difference"), Column("interval", "Interval"),
        Column("p", "p", p=True), Column("p_all", "p, all ways", p=True), Column("n", "Subsets"),
        Column("reason", "Note"),
    ]  # fmt: skip
    return [vars(one) for one in found], columns


def ranking_table(found: Sequence[Arm]) -> Table:
    """Return a table of strategies in order."""
    columns = [
        Column("rank", "Rank"), Column("strategy", "Strategy"), Column("side", "Side"),
        Column("level", "Level", 0), Column("size", "Size"), Column("mean", "Mean"),
        Column("sd", "SD"), Column("best", "Best"), Column("n", "Subsets"), Column("runs", "Runs"),
    ]  # fmt: skip
    return [vars(one) for one in found], columns


def ceiling_table(found: Sequence[NoiseCeiling]) -> Table:
    """Return a table of what luck leaves for a metric to predict."""
    columns = [
        Column("source", "From"), Column("groups", "Groups"), Column("values", "Values"),
        Column("between", "Variance between", 3), Column("within", "Variance within", 3),
        Column("reliability", "Reliability"), Column("interval", "Interval"), Column("ceiling", "Largest r"),
        Column("ceiling_interval", "Interval"), Column("reason", "Note"),
    ]  # fmt: skip
    rows: list[Row] = []
    for one in found:
        parts = one.components
        counts: dict[str, Any] = {"groups": None, "values": None, "between": None, "within": None}
        if parts is not None:
            counts = {"groups": parts.groups, "values": parts.values, "between": parts.between, "within": parts.within}
        rows.append(
            {
                "source": one.source, **counts, "reliability": one.reliability, "interval": one.reliability_interval,
                "ceiling": one.ceiling, "ceiling_interval": one.ceiling_interval, "reason": one.reason,
            }
        )  # fmt: skip
    return rows, columns


def _estimate(kind: str, one: Estimate) -> dict[str, Any]:
    return {
        kind: one.value, f"{kind}_interval": one.interval, f"{kind}_p": one.p,
        f"{kind}_p_max": one.p_max, f"{kind}_p_holm": one.p_holm,
    }  # fmt: skip
