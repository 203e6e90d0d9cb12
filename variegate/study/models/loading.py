"""Language models of a study: loaded, placed on a device, and the precision that the device has."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from variegate.errors import DataError, ParameterError, missing_extra
from variegate.views.models import NO_CODE, SAFE, way_out

__all__ = [
    "DEVICES",
    "PRECISIONS",
    "Place",
    "answer_losses",
    "load_model",
    "load_tokenizer",
    "own_randomness",
    "place_for",
    "versions",
]

DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "float32", "bf16")
IGNORED = -100
PACKAGES = ("variegate", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "numpy")


@dataclass(frozen=True)
class Place:
    """Where a model runs, and how it computes.

    Attributes:
        device: "cpu" or "cuda".
        name: of the device, for the record.
        precision: "float32", or "bf16" for products in bfloat16 (weights and sums stay what they are).
    """

    device: str
    name: str
    precision: str

    def autocast(self) -> Any:
        """Return the context in which a model is called."""
        import torch

        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device, torch.bfloat16)


def place_for(device: str, precision: str, key: str = "train") -> Place:
    """Choose device and precision.

    Args:
        device: "cpu", "cuda", or "auto" for cuda where there is one.
        precision: "float32", "bf16", or "auto" for bf16 on an accelerator that has it and float32 elsewhere: on processors, few
            have it, and a study should come out the same on all.
        key: under which the settings stand, for errors.

    Raises:
        ParameterError: there is no such device here, or it has no bf16.
    """
    torch = _torch("A study's models")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ParameterError(f"'{key}.device' is cuda, and PyTorch finds no such device here. Use cpu or auto.")
    has_bf16 = device == "cpu" or torch.cuda.is_bf16_supported(including_emulation=False)
    if precision == "bf16" and not has_bf16:
        raise ParameterError(f"'{key}.precision' is bf16, which {torch.cuda.get_device_name(0)} does not have. Use float32.")
    if precision == "auto":
        precision = "bf16" if device == "cuda" and has_bf16 else "float32"
    return Place(device, "cpu" if device == "cpu" else str(torch.cuda.get_device_name(0)), precision)


def _torch(purpose: str) -> Any:
    try:
        import torch
    except ImportError:
        raise missing_extra("torch", "train", purpose) from None
    return torch


def _transformers(purpose: str) -> Any:
    _torch(purpose)
    try:
        import transformers
    except ImportError:
        raise missing_extra("transformers", "train", purpose) from None
    return transformers


def load_tokenizer(name: str) -> Any:
    """Load the tokenizer of a model, by Hub id or path.

    Raises:
        DataError: there is none.
    """
    transformers = _transformers(f"The model {name!r}")
    try:
        return transformers.AutoTokenizer.from_pretrained(name, **NO_CODE)
    except Exception as error:
        raise _not_loaded(name, "tokenizer", error) from error


def load_model(name: str, dtype: str = "float32") -> Any:
    """Load a causal language model, by Hub id or path, on the CPU.

    Args:
        name: Hub id, or a folder in the format of `transformers`.
        dtype: of its weights: "float32", "bfloat16", or "auto" for that in which they were saved.

    Raises:
        DataError: there is none.
    """
    transformers = _transformers(f"The model {name!r}")
    try:
        with quiet():
            return transformers.AutoModelForCausalLM.from_pretrained(name, dtype=dtype, **SAFE)
    except Exception as error:
        raise _not_loaded(name, "causal language model", error) from error


def saved_dtype(name: str) -> str:
    """Return the type of the weights as a model was saved: "float32" or "bfloat16"; others count as float32."""
    transformers = _transformers(f"The model {name!r}")
    try:
        config = transformers.AutoConfig.from_pretrained(name, **NO_CODE)
    except Exception as error:
        raise _not_loaded(name, "configuration", error) from error
    found = str(getattr(config, "dtype", None) or "float32").removeprefix("torch.")
    return found if found in ("float32", "bfloat16") else "float32"


def _not_loaded(name: str, what: str, error: Exception) -> DataError:
    first = (str(error).splitlines() or [""])[0]
    return DataError(
        f"{name}: no {what} could be loaded from this name or path ({type(error).__name__}: {first}). {way_out(first)}".rstrip()
    )


def answer_losses(model: Any, inner: Any, given: dict[str, Any], labels: Any) -> Any:
    """Return the loss of each token that carries one, in nats, float32, shape (tokens,), row by row.

    The last layer is computed for those tokens alone: with large vocabularies it takes as long as all others.

    Args:
        model: is called; it may wrap another.
        inner: the model that it wraps, or itself.
        given: the model's inputs, of shape (rows, tokens).
        labels: (rows, tokens), -100 where a token carries no loss.
    """
    import torch

    targets = labels[:, 1:]
    carries = targets != IGNORED

    def select(head: Any, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (arguments[0][:, :-1][carries], *arguments[1:])

    hook = inner.get_output_embeddings().register_forward_pre_hook(select)
    try:
        logits = model(**given, use_cache=False).logits
    finally:
        hook.remove()
    return torch.nn.functional.cross_entropy(logits.float(), targets[carries], reduction="none")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Have `transformers` show no progress bars in a block, and not say that TRL calls it by an older name."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            for kind in (FutureWarning, DeprecationWarning):
                warnings.simplefilter("ignore", kind)
            yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


@contextlib.contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed everything that draws at random in a block, and put back what the caller had."""
    import random

    import numpy as np
    import torch

    python, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(arrays)  # noqa: NPY002


def versions() -> dict[str, str]:
    """Return the versions of what a run depends on, of the packages that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def model_files(folder: Path) -> list[Path]:
    """Return the files that hold a model's weights."""
    return sorted(path for ending in ("*.safetensors", "*.bin") for path in folder.glob(ending))
