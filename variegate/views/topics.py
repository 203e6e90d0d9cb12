"""Topics: one label per sample, from a column of the data or from clusters of the vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import bad_parameter
from variegate.geometry import assign, kmeans, nearest

__all__ = ["TOPICS", "cluster_labels", "column_labels", "is_clustering"]

Ints = NDArray[np.int64]

TOPICS = {
    "kmeans:K": "k-means clusters of the vectors, fitted on the reference if there is one",
    "umap-hdbscan[:SIZE][:OUTLIERS]": "UMAP, then HDBSCAN, clusters of at least SIZE different rows, fitted likewise "
    "(variegate[clusters]); OUTLIERS go to the nearest cluster, form their own topics (own), or have none (drop)",
    "COLUMN": "a field of the data",
}
KMEANS, DENSITY = "kmeans:", "umap-hdbscan"
# Raised with every change of what clusters come out, so that kept ones are not read.
REVISION = 1


def column_labels(values: list[Any]) -> Ints:
    """Number the values of a column, shape (n,); equal values have equal numbers."""
    texts = [str(value) for value in values]
    known = {text: at for at, text in enumerate(sorted(set(texts)))}
    return np.array([known[text] for text in texts], np.int64)


def is_clustering(topics: str) -> bool:
    """Whether topics are clusters of vectors, rather than a column."""
    return topics.startswith(KMEANS) or topics.partition(":")[0] == DENSITY


def cluster_labels(topics: str, vectors: NDArray[Any], fitted_on: NDArray[Any], digest: Callable[[], str]) -> Ints:
    """Return the cluster of each vector, shape (n,), by a clustering of other vectors (or of the same).

    Args:
        topics: "kmeans:K", "umap-hdbscan", or that with ":SIZE", ":nearest", ":own" or ":drop".
        vectors: (n, d).
        fitted_on: (m, d); the same array for a clustering of the vectors themselves.
        digest: gives a hash of the fitted vectors, for the cache.

    Raises:
        ParameterError: the number cannot be read.
        DataError: fewer rows than clusters, or no cluster is found.
    """
    same = fitted_on is vectors
    if topics.startswith(KMEANS):
        fitted = kmeans(fitted_on, _number(topics.removeprefix(KMEANS), topics, "'kmeans:K' with a whole number K"), 0)
        return fitted.labels if same else assign(vectors, fitted)
    labels = _density_labels(fitted_on, topics, digest())
    # UMAP's own transform is slow and not quite repeatable; the nearest row that was clustered says as much.
    return labels if same else labels[nearest(vectors, fitted_on, 1)[1][:, 0]]


def _density_labels(vectors: NDArray[Any], topics: str, digest: str) -> Ints:
    from variegate.views.cache import cached_arrays
    from variegate.views.density_clusters import OUTLIERS, umap_hdbscan_labels

    allowed = "'umap-hdbscan[:SIZE][:OUTLIERS]' with a whole number SIZE and nearest, own or drop"
    size, outliers = None, "nearest"
    for part in topics.split(":")[1:]:
        if part in OUTLIERS:
            outliers = part
        else:
            size = _number(part, topics, allowed)

    def compute(start: int, stop: int) -> dict[str, NDArray[Any]]:
        return {"labels": umap_hdbscan_labels(vectors, min_cluster_size=size, outliers=outliers)}

    settings: dict[str, str | int] = {"content": digest, "clusters": topics, "revision": REVISION}
    rows = len(vectors)
    return np.asarray(cached_arrays("clusters", settings, rows, rows, compute, "clustering")["labels"], np.int64)


def _number(text: str, topics: str, allowed: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or not int(text):
        raise bad_parameter("topics", "measure", f"{allowed}, or the name of a column", topics)
    return int(text)
