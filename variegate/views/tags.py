"""Tags: a few subjects per sample, from a column of the data or, failing that, keyphrases of the text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.progress import track
from variegate.views.cache import cached_arrays
from variegate.views.tokens import Tokens

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["KEYPHRASES", "TAGS", "Tags", "column_tags", "keyphrase_tags"]

Ints = NDArray[np.int64]

KEYPHRASES = "keyphrases"
TAGS = {
    KEYPHRASES: "words and word pairs that mark a text out, by TF-IDF; a fallback that needs no model",
    "COLUMN": "a field of the data: a list of tags, or a string with commas or semicolons between them",
}
PER_TEXT = 4
# A phrase must stand in this many texts, or it marks out next to nothing: 20 (as InsTag drops rarer tags), fewer in small sets.
FEWEST_TEXTS, MOST_FEWEST_TEXTS, TEXTS_A_FEWEST = 2, 20, 5000
# And in at most this share of the texts, or it is a function word.
LARGEST_SHARE = 0.05
SMALLEST_LIMIT = 8
# Han, kana and Thai are written without spaces: pairs of neighbouring characters stand in for words.
UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{UNSPACED}]+|(?:(?![{UNSPACED}])[^\W_])+(?:['\u2019-](?:(?![{UNSPACED}])[^\W_])+)*|[^\w\s]")
BATCH = 4096
VERSION = 1


@dataclass(frozen=True)
class Tags(Tokens):
    """Tags of n samples, one sample's after the other's.

    Attributes:
        ids: (total,) int64, a hash of the tag, the same in every data set.
        offsets: (n + 1,) int64; sample i has `ids[offsets[i]:offsets[i + 1]]`, all different.
        names: the text of each tag.
    """

    names: dict[int, str]

    def take(self, rows: Ints) -> Tags:
        """Return the tags of some samples, in the order given."""
        part = super().take(rows)
        return Tags(part.ids, part.offsets, self.names)

    def followed_by(self, other: Tokens) -> Tags:
        """Return these samples' tags and then those of others."""
        joined = super().followed_by(other)
        return Tags(joined.ids, joined.offsets, self.names | (other.names if isinstance(other, Tags) else {}))


