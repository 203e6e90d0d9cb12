"""Vectors from an OpenAI-compatible embeddings endpoint (OpenAI, vLLM, TEI, Ollama, ...)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import VariegateError
from variegate.views.client import Service, first_line
from variegate.views.embedder import Embedder

__all__ = ["endpoint_embedder"]

Vectors = NDArray[np.float32]

# Small shards: what was paid for is saved soon.
SHARD_ROWS = 512
REQUEST_ROWS = 64
REQUESTS_AT_ONCE = 8
RETRIES = 6
TIMEOUT_SECONDS = 60.0


def endpoint_embedder(name: str) -> Embedder:
    """Build the embedder of `MODEL` or `MODEL@URL`.

    Without a URL the official client's environment variables hold: OPENAI_BASE_URL and OPENAI_API_KEY.
    """
    service = Service.parse("embedder", "openai", name)

    @lru_cache(maxsize=1)
    def client() -> Any:
        return service.connect(RETRIES, TIMEOUT_SECONDS)

    def request(texts: list[str]) -> Vectors:
        import openai

        try:
            answer = client().embeddings.create(model=service.model, input=texts, encoding_format="float")
        except (openai.OpenAIError, ValueError) as error:
            # The client lets the error of an answer that is no JSON through as it is.
            raise VariegateError(
                f"The embeddings endpoint failed ({first_line(error)}). What it answered so far is cached; run "
                "the command again to go on."
            ) from error
        return _stacked(answer, len(texts))

    def embed(texts: list[str]) -> Vectors:
        client()
        batches = [texts[start : start + REQUEST_ROWS] for start in range(0, len(texts), REQUEST_ROWS)]
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            parts = list(pool.map(request, batches))
        if len({part.shape[1] for part in parts}) > 1:
            raise VariegateError("The embeddings endpoint answered vectors of different lengths.")
        return np.concatenate(parts)

    return Embedder({"embedder": "endpoint", "model": service.model, "url": service.url}, SHARD_ROWS, embed)


def _stacked(answer: Any, texts: int) -> Vectors:
    """Return the vectors of one answer in the order of its texts; all is checked, since what is returned gets cached."""
    try:
        found = {item.index: item.embedding for item in answer.data}
    except (AttributeError, TypeError):
        raise VariegateError(
            "The embeddings endpoint answered something else than embeddings. Does the URL end as the server wants it "
            "(mostly in /v1), and does it have this model?"
        ) from None
    if len(answer.data) != texts or set(found) != set(range(texts)):
        raise VariegateError(
            f"The embeddings endpoint answered {len(answer.data)} vectors for {texts} texts, or did not number them from 0."
        )
    rows = [found[at] for at in range(texts)]
    if not all(isinstance(row, list) for row in rows):
        raise VariegateError("The embeddings endpoint answered embeddings that are not lists of numbers.")
    if len({len(row) for row in rows}) > 1:
        raise VariegateError("The embeddings endpoint answered vectors of different lengths.")
    try:
        vectors = np.array(rows, np.float32)
    except (ValueError, TypeError):
        raise VariegateError("The embeddings endpoint answered embeddings that are not lists of numbers.") from None
    if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
        raise VariegateError("The embeddings endpoint answered embeddings that are not lists of finite numbers.")
    return vectors
