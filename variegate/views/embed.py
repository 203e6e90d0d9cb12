"""Vectors of texts: the embedders by name, their cache keys, and the default one, which needs no download."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import ParameterError
from variegate.views import endpoint, models
from variegate.views.cache import cached_arrays
from variegate.views.checked import checked_tag_vectors, digest_texts
from variegate.views.embedder import Embedder
from variegate.views.lsa.names import is_lsa, lsa_vectors, shown
from variegate.views.precision import FLOAT16, FLOAT32, in_half_precision
from variegate.views.tokens import Tokens, tokenize_texts, wordllama_file

if TYPE_CHECKING:
    import pyarrow as pa

    from variegate.views.tags.tags import Tags

__all__ = ["EMBEDDERS", "embed_tags", "embed_texts"]

Vectors = NDArray[np.float32]
Setting = str | int | float | bool | None

EMBEDDERS = {
    "static": "256-d static LLaMA token vectors of the package wordllama, mean-pooled, unit length; no download, no GPU",
    "lsa[:DIM]": "latent semantic analysis of token 1- to 3-grams in DIM (256) dimensions, fitted on the reference, else on "
    "the data itself; for any script, unit length, no download, no model",
    "lsa:FILE": "the same by a fit that was saved (--save-fit FILE of variegate embed)",
    "NAME or PATH": "any sentence-transformers model (pip install 'variegate[models]')",
    "hf:NAME": "mean-pooled last hidden state of a base LLM, texts cut at 256 tokens as in NovelSum (variegate[models])",
    "openai:NAME[@URL]": "an OpenAI-compatible embeddings endpoint (variegate[endpoint])",
    "column:NAME": "vectors that stand in a column of the data",
    "FILE.npy": "vectors made elsewhere, one for each row of the data",
}
STATIC_SHARD_ROWS = 8192
LSA_SHARD_ROWS = 8192


def embed_texts(
    texts: pa.ChunkedArray,
    name: str,
    digest: str,
    tokens: Callable[[], Tokens] | None = None,
    storage: str = FLOAT32,
    where: Callable[[int], str] = "row {}".format,
) -> NDArray[Any]:
    """Return the vectors of texts, shape (n, d), from the cache where they are there already.

    Args:
        texts: strings, length n.
        name: see `EMBEDDERS`, settled; columns and files of vectors are the corpus's affair.
        digest: hash of the texts, part of the cache's key.
        tokens: gives their llama2 tokens, for who has them already.
        storage: "float32" or "float16"; of the cache's key too, so that the two never mix.
        where: says which row a text belongs to.

    Raises:
        DataError: float16 cannot hold a vector; the message names its row.
    """
    embed: Callable[[int, int], Vectors]
    if name == "static":
        embed, settings = _static(tokens or cache(lambda: tokenize_texts(texts, "llama2", digest)))
        shard_rows = STATIC_SHARD_ROWS
    elif is_lsa(name):
        embed, settings = lsa_vectors(name, tokens or cache(lambda: tokenize_texts(texts, "llama2", digest)))
        shard_rows = LSA_SHARD_ROWS
    else:
        embedder = _by_name(name)
        embed = lambda start, stop: embedder.embed(texts.slice(start, stop - start).to_pylist())  # noqa: E731
        settings, shard_rows = embedder.settings, embedder.shard_rows
    if storage == FLOAT16:
        settings = {**settings, "storage": FLOAT16}

    def compute(start: int, stop: int) -> dict[str, NDArray[Any]]:
        vectors = embed(start, stop)
        return {"vectors": in_half_precision(vectors, lambda at: where(start + at)) if storage == FLOAT16 else vectors}

    arrays = cached_arrays(
        "vectors", {"content": digest, **settings}, len(texts), shard_rows, compute, f"embedding ({shown(name)})"
    )
    return arrays["vectors"]


def embed_tags(tags: Tags, name: str, owner: str) -> Vectors:
    """Return the vectors of the names of all tags that occur, by ascending tag number, shape (tags, d).

    Args:
        tags: of n samples.
        name: an embedder that embeds texts.
        owner: the data set, for errors.

    Raises:
        ParameterError: the embedder has vectors of rows only.
        DataError: the vector of a tag is zero or not finite.
    """
    import pyarrow as pa

    if name.startswith("column:") or name.lower().endswith(".npy"):
        raise ParameterError(
            f"The embedder {name!r} holds vectors of rows, and a graph of tags needs those of the tags' names. Pass one "
            "that embeds texts, such as static (variegate list embedders)."
        )
    names = [tags.names[number] for number in tags.type_counts[0].tolist()]
    if not names:
        return np.zeros((0, 0), np.float32)
    texts = pa.chunked_array([pa.array(names, pa.large_string())])
    return checked_tag_vectors(embed_texts(texts, name, digest_texts(texts)), names, f"{owner}, {name}")


def _by_name(name: str) -> Embedder:
    if name.startswith("hf:"):
        return models.hidden_state_embedder(name.removeprefix("hf:"))
    if name.startswith("openai:"):
        return endpoint.endpoint_embedder(name.removeprefix("openai:"))
    if not name or ":" in name:
        raise ParameterError(f"Unknown embedder {name!r}. Known forms: {', '.join(EMBEDDERS)}.")
    return models.sentence_embedder(name)


def _static(tokens: Callable[[], Tokens]) -> tuple[Callable[[int, int], Vectors], Mapping[str, Setting]]:
    """Return what embeds the texts from one number to another, and everything that changes a vector."""
    table, revision = _static_table()
    # The same BPE as the default tokenizer's, so the token ids are shared with every token metric.
    return lambda start, stop: _mean_pooled(tokens(), table, start, stop), {"embedder": "static", "revision": revision}


@lru_cache(maxsize=1)
def _static_table() -> tuple[NDArray[np.float64], str]:
    from safetensors.numpy import load

    content = wordllama_file("weights", "l2_supercat_256.safetensors").read_bytes()
    (table,) = load(content).values()
    return table.astype(np.float64), hashlib.sha256(content).hexdigest()[:16]


def _mean_pooled(tokens: Tokens, table: NDArray[np.float64], start: int, stop: int) -> Vectors:
    """Return unit mean vectors; a text without tokens stays zero, for the corpus to name."""
    from scipy.sparse import csr_array

    first, last = int(tokens.offsets[start]), int(tokens.offsets[stop])
    ids, offsets = tokens.ids[first:last], tokens.offsets[start : stop + 1] - first
    # How often each token stands in each text, times the table: the sums, added up in the order of the text.
    sums = csr_array((np.ones(len(ids)), ids, offsets), shape=(stop - start, len(table))) @ table
    norms = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.where(norms > 0, norms, 1), np.float32)
