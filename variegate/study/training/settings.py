"""What `train` in a study's file may say: how each model is fine-tuned, and how much."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import partial
from typing import Any

from variegate.errors import ParameterError, missing_extra
from variegate.study.keys import PLAIN, Keys, as_number, is_plain_mapping
from variegate.study.models.chat import template_text
from variegate.study.models.loading import DEVICES, PRECISIONS

__all__ = ["Budget", "Command", "Lora", "Training", "read_training"]

SCHEDULES = ("cosine", "linear", "constant")
WEIGHTS = ("auto", "float32", "bf16")
# What a run settles itself; in `train.arguments` it would contradict what is recorded.
SETTLED = (
    "output_dir", "seed", "data_seed", "max_steps", "num_train_epochs", "per_device_train_batch_size", "learning_rate", "bf16",
    "fp16", "gradient_accumulation_steps", "lr_scheduler_type", "warmup_steps", "warmup_ratio", "weight_decay", "max_grad_norm",
    "max_length", "packing", "padding_free", "dataset_kwargs", "remove_unused_columns", "gradient_checkpointing", "use_cpu",
    "report_to", "save_strategy", "eval_strategy", "completion_only_loss", "assistant_only_loss", "label_smoothing_factor",
    "dataloader_drop_last", "average_tokens_across_devices", "auto_find_batch_size", "loss_type",
)  # fmt: skip


def _number(low: float, high: float = math.inf, open_low: bool = False) -> Callable[[Any], bool]:
    def good(value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return is_number and (low < value if open_low else low <= value) and value <= high

    return good


def _whole(low: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= low


def _word(*words: str) -> tuple[str, Callable[[Any], bool]]:
    return f"one of {', '.join(words)}", lambda value: isinstance(value, str) and value in words


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _or_none(good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or good(value)


Rule = tuple[str, Callable[[Any], bool]]
ABOVE_ZERO: Rule = ("a number above 0", _number(0, open_low=True))
ANY_FROM_ZERO: Rule = ("a number of at least 0", _number(0))
COUNT: Rule = ("a whole number of at least 1", _whole(1))
FLAG: Rule = ("true or false", lambda value: isinstance(value, bool))
TEXT: Rule = ("a text", _text)
MAPPING: Rule = (PLAIN, is_plain_mapping)


def _is_command(value: Any) -> bool:
    several = isinstance(value, list | tuple) and bool(value) and all(_text(word) for word in value)
    return _text(value) or several


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(_text(one) for one in value)


BUDGET: dict[str, Rule] = {
    "epochs": ("a number above 0, or left out", _or_none(ABOVE_ZERO[1])),
    "tokens": ("a whole number of at least 1, or left out", _or_none(COUNT[1])),
    "response_tokens": ("a whole number of at least 1, or left out", _or_none(COUNT[1])),
}
LORA: dict[str, Rule] = {
    "rank": COUNT,
    "alpha": ABOVE_ZERO,
    "dropout": ("a number in [0, 1)", lambda value: _number(0, 1)(value) and value < 1),
    "targets": ("all-linear, or a list of names of modules", lambda value: value == "all-linear" or _are_texts(value)),
}
TRAINING: dict[str, Rule] = {
    "model": ("a Hub id or the path of a model", _text),
    "learning_rate": ABOVE_ZERO,
    "schedule": _word(*SCHEDULES),
    "warmup": ("a share of the steps, in [0, 1)", lambda value: _number(0, 1)(value) and value < 1),
    "weight_decay": ANY_FROM_ZERO,
    "max_grad_norm": ABOVE_ZERO,
    "batch_size": COUNT,
    "gradient_accumulation": COUNT,
    "max_length": ("a whole number of at least 2", _whole(2)),
    "packing": FLAG,
    "precision": _word(*PRECISIONS),
    "weights": _word(*WEIGHTS),
    "device": _word(*DEVICES),
    "processes": ("a whole number of at least 1, or null for as many as there are devices", _or_none(COUNT[1])),
    "gradient_checkpointing": FLAG,
    "accelerate_config": ("a file that accelerate wrote, or null", _or_none(_text)),
    "arguments": MAPPING,
}
COMMAND: dict[str, Rule] = {
    "model": TRAINING["model"],
    "command": ("a command line, or a list of its words", _is_command),
    "config": MAPPING,
    "expects": ("a list of file names, in which * stands for anything", _are_texts),
}


def _check(prefix: str, rules: Mapping[str, Rule], values: object) -> None:
    for name, (allowed, good) in rules.items():
        value = getattr(values, name)
        if not good(value):
            raise ParameterError(f"'{prefix}.{name}' must be {allowed}. Got {value!r} instead.")


@dataclass(frozen=True)
class Budget:
    """How much a run sees: exactly one of the three.

    Attributes:
        epochs: how often it sees each sample.
        tokens: all tokens, prompts included; the last sample is seen whole.
        response_tokens: tokens that carry loss; the last sample is seen whole.
    """

    epochs: float | None = None
    tokens: int | None = None
    response_tokens: int | None = None

    def __post_init__(self) -> None:
        _check("train.budget", BUDGET, self)
        given = [name for name in BUDGET if getattr(self, name) is not None]
        if len(given) != 1:
            raise ParameterError(
                "'train.budget' must hold one of epochs, tokens (all of them) and response_tokens (those that carry loss). "
                f"Got {', '.join(given) or 'none of them'} instead."
            )


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters (PEFT) in place of a full fine-tune; they are merged into the model that is saved.

    Attributes:
        rank: of each adapter.
        alpha: an adapter counts alpha / rank.
        dropout: of what goes into an adapter.
        targets: "all-linear" for every linear layer but the last, or names of modules.
    """

    rank: int = 16
    alpha: float = 32
    dropout: float = 0.0
    targets: str | tuple[str, ...] = "all-linear"

    def __post_init__(self) -> None:
        _check("train.lora", LORA, self)


