"""The embedder lsa: which texts it is fitted on, and the fits of this process.

`lsa` and `lsa:DIM` name no vectors until it is known what they are fitted on. Whatever looks at vectors settles that once, by
:func:`settled`; from there on everything goes by the settled name, which stands for one fit.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, bad_parameter
from variegate.progress import announce
from variegate.views.cache import cached_arrays

if TYPE_CHECKING:
    import pyarrow as pa

    from variegate.data.record import Side
    from variegate.views.lsa_fit import LSAFit
    from variegate.views.tokens import Tokens

__all__ = ["DIMENSIONS", "LSA", "fit_lsa", "fit_of", "is_lsa", "lsa_vectors", "named_in_records", "settled"]

LSA = "lsa"
DIMENSIONS = 256
MOST_DIMENSIONS = 2048
# Distinct texts that are fitted on at most; of more, a sample.
FITTED_ROWS = 50_000
# Fits that the process keeps: few, because each holds its directions. One is found again in the cache.
KEPT_FITS = 4
# Share of the tokens from which a person is told that the fit does not know them.
TOLD_SHARE = 0.05
SETTLED = re.compile(r"lsa:(\d+)@([0-9a-f]{16})")


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


# By settled name: what each is fitted on, and the fits that there are, the last used last.
_to_fit: dict[str, list[ref[Texts]]] = {}
_fits: OrderedDict[str, LSAFit] = OrderedDict()


def is_lsa(name: str) -> bool:
    """Whether an embedder is latent semantic analysis, settled or not."""
    return name == LSA or name.startswith(f"{LSA}:")


def settled(name: str, sets: Sequence[Texts]) -> str:
    """Return the name of an embedder that is the same wherever it is used; nothing is fitted before a vector is asked for.

    Args:
        name: any embedder; all but `lsa` and `lsa:DIM` are settled already.
        sets: the data that these are fitted on, in any order.

    Raises:
        ParameterError: DIM is not possible.
    """
    if (dimensions := _dimensions(name)) is None:
        return name
    with_texts = {one.text_digest(_side(one)): one for one in sets if one.given_vectors is None}
    if not with_texts:
        return name
    which = hashlib.sha256("\n".join(sorted(with_texts)).encode()).hexdigest()[:16]
    found = f"{LSA}:{dimensions}@{which}"
    # Weakly, so that no data set is kept by its name.
    _to_fit[found] = [ref(one) for one in with_texts.values()]
    return found


def fit_lsa(sets: Any, dimensions: int = DIMENSIONS) -> LSAFit:
    """Fit latent semantic analysis on one data set, or on several together.

    Args:
        sets: a corpus, or a list of corpora; equal texts count once, and neither the order of sets nor that of rows matters.
        dimensions: of the vectors; fewer where the texts do not have so many directions, as a note says.

    Returns:
        The fit. Its `save` writes a file that the embedder `lsa:FILE` reads.

    Raises:
        ParameterError: the dimensions are not possible.
        DataError: the data has no texts, or these have no tokens.
    """
    several = list(sets) if isinstance(sets, list | tuple) else [sets]
    name = settled(f"{LSA}:{dimensions}", several)
    for one in several:
        if one.given_vectors is not None:
            raise DataError(f"{one.name}: holds vectors only, so lsa cannot be fitted on it.")
    return fit_of(name)


def fit_of(name: str) -> LSAFit:
    """Return the fit that a settled name or `lsa:FILE` stands for."""
    if not SETTLED.fullmatch(name):
        path = Path(name.removeprefix(f"{LSA}:")).resolve()
        stamp = path.stat() if path.is_file() else None
        return _loaded(str(path), stamp and (stamp.st_size, stamp.st_mtime_ns))
    if name not in _fits:
        _fits[name] = _fitted(name)
    _fits.move_to_end(name)
    while len(_fits) > KEPT_FITS:
        _fits.popitem(last=False)
    return _fits[name]


def lsa_vectors(name: str, tokens: Callable[[], Tokens]) -> tuple[Callable[[int, int], NDArray[np.float32]], Mapping[str, Any]]:
    """Return what embeds the texts from one number to another, and everything that changes a vector.

    Args:
        name: a settled one, or `lsa:FILE`.
        tokens: gives the llama2 tokens of the texts.
    """
    fit = fit_of(name)
    told: list[float] = []

    def embed(start: int, stop: int) -> NDArray[np.float32]:
        vectors, unknown = fit.project(tokens(), start, stop)
        if unknown > TOLD_SHARE and not told:
            told.append(unknown)
            announce(
                f"note: {unknown:.0%} of the tokens here stand in no text that lsa was fitted on, which says little of such "
                "texts. Fit it on data like this."
            )
        return vectors

    return embed, {"embedder": LSA, "fit": fit.hash}


def named_in_records(name: str) -> dict[str, Any]:
    """Return what a record says of an embedder: its name; of lsa also its dimensions, the fit's hash and the texts of the fit."""
    if not is_lsa(name):
        return {"embedder": name}
    fit = fit_of(name)
    sample = {"lsa_sample_of": fit.of_rows} if fit.of_rows > fit.rows else {}
    return {"embedder": LSA, "lsa_dim": fit.dimensions, "lsa_fit": fit.hash, "lsa_rows": fit.rows, **sample}


