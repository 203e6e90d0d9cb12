"""The fit of latent semantic analysis: which n-grams count, how much, and what each adds to a vector.

A text is the set of its n-grams of 1 to 3 tokens, each weighed by how few texts of the fit hold it,
scaled to unit length: a row x. Its part in the leading directions, the right singular vectors of the
texts of the fit (Deerwester et al. 1990), is L'x. What these leave of it, x - LL'x, is kept as well,
a quarter as large and by a random projection R (Achlioptas 2003), in the same coordinates:

    vector = L'x + 1/4 R'(x - LL'x), scaled to unit length.

So the product of two vectors is that of their parts in the leading directions and 1/16 of that of
the rest, up to the noise of the projection. Without the rest, texts that have no direction of their
own, such as the few in another language, are all alike; docs/embedders.md has the measurements.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError
from variegate.geometry.threads import Threads
from variegate.ragged import starts_of
from variegate.storage import whole_file
from variegate.views.lsa import grams as lsa_grams
from variegate.views.lsa.grams import BUCKETS, Grams, grams_of, scattering, token_buckets
from variegate.views.tokens import Tokens, wordllama_file

__all__ = ["LSAFit", "fit_tokens", "load_fit", "settings", "tokenizer_hash"]

Floats = NDArray[np.float32]

# Raised whenever the same fit would give other vectors.
FORMAT = "variegate lsa 2"
# N-grams that a fit keeps: every token that it has, then those that stand in most texts. docs/embedders.md has what the
# settings below were chosen by.
MOST_GRAMS = 1 << 16
# How much of what the leading directions leave of a text is kept.
LEFT = 0.25
# Directions beyond those that are asked for, and turns of the subspace iteration (Halko et al. 2011).
SPARE = 32
TURNS = 2
# Directions that carry less than this share of the first one's singular value are rounding.
LEAST_SHARE = 1e-5
# Rows of one product of a thread.
BLOCK_ROWS = 2048
# Texts of which all n-grams are held at once.
SHARD_ROWS = 8192


@dataclass(frozen=True, eq=False)
class LSAFit:
    """What turns tokens into vectors.

    Attributes:
        buckets: (grams,) int32, ascending: the n-grams that count.
        weights: (grams,) float32, each one's inverse document frequency, log((1 + n) / (1 + texts)) + 1.
        components: (grams, d) float32, what each n-gram adds to a vector: its part in the leading
            directions, by descending singular value, and `LEFT` times a random projection of the rest;
            that alone in the last coordinates, where the texts have fewer than d directions.
        rows: n, the distinct texts that it was fitted on.
        of_rows: the distinct texts that there were; more than `rows` where these are a sample.
        tokenizer: hash of the file that the tokens come from.
    """

    buckets: NDArray[np.int32]
    weights: Floats
    components: Floats
    rows: int
    of_rows: int
    tokenizer: str

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""
        return int(self.components.shape[1])

    @cached_property
    def hash(self) -> str:
        """Hash of everything that a vector depends on; it names the fit in records."""
        about = [FORMAT, self.tokenizer, lsa_grams.LONGEST, BUCKETS, LEFT, self.rows, *self.components.shape]
        hasher = hashlib.sha256(json.dumps(about).encode())
        for array in (self.buckets, self.weights, self.components):
            hasher.update(np.ascontiguousarray(array).data)
        return hasher.hexdigest()[:16]

    @cached_property
    def _places(self) -> NDArray[np.int32]:
        """(BUCKETS,) the place of each bucket's n-gram among those that count; -1 for the others."""
        places = np.full(BUCKETS, -1, np.int32)
        places[self.buckets] = np.arange(len(self.buckets))
        return places

    def project(self, tokens: Tokens, start: int, stop: int) -> Floats:
        """Return the vectors of the texts from `start` to `stop`, of unit length; a text without tokens stays zero."""
        with Threads() as threads:
            matrix, foreign = self.weighed(grams_of(tokens, start, stop, threads))
            vectors = product(matrix, self.components, threads)
            if foreign is not None:
                vectors += product(foreign[0], LEFT * scattering(foreign[1], self.dimensions), threads)
        lengths = np.sqrt(np.square(vectors.astype(np.float64)).sum(axis=1, keepdims=True))
        return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)

    def unknown(self, tokens: Tokens) -> float:
        """Return the share of tokens that no text of the fit holds, each counted as often as it occurs."""
        types, counts = tokens.type_counts
        return float(counts[self._places[token_buckets(types)] < 0].sum() / max(1, counts.sum()))

    def weighed(self, grams: Grams) -> tuple[Any, tuple[Any, NDArray[np.int32]] | None]:
        """Return rows of unit length: their part in the n-grams that count, and that in tokens which the fit does not know."""
        places = self._places[grams.buckets]
        known = places >= 0
        foreign = grams.single & ~known
        weights: Floats = np.zeros(len(places), np.float32)
        weights[known] = self.weights[places[known]]
        weights[foreign] = np.log(1 + self.rows) + 1
        squares = np.bincount(grams.owners, np.square(weights.astype(np.float64)), minlength=len(grams))
        # A text without tokens has no entry to divide.
        weights /= np.sqrt(squares).astype(np.float32)[grams.owners]
        matrix = _rows(grams, known, places[known], weights, len(self.buckets))
        if not foreign.any():
            return matrix, None
        buckets, at = np.unique(grams.buckets[foreign], return_inverse=True)
        return matrix, (_rows(grams, foreign, at.astype(np.int32), weights, len(buckets)), buckets)

    def save(self, path: str | Path) -> None:
        """Write the fit as a safetensors file, whole or not at all; the embedder `lsa:FILE` reads it."""
        from safetensors.numpy import save_file

        about = {"format": FORMAT, "hash": self.hash, "rows": self.rows, "of_rows": self.of_rows, "tokenizer": self.tokenizer}
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in ("buckets", "weights", "components")}
        with whole_file(Path(path)) as temporary:
            # Under one key: the library writes several in an order that changes from run to run.
            save_file(tensors, temporary, {"lsa": json.dumps(about)})


