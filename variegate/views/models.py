"""Embedders that run a model here: sentence-transformers, and the hidden states of a base LLM."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, VariegateError, missing_extra
from variegate.views.embedder import Embedder, model_revision

__all__ = ["NO_CODE", "SAFE", "best_device", "hidden_state_embedder", "not_loaded", "sentence_embedder"]

Vectors = NDArray[np.float32]

SHARD_ROWS = 2048
BATCH_ROWS = 32
# Yang et al. 2025 embed the first 256 tokens of a sample.
MAX_TOKENS = 256
# A model's own code is never run, and nobody is asked about it. Weights are read from safetensors alone: other files are
# pickles, which may hold code as well.
NO_CODE = {"trust_remote_code": False}
SAFE = {**NO_CODE, "use_safetensors": True}


def _revision(name: str) -> str:
    try:
        return model_revision(name)
    except Exception as error:
        raise not_loaded(name, error) from error


def not_loaded(name: str, error: Exception) -> VariegateError:
    """Build the error for a model that cannot be loaded."""
    first = (str(error).splitlines() or [""])[0]
    return DataError(
        f"{name}: no model could be loaded from this name or path ({type(error).__name__}: {first}). {way_out(first)}".rstrip()
    )


def way_out(message: str) -> str:
    """Return what to do about a library's message, where that is known."""
    if "safetensors" in message:
        return "Only weights in safetensors are read: load the model where you trust it, and save it with save_pretrained()."
    if "trust_remote_code" in message or "remote code" in message:
        return "The model brings code of its own, which is not run here. Choose a model that transformers knows."
    return ""


def best_device() -> str:
    """Return the GPU's name where there is one, else the processor's."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


@lru_cache(maxsize=1)
def sentence_embedder(name: str) -> Embedder:
    """Build the embedder of a sentence-transformers model, by Hub name or path; its vectors are used as it gives them."""
    revision = _revision(name)

    @lru_cache(maxsize=1)
    def model() -> Any:
        # Loaded on first use, not for the key: vectors that are cached already need no model.
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise missing_extra("sentence-transformers", "models", f"The embedder {name!r}") from None
        try:
            return SentenceTransformer(name, device=best_device(), **NO_CODE, model_kwargs={"use_safetensors": True})
        except Exception as error:
            raise not_loaded(name, error) from error

    def embed(texts: list[str]) -> Vectors:
        vectors = model().encode(texts, batch_size=BATCH_ROWS, convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(vectors, np.float32)

    return Embedder({"embedder": "sentence-transformers", "model": name, "revision": revision}, SHARD_ROWS, embed)


@lru_cache(maxsize=1)
def hidden_state_embedder(name: str) -> Embedder:
    """Build the embedder that averages a language model's last hidden state over the first 256 tokens [N]."""
    revision = _revision(name)

    @lru_cache(maxsize=1)
    def loaded() -> tuple[Any, Any]:
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError:
            raise missing_extra("transformers", "models", f"The embedder 'hf:{name}'") from None
        try:
            # Padding on the right: a causal model's states then do not depend on the other texts of the batch.
            tokenizer = AutoTokenizer.from_pretrained(name, padding_side="right", truncation_side="right", **NO_CODE)
            model = AutoModel.from_pretrained(name, dtype="auto", **SAFE).eval().to(best_device())
        except Exception as error:
            raise not_loaded(name, error) from error
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
        return tokenizer, model

    def embed(texts: list[str]) -> Vectors:
        tokenizer, model = loaded()
        # Texts of like length together, for little padding; the order within a shard is fixed, so results are too.
        order = sorted(range(len(texts)), key=lambda at: (len(texts[at]), at))
        out: list[Vectors | None] = [None] * len(texts)
        for start in range(0, len(order), BATCH_ROWS):
            batch = order[start : start + BATCH_ROWS]
            for at, vector in zip(batch, _pooled(tokenizer, model, [texts[at] for at in batch]), strict=True):
                out[at] = vector
        return np.stack([vector for vector in out if vector is not None])

    settings: dict[str, str | int | float | bool | None] = {
        "embedder": "hidden state",
        "model": name,
        "revision": revision,
        "max_tokens": MAX_TOKENS,
    }
    return Embedder(settings, SHARD_ROWS, embed)


def _pooled(tokenizer: Any, model: Any, texts: list[str]) -> Vectors:
    import torch

    inputs = tokenizer(texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt").to(model.device)
    if not inputs["input_ids"].shape[1]:
        # Nothing but empty texts: zero, for the corpus to name.
        return np.zeros((len(texts), model.config.hidden_size), np.float32)
    with torch.inference_mode():
        states = model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state.float()
    mask = inputs["attention_mask"].unsqueeze(-1).float()
    mean = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
    return np.asarray(mean.cpu().numpy(), np.float32)
