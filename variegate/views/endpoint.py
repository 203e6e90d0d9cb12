"""Vectors from an OpenAI-compatible embeddings endpoint (OpenAI, vLLM, TEI, Ollama, ...)."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import ParameterError, VariegateError, missing_extra
from variegate.views.embed import Embedder

__all__ = ["endpoint_embedder"]

Vectors = NDArray[np.float32]

# Small shards: what was paid for is saved soon.
SHARD_ROWS = 512
REQUEST_ROWS = 64
REQUESTS_AT_ONCE = 8
RETRIES = 6
TIMEOUT_SECONDS = 60.0


@lru_cache(maxsize=1)
def endpoint_embedder(name: str) -> Embedder:
    """Build the embedder of `MODEL` or `MODEL@URL`.

    Without a URL the official client's environment variables hold: OPENAI_BASE_URL and OPENAI_API_KEY.
    """
    model, _, url = name.partition("@")
    if not model:
        raise ParameterError("The embedder openai:NAME[@URL] lacks the model's name.")
    base = url or os.environ.get("OPENAI_BASE_URL")

    @lru_cache(maxsize=1)
    def client() -> Any:
        try:
            import openai
        except ImportError:
            raise missing_extra("openai", "endpoint", f"The embedder 'openai:{name}'") from None
        # Servers of one's own mostly want no key, but the client insists on one.
        key = os.environ.get("OPENAI_API_KEY") or ("none" if base else None)
        if key is None:
            raise ParameterError(f"The embedder 'openai:{name}' needs OPENAI_API_KEY, or a URL: openai:{model}@http://HOST/v1.")
        return openai.OpenAI(api_key=key, base_url=base, max_retries=RETRIES, timeout=TIMEOUT_SECONDS)

    def request(texts: list[str]) -> Vectors:
        import openai

        try:
            answer = client().embeddings.create(model=model, input=texts, encoding_format="float")
        except (openai.OpenAIError, ValueError) as error:
            # The client lets the error of an answer that is no JSON through as it is.
            first = (str(error).splitlines() or [""])[0]
            raise VariegateError(
                f"The embeddings endpoint failed ({type(error).__name__}: {first}). What it answered so far is cached; run "
                "the command again to go on."
            ) from error
        rows = sorted(answer.data, key=lambda item: item.index)
        if [item.index for item in rows] != list(range(len(texts))):
            raise VariegateError(f"The embeddings endpoint answered {len(rows)} vectors for {len(texts)} texts.")
        try:
            return np.array([item.embedding for item in rows], np.float32)
        except ValueError:
            raise VariegateError("The embeddings endpoint answered vectors of different lengths.") from None

    def embed(texts: list[str]) -> Vectors:
        client()
        batches = [texts[start : start + REQUEST_ROWS] for start in range(0, len(texts), REQUEST_ROWS)]
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            return np.concatenate(list(pool.map(request, batches)))

    return Embedder({"embedder": "endpoint", "model": model, "url": base}, SHARD_ROWS, embed)
