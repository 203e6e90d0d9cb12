"""One name for the spellings and near-synonyms of a tag, after InsTag (Lu et al. 2023), and rare tags dropped.

Three steps, in this order:

1. Spelling: lower case, special characters to spaces, words stemmed. What is spelled alike from then on is one tag, shown by the
   spelling of most rows.
2. Meaning: from the most frequent tag down, each joins the nearest name so far if that is near enough, or becomes a name itself.
   Every tag is thus near its own name. Single links, as DBSCAN follows them, would join what is not alike by a chain of tags
   between, and would name a group by what most of its members are far from.
3. Frequency: names with too few rows are dropped. InsTag drops first; here rare spellings are gathered before they are counted.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.progress import announce, track
from variegate.views.cache import cached_arrays
from variegate.views.embed import embed_texts
from variegate.views.tags.tags import Tags, tags_of_rows
from variegate.views.tokens import tokenize_texts

__all__ = ["TagNames", "fit_names", "same_spelling"]

Ints = NDArray[np.int64]
Vectors = NDArray[np.float32]

# Cosine from which two tags count as one, with the static embedder; docs/tags.md has what this was chosen by.
SIMILARITY = 0.85
# A sign that sets names apart rather than decorates them: c, c#, c++.
KEPT_SIGNS = "+#"
# Whose tokens the static embedder has vectors of.
TOKENIZER = "llama2"
BLOCK = 1024
VERSION = 1


@lru_cache(maxsize=1 << 20)
def spelled(tag: str) -> str:
    """Return a tag in lower case with spaces in place of special characters.

    >>> spelled("Creative-Writing!"), spelled("C++")
    ('creative writing', 'c++')
    """
    text = unicodedata.normalize("NFKC", tag).lower()
    # Letters, marks (without which many scripts fall apart) and numbers stay.
    return " ".join("".join(one if unicodedata.category(one)[0] in "LMN" or one in KEPT_SIGNS else " " for one in text).split())


@lru_cache(maxsize=1 << 20)
def same_spelling(tag: str) -> str:
    """Return what all spellings of a tag have in common: its words stemmed; "" for a tag of signs alone.

    >>> same_spelling("story-telling") == same_spelling("Story telling")
    True
    """
    return " ".join(_stemmer().stemWords(spelled(tag).split()))


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("english")


@dataclass(frozen=True)
class TagNames:
    """What tags are called, by a corpus.

    Attributes:
        spellings: the stemmed spelling -> number of its name.
        names: the names, by falling number of rows.
        vectors: (k, d) of the names; zero where a tag takes no part in step 2.
        rows: (k,) rows that carry the name.
        fewest_rows: that a name must have to be kept.
    """

    spellings: dict[str, int]
    names: list[str]
    vectors: Vectors
    rows: Ints
    fewest_rows: int = 1

    def kept(self, fewest_rows: int, tags: str, corpus: str) -> TagNames:
        """Return the same with rare names dropped.

        Raises:
            DataError: none would be left.
        """
        left = int((self.rows >= fewest_rows).sum())
        if not left:
            most = int(self.rows.max()) if len(self.rows) else 0
            source = tags.partition(":")[2]
            way_out = f"Keep rarer ones with normalized@{max(1, most // 2)}:{source}." if most else "There are no tags at all."
            raise DataError(
                f"{corpus}: no tag of {source} stands in {fewest_rows} rows, the most frequent in {most}, so {tags} would drop "
                f"all. {way_out}"
            )
        return replace(self, fewest_rows=fewest_rows)

    def applied(self, tags: Tags, corpus: str) -> Tags:
        """Return the tags of some rows by their names; tags without one are left out, and a row has each name once."""
        called = self._called(tags)
        rows = [[called[tag] for tag in tags[row].tolist() if tag in called] for row in range(len(tags))]
        found = tags_of_rows(rows)
        bare = int(((found.lengths == 0) & (tags.lengths > 0)).sum())
        announce(
            f"{corpus}: {len(tags.type_counts[0]):,} tags came to {len(found.type_counts[0]):,} names of at least "
            f"{self.fewest_rows} rows; {bare:,} of {len(tags):,} rows lost all of theirs"
        )
        return found

    def _called(self, tags: Tags) -> dict[int, str]:
        """Return the names of tags by number; tags that the corpus did not have join the nearest name, kept or not."""
        spelling = {number: same_spelling(tag) for number, tag in tags.names.items()}
        new = sorted({text for text in spelling.values() if text and text not in self.spellings})
        nearest = dict(zip(new, _nearest(_vectors(new), self.vectors)[0].tolist(), strict=True))
        at = {number: self.spellings.get(text, nearest.get(text, -1)) for number, text in spelling.items()}
        return {number: self.names[name] for number, name in at.items() if name >= 0 and self.rows[name] >= self.fewest_rows}


def fit_names(tags: Tags) -> TagNames:
    """Find the names of a corpus's tags; none is dropped yet.

    Args:
        tags: of n rows.
    """
    present = tags.type_counts[0].tolist()
    shown, spellings = _by_spelling({number: tags.names[number] for number in present}, tags)
    owner = np.repeat(np.arange(len(tags)), tags.lengths)
    of_tag = np.array([spellings.get(same_spelling(tags.names[number]), -1) for number in present], np.int64)
    at = of_tag[np.searchsorted(np.array(present, np.int64), tags.ids)] if present else np.zeros(0, np.int64)
    rows = _rows(at, owner, len(shown))
    # By name where the number of rows is the same, so that the order of the rows does not matter.
    order = sorted(range(len(shown)), key=lambda one: (-rows[one], shown[one]))
    leaders, vectors = _by_meaning([shown[one] for one in order])
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    heads, number = np.unique(leaders, return_inverse=True)
    name_of = number[place]
    merged = _rows(np.where(at >= 0, name_of[at], -1) if len(name_of) else at, owner, len(heads))
    return TagNames(
        {text: int(name_of[one]) for text, one in spellings.items()},
        [shown[order[head]] for head in heads],
        vectors[heads],
        merged,
    )


def _by_spelling(names: dict[int, str], tags: Tags) -> tuple[list[str], dict[str, int]]:
    """Return the groups of one spelling: each by its most frequent form, and the group of each stemmed spelling."""
    counts = dict(zip(*(part.tolist() for part in tags.type_counts), strict=True))
    forms: dict[str, dict[str, int]] = {}
    for number, name in names.items():
        if stem := same_spelling(name):
            group = forms.setdefault(stem, {})
            group[spelled(name)] = group.get(spelled(name), 0) + counts[number]
    stems = sorted(forms)
    shown = [min(forms[stem], key=lambda form, stem=stem: (-forms[stem][form], form)) for stem in stems]  # type: ignore[misc]
    return shown, {stem: at for at, stem in enumerate(stems)}


def _rows(group: Ints, owner: Ints, groups: int) -> Ints:
    """Return in how many rows each group stands, a row counted once."""
    real = group >= 0
    pairs = np.unique(np.stack([group[real], owner[real]]), axis=1)
    return np.bincount(pairs[0], minlength=groups)


def _by_meaning(names: list[str]) -> tuple[Ints, Vectors]:
    """Return for each name, the most frequent first, the number of the name that it joins (its own, or one before it).

    Also the names' vectors.
    """
    vectors = _vectors(names)

    def compute(start: int, stop: int) -> dict[str, NDArray[Any]]:
        return {"leaders": _leaders(vectors)}

    if not names:
        return np.zeros(0, np.int64), vectors
    settings: dict[str, str | int | float] = {
        "names": _digest(names), "vectors": _digest([vectors.tobytes().hex()]), "similarity": SIMILARITY, "revision": VERSION,
    }  # fmt: skip
    return np.asarray(cached_arrays("tag-names", settings, len(names), len(names), compute, "merging tags")["leaders"]), vectors


def _leaders(vectors: Vectors) -> Ints:
    n = len(vectors)
    leaders = np.arange(n)
    heads = np.empty(0, np.int64)
    with track("merging tags", n, "tags") as advance:
        for start in range(0, n, BLOCK):
            stop = min(start + BLOCK, n)
            joined, similarity = _nearest(vectors[start:stop], vectors[heads])
            leaders[start:stop] = np.where(joined >= 0, heads[joined] if len(heads) else -1, leaders[start:stop])
            within = vectors[start:stop] @ vectors[start:stop].T
            # Names found in this very block come one by one, and may be nearer than those before it.
            new = np.zeros(stop - start, bool)
            for at in range(stop - start):
                own = np.where(new, within[at], -np.inf)
                best = int(own.argmax())
                if own[best] >= SIMILARITY and own[best] > similarity[at]:
                    leaders[start + at] = start + best
                else:
                    new[at] = joined[at] < 0
            heads = np.concatenate([heads, start + np.flatnonzero(new)])
            advance(stop - start)
    return leaders


def _nearest(vectors: Vectors, names: Vectors) -> tuple[Ints, Vectors]:
    """Return for each vector the name that is nearest, or -1 if none is near enough, and how near it is."""
    if not len(names) or not len(vectors):
        return np.full(len(vectors), -1, np.int64), np.zeros(len(vectors), np.float32)
    at, best = np.empty(len(vectors), np.int64), np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), BLOCK):
        similarity = vectors[start : start + BLOCK] @ names.T
        at[start : start + BLOCK] = similarity.argmax(axis=1)
        best[start : start + BLOCK] = similarity.max(axis=1)
    return np.where(best >= SIMILARITY, at, -1), best


def _vectors(names: list[str]) -> Vectors:
    """Return unit vectors of names; zero where a word is not known as a whole."""
    import pyarrow as pa

    if not names:
        return np.zeros((0, 1), np.float32)
    texts, digest = pa.chunked_array([pa.array(names, pa.large_string())]), _digest(names)
    words = np.array([name.count(" ") + 1 for name in names])
    # The vectors of a word's pieces say how it is spelled: trumpet is next to trump, 4th to 14th, one Chinese word to another.
    whole = tokenize_texts(texts, TOKENIZER, digest).lengths == words
    return np.where(whole[:, None], embed_texts(texts, "static", digest), np.float32(0))


def _digest(names: list[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
