"""A fine-tune by TRL's SFTTrainer, on tokens that are made and put together here."""

from __future__ import annotations

import contextlib
import inspect
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from variegate.corpus import Corpus
from variegate.errors import DataError, ParameterError
from variegate.progress import announce, track
from variegate.study.models.batches import Batcher, packed, stream
from variegate.study.models.encoding import Encoded, Encoder, encoder_for, pad_id, turns_of
from variegate.study.models.loading import Place, load_model, own_randomness, place_for, quiet, saved_dtype, versions
from variegate.study.training.settings import Training

__all__ = ["Plan", "plan_run", "train_here"]

SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
ACCELERATE = {"float32": "no", "bf16": "bf16"}
# How far the logits of a packed sample may move when its neighbour is another; what a mask hides moves nothing.
SEEN = 1e-5


@dataclass(frozen=True)
class Plan:
    """What a run sees: its samples as tokens, and the sequences in their order.

    Attributes:
        encoded: the samples.
        sequences: sample numbers of each sequence that is trained on.
        epochs: how often a sample is seen on average; samples that carry no loss are never.
    """

    encoded: Encoded
    sequences: list[list[int]]
    epochs: float

    @property
    def tokens(self) -> int:
        """All tokens of the sequences."""
        return int(sum(self.encoded.lengths[np.concatenate(self.sequences)]))

    @property
    def response_tokens(self) -> int:
        """Tokens of the sequences that carry loss."""
        return int(sum(self.encoded.answers[np.concatenate(self.sequences)]))


def plan_run(corpus: Corpus, encoder: Encoder, settings: Training, seed: int) -> Plan:
    """Decide what a run sees, and in which order.

    Raises:
        DataError: nothing in the data set carries loss.
    """
    encoded = encoder.encode(*turns_of(corpus), settings.max_length)
    budget, lengths = settings.budget, encoded.lengths
    try:
        epochs = stream(lengths, encoded.answers, budget.epochs, budget.tokens, budget.response_tokens, seed)
    except DataError as error:
        raise DataError(f"{corpus.name}: {error}") from None
    generator = np.random.default_rng([seed, 1])
    sequences: list[list[int]] = []
    for order in epochs:
        single = [[at] for at in order.tolist()]
        sequences += packed(order, lengths, settings.max_length, generator) if settings.packing else single
    usable = int((encoded.answers > 0).sum())
    return Plan(encoded, sequences, sum(map(len, epochs)) / usable)


def train_here(corpus: Corpus, target: Path, settings: Training, seed: int) -> dict[str, Any] | None:
    """Fine-tune a model in this process, and save it.

    Args:
        corpus: the samples.
        target: an empty folder that gets the model.
        settings: how.
        seed: of the order of the samples, of adapters and of dropout.

    Returns:
        What was done; None in a process that is not the first of several.

    Raises:
        DataError, ParameterError: the model or the data set cannot be used so.
    """
    place = place_for(settings.device, settings.precision)
    start = time.perf_counter()
    encoder = encoder_for(settings.model, settings.chat_template)
    plan = plan_run(corpus, encoder, settings, seed)
    _tell_what_is_cut(corpus, plan.encoded, settings)
    with quiet(), own_randomness(seed), _own_precision(place), _scratch(target) as scratch:
        model = load_model(settings.model, _weights(settings, place))
        _check_fits(model, plan.encoded, settings)
        positions = "position_ids" in inspect.signature(model.forward).parameters
        if settings.packing:
            _check_packing(model, plan.encoded, positions)
        room = settings.max_length if settings.packing else None
        batcher = Batcher(plan.encoded, plan.sequences, pad_id(encoder.format.tokenizer), positions, room)
        parameters = sum(one.numel() for one in model.parameters())
        cached, model.config.use_cache = model.config.use_cache, False
        trainer = _trainer(model, batcher, encoder.format.tokenizer, settings, place, seed, scratch)
        trainable = sum(one.numel() for one in trainer.model.parameters() if one.requires_grad)
        begun = time.perf_counter()
        with track("training", trainer.steps, "steps") as advance:
            trainer.advance = advance
            trainer.train()
        seconds = time.perf_counter() - begun
        # All processes take part in these, not the first alone.
        seen, losses = trainer.seen_by_all(), trainer.losses_of_all()
        if trainer.accelerator.num_processes == 1 and seen[:2] != [plan.tokens, plan.response_tokens]:
            raise RuntimeError(f"the trainer saw {seen[:2]} tokens, and {[plan.tokens, plan.response_tokens]} were planned")
        kept = _save(trainer, target, encoder.format.tokenizer, settings, cached)
    if not trainer.is_world_process_zero():
        return None
    return {
        "method": "trl",
        "tokens_seen": seen[0],
        "response_tokens_seen": seen[1],
        "sequences_seen": seen[2],
        "steps": int(trainer.state.global_step),
        "epochs": plan.epochs,
        "seconds": seconds,
        "seconds_in_all": time.perf_counter() - start,
        "loss": losses,
        "device": place.name,
        "processes": int(trainer.accelerator.num_processes),
        "dtype": place.precision,
        "weights": _weights(settings, place),
        "saved_weights": kept,
        "parameters": parameters,
        "trained_parameters": trainable,
        "data": plan.encoded.counts() | {"sequences": len(plan.sequences)},
        "chat_template": {"source": encoder.format.source, "text": encoder.format.template},
        "versions": versions(),
    }