def fit_tokens(tokens: Tokens, dimensions: int, of_rows: int) -> LSAFit:
    """Fit on texts.

    Args:
        tokens: of n texts, in an order that does not change.
        dimensions: of the vectors.
        of_rows: distinct texts of which these are all, or a sample.

    Raises:
        DataError: no text has a token.
    """
    from scipy.sparse import vstack

    with Threads() as threads:
        counts, single = np.zeros(BUCKETS, np.int64), np.zeros(BUCKETS, np.bool_)
        for grams in _by_shard(tokens, threads):
            counts += np.bincount(grams.buckets, minlength=BUCKETS)
            single[grams.buckets[grams.single]] = True
        if not counts.any():
            raise DataError("None of the texts holds a token, so there is nothing that lsa could be fitted on.")
        buckets = _kept(counts, single)
        weights = (np.log((1 + len(tokens)) / (1 + counts[buckets])) + 1).astype(np.float32)
        bare = LSAFit(buckets, weights, np.zeros((len(buckets), 0), np.float32), len(tokens), of_rows, tokenizer_hash())
        # Read a second time, so that the n-grams which do not count are never held all at once.
        matrix = vstack([bare.weighed(grams)[0] for grams in _by_shard(tokens, threads)], format="csr")
        leading = leading_directions(matrix, dimensions, threads)
        random = scattering(buckets, dimensions)
        components = LEFT * (random - leading @ (leading.T @ random))
        components[:, : leading.shape[1]] += leading
    return replace(bare, components=components)


def load_fit(path: str | Path) -> LSAFit:
    """Read a fit that was saved.

    Raises:
        DataError: there is no such file, or it is none of ours, or damaged, or of another version.
    """
    from safetensors import safe_open

    if not Path(path).is_file():
        raise DataError(
            f"{path}: no such file. The embedder lsa:FILE reads a fit that was saved (--save-fit of variegate embed); in "
            "lsa:DIM, DIM is a whole number."
        )
    try:
        with safe_open(str(path), framework="numpy") as stored:
            about = dict(json.loads((stored.metadata() or {}).get("lsa", "{}")))
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except Exception as error:
        # What is no safetensors file makes the library raise nearly anything.
        raise DataError(f"{path}: is no fit of lsa, or is damaged ({error}). Save it again.") from None
    if about.get("format") != FORMAT:
        found = about.get("format", "nothing of the kind")
        raise DataError(f"{path}: is no fit of lsa that this version reads (it is marked as {found}). Save a new one.")
    try:
        fit = LSAFit(**tensors, rows=about["rows"], of_rows=about["of_rows"], tokenizer=about["tokenizer"])
        whole = fit.hash == about["hash"]
    except (KeyError, TypeError, ValueError, AttributeError):
        whole = False
    if not whole:
        raise DataError(f"{path}: is damaged: its content is not what was saved. Save the fit again.")
    if fit.tokenizer != tokenizer_hash():
        raise DataError(f"{path}: was fitted on the tokens of another version of wordllama. Install that one, or fit anew.")
    return fit


