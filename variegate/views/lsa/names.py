"""The embedder lsa: what it is fitted on, and the names that stand for one fit.

`lsa` and `lsa:DIM` name no vectors until it is known what they are fitted on, and a file may hold another fit the next time.
Whatever looks at vectors settles that once, by :func:`settled`; from there on everything goes by the settled name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.progress import announce
from variegate.views.cache import cached_arrays

if TYPE_CHECKING:
    import pyarrow as pa

    from variegate.data.record import Side
    from variegate.views.lsa.fit import LSAFit
    from variegate.views.tokens import Tokens

__all__ = ["DIMENSIONS", "LSA", "fit_lsa", "fit_of", "is_lsa", "lsa_vectors", "named_in_records", "settled", "shown"]

LSA = "lsa"
DIMENSIONS = 256
MOST_DIMENSIONS = 2048
# Distinct texts that are fitted on at most; of more, a sample.
FITTED_ROWS = 50_000
# Fits that the process keeps: few, because each holds its directions. The others are found again in the cache.
KEPT_FITS = 4
# Share of the tokens from which a person is told that the fit does not know them.
TOLD_SHARE = 0.05
# What is fitted or read, and the hash of the texts or of the fit.
SETTLED = re.compile(r"lsa:(.+)@([0-9a-f]{16})")


class Texts(Protocol):
    """A data set, as far as a fit needs it."""

    name: str
    given_vectors: Any
    sides: dict[Side, pa.ChunkedArray]

    def texts(self, side: Side) -> pa.ChunkedArray:
        """Return the texts of a side."""

    def text_digest(self, side: Side) -> str:
        """Return a hash of the texts of a side."""

    def tokens(self, side: Side, tokenizer: str) -> Tokens:
        """Return the tokens of a side."""


# By settled name, the hashes of the texts that it is fitted on.
_digests: dict[str, list[str]] = {}
# Who has the texts of a hash: any of them will do, and all weakly, so that no name keeps a data set.
_holders: WeakValueDictionary[tuple[str, int], Texts] = WeakValueDictionary()


def is_lsa(name: str) -> bool:
    """Whether an embedder is latent semantic analysis, settled or not."""
    return name == LSA or name.startswith(f"{LSA}:")


def shown(name: str) -> str:
    """Return how an embedder is called on a screen: of lsa, without its dimensions and what it is fitted on."""
    return LSA if is_lsa(name) else name


def settled(name: str, sets: Sequence[Texts]) -> str:
    """Return the name of an embedder that is the same wherever it is used; nothing is fitted before a vector is asked for.

    Args:
        name: any embedder; all but `lsa`, `lsa:DIM` and `lsa:FILE` are settled already.
        sets: the data that is fitted on, in any order.

    Raises:
        ParameterError: DIM is not possible.
        DataError: FILE holds no fit.
    """
    if not is_lsa(name) or SETTLED.fullmatch(name):
        return name
    if (dimensions := _dimensions(name)) is None:
        return f"{name}@{_read(name.removeprefix(f'{LSA}:')).hash}"
    with_texts = [(one.text_digest(_side(one)), one) for one in sets if one.given_vectors is None]
    if not with_texts:
        return name
    digests = sorted({digest for digest, _ in with_texts})
    found = f"{LSA}:{dimensions}@{hashlib.sha256(chr(10).join(digests).encode()).hexdigest()[:16]}"
    _digests[found] = digests
    _holders.update({(digest, id(one)): one for digest, one in with_texts})
    return found


def fit_lsa(sets: Any, dimensions: int = DIMENSIONS) -> LSAFit:
    """Fit latent semantic analysis on one data set, or on several together.

    Args:
        sets: a corpus, or a list of corpora; equal texts count once, and neither the order of sets nor that of rows matters.
        dimensions: of the vectors.

    Returns:
        The fit. Its `save` writes a file that the embedder `lsa:FILE` reads.

    Raises:
        ParameterError: the dimensions are not possible.
        DataError: the data has no texts, or these have no tokens.
    """
    several = list(sets) if isinstance(sets, list | tuple) else [sets]
    for one in several:
        if one.given_vectors is not None:
            raise DataError(f"{one.name}: holds vectors only, so lsa cannot be fitted on it.")
    return fit_of(settled(f"{LSA}:{dimensions}", several))


def fit_of(name: str) -> LSAFit:
    """Return the fit that a settled name stands for."""
    what, _, which = name.removeprefix(f"{LSA}:").rpartition("@")
    if what.isdigit():
        return _fitted(name)
    fit = _read(what)
    if fit.hash != which:
        raise DataError(f"{what}: was overwritten by another fit while it was in use. Run this again.")
    return fit


def lsa_vectors(name: str, tokens: Callable[[], Tokens]) -> tuple[Callable[[int, int], NDArray[np.float32]], Mapping[str, Any]]:
    """Return what embeds the texts from one number to another, and everything that changes a vector.

    Args:
        name: a settled one.
        tokens: gives the llama2 tokens of the texts.
    """
    fit = fit_of(name)
    # Of all texts and each time, so that what is said depends neither on blocks nor on the cache.
    if (unknown := fit.unknown(tokens())) > TOLD_SHARE:
        announce(
            f"note: {unknown:.0%} of the tokens are in none of the texts that lsa was fitted on, so it tells them apart but "
            "knows nothing about them. Fit it on data like this."
        )
    return lambda start, stop: fit.project(tokens(), start, stop), {"embedder": LSA, "fit": fit.hash}


def named_in_records(name: str) -> dict[str, Any]:
    """Return what a record says of an embedder: its name; of lsa also its dimensions, the fit's hash and the texts of the fit."""
    if not is_lsa(name):
        return {"embedder": name}
    fit = fit_of(name)
    sample = {"lsa_sample_of": fit.of_rows} if fit.of_rows > fit.rows else {}
    return {"embedder": LSA, "lsa_dim": fit.dimensions, "lsa_fit": fit.hash, "lsa_rows": fit.rows, **sample}


