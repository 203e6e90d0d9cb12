"""Where a data set is not diverse: near-duplicates, crowded regions, repeated phrases, and what of a reference it misses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.data.record import Side
from variegate.errors import DataError, bad_parameter
from variegate.geometry import assign, collecting, kmeans, largest_cosine, near_duplicates, recorded, sharing
from variegate.loading import load_each
from variegate.metrics.ngrams import ngrams
from variegate.metrics.run import naming
from variegate.ragged import starts_of
from variegate.viewing import Views
from variegate.views.checked import same_dimensions
from variegate.views.lsa.names import settled
from variegate.views.tokens import Tokens, decode_tokens

__all__ = ["Diagnosis", "DuplicateGroup", "Phrase", "Region", "TokenExcess", "diagnose"]

CLUSTERS = 100
# Rows a cluster must have on average, so that small sets get few clusters.
CLUSTER_ROWS = 20
PHRASE_TOKENS = 8
# Rows that share this much of their phrases' rows say the same thing twice.
OVERLAP = 0.5
PHRASE_CANDIDATES = 400
SHOWN = 160


@dataclass(frozen=True)
class DuplicateGroup:
    """Rows that are near-duplicates of each other.

    Attributes:
        size: number of rows.
        rows: their numbers, from 0 over all rows of the files, the first ones.
        example: the first row's text, shortened.
    """

    size: int
    rows: tuple[int, ...]
    example: str


@dataclass(frozen=True)
class Region:
    """A cluster of the reference (of the data set itself where there is none).

    Attributes:
        share: of the data set's rows that lie in it.
        reference_share: of the reference's rows; without a reference what each cluster would have if all were equal.
        coverage: mean cosine similarity of the reference's rows there to the nearest row of the data set; 1 without a
            reference.
        examples: texts from the middle of the region, shortened: of the data set where it is crowded, of the reference where
            the data set misses it.
    """

    share: float
    reference_share: float
    coverage: float
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Phrase:
    """A run of tokens that stands in many rows.

    Attributes:
        text: the phrase.
        rows: number of rows that hold it.
        share: of all rows.
    """

    text: str
    rows: int
    share: float


@dataclass(frozen=True)
class TokenExcess:
    """A token type that stands in more rows than in the reference.

    Attributes:
        text: the token.
        share: of the data set's rows that hold it.
        reference_share: of the reference's rows.
    """

    text: str
    share: float
    reference_share: float


@dataclass(frozen=True)
class Diagnosis:
    """Where a data set is not diverse.

    Attributes:
        dataset: its name.
        side: which texts.
        reference: name of the reference; None without one.
        n: number of rows.
        duplicate_rows: rows that have a near-duplicate before them.
        radius: L2 distance up to which rows count as near-duplicates.
        duplicates: the largest groups of near-duplicates.
        crowded: regions with more than their share of rows, the largest excess first.
        missed: regions of the reference that the data set covers worst; empty without a reference.
        phrases: the most repeated phrases, each in other rows.
        tokens: token types that are most in excess of the reference; empty without one.
        neighbours: how near-duplicates were looked for, where approximate neighbours were asked for; else None.
    """

    dataset: str
    side: str
    reference: str | None
    n: int
    duplicate_rows: int
    radius: float
    duplicates: tuple[DuplicateGroup, ...]
    crowded: tuple[Region, ...]
    missed: tuple[Region, ...]
    phrases: tuple[Phrase, ...]
    tokens: tuple[TokenExcess, ...]
    neighbours: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what `diagnose --json` writes."""
        return asdict(self)


