"""Metrics: METRICS is the table, :func:`measure` joins it with corpora."""

from __future__ import annotations

from variegate.metrics.compare import Comparison, compare, comparisons, panel
from variegate.metrics.curve import rarefaction
from variegate.metrics.measure import measure, sides_of
from variegate.metrics.novelty import novelty
from variegate.metrics.run import MAX_PAIR_ROWS, build_views
from variegate.metrics.samples import sample_scores
from variegate.metrics.spec import Measurement, MetricSpec
from variegate.metrics.table import ALIASES, GROUPS, METRICS, metric_names, metric_specs
from variegate.metrics.yardstick import Yardstick, yardstick

__all__ = [
    "ALIASES",
    "GROUPS",
    "MAX_PAIR_ROWS",
    "METRICS",
    "Comparison",
    "Measurement",
    "MetricSpec",
    "Yardstick",
    "build_views",
    "compare",
    "comparisons",
    "measure",
    "metric_names",
    "metric_specs",
    "novelty",
    "panel",
    "rarefaction",
    "sample_scores",
    "sides_of",
    "yardstick",
]
