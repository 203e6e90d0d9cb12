"""A small language model trained from nothing on plain text: what a study on a laptop fine-tunes."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, ParameterError
from variegate.progress import announce, track
from variegate.storage import check_folder, whole_file, whole_folder
from variegate.study.models.chat import PLAIN
from variegate.study.models.loading import Place, own_randomness, place_for, quiet, versions

__all__ = ["BaseModel", "train_base"]

Ids = NDArray[np.int32]

END, PAD = "<|end|>", "<|pad|>"
# Of the chat template; one token each, so that a prompt of a small model is not all template.
ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
RECORD = "base_model.json"
CHECKPOINT = "checkpoint.pt"
# Documents handed to the tokenizer at once.
CHUNK = 1024


@dataclass(frozen=True)
class BaseModel:
    """A model of the LLaMA family, and how it is trained.

    Attributes:
        vocabulary: types of its byte-level BPE.
        width: of its vectors.
        layers: how many.
        heads: of attention; the width is a multiple of them.
        inner_width: of the layers between; None for about 8/3 of the width.
        context: tokens that it sees.
        tied: whether the first and the last layer are one matrix.
        tokens: to train on in all; the text is seen again from its beginning where it has fewer.
        batch_size: sequences of a step.
        learning_rate: of AdamW, at its highest; it falls as a cosine to a tenth of that.
        warmup: share of the steps in which it rises.
        weight_decay: of AdamW, on weight matrices alone.
        precision: "float32", "bf16", or "auto" for bf16 on an accelerator that has it.
        device: "cpu", "cuda" or "auto".
        seed: of everything drawn at random.
    """

    vocabulary: int = 4096
    width: int = 128
    layers: int = 4
    heads: int = 4
    inner_width: int | None = None
    context: int = 512
    tied: bool = True
    tokens: int = 5_000_000
    batch_size: int = 16
    learning_rate: float = 3e-3
    warmup: float = 0.02
    weight_decay: float = 0.1
    precision: str = "auto"
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        least = 256 + 2 + len(ROLES)
        rules = {
            "vocabulary": (self.vocabulary >= least, f"at least {least}: the bytes and the tokens of the chat template"),
            "heads": (self.heads >= 1 and self.width % (2 * self.heads) == 0, "such that 'width' is a multiple of twice it"),
            "layers": (self.layers >= 1, "at least 1"),
            "context": (self.context >= 8, "at least 8"),
            "tokens": (self.tokens >= self.context, "at least 'context'"),
            "batch_size": (self.batch_size >= 1, "at least 1"),
            "learning_rate": (self.learning_rate > 0, "above 0"),
            "warmup": (0 <= self.warmup < 1, "in [0, 1)"),
        }
        for name, (good, allowed) in rules.items():
            if not good:
                raise ParameterError(f"'base.{name}' must be {allowed}. Got {getattr(self, name)!r} instead.")

    @property
    def steps(self) -> int:
        """Optimiser steps."""
        return math.ceil(self.tokens / (self.batch_size * self.context))

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rising = math.ceil(self.warmup * self.steps)
        if step < rising:
            return self.learning_rate * (step + 1) / (rising + 1)
        share = (step - rising) / max(1, self.steps - rising)
        return self.learning_rate * (0.1 + 0.45 * (1 + math.cos(math.pi * share)))


def train_base(
    texts: Iterable[str], folder: str | Path, settings: BaseModel, *, checkpoint_seconds: float = 120
) -> dict[str, Any]:
    """Train a small model on plain text, and save it as `transformers` does, with a tokenizer and a chat template.

    A run that is killed goes on from its last checkpoint, beside the folder, and ends with the same model on the same machine.

    Args:
        texts: the documents.
        folder: where the model comes to lie, whole or not at all; one with the same settings and texts is left as it is.
        settings: sizes and training.
        checkpoint_seconds: between two checkpoints.

    Returns:
        What was done; `base_model.json` in the folder holds it too.

    Raises:
        DataError: the texts hold too little, or something else lies in the folder.
    """
    documents = [text for text in texts if text.strip()]
    target = Path(folder)
    wanted = {"settings": asdict(settings), "texts_sha256": _digest(documents)}
    with suppress(OSError, ValueError):
        done: dict[str, Any] = json.loads((target / RECORD).read_text(encoding="utf-8"))
        if {name: done.get(name) for name in wanted} == wanted:
            return done
    check_folder(target)
    work = target.with_name(f".{target.name}.{hashlib.sha256(json.dumps(wanted).encode()).hexdigest()[:16]}")
    work.mkdir(parents=True, exist_ok=True)
    place = place_for(settings.device, settings.precision, "base")
    with quiet(), own_randomness(settings.seed):
        tokenizer = _tokenizer(documents, settings, work)
        ids = _tokens(tokenizer, documents)
        if len(ids) < settings.context + 1:
            raise DataError(
                f"The texts hold {len(ids):,} tokens, fewer than one context of {settings.context:,}. Give more text."
            )
        model = _model(settings, tokenizer).to(place.device)
        seen = _train(model, ids, settings, place, work / CHECKPOINT, checkpoint_seconds)
        record = {
            **wanted, "documents": len(documents), "text_tokens": len(ids), "passes": settings.tokens / len(ids),
            "parameters": sum(one.numel() for one in model.parameters()), "device": place.name, "dtype": place.precision,
            "versions": versions(), **seen,
        }  # fmt: skip
        with whole_folder(target) as temporary:
            model.to("cpu").save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
            (temporary / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(work, ignore_errors=True)
    return record


def _digest(documents: Sequence[str]) -> str:
    hasher = hashlib.sha256()
    for document in documents:
        # Two short documents are not one long one.
        content = document.encode()
        hasher.update(len(content).to_bytes(8, "little") + content)
    return hasher.hexdigest()


def _tokenizer(documents: Sequence[str], settings: BaseModel, work: Path) -> Any:
    """Train a byte-level BPE, or take the one that a run that was killed has trained."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    kept = work / "tokenizer.json"
    if not kept.exists():
        announce(f"learning {settings.vocabulary:,} tokens from {len(documents):,} documents")
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=settings.vocabulary, special_tokens=[END, PAD, *ROLES], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        )  # fmt: skip
        made.train_from_iterator(iter(documents), trainer, length=len(documents))
        with whole_file(kept) as temporary:
            made.save(str(temporary))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(kept), eos_token=END, pad_token=PAD, additional_special_tokens=list(ROLES),
        model_max_length=settings.context, clean_up_tokenization_spaces=False,
    )  # fmt: skip
    tokenizer.chat_template = PLAIN
    return tokenizer