def _dimensions(name: str) -> int | None:
    """Return the dimensions of a name that is not settled yet; None for any other."""
    number = str(DIMENSIONS) if name == LSA else name.removeprefix(f"{LSA}:") if is_lsa(name) else ""
    if not re.fullmatch(r"-?[0-9]+", number):
        return None
    if not 1 <= int(number) <= MOST_DIMENSIONS:
        raise bad_parameter("DIM", "the embedder lsa:DIM", f"a whole number in [1, {MOST_DIMENSIONS:,}]", int(number))
    return int(number)


def _side(one: Texts) -> Side:
    """Return the side that is fitted on: both, so that all sides share one space; prompts alone have no other."""
    return "both" if "both" in one.sides else "instruction"


@lru_cache(maxsize=KEPT_FITS)
def _loaded(path: str, stamp: tuple[int, int] | None) -> LSAFit:
    """Read a fit once, as long as its file stays what it is."""
    from variegate.views.lsa_fit import load_fit

    return load_fit(path)


@dataclass(frozen=True)
class _Distinct:
    """The distinct texts of some data sets, in an order by their content alone.

    Attributes:
        sets: the data sets.
        hashes: (n, 2) uint64 of each text, ascending.
        places: (n, 2) the number of a set, and of a row there that holds the text.
    """

    sets: list[Texts]
    hashes: NDArray[np.uint64]
    places: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.hashes)

    @classmethod
    def of(cls, sets: list[Texts]) -> _Distinct:
        hashes, places = [], []
        for number, one in enumerate(sets):
            chunks = (chunk.to_pylist() for chunk in one.texts(_side(one)).chunks)
            digests = b"".join(hashlib.blake2b(text.encode(), digest_size=16).digest() for chunk in chunks for text in chunk)
            hashes.append(np.frombuffer(digests, "<u8").reshape(-1, 2))
            places.append(np.stack([np.full(len(hashes[-1]), number), np.arange(len(hashes[-1]))], axis=1))
        all_hashes, all_places = np.concatenate(hashes), np.concatenate(places)
        order = np.lexsort((all_hashes[:, 1], all_hashes[:, 0]))
        ordered = all_hashes[order]
        order = order[np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)][: len(order)]]
        return cls(sets, all_hashes[order], all_places[order])

    def digest(self, rows: int) -> str:
        """Return a hash of the first texts."""
        return hashlib.sha256(np.ascontiguousarray(self.hashes[:rows]).data).hexdigest()

    def tokens(self, rows: int) -> Tokens:
        """Return the tokens of the first texts."""
        places = self.places[:rows]
        by_set = np.argsort(places[:, 0], kind="stable")
        parts = [one.tokens(_side(one), "llama2").take(places[places[:, 0] == at, 1]) for at, one in enumerate(self.sets)]
        together = reduce(lambda first, second: first.followed_by(second), parts)
        return together.take(np.argsort(by_set, kind="stable"))


def _fitted(name: str) -> LSAFit:
    from variegate.views import lsa_fit

    sets = [one for one in (refer() for refer in _to_fit.get(name, [])) if one is not None]
    if not sets or len(sets) < len(_to_fit[name]):
        raise DataError(f"What {name} was to be fitted on is gone. Name the embedder lsa:DIM, or save the fit and name lsa:FILE.")
    wanted = int(name.removeprefix(f"{LSA}:").partition("@")[0])
    texts = _Distinct.of(sets)
    rows = min(len(texts), FITTED_ROWS)
    if not rows:
        raise DataError("No text is there that lsa could be fitted on.")

    def compute(start: int, stop: int) -> dict[str, NDArray[Any]]:
        fit = lsa_fit.fit_tokens(texts.tokens(rows), wanted, len(texts))
        return {"buckets": fit.buckets, "weights": fit.weights, "components": fit.components}

    settings: dict[str, str | int | float | bool | None] = {
        "content": texts.digest(rows), "dimensions": wanted, "format": lsa_fit.FORMAT, "tokenizer": lsa_fit.tokenizer_hash(),
        "grams": lsa_fit.MOST_GRAMS, "left": lsa_fit.LEFT, "spare": lsa_fit.SPARE, "turns": lsa_fit.TURNS,
    }  # fmt: skip
    arrays = cached_arrays("fits", settings, rows, rows, compute, "fitting lsa")
    fit = lsa_fit.LSAFit(**arrays, rows=rows, of_rows=len(texts), tokenizer=lsa_fit.tokenizer_hash())
    if fit.rows < fit.of_rows:
        announce(f"note: lsa was fitted on {fit.rows:,} of {fit.of_rows:,} distinct texts, a sample by their content")
    if fit.dimensions < wanted:
        announce(f"note: lsa has {fit.dimensions} dimensions in place of {wanted}: {fit.rows:,} distinct texts have no more")
    return fit
