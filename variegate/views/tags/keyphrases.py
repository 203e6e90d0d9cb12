"""Keyphrases: words and word pairs that mark a text out, as tags that need no model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from variegate.progress import track
from variegate.ragged import starts_of
from variegate.views.cache import cached_arrays
from variegate.views.tags.tags import KEYPHRASES, Tags, tags_of_rows
from variegate.views.tags.words import words_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["keyphrase_tags"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

PER_TEXT = 4
# A phrase must stand in this many texts, or it marks out next to nothing: 20 (as InsTag drops rarer tags), fewer in small sets.
FEWEST_TEXTS, MOST_FEWEST_TEXTS, TEXTS_A_FEWEST = 2, 20, 5000
# And in at most this share of the texts, or it is a function word.
LARGEST_SHARE = 0.05
SMALLEST_LIMIT = 8
BATCH = 4096
VERSION = 2


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
        fitted, words = _phrases(fitted_on, fitted_digest)
        if words is None or digest != fitted_digest:
            words = _numbered(texts, {word: at for at, word in enumerate(fitted.words)}, grow=False)
        tags = _keyphrases(words, fitted, per_text)
        names = "\n".join(f"{number}\t{name}" for number, name in sorted(tags.names.items())).encode()
        return {"ids": tags.ids, "lengths": tags.lengths, "names": np.frombuffer(names, np.uint8)}

    settings: dict[str, str | int] = {
        "content": digest, "fitted_on": fitted_digest, "tags": KEYPHRASES, "per_text": per_text, "revision": VERSION,
    }  # fmt: skip
    arrays = cached_arrays("tags", settings, len(texts), max(1, len(texts)), compute, "keyphrases")
    lines = arrays["names"].tobytes().decode().splitlines()
    names = {int(number): name for number, name in (line.split("\t", 1) for line in lines)}
    return Tags(np.asarray(arrays["ids"]), starts_of(arrays["lengths"]), names)


@dataclass(frozen=True)
class _Phrases:
    """What is worth naming in a corpus, and how much.

    Attributes:
        words: the words of these phrases, in the order in which they first stand in the corpus.
        single, double: number of the word, or first * len(words) + second; ascending.
        single_weight, double_weight: their inverse document frequency.
    """

    words: list[str]
    single: Ints
    single_weight: Floats
    double: Ints
    double_weight: Floats


def _phrases(fitted_on: pa.ChunkedArray, digest: str) -> tuple[_Phrases, _Words | None]:
    """Return the phrases of a corpus, counted once for all the sets that are tagged by it.

    Also the corpus's own texts by the words of these phrases, if they had to be read.
    """
    read: list[_Words] = []

    def compute(start: int, stop: int) -> dict[str, NDArray[Any]]:
        found, words = _counted(fitted_on)
        read.append(words)
        return {
            "words": np.frombuffer("\n".join(found.words).encode(), np.uint8), "single": found.single,
            "single_weight": found.single_weight, "double": found.double, "double_weight": found.double_weight,
        }  # fmt: skip

    settings: dict[str, str | int] = {
        "content": digest, "phrases": VERSION, "fewest": FEWEST_TEXTS, "most_fewest": MOST_FEWEST_TEXTS,
        "a_fewest": TEXTS_A_FEWEST, "share": str(LARGEST_SHARE), "smallest_limit": SMALLEST_LIMIT,
    }  # fmt: skip
    arrays = cached_arrays("phrases", settings, len(fitted_on), max(1, len(fitted_on)), compute, "phrases")
    words = arrays["words"].tobytes().decode().split("\n")
    found = _Phrases(words, *(np.asarray(arrays[name]) for name in ("single", "single_weight", "double", "double_weight")))
    return found, read[0] if read else None


def _counted(fitted_on: pa.ChunkedArray) -> tuple[_Phrases, _Words]:
    vocabulary: dict[str, int] = {}
    fitted = _numbered(fitted_on, vocabulary, grow=True)
    size, m = len(vocabulary), fitted.texts
    fewest = max(FEWEST_TEXTS, min(MOST_FEWEST_TEXTS, m // TEXTS_A_FEWEST))
    most = max(SMALLEST_LIMIT, int(LARGEST_SHARE * m))
    found: list[tuple[Ints, Floats]] = []
    for phrases in (_single, _double):
        keys, _, _ = _phrase_counts(*phrases(fitted, size))
        known, frequency = np.unique(keys, return_counts=True)
        good = (frequency >= fewest) & (frequency <= most)
        found.append((known[good], np.log(m / frequency[good])))
    (single, single_weight), (double, double_weight) = found
    # Only the words of these phrases are kept. Their order stays, and with it that of phrases of one weight.
    first, second = np.divmod(double, max(1, size))
    used = np.unique(np.concatenate([single, first, second]))
    names = list(vocabulary)
    double = np.searchsorted(used, first) * len(used) + np.searchsorted(used, second)
    renamed = np.full(size + 1, -1)
    renamed[used] = np.arange(len(used))
    words = _Words(renamed[fitted.ids], fitted.owner, m)
    return _Phrases([names[at] for at in used], np.searchsorted(used, single), single_weight, double, double_weight), words


@dataclass(frozen=True)
class _Words:
    """Word numbers of texts one after the other; -1 stands where no phrase may reach across."""

    ids: Ints
    owner: Ints
    texts: int


def _keyphrases(own: _Words, fitted: _Phrases, per_text: int) -> Tags:
    size = len(fitted.words)
    candidates: list[tuple[Ints, Ints, Floats]] = []
    for phrases, known, weight in (
        (_single, fitted.single, fitted.single_weight),
        (_double, fitted.double, fitted.double_weight),
    ):
        keys, owner, counts = _phrase_counts(*phrases(own, size))
        at = np.searchsorted(known, keys)
        inside = (at < len(known)) & (np.append(known, -1)[at] == keys)
        score = (1 + np.log(counts[inside])) * weight[at[inside]]
        # A pair says more than a word of the same weight; what is shifted is told from words by its sign.
        candidates.append((owner[inside], keys[inside] if phrases is _single else -1 - keys[inside], score))
    owner, keys, score = (np.concatenate(parts) for parts in zip(*candidates, strict=True))
    order = np.lexsort((keys, -score, owner))
    return tags_of_rows(_without_overlap(owner[order], keys[order], own.texts, size, fitted.words, per_text))


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

    for word in words_of(text):
        yield "" if word in ENGLISH_STOP_WORDS else word


def _single(words: _Words, size: int) -> tuple[Ints, Ints]:
    real = words.ids >= 0
    return words.ids[real], words.owner[real]


def _double(words: _Words, size: int) -> tuple[Ints, Ints]:
    real = (words.ids[:-1] >= 0) & (words.ids[1:] >= 0) & (words.owner[:-1] == words.owner[1:])
    return words.ids[:-1][real] * size + words.ids[1:][real], words.owner[:-1][real]


def _phrase_counts(keys: Ints, owner: Ints) -> tuple[Ints, Ints, Ints]:
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
