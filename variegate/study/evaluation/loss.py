"""Held-out loss: how well a model foretells responses that it was not trained on, in nats a token."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.data.record import Turn
from variegate.errors import DataError, ParameterError, unknown_name
from variegate.loading import load
from variegate.progress import announce, track
from variegate.study.evaluation.prompts import Prompt, reference_names
from variegate.study.models.batches import Batcher
from variegate.study.models.encoding import Conversation, Encoded, encoder_for, pad_id, turns_of
from variegate.study.models.loading import Place, answer_losses, load_model, place_for, quiet

__all__ = ["HeldOut", "heldout_loss", "heldout_references", "heldout_rows", "losses_of", "thinned"]

PROMPT_COLUMNS = ("set", "category")
# Of logits, in float32: what a batch may take besides the model.
LOGIT_BYTES = 512 << 20


@dataclass(frozen=True)
class HeldOut:
    """Samples that no run is trained on.

    Attributes:
        name: what values are called after.
        conversations: n samples with responses.
        wheres: which row each of them is, for errors.
        groups: column -> its value in each sample, length n.
    """

    name: str
    conversations: Sequence[Conversation]
    wheres: Sequence[str]
    groups: Mapping[str, Sequence[str]]


def heldout_rows(name: str, data: Any, by: Sequence[str] = ()) -> HeldOut:
    """Read held-out samples.

    Args:
        name: what values are called after, such as "heldout".
        data: as for :func:`variegate.load`.
        by: columns by whose values the loss is told apart, such as "source".

    Raises:
        DataError: there are no responses, or a row lacks a column.
    """
    corpus: Corpus = load(data)
    conversations, wheres = turns_of(corpus)
    return HeldOut(name, conversations, wheres, {column: [str(one) for one in corpus.column(column)] for column in by})


def thinned(held: HeldOut, most: int | None) -> HeldOut:
    """Return at most so many samples of each value of the first column, or of all: those of the lowest hashes.

    Which samples are kept does not depend on their order, and more of them hold the fewer.
    """
    if most is None:
        return held
    labels = next(iter(held.groups.values()), [""] * len(held.conversations))
    hashed = [hashlib.sha256("\0".join(turn.text for turn in turns).encode()).digest() for turns in held.conversations]
    taken: dict[str, int] = {}
    kept = []
    for at in sorted(range(len(hashed)), key=hashed.__getitem__):
        taken[labels[at]] = taken.get(labels[at], 0) + 1
        if taken[labels[at]] <= most:
            kept.append(at)
    kept.sort()
    return HeldOut(
        held.name, [held.conversations[at] for at in kept], [held.wheres[at] for at in kept],
        {column: [values[at] for at in kept] for column, values in held.groups.items()},
    )  # fmt: skip


def heldout_references(name: str, prompts: Sequence[Prompt], references: Sequence[str], by: Sequence[str] = ()) -> HeldOut:
    """Return the reference answers of evaluation prompts as held-out samples.

    Args:
        name: what values are called after.
        prompts: those that have none of the references are left out, and are counted.
        references: whose answers, such as "gpt4"; of several, the first that a prompt has.
        by: "set" and "category", where the loss is to be told apart by them.

    Raises:
        DataError: no prompt has such a reference.
        ParameterError: `by` names something else.
    """
    for column in by:
        if column not in PROMPT_COLUMNS:
            raise unknown_name("column of prompts", column, PROMPT_COLUMNS)
    kept = [(prompt, answers) for prompt in prompts for answers in [_reference(prompt, references)] if answers]
    if not kept:
        known = ", ".join(reference_names(prompts)) or "none"
        raise DataError(f"{name}: no prompt has a reference {' or '.join(map(repr, references))}. There are: {known}.")
    if len(kept) < len(prompts):
        lacking = len(prompts) - len(kept)
        announce(f"note: {name} leaves out {lacking:,} of {len(prompts):,} prompts, which have no such reference")
    conversations = []
    for prompt, answers in kept:
        turns = [Turn(message["role"], message["content"]) for message in prompt.before]  # type: ignore[arg-type]
        for asked, answer in zip(prompt.turns, answers, strict=False):
            turns += [Turn("user", asked), Turn("assistant", answer)]
        conversations.append(tuple(turns))
    groups = {column: [str(getattr(prompt, column)) for prompt, _ in kept] for column in by}
    return HeldOut(name, conversations, [f"prompt {prompt.id}" for prompt, _ in kept], groups)


def _reference(prompt: Prompt, names: Sequence[str]) -> tuple[str, ...]:
    return next((prompt.references[name] for name in names if any(prompt.references.get(name, ()))), ())


def heldout_loss(
    model: str,
    sets: Sequence[HeldOut],
    *,
    chat_template: str | None = None,
    max_length: int = 2048,
    device: str = "auto",
    precision: str = "auto",
    batch_tokens: int = 8192,
) -> dict[str, Any]:
    """Measure a model's loss on held-out samples: nats a token of the responses, their end-of-turn tokens included.

    Smaller is better. What carries loss is what carries loss in training.

    Args:
        model: Hub id or path.
        sets: held-out samples, with names of their own.
        chat_template: the text of a template; None for the model's own, which a trained model has from its training.
        max_length: tokens; longer samples lose their end, which is counted.
        device: "cpu", "cuda" or "auto".
        precision: "float32", "bf16", or "auto" for bf16 on an accelerator that has it.
        batch_tokens: of a batch, fill included; no value depends on it but in the last digits.

    Returns:
        `values`: for each set its mean over tokens under its name; for each column and value `NAME/by_COLUMN/VALUE`, likewise;
        and `NAME/macro` (`NAME/macro_COLUMN` where there are several columns), the mean over a column's values, each counting
        the same. `tokens`: for each set what was measured and what was cut. And `device`, `dtype`, `higher_is_better`.

    Raises:
        DataError: a set has no response within the length; the model cannot be used.
        ParameterError: two sets have one name.
    """
    if len({one.name for one in sets}) < len(sets):
        raise ParameterError(f"Held-out sets must have different names. Got {', '.join(one.name for one in sets)}.")
    place = place_for(device, precision, "evaluate")
    encoder = encoder_for(model, chat_template)
    with quiet():
        loaded = load_model(model, "auto" if place.precision == "bf16" else "float32").eval().to(place.device)
    longest = getattr(loaded.config, "max_position_embeddings", None) or max_length
    values: dict[str, float] = {}
    tokens: dict[str, dict[str, int]] = {}
    for one in sets:
        encoded = encoder.encode(one.conversations, one.wheres, min(max_length, longest))
        tokens[one.name] = encoded.counts()
        sums = losses_of(loaded, encoded, place, pad_id(encoder.format.tokenizer), batch_tokens, one.name)
        values |= _summary(one, sums, encoded.answers)
    return {
        "values": values, "higher_is_better": dict.fromkeys(values, False), "tokens": tokens, "device": place.name,
        "dtype": place.precision, "max_length": min(max_length, longest),
    }  # fmt: skip


def losses_of(
    model: Any, encoded: Encoded, place: Place, fill: int, batch_tokens: int = 8192, label: str = "held-out loss"
) -> NDArray[np.float64]:
    """Return the loss of each sample: the sum over its tokens that carry loss, in nats, shape (n,); 0 where there is none.

    Args:
        model: on its device, in evaluation.
        encoded: n samples.
        place: where it is, and how it computes.
        fill: the token that fills up.
        batch_tokens: of a batch, fill included.
        label: what the progress line says.
    """
    import inspect

    import torch

    positions = "position_ids" in inspect.signature(model.forward).parameters
    batcher = Batcher(encoded, [[at] for at in range(len(encoded))], fill, positions)
    logits = LOGIT_BYTES // (4 * model.get_output_embeddings().weight.shape[0])
    sums = np.zeros(len(encoded))
    batches = _batches(encoded, min(batch_tokens, max(logits, 1)))
    with torch.inference_mode(), place.autocast(), track(label, sum(map(len, batches))) as advance:
        for batch in batches:
            made = batcher([{"sequence": at} for at in batch])
            given = {name: made[name].to(place.device) for name in made if name not in ("labels", "tokens")}
            labels = made["labels"].to(place.device)
            losses = answer_losses(model, model, given, labels).double().cpu().numpy()
            if not np.isfinite(losses).all():
                raise DataError(f"{label}: the model gives a loss that is no number. Did its training diverge?")
            # Row by row, in order: as many as each row has tokens that carry loss.
            counts = encoded.answers[batch]
            sums[batch] = [part.sum() for part in np.split(losses, np.cumsum(counts)[:-1])]
            advance(len(batch))
    return sums


def _batches(encoded: Encoded, room: int) -> list[list[int]]:
    """Return samples of like length together, as many as the room holds, those without loss left out; the longest first."""
    lengths = encoded.lengths
    kept = np.flatnonzero(encoded.answers > 0)
    order = kept[np.argsort(-lengths[kept], kind="stable")]
    batches: list[list[int]] = []
    for at in order.tolist():
        if batches and (len(batches[-1]) + 1) * int(lengths[batches[-1][0]]) <= room:
            batches[-1].append(at)
        else:
            batches.append([at])
    return batches


def _summary(one: HeldOut, sums: NDArray[np.float64], counts: NDArray[np.int64]) -> dict[str, float]:
    total = int(counts.sum())
    if not total:
        raise DataError(f"{one.name}: no sample has a token of a response within the length that is allowed. Allow more.")
    values = {one.name: math.fsum(sums) / total}
    for column, labels in one.groups.items():
        parts = {}
        for label in sorted(set(labels)):
            at = np.array([value == label for value in labels])
            if not counts[at].sum():
                raise DataError(
                    f"{one.name}: no sample whose '{column}' is {label!r} has a token of a response within the length that is "
                    "allowed. Allow more, or take these rows out."
                )
            parts[f"{one.name}/by_{column}/{label}"] = math.fsum(sums[at]) / int(counts[at].sum())
        macro = f"{one.name}/macro" if len(one.groups) == 1 else f"{one.name}/macro_{column}"
        values |= parts | {macro: math.fsum(parts.values()) / len(parts)}
    return values