def diagnose(
    data: Any,
    *,
    reference: Any = None,
    side: str = "both",
    embedder: str = Views.embedder,
    tokenizer: str = Views.tokenizer,
    top: int = 5,
    clusters: int | None = None,
) -> Diagnosis:
    """Say where a data set is not diverse, with example rows.

    Args:
        data: one data set with texts, as for :func:`measure`.
        reference: data set whose regions and tokens are what there should be, usually the pool.
        side: "instruction", "response" or "both".
        embedder: what makes the vectors.
        tokenizer: what makes the tokens.
        top: how many of each kind.
        clusters: regions; by default 100, fewer for fewer than 2,000 rows.

    Raises:
        DataError: the data holds vectors only, or too few rows.
        ParameterError: `top` or `clusters` is less than 1.
    """
    if side not in ("instruction", "response", "both"):
        raise bad_parameter("side", "diagnose", "instruction, response or both", side)
    for name, value in (("top", top), ("clusters", clusters)):
        if value is not None and value < 1:
            raise bad_parameter(name, "diagnose", "an int of at least 1", value)
    one = cast(Side, side)
    corpus, against = load_each(data, reference)
    fitted = corpus if against is None else against
    embedder = settled(embedder, [fitted])
    x, pool = corpus.vectors(one, embedder), fitted.vectors(one, embedder)
    same_dimensions(corpus, x, fitted, pool)
    tokens = corpus.tokens(one, tokenizer)
    k = clusters or max(1, min(CLUSTERS, len(fitted) // CLUSTER_ROWS))
    with sharing(), collecting() as searches:
        near = near_duplicates(x)
        try:
            crowded, missed = _regions(corpus, against, x, pool, one, k, top)
        except DataError as error:
            raise naming(fitted.name, error) from None
    return Diagnosis(
        corpus.name, side, None if against is None else against.name, len(corpus), near.collapsed, near.radius,
        tuple(_groups(corpus, near.representative, one, top)), crowded, missed,
        tuple(_phrases(tokens, corpus, one, tokenizer, top)),
        () if against is None else tuple(_excess(tokens, against.tokens(one, tokenizer), corpus, one, tokenizer, top)),
        recorded(searches) or None,
    )  # fmt: skip


def _groups(corpus: Corpus, representative: NDArray[np.int64], side: Side, top: int) -> Iterator[DuplicateGroup]:
    sizes = np.bincount(representative, minlength=len(representative))
    for leader in np.argsort(-sizes, kind="stable")[:top]:
        if sizes[leader] > 1:
            rows = corpus.numbers[np.flatnonzero(representative == leader)]
            yield DuplicateGroup(int(sizes[leader]), tuple(rows[:20].tolist()), _text(corpus, side, int(leader)))


def _regions(
    corpus: Corpus, against: Corpus | None, x: NDArray[Any], pool: NDArray[Any], side: Side, k: int, top: int
) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    model = kmeans(pool, k)
    # A data set may be its own reference: then the two are one array.
    own = model.labels if pool is x else assign(x, model)
    shares = np.bincount(own, minlength=k) / len(own)
    expected = np.full(k, 1 / k) if against is None else np.bincount(model.labels, minlength=k) / len(pool)
    coverage = np.ones(k)
    if pool is not x:
        similarity, _ = largest_cosine(pool, x)
        sums = np.bincount(model.labels, similarity, k)
        coverage = sums / np.maximum(np.bincount(model.labels, minlength=k), 1)

    def region(at: int, of: Corpus, vectors: NDArray[Any], labels: NDArray[np.int64]) -> Region:
        members = np.flatnonzero(labels == at)
        squared = np.square(vectors[members] - model.centroids[at]).sum(axis=1)
        # The nearest may be copies of each other: one example of them is enough.
        texts = dict.fromkeys(_text(of, side, int(row)) for row in members[np.argsort(squared, kind="stable")[:20]])
        return Region(float(shares[at]), float(expected[at]), float(coverage[at]), tuple(texts)[:2])

    excess = np.argsort(expected - shares, kind="stable")[:top]
    crowded = tuple(region(int(at), corpus, x, own) for at in excess if shares[at] > expected[at])
    if against is None:
        return crowded, ()
    worst = [int(at) for at in np.argsort(coverage, kind="stable") if expected[at] > 0][:top]
    return crowded, tuple(region(at, against, pool, model.labels) for at in worst)


def _phrases(tokens: Tokens, corpus: Corpus, side: Side, tokenizer: str, top: int) -> Iterator[Phrase]:
    labels, owner, starts = ngrams(tokens, PHRASE_TOKENS)
    if not len(labels):
        return
    # Each row counts once, however often it holds the phrase.
    pairs, first = np.unique(labels * len(tokens) + owner, return_index=True)
    gram, row = np.divmod(pairs, len(tokens))
    rows_of = np.bincount(gram)
    edges = starts_of(rows_of)
    taken: list[NDArray[np.int64]] = []
    for candidate in np.argsort(-rows_of, kind="stable")[:PHRASE_CANDIDATES]:
        if rows_of[candidate] < 2 or len(taken) == top:
            return
        holders = row[edges[candidate] : edges[candidate + 1]]
        # A template makes many phrases, one token further each; they all stand in the same rows.
        if any(np.isin(holders, other, assume_unique=True).mean() > OVERLAP for other in taken):
            continue
        taken.append(holders)
        start = starts[first[edges[candidate]]]
        text = decode_tokens(tokenizer, tokens.ids[start : start + PHRASE_TOKENS], corpus.texts(side)[int(holders[0])].as_py())
        yield Phrase(_short(text), len(holders), len(holders) / len(tokens))


def _excess(tokens: Tokens, reference: Tokens, corpus: Corpus, side: Side, tokenizer: str, top: int) -> Iterator[TokenExcess]:
    types, rows, first = _row_counts(tokens)
    pool_types, pool_rows, _ = _row_counts(reference)
    at = np.minimum(np.searchsorted(pool_types, types), len(pool_types) - 1)
    there = np.where(pool_types[at] == types, pool_rows[at], 0)
    share, expected = rows / len(tokens), (there + 0.5) / (len(reference) + 1)
    # What each type adds to the divergence from the reference: frequent as well as out of proportion.
    gain = np.where(share > expected, share * np.log(share / expected), 0)
    shown = 0
    for best in np.argsort(-gain, kind="stable"):
        if gain[best] <= 0 or shown == top:
            return
        text = decode_tokens(tokenizer, types[best : best + 1], corpus.texts(side)[int(first[best])].as_py())
        # White space, and bytes that are no character by themselves, tell nobody anything.
        if text.strip().strip("\ufffd"):
            shown += 1
            yield TokenExcess(text, float(share[best]), float(there[best] / len(reference)))


def _row_counts(tokens: Tokens) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Return the token types, the number of rows that hold each, and the first such row."""
    types, at = np.unique(tokens.ids, return_inverse=True)
    owner = np.repeat(np.arange(len(tokens)), tokens.lengths)
    type_of, row = np.divmod(np.unique(at * len(tokens) + owner), len(tokens))
    return types, np.bincount(type_of, minlength=len(types)), row[np.searchsorted(type_of, np.arange(len(types)))]


def _text(corpus: Corpus, side: Side, row: int) -> str:
    return _short(corpus.texts(side)[row].as_py())


def _short(text: str) -> str:
    # Data is not to be trusted: what is no printable character could steer a terminal.
    flat = "".join(one if one.isprintable() else "\ufffd" for one in " ".join(text.split()))
    return flat if len(flat) <= SHOWN else f"{flat[: SHOWN - 3]}..."
