"""Token ids of texts, by the training model's tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, ParameterError
from variegate.ragged import gather, starts_of
from variegate.views.cache import cached_arrays

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TOKENIZERS", "Tokens", "count_tokens", "decode_tokens", "tokenize_texts", "wordllama_file"]

Ints = NDArray[np.int64]

TOKENIZERS = {
    "llama2": "the LLaMA-2 BPE (32,000 types) that the package wordllama carries; needs no download",
    "words": "split at white space, case kept",
    "NAME or PATH": "any Hugging Face tokenizer: a Hub name, a folder, or a tokenizer.json",
}
# Stands for a space in the vocabularies of LLaMA and others.
MARK = "\u2581"
LLAMA_NORMALIZER = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": MARK},
        {"type": "Replace", "pattern": {"String": " "}, "content": MARK},
    ],
}
SHARD_ROWS = 8192
BATCH_ROWS = 2048


@dataclass(frozen=True)
class Tokens:
    """Token ids of n texts, one after the other.

    Attributes:
        ids: (total,) integers; int32 for a vocabulary's ids, int64 for words.
        offsets: (n + 1,) int64; text i has `ids[offsets[i]:offsets[i + 1]]`.
    """

    ids: NDArray[Any]
    offsets: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[Any]:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> Ints:
        """(n,) tokens of each text."""
        return np.diff(self.offsets)

    @cached_property
    def type_counts(self) -> tuple[NDArray[Any], Ints]:
        """The distinct ids, ascending, and how often each occurs; counted once."""
        types, counts = np.unique(self.ids, return_counts=True)
        return types, np.asarray(counts, np.int64)

    @classmethod
    def from_lists(cls, lists: list[list[int]]) -> Tokens:
        """Build from one list of ids per text."""
        lengths = np.array([len(ids) for ids in lists], np.int64)
        flat = np.array([token for ids in lists for token in ids], np.int64)
        return cls(flat, starts_of(lengths))

    def take(self, rows: Ints) -> Tokens:
        """Return the tokens of some texts, in the order given."""
        at, lengths = gather(self.offsets, rows)
        return Tokens(np.asarray(self.ids[at]), starts_of(lengths))

    def followed_by(self, other: Tokens) -> Tokens:
        """Return these texts' tokens and then those of others, made by the same tokenizer."""
        return Tokens(np.concatenate([self.ids, other.ids]), np.concatenate([self.offsets, other.offsets[1:] + self.offsets[-1]]))


def wordllama_file(folder: str, name: str) -> Path:
    """Return the path of a file that the package wordllama carries, without importing that package.

    Importing it would set up logging for the whole process and take longer than reading the file.
    """
    from importlib.util import find_spec

    spec = find_spec("wordllama")
    places = spec.submodule_search_locations if spec else None
    for place in places or []:
        path = Path(place) / folder / name
        if path.is_file():
            return path
    raise ParameterError(
        f"The file {folder}/{name} of the package wordllama is missing. You can fix this by running: "
        "pip install --force-reinstall wordllama"
    )


def tokenize_texts(texts: pa.ChunkedArray, tokenizer: str, digest: str) -> Tokens:
    """Return the token ids of texts; special tokens are not added.

    Args:
        texts: strings, length n.
        tokenizer: see `TOKENIZERS`.
        digest: hash of the texts, part of the cache's key.
    """
    encode, revision, _ = _encoder(tokenizer)

    def compute(start: int, stop: int) -> dict[str, NDArray[Any]]:
        ids, lengths = [], []
        for at in range(start, stop, BATCH_ROWS):
            for row in encode(texts.slice(at, min(BATCH_ROWS, stop - at)).to_pylist()):
                ids.append(row)
                lengths.append(len(row))
        return {"ids": np.concatenate(ids), "lengths": np.array(lengths, np.int64)}

    settings = {"content": digest, "tokenizer": tokenizer, "revision": revision}
    arrays = cached_arrays("tokens", settings, len(texts), SHARD_ROWS, compute, f"tokenizing ({tokenizer})")
    return Tokens(arrays["ids"], starts_of(arrays["lengths"]))