def _tokens(tokenizer: Any, documents: Sequence[str]) -> Ids:
    """Return all documents as one row of tokens, each with an end, shape (tokens,)."""
    parts: list[Ids] = []
    with track("tokenising", len(documents), "documents") as advance:
        for start in range(0, len(documents), CHUNK):
            part = list(documents[start : start + CHUNK])
            for one in tokenizer.backend_tokenizer.encode_batch(part, add_special_tokens=False):
                parts.append(np.array([*one.ids, tokenizer.eos_token_id], np.int32))
            advance(len(part))
    return np.concatenate(parts) if parts else np.zeros(0, np.int32)


def _model(settings: BaseModel, tokenizer: Any) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    # 8/3 of the width, in whole 32s: products are quickest in those.
    inner = settings.inner_width or 32 * round(settings.width / 12)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=settings.width, intermediate_size=max(32, inner),
        num_hidden_layers=settings.layers, num_attention_heads=settings.heads, max_position_embeddings=settings.context,
        tie_word_embeddings=settings.tied, bos_token_id=None, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def _windows(ids: Ids, settings: BaseModel) -> Iterator[Ids]:
    """Yield the tokens of each step, shape (sequences, context + 1): each pass begins elsewhere, and has an order of its own."""
    generator = np.random.default_rng(settings.seed)
    length = settings.context
    order: list[int] = []
    while True:
        starts: list[int] = []
        while len(starts) < settings.batch_size:
            if not order:
                first = int(generator.integers(min(length, len(ids) - length)))
                order = generator.permutation(np.arange(first, len(ids) - length, length)).tolist()
            starts.append(order.pop())
        yield np.stack([ids[start : start + length + 1] for start in starts])


def _train(
    model: Any, ids: Ids, settings: BaseModel, place: Place, checkpoint: Path, every: float
) -> dict[str, Any]:  # fmt: skip
    import torch

    decayed = [one for one in model.parameters() if one.dim() > 1]
    others = [one for one in model.parameters() if one.dim() < 2]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=settings.learning_rate, betas=(0.9, 0.95), fused=True,
    )  # fmt: skip
    losses: list[float] = []
    before = _resumed(model, optimiser, losses, checkpoint)
    saved = begun = time.perf_counter()
    model.train()
    with track("training the base model", settings.steps, "steps") as advance:
        for step, window in enumerate(_windows(ids, settings)):
            if step < len(losses):
                advance(1)
                continue
            if step == settings.steps:
                break
            rate = settings.rate(step)
            for group in optimiser.param_groups:
                group["lr"] = rate
            tokens = torch.from_numpy(window.astype(np.int64)).to(place.device)
            with place.autocast():
                logits = model(input_ids=tokens[:, :-1], use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            losses.append(float(loss.detach()))
            advance(1)
            now = time.perf_counter()
            if now - saved > every:
                _save(model, optimiser, losses, before + now - begun, checkpoint)
                saved = now
    if not math.isfinite(losses[-1]):
        raise DataError("The base model's loss is no number. Lower 'base.learning_rate'.")
    seconds = before + time.perf_counter() - begun
    return {"steps": len(losses), "tokens_seen": len(losses) * settings.batch_size * settings.context, "seconds": seconds,
            "loss": losses}  # fmt: skip


def _save(model: Any, optimiser: Any, losses: list[float], seconds: float, checkpoint: Path) -> None:
    import torch

    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "losses": losses, "seconds": seconds}
    with whole_file(checkpoint) as temporary:
        torch.save(state, temporary)


def _resumed(model: Any, optimiser: Any, losses: list[float], checkpoint: Path) -> float:
    """Take over what a run that was killed has done, and return the seconds that it took."""
    import torch

    if not checkpoint.exists():
        return 0.0
    state = torch.load(checkpoint, map_location=next(model.parameters()).device, weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    losses.extend(state["losses"])
    announce(f"going on from step {len(losses):,}")
    return float(state["seconds"])