def tag_id(tag: str) -> int:
    """Return the number of a tag: a hash, so that a tag has the same number in every data set."""
    return int.from_bytes(hashlib.blake2b(tag.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little", signed=True)


def column_tags(values: list[Any], where: Callable[[int], str]) -> Tags:
    """Return the tags that a column holds, in lower case, white space squeezed, each once a row.

    Args:
        values: for each row a list of strings, one string with commas or semicolons between tags, or None.
        where: says where a row stands, for errors.

    Raises:
        DataError: a value is of another kind; the message names the row.
    """
    rows: list[list[str]] = []
    for at, value in enumerate(values):
        tags = re.split("[,;]", value) if isinstance(value, str) else [] if value is None else value
        if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in tags):
            raise DataError(
                f"{where(at)}: tags must be a list of strings, or one string with commas or semicolons between tags. Got "
                f"{str(value)[:60]!r}."
            )
        clean = (" ".join(tag.lower().split()) for tag in tags)
        rows.append(list(dict.fromkeys(tag for tag in clean if tag)))
    return _tags(rows)


def _tags(rows: list[list[str]]) -> Tags:
    known = {tag: tag_id(tag) for tag in dict.fromkeys(tag for row in rows for tag in row)}
    ids = np.array([known[tag] for row in rows for tag in row], np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Tags(ids, offsets, {number: tag for tag, number in known.items()})


def keyphrase_tags(
    texts: pa.ChunkedArray, digest: str, fitted_on: pa.ChunkedArray, fitted_digest: str, *, per_text: int = PER_TEXT
) -> Tags:
    """Return the words and pairs of words that mark each text out: highest by TF-IDF, no word in two of them.

    Each must stand in a few texts of `fitted_on`, and not in too many; English stop words and numbers do not count.

    Args:
        texts: n strings.
        digest: hash of the texts, part of the cache's key.
        fitted_on: m strings in which document frequencies are counted.
        fitted_digest: hash of those.
        per_text: tags a text, at most.
    """

    def compute(start: int, stop: int) -> dict[str, NDArray[Any]]:
        tags = _keyphrases(texts, fitted_on, per_text)
        names = "\n".join(f"{number}\t{name}" for number, name in sorted(tags.names.items())).encode()
        return {"ids": tags.ids, "lengths": tags.lengths, "names": np.frombuffer(names, np.uint8)}

    settings: dict[str, str | int] = {
        "content": digest, "fitted_on": fitted_digest, "tags": KEYPHRASES, "per_text": per_text, "revision": VERSION,
    }  # fmt: skip
    arrays = cached_arrays("tags", settings, len(texts), max(1, len(texts)), compute, "keyphrases")
    lines = arrays["names"].tobytes().decode().splitlines()
    names = {int(number): name for number, name in (line.split("\t", 1) for line in lines)}
    return Tags(np.asarray(arrays["ids"]), np.concatenate([[0], np.cumsum(arrays["lengths"])]).astype(np.int64), names)


@dataclass(frozen=True)
class _Words:
    """Word numbers of texts one after the other; -1 stands where no phrase may reach across."""

    ids: Ints
    owner: Ints
    texts: int


def _keyphrases(texts: pa.ChunkedArray, fitted_on: pa.ChunkedArray, per_text: int) -> Tags:
    vocabulary: dict[str, int] = {}
    fitted = _numbered(fitted_on, vocabulary, grow=True)
    own = fitted if texts is fitted_on else _numbered(texts, vocabulary, grow=False)
    size = len(vocabulary)
    m = fitted.texts
    fewest = max(FEWEST_TEXTS, min(MOST_FEWEST_TEXTS, m // TEXTS_A_FEWEST))
    most = max(SMALLEST_LIMIT, int(LARGEST_SHARE * m))
    candidates: list[tuple[Ints, Ints, NDArray[np.float64]]] = []
    for phrases in (_single, _double):
        keys, _, counts = _phrase_counts(*phrases(fitted, size), m)
        known, frequency = np.unique(keys, return_counts=True)
        good = (frequency >= fewest) & (frequency <= most)
        known, weight = known[good], np.log(m / frequency[good])
        keys, owner, counts = _phrase_counts(*phrases(own, size), own.texts)
        at = np.searchsorted(known, keys)
        inside = (at < len(known)) & (np.append(known, -1)[at] == keys)
        score = (1 + np.log(counts[inside])) * weight[at[inside]]
        # A pair says more than a word of the same weight; what is shifted is told from words by its sign.
        candidates.append((owner[inside], keys[inside] if phrases is _single else -1 - keys[inside], score))
    owner, keys, score = (np.concatenate(parts) for parts in zip(*candidates, strict=True))
    order = np.lexsort((keys, -score, owner))
    words = list(vocabulary)
    chosen = _without_overlap(owner[order], keys[order], own.texts, size, words, per_text)
    return _tags(chosen)


def _numbered(texts: pa.ChunkedArray, vocabulary: dict[str, int], grow: bool) -> _Words:
    """Number the words of texts by a vocabulary, which grows or not; breaks and words that do not count are -1."""
    ids: list[int] = []
    lengths = []
    with track("words", len(texts)) as advance:
        for start in range(0, len(texts), BATCH):
            batch = texts.slice(start, BATCH).to_pylist()
            for text in batch:
                before = len(ids)
                for word in _words(text):
                    if not word:
                        ids.append(-1)
                    elif grow:
                        ids.append(vocabulary.setdefault(word, len(vocabulary)))
                    else:
                        ids.append(vocabulary.get(word, -1))
                lengths.append(len(ids) - before)
            advance(len(batch))
    return _Words(np.array(ids, np.int64), np.repeat(np.arange(len(lengths)), lengths), len(lengths))


def _words(text: str) -> Iterator[str]:
    """Yield the words of a text in lower case; "" for punctuation, stop words and numbers."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    for word in WORD.findall(text.lower()):
        if word[0] >= "\u0e00" and re.match(f"[{UNSPACED}]", word):
            yield ""
            for at in range(len(word) - 1):
                yield word[at : at + 2]
                # Pairs of characters overlap, so that no phrase may be made of two of them.
                yield ""
        elif len(word) < 3 or word in ENGLISH_STOP_WORDS or not any(map(str.isalpha, word)):
            yield ""
        else:
            yield word


def _single(words: _Words, size: int) -> tuple[Ints, Ints]:
    real = words.ids >= 0
    return words.ids[real], words.owner[real]


def _double(words: _Words, size: int) -> tuple[Ints, Ints]:
    real = (words.ids[:-1] >= 0) & (words.ids[1:] >= 0) & (words.owner[:-1] == words.owner[1:])
    return words.ids[:-1][real] * size + words.ids[1:][real], words.owner[:-1][real]


def _phrase_counts(keys: Ints, owner: Ints, texts: int) -> tuple[Ints, Ints, Ints]:
    """Return the phrases of each text, once each: phrase, text, and how often it stands there."""
    order = np.lexsort((owner, keys))
    keys, owner = keys[order], owner[order]
    first = np.flatnonzero(np.r_[True, (keys[1:] != keys[:-1]) | (owner[1:] != owner[:-1])][: len(keys)])
    return keys[first], owner[first], np.diff(np.r_[first, len(keys)])


def _without_overlap(owner: Ints, keys: Ints, texts: int, size: int, words: list[str], per_text: int) -> list[list[str]]:
    """Take the best phrases of each text, leaving out those that share a word with one taken before."""
    chosen: list[list[str]] = [[] for _ in range(texts)]
    used: set[int] = set()
    current = -1
    for text, key in zip(owner.tolist(), keys.tolist(), strict=True):
        if text != current:
            current, used = text, set()
        if len(chosen[text]) == per_text:
            continue
        parts = (key,) if key >= 0 else divmod(-1 - key, size)
        if used.isdisjoint(parts):
            used.update(parts)
            chosen[text].append(" ".join(words[part] for part in parts))
    return chosen