def _scratch(target: Path) -> tempfile.TemporaryDirectory[str]:
    # Beside the model, under a name that the next run clears away if this one is killed.
    return tempfile.TemporaryDirectory(prefix=".scratch.", suffix=".model", dir=target.parent)


@contextlib.contextmanager
def _own_precision(place: Place) -> Iterator[None]:
    """Have a run compute as its settings say: older versions of `transformers` leave word for the next run in the environment."""
    name = "ACCELERATE_MIXED_PRECISION"
    before = os.environ.get(name)
    os.environ[name] = ACCELERATE[place.precision]
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def _weights(settings: Training, place: Place) -> str:
    if settings.weights == "auto":
        return "bfloat16" if settings.lora is not None and place.precision == "bf16" else "float32"
    return {"bf16": "bfloat16", "float32": "float32"}[settings.weights]


def _tell_what_is_cut(corpus: Corpus, encoded: Encoded, settings: Training) -> None:
    counts = encoded.counts()
    if counts["rows_cut"]:
        announce(
            f"note: {counts['rows_cut']:,} of {counts['rows']:,} rows of {corpus.name} are longer than 'train.max_length' "
            f"({settings.max_length:,}) and lose {counts['response_tokens_cut']:,} tokens of responses"
        )
    if counts["rows_without_response"]:
        announce(
            f"note: {counts['rows_without_response']:,} rows of {corpus.name} are left out, since no token of a response is "
            "left in them"
        )


def _check_fits(model: Any, encoded: Encoded, settings: Training) -> None:
    longest = getattr(model.config, "max_position_embeddings", None)
    if longest is not None and settings.max_length > longest:
        raise ParameterError(
            f"'train.max_length' must be at most {longest:,}, the positions that {settings.model} has. Got "
            f"{settings.max_length:,} instead."
        )
    known = model.get_input_embeddings().weight.shape[0]
    if int(encoded.ids.max()) >= known:
        raise DataError(f"{settings.model}: its tokenizer knows more tokens than its model, which has vectors for {known:,}.")


def _check_packing(model: Any, encoded: Encoded, positions: bool) -> None:
    """Refuse to pack for a model in which a sample sees its neighbour: whether it does is tried out.

    Raises:
        ParameterError: it does, or takes no positions.
    """
    import torch

    refusal = ParameterError(
        f"'train.packing' must be false for a {type(model).__name__}: samples that share a sequence would attend to each other."
    )
    if not positions:
        raise refusal
    tokens = torch.from_numpy(encoded.ids[: min(len(encoded.ids), 24)].astype(np.int64))
    tokens = tokens.repeat(24)[:24]
    other = tokens.clone()
    other[:12] = tokens[:12].flip(0) if not torch.equal(tokens[:12], tokens[:12].flip(0)) else (tokens[:12] + 1) % 2
    places = torch.arange(12).repeat(2)[None]
    training, _ = model.training, model.eval()
    with torch.inference_mode():
        first, second = (
            model(input_ids=one[None], position_ids=places, use_cache=False).logits[0, 12:].float() for one in (tokens, other)
        )
    model.train(training)
    if (first - second).abs().max() > SEEN * first.abs().max():
        raise refusal