def _dimensions(name: str) -> int | None:
    """Return the dimensions that a name asks for; None where it names a file."""
    number = str(DIMENSIONS) if name == LSA else name.removeprefix(f"{LSA}:")
    if not re.fullmatch(r"-?[0-9]+", number):
        return None
    if not 1 <= int(number) <= MOST_DIMENSIONS:
        raise bad_parameter("DIM", "the embedder lsa:DIM", f"a whole number in [1, {MOST_DIMENSIONS:,}]", int(number))
    return int(number)


def _side(one: Texts) -> Side:
    """Return the side that is fitted on: both, so that all sides share one space; prompts alone have no other."""
    return "both" if "both" in one.sides else "instruction"


def _read(file: str) -> LSAFit:
    """Read a fit once, as long as its file stays what it is."""
    path = Path(file).resolve()
    stamp = path.stat() if path.is_file() else None
    return _loaded(str(path), stamp and (stamp.st_size, stamp.st_mtime_ns))


@lru_cache(maxsize=KEPT_FITS)
def _loaded(path: str, stamp: tuple[int, int] | None) -> LSAFit:
    from variegate.views.lsa.fit import load_fit

    return load_fit(path)


@dataclass(frozen=True)
class _Distinct:
    """The distinct texts of some data sets, in an order by their content alone.

    Attributes:
        sets: the data sets.
        hashes: (n,) 16 bytes of each text, ascending.
        places: (n,) where each stands first, counted through all rows of all sets.
    """

    sets: list[Texts]
    hashes: NDArray[np.bytes_]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.hashes)

    @classmethod
    def of(cls, sets: list[Texts]) -> _Distinct:
        chunks = (chunk.to_pylist() for one in sets for chunk in one.texts(_side(one)).chunks)
        digests = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for chunk in chunks for text in chunk)
        hashes, places = np.unique(np.frombuffer(digests, "S16"), return_index=True)
        return cls(sets, hashes, places)

    def digest(self, rows: int) -> str:
        """Return a hash of the first texts."""
        return hashlib.sha256(self.hashes[:rows].tobytes()).hexdigest()

    def tokens(self, rows: int) -> Tokens:
        """Return the tokens of the first texts."""
        # Set by set, and then back into the order of the texts.
        order = np.argsort(self.places[:rows])
        ascending, parts, before = self.places[order], [], 0
        for one in self.sets:
            side = _side(one)
            after = before + len(one.texts(side))
            own = ascending[(ascending >= before) & (ascending < after)] - before
            parts.append(one.tokens(side, "llama2").take(own))
            before = after
        together = reduce(lambda first, second: first.followed_by(second), parts)
        return together.take(np.argsort(order))


@lru_cache(maxsize=KEPT_FITS)
def _fitted(name: str) -> LSAFit:
    from variegate.views.lsa import fit as lsa_fit

    holders = {digest: one for (digest, _), one in _holders.items()}
    try:
        sets = [holders[digest] for digest in _digests[name]]
    except KeyError:
        raise DataError(
            f"The data that {name} was to be fitted on is gone. Name the embedder lsa:DIM, or save the fit and name lsa:FILE."
        ) from None
    wanted = int(name.removeprefix(f"{LSA}:").partition("@")[0])
    texts = _Distinct.of(sets)
    rows = min(len(texts), FITTED_ROWS)
    if not rows:
        raise DataError("There is no text that lsa could be fitted on.")

    def compute(start: int, stop: int) -> dict[str, NDArray[Any]]:
        fit = lsa_fit.fit_tokens(texts.tokens(rows), wanted, len(texts))
        return {"buckets": fit.buckets, "weights": fit.weights, "components": fit.components}

    tokenizer = lsa_fit.tokenizer_hash()
    settings = {"content": texts.digest(rows), "dimensions": wanted, "tokenizer": tokenizer, **lsa_fit.settings()}
    arrays = cached_arrays("fits", settings, rows, rows, compute, "fitting lsa")
    if rows < len(texts):
        announce(f"note: lsa was fitted on {rows:,} of {len(texts):,} distinct texts, a sample by their content")
    return lsa_fit.LSAFit(**arrays, rows=rows, of_rows=len(texts), tokenizer=tokenizer)