@dataclass(frozen=True)
class Training:
    """How TRL's SFTTrainer fine-tunes a model; one of two ways, see :class:`Command`.

    Attributes:
        model: Hub id or path.
        budget: how much a run sees.
        learning_rate: of AdamW, at its highest.
        schedule: "cosine", "linear" or "constant", after the warm-up.
        warmup: share of the steps in which the rate rises to its highest.
        weight_decay: of AdamW, on weight matrices alone.
        max_grad_norm: longer gradients are cut to this length.
        batch_size: sequences of an optimiser step, over all devices. With packing, a sequence holds several samples.
        gradient_accumulation: parts that a device does its share of a step in, one after the other.
        max_length: tokens; longer samples lose their end, which is counted.
        packing: put samples together in sequences of `max_length`; they do not attend to each other, which is checked.
        precision: "float32", "bf16", or "auto" for bf16 on an accelerator that has it.
        weights: "float32", "bf16", or "auto": float32, but bf16 for the frozen weights under adapters where products are in bf16.
        device: "cpu", "cuda", or "auto".
        processes: devices to train on; None for all that there are. More than one are started by `accelerate launch`.
        lora: adapters; None for a full fine-tune.
        chat_template: the text of a template; None for the model's own.
        gradient_checkpointing: less memory, more time.
        accelerate_config: a configuration file of `accelerate`, for FSDP or DeepSpeed.
        arguments: other arguments of `trl.SFTConfig`.
    """

    model: str
    budget: Budget
    learning_rate: float = 2e-5
    schedule: str = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    batch_size: int = 16
    gradient_accumulation: int = 1
    max_length: int = 2048
    packing: bool = True
    precision: str = "auto"
    weights: str = "auto"
    device: str = "auto"
    processes: int | None = None
    lora: Lora | None = None
    chat_template: str | None = None
    gradient_checkpointing: bool = False
    accelerate_config: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check("train", TRAINING, self)
        if self.batch_size % self.gradient_accumulation:
            raise ParameterError(
                f"'train.batch_size' must be a multiple of 'train.gradient_accumulation' ({self.gradient_accumulation}). "
                f"Got {self.batch_size} instead."
            )
        for name in self.arguments:
            if name in SETTLED:
                raise ParameterError(
                    f"'train.arguments.{name}' is settled by the study itself, so that what is recorded is what was done. "
                    "Leave it out; most have a key of their own under 'train'."
                )

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values; what a run's identity is made of."""
        return asdict(self)


