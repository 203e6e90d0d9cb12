"""Held-out loss: how well a model foretells responses that it was not trained on, in nats a token."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.data.record import Turn
from variegate.errors import DataError, ParameterError
from variegate.loading import load
from variegate.progress import announce, track
from variegate.study.models.batches import Batcher
from variegate.study.models.encoding import Conversation, Encoded, encoder_for, pad_id, turns_of
from variegate.study.models.loading import Place, answer_losses, load_model, place_for, quiet

__all__ = ["HeldOut", "heldout_loss", "heldout_references", "heldout_rows", "losses_of"]

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


def heldout_references(name: str, path: str | Path, reference: str, by: Sequence[str] = ()) -> HeldOut:
    """Read the reference answers of a file of evaluation prompts as held-out samples.

    Args:
        name: what values are called after.
        path: JSON Lines; each line has `prompt`, or `turns` (the user's, in order), and `references`: name -> answers, one for
            each turn. Lines whose references lack the name, or have no text under it, are left out, and are counted.
        reference: whose answers, such as "gpt4".
        by: other fields by whose values the loss is told apart, such as "set".

    Raises:
        DataError: the file cannot be read, or no line has such a reference.
    """
    conversations: list[Conversation] = []
    wheres: list[str] = []
    groups: dict[str, list[str]] = {column: [] for column in by}
    known: set[str] = set()
    lines = _lines(Path(path))
    for where, row in lines:
        references = row.get("references")
        if not isinstance(references, Mapping):
            raise DataError(f"{where}: has no 'references', an object of answers by name.")
        known.update(references)
        turns = _talk(row, references.get(reference), where)
        if turns is None:
            continue
        for column in by:
            if column not in row:
                raise DataError(f"{where}: lacks the field '{column}'. It has: {', '.join(row)}.")
            groups[column].append(str(row[column]))
        conversations.append(turns)
        wheres.append(where)
    if not conversations:
        raise DataError(f"{path}: no line has a reference {reference!r}. There are: {', '.join(sorted(known)) or 'none'}.")
    if len(conversations) < len(lines):
        announce(f"note: {len(lines) - len(conversations):,} of {len(lines):,} lines of {path} have no reference {reference!r}")
    return HeldOut(name, conversations, wheres, groups)


def _lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'it is not valid UTF-8'}).") from None
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}, line {number}: is not valid JSON ({error}).") from None
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {number}: is not an object with named fields.")
            rows.append((f"{path}, line {number}", row))
    return rows


def _talk(row: Mapping[str, Any], answers: object, where: str) -> Conversation | None:
    """Return prompts and answers in turn; None where there is no answer."""
    texts = [answers] if isinstance(answers, str) else answers
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text.strip() for text in texts):
        return None
    prompts = row.get("turns") or [row.get("prompt")]
    if not isinstance(prompts, list) or not all(isinstance(prompt, str) and prompt.strip() for prompt in prompts):
        raise DataError(f"{where}: has no 'prompt', and no 'turns' that are a list of texts.")
    if len(texts) > len(prompts):
        raise DataError(f"{where}: has {len(texts)} answers to {len(prompts)} prompts.")
    turns: list[Turn] = []
    for prompt, answer in zip(prompts, texts, strict=False):
        turns += [Turn("user", prompt), Turn("assistant", answer)]
    return tuple(turns)


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
