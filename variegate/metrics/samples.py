"""Scores of single samples, wherever a metric is a mean over them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.data.record import Side
from variegate.errors import DataError
from variegate.geometry import NearestOthers, near_duplicates, over_pairs, sharing
from variegate.metrics.novelty import novelty_over_pairs
from variegate.metrics.run import naming
from variegate.viewing import Views
from variegate.views.checked import same_dimensions
from variegate.views.lsa.names import settled

__all__ = ["sample_scores"]


def sample_scores(
    corpus: Corpus,
    side: Side,
    *,
    reference: Corpus | None = None,
    embedder: str = Views.embedder,
    tokenizer: str = Views.tokenizer,
    novelty: dict[str, Any] | None = None,
) -> dict[str, NDArray[Any]]:
    """Return what single samples contribute.

    Args:
        corpus: the data set.
        side: which texts.
        reference: for the density in novelty.
        embedder: what makes the vectors.
        tokenizer: what makes the tokens.
        novelty: options of novelty.

    Returns:
        Arrays of length n: `novelty` (NovelSum is its mean), `nearest_distance` (cosine distance to the nearest other row; the
        mean is knn_distance) and `nearest_row`, `duplicate_group` (the first row of a group of near-duplicates) and
        `group_size`, and where there are texts `tokens` (the mean is sequence_length). Rows are numbered from 0 over all rows
        of the files.

    Raises:
        DataError: fewer than two rows.
    """
    embedder = settled(embedder, [corpus if reference is None else reference])
    x = corpus.vectors(side, embedder)
    against = None
    if reference is not None:
        against = reference.vectors(side, embedder)
        same_dimensions(corpus, x, reference, against)
    try:
        with sharing():
            novel = novelty_over_pairs(x, against, **(novelty or {}))
            nearest = NearestOthers(x, 1)
            over_pairs(x, [novel, nearest])
            group = near_duplicates(x).representative
    except DataError as error:
        raise naming(corpus.name, error) from None
    sizes = np.bincount(group, minlength=len(x))
    scores: dict[str, NDArray[Any]] = {
        "novelty": novel.result(),
        "nearest_distance": nearest.least,
        "nearest_row": corpus.numbers[nearest.rows],
        "duplicate_group": corpus.numbers[group],
        "group_size": sizes[group],
    }
    if corpus.given_vectors is None:
        scores["tokens"] = corpus.tokens(side, tokenizer).lengths
    return scores
