"""Views: what metrics and strategies look at. KINDS is the table, and nothing else knows how a kind of view is made.

A new kind is one row of KINDS. Metrics and strategies name it in their own tables, by `view`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.data.record import Side
from variegate.errors import DataError, ParameterError
from variegate.views.checked import same_dimensions
from variegate.views.embedder import DEFAULT_EMBEDDER, STATIC
from variegate.views.lsa.names import is_lsa, named_in_records, settled
from variegate.views.tags.tags import KEYPHRASES, is_fitted
from variegate.views.topics import is_clustering

__all__ = ["KINDS", "Kind", "Views", "kind_of"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Views:
    """How texts become what is looked at.

    Attributes:
        side: which texts.
        embedder: what makes vectors, see `variegate list embedders`.
        tokenizer: what makes tokens, see `variegate list tokenizers`.
        topics: where topics come from, see `variegate list topics`.
        tags: where tags come from, see `variegate list tags`.
    """

    side: Side = "both"
    embedder: str = DEFAULT_EMBEDDER
    tokenizer: str = "llama2"
    topics: str = "kmeans:100"
    tags: str = KEYPHRASES

    def as_options(self) -> dict[str, Any]:
        """Return these as the options of :func:`variegate.measure` and :func:`variegate.select`."""
        return vars(self).copy()

    def settled(self, fitted_on: Sequence[Corpus]) -> Views:
        """Return these with an embedder that is the same wherever it is used: lsa is fitted on these data sets."""
        return replace(self, embedder=settled(self.embedder, fitted_on))

    def build(self, kind: str | None, corpus: Corpus, fitted_on: Corpus | None = None) -> Any:
        """Return a view of a data set.

        Args:
            kind: a key of KINDS.
            corpus: of which.
            fitted_on: whose clusters and keyphrases count; its own if None.

        Raises:
            DataError: the data has no such view.
            ParameterError: the kind is unknown, or a setting is not possible.
        """
        return kind_of(kind).build(self, corpus, corpus if fitted_on is None else fitted_on)

    def needs(self, kind: str | None) -> tuple[str, ...]:
        """Return the names of the settings that a view depends on."""
        return kind_of(kind).needs(self)

    def is_fitted(self, kind: str | None) -> bool:
        """Whether a view depends on the data set that it is fitted on."""
        return kind_of(kind).fitted(self)

    def record(self, kind: str | None, corpus: Corpus) -> dict[str, Any]:
        """Return how a view was made, for records: its settings but the side, and what lsa was fitted to."""
        return kind_of(kind).record(self, corpus)


@dataclass(frozen=True)
class Kind:
    """A kind of view.

    Attributes:
        build: from settings, a data set and the data set that is fitted on, to the view.
        take: from a view and (k,) rows, to the view of these rows.
        join: from the views of two data sets, to that of the rows of the first and then of the second; None where it has no
            meaning.
        record: from settings and a data set, to what records say of how the view was made.
        needs: from settings, to the names of those that the view depends on.
        fitted: from settings, whether the view depends on the data set that is fitted on.
        prepare: builds on a whole data set what a part of it takes its share of.
        refuse_unlike: raises a DataError where the views of two data sets cannot be compared.
        refuse_empty: raises a DataError where a pool's view holds nothing to choose by.
        group: the group of metrics that look at it.
    """

    build: Callable[[Views, Corpus, Corpus], Any]
    take: Callable[[Any, Ints], Any]
    join: Callable[[Any, Any], Any] | None
    record: Callable[[Views, Corpus], dict[str, Any]]
    needs: Callable[[Views], tuple[str, ...]]
    fitted: Callable[[Views], bool] = lambda views: False
    prepare: Callable[[Views, Corpus], object] = lambda views, whole: None
    refuse_unlike: Callable[[Corpus, Any, Corpus, Any], None] = lambda corpus, view, other, its_view: None
    refuse_empty: Callable[[Views, Corpus, Any], None] = lambda views, corpus, view: None
    group: str = ""


def kind_of(name: str | None) -> Kind:
    """Return a kind of view by its name in KINDS; None is the kind of what looks at nothing but the number of rows.

    Raises:
        ParameterError: there is no such kind.
    """
    if name not in KINDS:
        raise ParameterError(f"Unknown kind of view {name!r}. Known kinds: {', '.join(filter(None, KINDS))}.")
    return KINDS[name]


def _rows(view: NDArray[Any], rows: Ints) -> NDArray[Any]:
    return view[rows]


def _texts(view: Any, rows: Ints) -> Any:
    import pyarrow as pa

    return view.take(pa.array(rows))


def _followed_by(view: Any, other: Any) -> Any:
    return view.followed_by(other)


def _stacked(view: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([view, other])


def _graphs(view: Any, other: Any) -> Any:
    """Join tags and the vectors of their names: a vector for each tag of either, by ascending tag number."""
    numbers = np.concatenate([one[0].type_counts[0] for one in (view, other)])
    at = np.unique(numbers, return_index=True)[1]
    vectors = [one[1] for one in (view, other) if len(one[1])]
    return view[0].followed_by(other[0]), np.concatenate(vectors)[at]


def _refuse_no_tags(views: Views, corpus: Corpus, tags: Any) -> None:
    if not len(tags.ids):
        why = "no phrase stands in a few rows and not in too many" if views.tags == KEYPHRASES else "its tags are all empty"
        raise DataError(
            f"{corpus.name}, {views.side} side: no row has a tag by --tags {views.tags} ({why}), so there is nothing to choose "
            "by. Pass --tags COLUMN for tags that the rows have, --tags llm:MODEL@URL for those of a chat model, or a strategy "
            "that needs no tags, such as --strategy k_center."
        )


def _part_of_graph(view: Any, rows: Ints) -> Any:
    part = view[0].take(rows)
    return part, view[1][np.searchsorted(view[0].type_counts[0], part.type_counts[0])]


def _vectors(views: Views, corpus: Corpus, _: Corpus | None = None) -> Any:
    return corpus.vectors(views.side, views.embedder)


def _tokens(views: Views, corpus: Corpus, _: Corpus | None = None) -> Any:
    return corpus.tokens(views.side, views.tokenizer)


def _of_names(views: Views) -> str:
    """Return the embedder of tags' names: lsa knows no name that stands in none of the texts, so static stands in for it."""
    return STATIC if is_lsa(views.embedder) else views.embedder