def _trainer(
    model: Any, batcher: Batcher, tokenizer: Any, settings: Training, place: Place, seed: int, scratch: str
) -> Any:  # fmt: skip
    from datasets import Dataset
    from trl import SFTConfig

    from variegate.study.training.trainer import trainer_class

    processes = _processes()
    share = processes * settings.gradient_accumulation
    if settings.batch_size % share:
        raise ParameterError(
            f"'train.batch_size' must be a multiple of {share}: {processes} processes times 'train.gradient_accumulation'. Got "
            f"{settings.batch_size} instead."
        )
    steps = math.ceil(len(batcher.sequences) / settings.batch_size)
    arguments = {
        "output_dir": scratch, "seed": seed, "num_train_epochs": 1,
        "per_device_train_batch_size": settings.batch_size // share,
        "gradient_accumulation_steps": settings.gradient_accumulation,
        "learning_rate": settings.learning_rate, "lr_scheduler_type": SCHEDULES[settings.schedule],
        "warmup_steps": math.ceil(settings.warmup * steps), "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm, "bf16": place.precision == "bf16", "fp16": False,
        "use_cpu": place.device == "cpu", "gradient_checkpointing": settings.gradient_checkpointing,
        "optim": "adamw_torch_fused",
        "max_length": None, "packing": False, "dataset_kwargs": {"skip_prepare_dataset": True}, "remove_unused_columns": False,
        "dataloader_num_workers": 0, "dataloader_pin_memory": place.device == "cuda",
        "report_to": "none", "save_strategy": "no", "logging_strategy": "no", "disable_tqdm": True,
    }  # fmt: skip
    try:
        config = SFTConfig(**{**arguments, **settings.arguments})
    except (TypeError, ValueError) as error:
        raise ParameterError(f"'train.arguments' cannot be used: trl.SFTConfig says: {error}.") from None
    rows = Dataset.from_dict({"sequence": list(range(len(batcher.sequences)))})
    trainer = trainer_class()(
        model=model, args=config, train_dataset=rows, data_collator=batcher, processing_class=tokenizer,
        peft_config=_adapters(settings),
    )  # fmt: skip
    if str(trainer.accelerator.mixed_precision) != ACCELERATE[place.precision]:
        raise RuntimeError(f"products were to be in {place.precision}, and accelerate says {trainer.accelerator.mixed_precision}")
    trainer.steps = steps
    return trainer


def _processes() -> int:
    from accelerate import PartialState

    # Only one that was launched knows of others; a state made here would settle the device too early.
    return int(PartialState().num_processes) if PartialState._shared_state else 1


def _adapters(settings: Training) -> Any:
    if settings.lora is None:
        return None
    from peft import LoraConfig

    lora = settings.lora
    targets: str | Sequence[str] = lora.targets if isinstance(lora.targets, str) else list(lora.targets)
    return LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM"
    )  # fmt: skip


def _save(trainer: Any, target: Path, tokenizer: Any, settings: Training, cached: bool) -> str:
    """Save the model with its tokenizer, and return the type of its weights: that in which the model was that it began as."""
    import torch

    dtype = saved_dtype(settings.model)
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        # The weights lie in parts on several devices, and only the trainer can put them together.
        trainer.save_model(str(target))
        dtype = "as trained"
    elif trainer.is_world_process_zero():
        model = trainer.accelerator.unwrap_model(trainer.model)
        if settings.lora is not None:
            model = model.merge_and_unload()
        model.config.use_cache = cached
        model.to(getattr(torch, dtype)).save_pretrained(target)
    if trainer.is_world_process_zero():
        tokenizer.save_pretrained(target)
    return dtype
