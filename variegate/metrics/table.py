"""The table of metrics. A new metric is a function, a row here and a row in the property test."""

from __future__ import annotations

from variegate.errors import unknown_name
from variegate.metrics.distance import distsum_cosine
from variegate.metrics.labels import topic_count, topic_entropy
from variegate.metrics.lexical import sequence_length, token_entropy
from variegate.metrics.novelty import novelsum
from variegate.metrics.spec import MetricSpec
from variegate.metrics.spectral import vendi_score

__all__ = ["GROUPS", "METRICS", "metric_names"]

_N, _M = "Yang et al. 2025", "Li et al. 2025"

METRICS: dict[str, MetricSpec] = {
    spec.name: spec
    for spec in (
        MetricSpec(
            "novelsum", novelsum, "vectors", "proximity-weighted, density-aware distance to the other samples",
            "[0, inf)", "none", "n^2 d, n m d with a reference", _N,
        ),
        MetricSpec(
            "distsum_cosine", distsum_cosine, "vectors", "mean cosine distance between two samples",
            "[0, 2]", "none", "n d", _N,
        ),
        MetricSpec(
            "vendi_score", vendi_score, "vectors", "effective number of dissimilar samples",
            "[1, min(n, d)]", "samples", "n d min(n, d)", "Friedman & Dieng 2023",
        ),
        MetricSpec(
            "token_entropy", token_entropy, "tokens", "evenness of the token types over the whole set",
            "[0, inf)", "bits", "t log t", _M,
        ),
        MetricSpec("sequence_length", sequence_length, "tokens", "mean tokens a sample", "[0, inf)", "tokens", "n", _M),
        MetricSpec(
            "topic_count", topic_count, "topics", "number of topics that occur", "[1, n]", "topics", "n", _M,
        ),
        MetricSpec(
            "topic_entropy", topic_entropy, "topics", "evenness of the samples over topics", "[0, inf)", "bits", "n", _M,
        ),
    )
}  # fmt: skip

GROUPS: dict[str, tuple[str, ...]] = {
    "embedding": tuple(name for name, spec in METRICS.items() if spec.view == "vectors"),
    "lexical": tuple(name for name, spec in METRICS.items() if spec.view == "tokens"),
    "label": tuple(name for name, spec in METRICS.items() if spec.view == "topics"),
    "all": tuple(METRICS),
}


def metric_names(name: str) -> tuple[str, ...]:
    """Return the metrics that a metric's or a group's name stands for."""
    if name in METRICS:
        return (name,)
    if name in GROUPS:
        return GROUPS[name]
    raise unknown_name("metric", name, [*METRICS, *GROUPS])