def _vectors_of_clusters(views: Views, whole: Corpus) -> Any:
    return _vectors(views, whole) if is_clustering(views.topics) else None


KINDS: dict[str | None, Kind] = {
    "vectors": Kind(
        build=_vectors,
        take=_rows,
        join=_stacked,
        record=lambda views, corpus: corpus.made_by(views.embedder),
        needs=lambda views: ("side", "embedder"),
        prepare=_vectors,
        refuse_unlike=same_dimensions,
        group="embedding",
    ),
    "tokens": Kind(
        build=_tokens,
        take=lambda view, rows: view.take(rows),
        join=_followed_by,
        record=lambda views, corpus: {"tokenizer": views.tokenizer},
        needs=lambda views: ("side", "tokenizer"),
        prepare=_tokens,
        group="lexical",
    ),
    "texts": Kind(
        build=lambda views, corpus, _: corpus.texts(views.side),
        take=_texts,
        join=None,
        record=lambda views, corpus: {},
        needs=lambda views: ("side",),
        group="lexical",
    ),
    "topics": Kind(
        build=lambda views, corpus, fitted_on: corpus.topics(views.side, views.topics, views.embedder, fitted_on),
        take=_rows,
        # The values of a column are numbered in each data set by itself.
        join=None,
        record=lambda views, corpus: {
            "topics": views.topics, **(corpus.made_by(views.embedder) if is_clustering(views.topics) else {}),
        },
        needs=lambda views: ("side", "topics", *(["embedder"] if is_clustering(views.topics) else [])),
        fitted=lambda views: is_clustering(views.topics),
        prepare=_vectors_of_clusters,
        group="label",
    ),
    "tags": Kind(
        build=lambda views, corpus, fitted_on: corpus.tags(views.side, views.tags, fitted_on),
        take=lambda view, rows: view.take(rows),
        join=_followed_by,
        record=lambda views, corpus: {"tags": views.tags},
        needs=lambda views: ("side", "tags"),
        fitted=lambda views: is_fitted(views.tags),
        refuse_empty=_refuse_no_tags,
        group="label",
    ),
    # Tags, and the vectors of their names.
    "tag graph": Kind(
        build=lambda views, corpus, fitted_on: (
            corpus.tags(views.side, views.tags, fitted_on),
            corpus.tag_vectors(views.side, views.tags, _of_names(views), fitted_on),
        ),
        take=_part_of_graph,
        join=_graphs,
        # Vectors of names are kept in float32, however those of rows are.
        record=lambda views, corpus: {"tags": views.tags, **named_in_records(_of_names(views))},
        needs=lambda views: ("side", "tags", "embedder"),
        fitted=lambda views: is_fitted(views.tags),
        refuse_empty=lambda views, corpus, view: _refuse_no_tags(views, corpus, view[0]),
    ),
    "vectors+tokens": Kind(
        build=lambda views, corpus, _: (_vectors(views, corpus), _tokens(views, corpus)),
        take=lambda view, rows: (view[0][rows], view[1].take(rows)),
        join=lambda view, other: (_stacked(view[0], other[0]), view[1].followed_by(other[1])),
        record=lambda views, corpus: {"tokenizer": views.tokenizer, **corpus.made_by(views.embedder)},
        needs=lambda views: ("side", "tokenizer", "embedder"),
        prepare=lambda views, whole: (_vectors(views, whole), _tokens(views, whole)),
        refuse_unlike=lambda corpus, view, other, its_view: same_dimensions(corpus, view[0], other, its_view[0]),
    ),
    # What looks at nothing but the number of rows.
    None: Kind(
        build=lambda views, corpus, _: len(corpus),
        take=lambda view, rows: len(rows),
        join=lambda view, other: view + other,
        record=lambda views, corpus: {},
        needs=lambda views: (),
    ),
}  # fmt: skip
