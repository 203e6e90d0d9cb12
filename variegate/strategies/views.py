"""What a strategy looks at: the view of a corpus that it takes, and its quality column."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus, same_dimensions
from variegate.data.record import Side
from variegate.errors import DataError
from variegate.views.lsa.names import named_in_records
from variegate.views.tags.tags import KEYPHRASES
from variegate.views.topics import is_clustering

__all__ = ["ViewSettings", "joined", "quality_of"]

LARGEST = float(np.finfo(np.float64).max) / 2


@dataclass(frozen=True)
class ViewSettings:
    """How texts become vectors, tokens, topics and tags.

    Attributes:
        side: which texts.
        embedder: see `variegate list embedders`.
        tokenizer: see `variegate list tokenizers`.
        topics: see `variegate list topics`.
        tags: see `variegate list tags`.
    """

    side: Side
    embedder: str
    tokenizer: str
    topics: str
    tags: str

    def view(self, kind: str | None, corpus: Corpus, fitted_on: Corpus) -> Any:
        """Return what a strategy takes.

        Args:
            kind: the `view` of its row in the table.
            corpus: of which.
            fitted_on: the corpus whose clusters and keyphrases count.
        """
        if kind == "vectors":
            return corpus.vectors(self.side, self.embedder)
        if kind == "vectors+tokens":
            return corpus.vectors(self.side, self.embedder), corpus.tokens(self.side, self.tokenizer)
        if kind == "topics":
            return corpus.topics(self.side, self.topics, self.embedder, fitted_on)
        if kind in ("tags", "tag graph"):
            tags = corpus.tags(self.side, self.tags, fitted_on)
            if corpus is fitted_on and not len(tags.ids):
                raise DataError(self._no_tags(corpus))
            return tags if kind == "tags" else (tags, corpus.tag_vectors(self.side, self.tags, self.embedder, fitted_on))
        return corpus.tokens(self.side, self.tokenizer) if kind == "tokens" else len(corpus)

    def _no_tags(self, corpus: Corpus) -> str:
        why = "no phrase stands in a few rows and not in too many" if self.tags == KEYPHRASES else "its tags are all empty"
        return (
            f"{corpus.name}, {self.side} side: no row has a tag by --tags {self.tags} ({why}), so there is nothing to choose by. "
            "Pass --tags COLUMN for tags that the rows have, --tags llm:MODEL@URL for those of a chat model, or a strategy that "
            "needs no tags, such as --strategy k_center."
        )

    def params(self, kind: str | None, corpus: Corpus) -> dict[str, Any]:
        """Return which of the settings the view depends on, for the record."""
        if kind == "vectors":
            return {"side": self.side, **corpus.made_by(self.embedder)}
        if kind == "vectors+tokens":
            return {"side": self.side, "tokenizer": self.tokenizer, **corpus.made_by(self.embedder)}
        if kind == "topics":
            made_by = corpus.made_by(self.embedder) if is_clustering(self.topics) else {}
            return {"side": self.side, "topics": self.topics, **made_by}
        if kind == "tags":
            return {"side": self.side, "tags": self.tags}
        if kind == "tag graph":
            return {"side": self.side, "tags": self.tags, **named_in_records(self.embedder)}
        return {"side": self.side, "tokenizer": self.tokenizer} if kind == "tokens" else {}


def joined(kind: str | None, view: Any, other: Any, corpus: Corpus, extended: Corpus) -> Any:
    """Return the view of a pool's rows and then of the rows that it extends."""
    if kind == "vectors":
        same_dimensions(corpus, view, extended, other)
        return np.concatenate([view, other])
    if kind == "vectors+tokens":
        return tuple(
            joined(one, mine, theirs, corpus, extended) for one, mine, theirs in zip(kind.split("+"), view, other, strict=True)
        )
    if kind == "tag graph":
        # A vector for each tag of either, by ascending tag number.
        at = np.unique(np.concatenate([one[0].type_counts[0] for one in (view, other)]), return_index=True)[1]
        vectors = [one[1] for one in (view, other) if len(one[1])]
        return view[0].followed_by(other[0]), np.concatenate(vectors)[at]
    return view + other if kind is None else view.followed_by(other)


def quality_of(corpus: Corpus, column: str) -> NDArray[np.float64]:
    """Return a column of numbers, scaled so that the least is 0 and the largest 1.

    Numbers that are written as text, as everything in a CSV file is, and decimals are numbers too.

    Raises:
        DataError: a value is no finite number; the message names the row.
    """
    numbers = np.array([_finite(value) for value in corpus.column(column)], np.float64)
    for row in np.flatnonzero(np.isnan(numbers)).tolist():
        value = corpus.column(column)[row]
        raise DataError(f"{corpus.where(row)}: the quality '{column}' must be a finite number. Got {value!r} instead.")
    spread = numbers.max() - numbers.min()
    return (numbers - numbers.min()) / spread if spread else np.ones(len(numbers))


def _finite(value: Any) -> float:
    """Return a number, or NaN for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    # The largest less the least must be a number too.
    return number if abs(number) <= LARGEST else math.nan
