"""Which samples a run sees, in which order, and how they are put together: budgets, packing, batches."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.study.models.encoding import Encoded
from variegate.study.models.loading import IGNORED

__all__ = ["Batcher", "packed", "stream"]

Ints = NDArray[np.int64]


def stream(
    lengths: Ints, answers: Ints, epochs: float | None, tokens: int | None, response_tokens: int | None, seed: int
) -> list[Ints]:
    """Return the samples that a run sees, in order: epoch by epoch, each in an order of its own.

    Args:
        lengths: (n,) tokens of each sample.
        answers: (n,) tokens of each that carry loss; samples without any are left out.
        epochs: how often each is seen; of the last epoch a part where it is no whole number.
        tokens: in place of epochs: samples are seen until these are all of them, the last one whole.
        response_tokens: the same for tokens that carry loss.
        seed: of the orders.

    Returns:
        The sample numbers of each epoch.

    Raises:
        DataError: no sample carries loss.
    """
    kept = np.flatnonzero(answers > 0)
    if not len(kept):
        raise DataError("no sample has a token of a response within 'train.max_length', so there is nothing to train on.")
    generator = np.random.default_rng(seed)
    counted = lengths if tokens is not None else answers
    budget = tokens if tokens is not None else response_tokens
    found: list[Ints] = []
    while True:
        order = generator.permutation(kept)
        if budget is None:
            assert epochs is not None
            left = epochs - len(found)
            # One sample at least, however small the part of an epoch.
            order = order if left >= 1 else order[: max(round(left * len(kept)), 0 if found else 1)]
            done = left <= 1
        else:
            reached = np.cumsum(counted[order])
            order = order[: int(np.searchsorted(reached, budget)) + 1]
            budget -= int(reached[len(order) - 1])
            done = budget <= 0
        if len(order):
            found.append(order)
        if done:
            return found


def packed(order: Ints, lengths: Ints, room: int, generator: np.random.Generator) -> list[list[int]]:
    """Put samples together in sequences of at most some tokens: the longest first, each where it fits most tightly.

    Args:
        order: sample numbers.
        lengths: (n,) tokens of each sample, at most `room`.
        room: tokens of a sequence.
        generator: draws the order of the sequences, which are otherwise sorted by the length of their first sample.
    """
    by_length = order[np.argsort(-lengths[order], kind="stable")]
    bins: list[list[int]] = []
    # What is left of each open sequence, ascending, with its number.
    free: list[tuple[int, int]] = []
    for sample in by_length.tolist():
        length = int(lengths[sample])
        at = bisect.bisect_left(free, (length, -1))
        if at == len(free):
            bins.append([sample])
            left, number = room - length, len(bins) - 1
        else:
            left, number = free.pop(at)
            bins[number].append(sample)
            left -= length
        if left:
            bisect.insort(free, (left, number))
    return [bins[number] for number in generator.permutation(len(bins)).tolist()]


@dataclass(frozen=True)
class Batcher:
    """Makes the tensors of a batch: a `data_collator` of `transformers`, for rows that hold the number of a sequence.

    Sequences are filled up on the right, where causal attention does not see. Samples that share a sequence each count their
    positions from zero: by that, models of `transformers` keep them from attending to each other.

    Attributes:
        encoded: the samples.
        sequences: sample numbers of each sequence.
        fill: the token that fills up.
        positions: whether the model takes positions; one that does not gets a mask of what is filled up.
        room: fill up to so many tokens; None for the longest sequence of the batch.
    """

    encoded: Encoded
    sequences: Sequence[Sequence[int]]
    fill: int
    positions: bool = True
    room: int | None = None

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return `input_ids`, `labels` and `position_ids` (or `attention_mask`), each of shape (rows, tokens).

        And `tokens`, of shape (rows,): how many of a row were not filled up.
        """
        import torch

        chosen = [self.sequences[int(row["sequence"])] for row in rows]
        lengths = self.encoded.lengths
        width = self.room or max(int(sum(lengths[at] for at in samples)) for samples in chosen)
        ids = np.full((len(chosen), width), self.fill, np.int64)
        labels = np.full((len(chosen), width), IGNORED, np.int64)
        places = np.zeros((len(chosen), width), np.int64)
        tokens_of = np.zeros(len(chosen), np.int64)
        for row, samples in enumerate(chosen):
            start = 0
            for at in samples:
                tokens, answer = self.encoded.sample(at)
                stop = start + len(tokens)
                ids[row, start:stop] = tokens
                labels[row, start:stop] = np.where(answer, tokens, IGNORED)
                places[row, start:stop] = np.arange(len(tokens))
                start = stop
            tokens_of[row] = start
            # After one sample the count goes on, since a new one would make it look packed.
            places[row, start:] = np.arange(width - start) + (start if len(samples) == 1 else 0)
        batch = {"input_ids": ids, "labels": labels, "tokens": tokens_of}
        if self.positions:
            batch["position_ids"] = places
        else:
            batch["attention_mask"] = (np.arange(width) < tokens_of[:, None]).astype(np.int64)
        return {name: torch.from_numpy(array) for name, array in batch.items()}