def settings() -> dict[str, str | int | float | bool | None]:
    """Return everything that a fit depends on besides tokens and dimensions."""
    return {
        "format": FORMAT, "longest": lsa_grams.LONGEST, "buckets": BUCKETS, "grams": MOST_GRAMS, "left": LEFT, "spare": SPARE,
        "turns": TURNS,
    }  # fmt: skip


def tokenizer_hash() -> str:
    """Return a hash of the file that the tokens come from."""
    return hashlib.sha256(wordllama_file("tokenizers", "l2_supercat_tokenizer_config.json").read_bytes()).hexdigest()[:16]


def leading_directions(matrix: Any, dimensions: int, threads: Threads) -> Floats:
    """Return the leading right singular vectors of a sparse matrix as columns, by descending singular value.

    By subspace iteration from a fixed start (Halko, Martinsson & Tropp 2011). Of each vector the largest entry is positive.

    Args:
        matrix: (n, grams), sparse.
        dimensions: how many; fewer where the matrix has a lower rank.
        threads: share the products; no bit depends on how many there are.
    """
    n, grams = matrix.shape
    transposed = matrix.T.tocsr()
    width = min(dimensions + SPARE, n, grams)
    basis = np.random.default_rng(0).standard_normal((n, width), dtype=np.float32)
    for _ in range(TURNS):
        basis = np.linalg.qr(product(matrix, product(transposed, basis, threads), threads))[0]
    seen = product(transposed, basis, threads)
    # In float64, since the values are squared here.
    moment = seen.astype(np.float64)
    squares, turned = (array[..., ::-1] for array in np.linalg.eigh(moment.T @ moment))
    del moment
    values = np.sqrt(np.maximum(squares[:dimensions], 0))
    values = values[values > LEAST_SHARE * values[0]]
    components = seen @ (turned[:, : len(values)] / values).astype(np.float32)
    largest = np.abs(components).argmax(axis=0)
    return np.ascontiguousarray(components * np.sign(components[largest, np.arange(len(values))]))


def product(matrix: Any, dense: Floats, threads: Threads) -> Floats:
    """Return the product of a sparse matrix with a dense one; each row is added up by one thread, in the order of its entries."""
    starts = range(0, matrix.shape[0], BLOCK_ROWS)
    parts = list(threads.each(lambda low: matrix[low : low + BLOCK_ROWS] @ dense, starts))
    return np.concatenate(parts) if parts else np.zeros((0, dense.shape[1]), np.float32)


def _by_shard(tokens: Tokens, threads: Threads) -> Iterator[Grams]:
    for low in range(0, len(tokens), SHARD_ROWS):
        yield grams_of(tokens, low, min(low + SHARD_ROWS, len(tokens)), threads)


def _kept(counts: NDArray[np.int64], single: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the buckets that count, ascending: all of tokens, then those of most texts, the lowest first among equals."""
    longer = np.flatnonzero((counts > 0) & ~single)
    room = max(0, MOST_GRAMS - np.count_nonzero(single))
    return np.sort(np.r_[np.flatnonzero(single), longer[np.argsort(-counts[longer], kind="stable")[:room]]]).astype(np.int32)


def _rows(grams: Grams, chosen: NDArray[np.bool_], columns: NDArray[np.int32], weights: Floats, width: int) -> Any:
    from scipy.sparse import csr_array

    ends = starts_of(chosen)[grams.offsets]
    return csr_array((weights[chosen], columns, ends), shape=(len(grams), width))