@dataclass(frozen=True)
class Command:
    """A command of another package that fine-tunes a model, such as `llamafactory-cli train {config}`.

    These stand for places of a run: {config} the file that is written from `config`, {data} the rows, {dataset} their name in
    the `dataset_info.json` in {folder}, {output} where the model must come to lie, {seed} and {model}. `{{name}}` stays `{name}`.

    Attributes:
        model: Hub id or path, for {model}.
        command: a command line, or its words.
        config: what is written as YAML into {config}; the places may stand in its texts.
        expects: what must lie in {output} afterwards, with * for anything.
    """

    model: str
    command: str | tuple[str, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    expects: tuple[str, ...] = ("*config.json", "*.safetensors")

    def __post_init__(self) -> None:
        _check("train", COMMAND, self)

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain values; what a run's identity is made of."""
        return asdict(self)


def read_training(keys: Keys) -> Training | Command:
    """Read what stands under `train`: with a `command`, another package trains; without, TRL does.

    Raises:
        ParameterError: a key or value is not known.
        MissingExtraError: TRL is to train, and it is not installed.
    """
    if "command" in keys.values:
        command: Command = _built(keys, Command, COMMAND)
        return command
    parts: dict[str, Any] = {}
    budget = keys.inner("budget")
    if budget is None:
        raise ParameterError(
            f"{keys.place()}: '{keys.path('budget')}' is missing. It must hold one of epochs, tokens and response_tokens, "
            "such as {epochs: 3}: whether runs see their samples equally often or as many tokens is a choice that changes "
            "what is found."
        )
    parts["budget"] = _built(budget, Budget, BUDGET)
    lora = keys.take("lora", False, "true or a mapping of keys to values", lambda value: isinstance(value, bool | Mapping))
    if lora:
        inner = Keys({} if lora is True else lora, keys.path("lora"), keys.file, keys.lines)
        parts["lora"] = _built(inner, Lora, LORA)
    template = keys.text("chat_template", None)
    try:
        parts["chat_template"] = template_text(template)
    except ParameterError as error:
        raise ParameterError(f"{keys.place('chat_template')}: {error}") from None
    found: Training = _built(keys, Training, TRAINING, **parts)
    need_trl()
    return found


def need_trl() -> None:
    """Refuse to go on without the packages that train.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    from importlib.util import find_spec

    for package in ("torch", "transformers", "datasets", "accelerate", "trl", "peft"):
        if find_spec(package) is None:
            raise missing_extra(package, "train", "Fine-tuning by TRL")


def _built(keys: Keys, kind: Any, rules: Mapping[str, Rule], **parts: Any) -> Any:
    values = dict(parts)
    known = {one.name: one for one in fields(kind)}
    for name, (allowed, good) in rules.items():
        if name not in keys.values:
            _absent(keys, name, known[name], allowed)
            continue
        value = _alike(keys.take(name, None, allowed, partial(_is_good, good, known[name])), known[name])
        values[name] = tuple(value) if isinstance(value, list) else value
    keys.done()
    try:
        return kind(**values)
    except ParameterError as error:
        raise ParameterError(f"{keys.place()}: {error}") from None


def _absent(keys: Keys, name: str, known: Any, allowed: str) -> None:
    """Leave a key to its default; refuse that where it has none."""
    keys.known.append(name)
    if known.default is MISSING and known.default_factory is MISSING:
        raise keys.missing(name, allowed)


def _is_good(good: Callable[[Any], bool], known: Any, value: Any) -> bool:
    return good(_alike(value, known))


def _alike(value: Any, known: Any) -> Any:
    """Return a number as one that is the same is always written, so that 3 and 3.0 are one setting and one run."""
    if "float" not in str(known.type) or isinstance(value, bool):
        return value
    found = as_number(value)
    if not isinstance(found, int | float) or not math.isfinite(found):
        return found
    # As the default is, where it is a float; else whole numbers as such.
    return float(found) if isinstance(known.default, float) else int(found) if found == int(found) else found