Encode = Callable[[list[str]], list[NDArray[Any]]]
Decode = Callable[[list[int]], str]


@lru_cache(maxsize=4)
def _encoder(name: str) -> tuple[Encode, str, Decode]:
    """Return the function that encodes a batch, what identifies the tokenizer's content, and the function that decodes."""
    if name == "words":
        return _encode_words, "1", str
    tokenizer = _load(name)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encode_all = _sooner(tokenizer)

    def encode(batch: list[str]) -> list[NDArray[Any]]:
        return [np.asarray(one.ids, np.int32) for one in encode_all(batch)]

    return encode, hashlib.sha256(tokenizer.to_str().encode()).hexdigest()[:16], tokenizer.decode


def count_tokens(tokenizer: str, texts: list[str]) -> int:
    """Return how many tokens some texts have together; nothing is cached."""
    encode, _, _ = _encoder(tokenizer)
    batches = (texts[start : start + BATCH_ROWS] for start in range(0, len(texts), BATCH_ROWS))
    return sum(len(row) for batch in batches for row in encode(batch))


def _sooner(tokenizer: Any) -> Callable[[list[str]], list[Any]]:
    """Return what encodes a batch as the tokenizer does, in two thirds of the time where its normalizer is LLaMA's.

    That one puts a mark in front of a text and in place of spaces, which Python's `replace` does a hundred times faster than
    a normalizer that keeps track of every character's place.
    """
    from tokenizers import Tokenizer

    content = json.loads(tokenizer.to_str())

    def as_it_is(batch: list[str]) -> list[Any]:
        return list(tokenizer.encode_batch_fast(batch, add_special_tokens=False))

    if content["normalizer"] != LLAMA_NORMALIZER or content["pre_tokenizer"] is not None:
        return as_it_is
    plain = Tokenizer.from_str(json.dumps({**content, "normalizer": None}))
    # Where a text holds one of these, each part between them is normalized by itself.
    added = [one["content"] for one in content["added_tokens"]]

    def encode(batch: list[str]) -> list[Any]:
        odd = {at for at, text in enumerate(batch) if any(token in text for token in added)}
        marked = [text and MARK + text.replace(" ", MARK) for text in batch]
        found = plain.encode_batch_fast(marked, add_special_tokens=False)
        for at, one in zip(sorted(odd), as_it_is([batch[at] for at in sorted(odd)]), strict=True):
            found[at] = one
        return list(found)

    return encode


def decode_tokens(tokenizer: str, ids: NDArray[Any], text: str) -> str:
    """Return tokens as text.

    Args:
        tokenizer: that made the ids.
        ids: (k,) consecutive tokens.
        text: a text that holds them: ids of words are hashes, which cannot be read back.
    """
    if tokenizer == "words":
        known = {_word_id(word): word for word in text.split()}
        return " ".join(known[word] for word in ids.tolist())
    return _encoder(tokenizer)[2](ids.tolist())


def _load(name: str) -> Any:
    from tokenizers import Tokenizer

    if name == "llama2":
        return Tokenizer.from_file(str(wordllama_file("tokenizers", "l2_supercat_tokenizer_config.json")))
    path = Path(name)
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        if file.is_file():
            return Tokenizer.from_file(str(file))
        if path.is_dir():
            raise DataError(f"{name}: this folder holds no tokenizer.json. Save it with a fast tokenizer's save_pretrained.")
        return Tokenizer.from_pretrained(name)
    except DataError:
        raise
    except Exception as error:
        # The Rust side raises plain Exceptions, for damaged files and for names that the Hub does not know.
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{name}: no tokenizer could be loaded from this name or path ({first}).") from None


@lru_cache(maxsize=1_000_000)
def _word_id(word: str) -> int:
    # A hash, not a running number: the same word must have the same id in every data set, in every process.
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little", signed=True)


def _encode_words(batch: list[str]) -> list[NDArray[Any]]:
    return [np.array([_word_id(word) for word in text.split()], np.int64) for text in batch]
