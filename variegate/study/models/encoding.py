"""Samples as tokens, with a mark on those that the model has to write; each sample is tokenised once in a process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.data.record import Turn
from variegate.data.schema import RowError
from variegate.errors import DataError
from variegate.progress import track
from variegate.study.models.chat import ChatFormat, chat_format

__all__ = ["Encoded", "Encoder", "encoder_for", "turns_of"]

Ints = NDArray[np.int64]
Ids = NDArray[np.int32]
Mask = NDArray[np.bool_]
Conversation = tuple[Turn, ...]
Key = bytes

# Rows handed to the tokenizer at once.
CHUNK = 1024
# Tokens kept in memory, 5 bytes each.
KEPT = 100_000_000


@dataclass(frozen=True)
class Encoded:
    """Samples as tokens, cut at the longest length that is allowed.

    Attributes:
        ids: (tokens,) of all samples, one after the other.
        answer: (tokens,) whether the model has to write a token: those carry loss.
        starts: (n + 1,) where each sample begins.
        full_lengths: (n,) tokens of each before it was cut.
        full_answers: (n,) tokens with loss of each before it was cut.
    """

    ids: Ids
    answer: Mask
    starts: Ints
    full_lengths: Ints
    full_answers: Ints

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Ints:
        """(n,) tokens of each sample."""
        return np.diff(self.starts)

    @property
    def answers(self) -> Ints:
        """(n,) tokens of each sample that carry loss."""
        return np.diff(np.concatenate([[0], np.cumsum(self.answer)])[self.starts])

    def sample(self, at: int) -> tuple[Ids, Mask]:
        """Return the tokens of one sample, and which carry loss."""
        part = slice(int(self.starts[at]), int(self.starts[at + 1]))
        return self.ids[part], self.answer[part]

    def counts(self) -> dict[str, int]:
        """Return what was there, what was cut, and how many samples have no token left that carries loss."""
        lengths, answers = self.lengths, self.answers
        return {
            "rows": len(self),
            "tokens": int(lengths.sum()),
            "response_tokens": int(answers.sum()),
            "rows_cut": int((lengths < self.full_lengths).sum()),
            "tokens_cut": int((self.full_lengths - lengths).sum()),
            "response_tokens_cut": int((self.full_answers - answers).sum()),
            "rows_without_response": int((answers == 0).sum()),
        }


@dataclass
class Encoder:
    """Turns samples into tokens, and keeps what it made.

    Attributes:
        format: tokenizer and chat template.
    """

    format: ChatFormat
    _kept: dict[Key, tuple[Ids, Mask]] = field(default_factory=dict, repr=False)
    _tokens: int = field(default=0, repr=False)

    def encode(self, samples: Sequence[Conversation], wheres: Sequence[str], max_length: int) -> Encoded:
        """Return samples as tokens, in the order given.

        Args:
            samples: n conversations.
            wheres: which row each of them is, for errors.
            max_length: what is longer loses its end.

        Raises:
            DataError: the chat template does not take one of them.
        """
        keys = [_key(sample) for sample in samples]
        missing = [at for at, key in enumerate(keys) if key not in self._kept]
        fresh: dict[Key, tuple[Ids, Mask]] = {}
        if missing:
            with track("tokenising", len(missing)) as advance:
                for start in range(0, len(missing), CHUNK):
                    part = missing[start : start + CHUNK]
                    made = self._tokenise([samples[at] for at in part], [wheres[at] for at in part])
                    fresh.update(zip((keys[at] for at in part), made, strict=True))
                    advance(len(part))
        pairs = [fresh[key] if key in fresh else self._kept[key] for key in keys]
        self._keep(fresh)
        return _joined(pairs, max_length)

    def _keep(self, fresh: dict[Key, tuple[Ids, Mask]]) -> None:
        tokens = sum(len(ids) for ids, _ in fresh.values())
        if self._tokens + tokens > KEPT:
            self._kept.clear()
            self._tokens = 0
        if tokens <= KEPT:
            self._kept.update(fresh)
            self._tokens += tokens

    def _tokenise(self, samples: list[Conversation], wheres: list[str]) -> list[tuple[Ids, Mask]]:
        marked = [self.format.marked(sample, where) for sample, where in zip(samples, wheres, strict=True)]
        # The template has written the special tokens already.
        made = self.format.tokenizer(
            [text for text, _ in marked], add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False,
            truncation=False, verbose=False,
        )  # fmt: skip
        return [
            (np.array(ids, np.int32), _within(np.array(places, np.int64).reshape(-1, 2), spans))
            for ids, places, (_, spans) in zip(made["input_ids"], made["offset_mapping"], marked, strict=True)
        ]


def _key(sample: Conversation) -> Key:
    return hashlib.sha256(json.dumps([[turn.role, turn.text] for turn in sample]).encode()).digest()


def _within(places: Ints, spans: list[tuple[int, int]]) -> Mask:
    """Return which tokens stand in one of the spans, if only in part: whoever writes the answer writes them."""
    inside = np.zeros(len(places), np.bool_)
    begins, ends = places[:, 0], places[:, 1]
    for start, stop in spans:
        inside |= (ends > start) & (begins < stop) & (ends > begins)
        # Some tokenizers say of white space that it stands nowhere: it goes with what it stands between.
        nowhere = (ends == begins) & (begins > start) & (begins < stop)
        inside |= nowhere
    if len(inside):
        # Nothing comes before the first token, so nothing can foretell it.
        inside[0] = False
    return inside


def _joined(pairs: list[tuple[Ids, Mask]], max_length: int) -> Encoded:
    cut = [(ids[:max_length], mask[:max_length]) for ids, mask in pairs]
    starts = np.zeros(len(cut) + 1, np.int64)
    np.cumsum([len(ids) for ids, _ in cut], out=starts[1:])
    return Encoded(
        np.concatenate([ids for ids, _ in cut]) if cut else np.zeros(0, np.int32),
        np.concatenate([mask for _, mask in cut]) if cut else np.zeros(0, np.bool_),
        starts,
        np.array([len(ids) for ids, _ in pairs], np.int64),
        np.array([int(mask.sum()) for _, mask in pairs], np.int64),
    )


_encoders: dict[tuple[str, str | None], Encoder] = {}


def encoder_for(model: str, template: str | None) -> Encoder:
    """Return the encoder of a model's tokenizer, the same one for each call with the same tokenizer and template.

    Args:
        model: Hub id or path.
        template: the text of a chat template; None for the model's own.

    Raises:
        DataError: there is no such tokenizer, or it cannot be used.
    """
    from variegate.study.models.loading import load_tokenizer

    tokenizer = load_tokenizer(model)
    found = chat_format(tokenizer, model, template)
    # By what it does, not by its name: a trained model has the tokenizer of the one that it was made of.
    key = (hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest(), found.template)
    if key not in _encoders:
        # One or two at a time: a study has one model, or one before and one after.
        while len(_encoders) > 1:
            _encoders.pop(next(iter(_encoders)))
        _encoders[key] = Encoder(found)
    return _encoders[key]


def turns_of(corpus: Corpus) -> tuple[list[Conversation], list[str]]:
    """Return the conversations of a data set, and where each of them stands.

    Raises:
        DataError: the data set holds no texts, or prompts alone.
    """
    if corpus.given_vectors is not None or "response" not in corpus.sides:
        raise DataError(f"{corpus.name}: has no responses, so there is nothing to train on or to measure a loss on.")
    conversations, wheres = [], []
    for row, schema, where in corpus.samples():
        try:
            conversations.append(schema.record(row).turns)
        except RowError as error:
            raise DataError(f"{where}: {error}.") from None
        wheres.append(where)
    return conversations, wheres


def pad_id(tokenizer: Any) -> int:
    """Return the token that fills up short samples; it carries no loss and no other token sees it, so any will do."""
    for found in (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id):
        if found is not None:
            return int(found)
    return 0
