"""The table of metrics. A new metric is a function, a row here and a row in the property test."""

from __future__ import annotations

import json
from dataclasses import replace

from variegate.errors import ParameterError, unknown_name
from variegate.metrics.clustering import cluster_inertia, partition_entropy
from variegate.metrics.compression import compression_ratio
from variegate.metrics.coverage import facility_location
from variegate.metrics.distance import distsum_cosine, distsum_l2, distsum_l2_over_pairs, knn_distance, knn_over_pairs
from variegate.metrics.labels import tag_count, tag_entropy, tag_hill, topic_count, topic_entropy, topic_hill
from variegate.metrics.lexical import hdd, sequence_length, token_entropy, token_hill, token_types, ttr
from variegate.metrics.ngrams import ngram_ratio, self_bleu
from variegate.metrics.novelty import novelsum, novelty_over_pairs
from variegate.metrics.sequence import mtld, vocd_d
from variegate.metrics.spec import Level, MetricSpec
from variegate.metrics.spectral import log_det, radius, vendi_score
from variegate.viewing import KINDS

__all__ = ["ALIASES", "GROUPS", "METRICS", "metric_names", "metric_specs"]

_N, _M = "Yang et al. 2025", "Li et al. 2025"

METRICS: dict[str, MetricSpec] = {
    spec.name: spec
    for spec in (
        MetricSpec(
            "novelsum", novelsum, "vectors", "proximity-weighted, density-aware distance to the other samples",
            "[0, inf)", "none", "n^2 d, n m d with a reference", _N, over_pairs=novelty_over_pairs,
            doubled="lower", scaled=True, turned=True, size="lower",
        ),
        MetricSpec(
            "distsum_cosine", distsum_cosine, "vectors", "mean cosine distance between two samples",
            "[0, 2]", "none", "n d", _N,
            doubled="lower", scaled=True, turned=True, size="same",
        ),
        MetricSpec(
            "distsum_l2", distsum_l2, "vectors", "mean L2 distance between two samples",
            "[0, inf)", "length", "n^2 d", _N, over_pairs=distsum_l2_over_pairs,
            doubled="lower", scaled=False, turned=True, size="same",
        ),
        MetricSpec(
            "knn_distance", knn_distance, "vectors", "mean cosine distance to the nearest other samples",
            "[0, 2]", "none", "n^2 d", _N, main="k", over_pairs=knn_over_pairs,
            doubled="lower", scaled=True, turned=True, size="lower",
        ),
        MetricSpec(
            "cluster_inertia", cluster_inertia, "vectors", "sum of squared distances to the centroids of k-means",
            "[0, inf)", "length^2", "n k d an iteration", _N, main="k",
            doubled="higher", scaled=False, turned=True, size="higher",
        ),
        MetricSpec(
            "radius", radius, "vectors", "geometric mean over dimensions of the standard deviation",
            "[0, inf)", "length", "n d", f"Lai et al. 2020; {_N}",
            doubled="same", scaled=False, turned=False, size="same",
        ),
        MetricSpec(
            "facility_location", facility_location, "vectors", "how near the samples are to every row of a reference",
            "[-1, 1]", "none", "n m d", f"Farhan et al.; {_N}",
            doubled="same", scaled=True, turned=True, size="higher",
        ),
        MetricSpec(
            "log_det", log_det, "vectors", "log volume that the samples span",
            "[n log eps, n log(1 + eps)]", "nats", "n d min(n, d)", f"Wang et al. 2024; {_N}",
            doubled="lower", scaled=True, turned=True, size="lower",
        ),
        MetricSpec(
            "vendi_score", vendi_score, "vectors", "effective number of dissimilar samples",
            "[1, min(n, d)]", "samples", "n d min(n, d)", f"Friedman & Dieng 2023; {_N}", main="q",
            doubled="same", scaled=True, turned=True, size="higher",
        ),
        MetricSpec(
            "partition_entropy", partition_entropy, "vectors", "evenness of the samples over clusters of a reference",
            "[0, log2 k]", "bits", "m k d an iteration", f"Han et al. 2022; {_N}", main="k", own_reference=True,
            doubled="same", scaled=True, turned=True, size="higher",
        ),
        MetricSpec(
            "ttr", ttr, "tokens", "distinct token types over tokens; ttr@N: in N tokens",
            "(0, 1]", "types a token", "t log t", f"Templin 1957; {_N}", level="micro", main="budget",
            doubled="lower", size="lower",
        ),
        MetricSpec(
            "vocd_d", vocd_d, "tokens", "how slowly types repeat in draws of 35 to 50 tokens",
            "(0, inf)", "none", "constant", f"McKee et al. 2000; {_N}", level="micro",
            doubled="same", size="same", ordered=True,
        ),
        MetricSpec(
            "mtld", mtld, "tokens", "tokens it takes until types repeat",
            "[1, inf)", "tokens", "t", "McCarthy & Jarvis 2010", level="micro",
            doubled="either", size="same", ordered=True,
        ),
        MetricSpec(
            "hdd", hdd, "tokens", "expected types a token in 42 tokens",
            "[1/42, 1]", "types a token", "t log t", "McCarthy & Jarvis 2010", level="micro",
            doubled="same", size="same",
        ),
        MetricSpec(
            "ngram_ratio", ngram_ratio, "tokens", "distinct n-grams over n-grams, n = 1 to 4",
            "(0, 1]", "none", "t log t", _M, level="micro",
            doubled="lower", size="lower",
        ),
        MetricSpec(
            "token_entropy", token_entropy, "tokens", "evenness of the token types over the whole set",
            "[0, log2 types]", "bits", "t log t", _M, level="micro",
            doubled="same", size="higher",
        ),
        MetricSpec(
            "token_hill", token_hill, "tokens", "effective number of token types; token_hill@Q: of order Q",
            "[1, types]", "types", "t log t", "Jost 2006", level="micro", main="q",
            doubled="same", size="higher",
        ),
        MetricSpec(
            "token_types", token_types, "tokens", "mid-frequency token types of a reference that the set holds",
            "[0, inf)", "types", "t log t", _M, level="micro", own_reference=True,
            doubled="either", size="higher",
        ),
        MetricSpec(
            "self_bleu", self_bleu, "tokens", "overlap of sampled texts with the others",
            "[0, 1]", "none", "constant: 1,000 samples", f"Zhu et al. 2018; {_M}", False, level="micro",
            doubled="higher", size="higher", ordered=True,
        ),
        MetricSpec(
            "compression_ratio", compression_ratio, "texts", "how many times smaller gzip makes the texts",
            "(0, inf)", "none", "t", _M, False, level="micro",
            doubled="higher", size="higher", ordered=True,
        ),
        MetricSpec(
            "sequence_length", sequence_length, "tokens", "mean tokens a sample", "[0, inf)", "tokens", "n", _M,
            level="micro",
            doubled="same", size="same",
        ),
        MetricSpec(
            "topic_count", topic_count, "topics", "number of topics that occur", "[1, n]", "topics", "n", _M,
            doubled="same", size="higher",
        ),
        MetricSpec(
            "topic_entropy", topic_entropy, "topics", "evenness of the samples over topics", "[0, log2 topics]", "bits", "n", _M,
            doubled="same", size="higher",
        ),
        MetricSpec(
            "topic_hill", topic_hill, "topics", "effective number of topics; topic_hill@Q: of order Q",
            "[1, topics]", "topics", "n", "Jost 2006", main="q",
            doubled="same", size="higher",
        ),
        MetricSpec(
            "tag_count", tag_count, "tags", "number of tags that occur", "[0, inf)", "tags", "n", _M,
            level="meso",
            doubled="same", size="higher",
        ),
        MetricSpec(
            "tag_entropy", tag_entropy, "tags", "evenness of the samples over tags", "[0, log2 tags]", "bits", "n", _M,
            level="meso",
            doubled="same", size="higher",
        ),
        MetricSpec(
            "tag_hill", tag_hill, "tags", "effective number of tags; tag_hill@Q: of order Q",
            "[1, tags]", "tags", "n", "Jost 2006", level="meso", main="q",
            doubled="same", size="higher",
        ),
    )
}  # fmt: skip

# Other names for a metric: the same function, the same value.
ALIASES = {"embedding_distance": "distsum_cosine"}

LEVELS: tuple[Level, ...] = ("macro", "meso", "micro")
# By what metrics look at (embedding, lexical, label), and by level.
GROUPS: dict[str, tuple[str, ...]] = {
    **{
        group: tuple(name for name, spec in METRICS.items() if KINDS[spec.view].group == group)
        for group in dict.fromkeys(kind.group for kind in KINDS.values() if kind.group)
    },
    **{level: tuple(name for name, spec in METRICS.items() if spec.level == level) for level in LEVELS},
    "all": tuple(METRICS),
}


def metric_names(name: str) -> tuple[str, ...]:
    """Return the names that a metric's or a group's name stands for."""
    return tuple(spec.name for spec in metric_specs(name))


def metric_specs(name: str) -> list[MetricSpec]:
    """Return the metrics that a name stands for: a metric's, `NAME@VALUE` with the value of its main option, or a group's.

    Raises:
        ParameterError: there is no such metric, or its value cannot be read.
    """
    if name in GROUPS:
        return [METRICS[one] for one in GROUPS[name]]
    base, at, text = name.partition("@")
    spec = METRICS.get(ALIASES.get(base, base))
    if spec is None:
        raise unknown_name("metric", name, [*METRICS, *ALIASES, *GROUPS])
    if not at:
        return [replace(spec, name=name)]
    if spec.main is None:
        raise ParameterError(f"{base} has no option that '@' could set. Write {base} instead.")
    try:
        value = float("inf") if text == "inf" else json.loads(text)
    except ValueError:
        raise ParameterError(f"{name}: '@' sets the option '{spec.main}' of {base}, a number. Got {text!r} instead.") from None
    return [replace(spec, name=name, preset={spec.main: value})]
