"""The corpus: records and their views, each built once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from variegate.data.convert import Sample, convert_rows, target_schema
from variegate.data.record import SIDES, BadRow, Side
from variegate.data.rows import Rows, in_order
from variegate.data.sources import Source
from variegate.data.vectors import read_vectors, stack_vectors
from variegate.data.write import as_table, replaced, write_rows
from variegate.errors import DataError, bad_parameter
from variegate.storage import whole_file
from variegate.views.checked import checked_vectors, digest_texts, digest_vectors, hash_vectors, same_dimensions
from variegate.views.embedder import DEFAULT_EMBEDDER
from variegate.views.kept import Kept
from variegate.views.lsa.names import named_in_records, settled
from variegate.views.precision import FLOAT16, refuse_storage

if TYPE_CHECKING:
    import pyarrow as pa

    from variegate.views.tags.names import TagNames
    from variegate.views.tags.tags import Tags
    from variegate.views.tokens import Tokens

__all__ = ["BadRow", "Corpus"]

Ints = NDArray[np.int64]
Vectors = NDArray[np.float32]

CHUNK = 8192


@dataclass(repr=False)
class Corpus:
    """Rows of a data set and what is derived from them.

    Build one with :func:`load`. A corpus made from a `.npy` file or an array holds vectors only.

    Attributes:
        name: what to call it in results.
        sources: the files (or Hub splits) that it came from; empty for vectors.
        origin: (n, 2) int64, for each row its source and its position there.
        numbers: (n,) int64, for each row its number among all rows of the sources, bad ones counted.
        sides: side -> texts, as a chunked Arrow array of length n.
        skipped: the bad rows that were left out.
        given_vectors: (n, d) of any float type for a corpus of vectors.
        vector_storage: "float32" or "float16": how vectors that are made of texts are kept.
        unnamed: whether nobody named it, neither by a file nor by `name=`.
        kept: the views that were built.
    """

    name: str
    sources: list[Source]
    origin: Ints
    numbers: Ints
    sides: dict[Side, pa.ChunkedArray]
    skipped: list[BadRow] = field(default_factory=list)
    given_vectors: Vectors | None = None
    multi_turn: int = 0
    vector_storage: str = "float32"
    unnamed: bool = False
    kept: Kept = field(default_factory=Kept, repr=False)

    def __len__(self) -> int:
        return len(self.origin)

    def __repr__(self) -> str:
        if self.given_vectors is not None:
            return f"Corpus({self.name!r}, {len(self):,} vectors of {self.given_vectors.shape[1]} dimensions)"
        schemas = ", ".join(dict.fromkeys(source.schema.name for source in self.sources))
        return f"Corpus({self.name!r}, {len(self):,} rows, schema {schemas}, sides {', '.join(self.sides)})"

    @classmethod
    def from_vectors(cls, vectors: NDArray[Any], name: str | None = None) -> Corpus:
        """Make a corpus of vectors alone, shape (n, d), any float type; "vectors" is its name if None."""
        unnamed, name = name is None, name or "vectors"
        if vectors.ndim != 2 or not vectors.size or vectors.dtype.kind not in "fiu":
            raise DataError(f"{name}: vectors must be numbers of shape (rows, dimensions), got {vectors.dtype} {vectors.shape}.")
        n = len(vectors)
        origin = np.stack([np.zeros(n, np.int64), np.arange(n)], axis=1)
        kept = vectors if vectors.dtype in (np.float16, np.float64) else np.asarray(vectors, np.float32)
        return cls(name, [], origin, np.arange(n), {}, given_vectors=kept, unnamed=unnamed)

    @property
    def row_count(self) -> int:
        """Number of rows in the sources, bad ones counted."""
        return sum(len(source.rows) for source in self.sources) or len(self)

    @property
    def sha256(self) -> str:
        """Hash of the content: of the bytes where it is one file, of all the files' hashes where it is several."""
        digests = [source.sha256 for source in self.sources]
        if len(digests) == 1 and digests[0]:
            return digests[0]
        hasher = hashlib.sha256()
        if self.given_vectors is not None:
            hash_vectors(self.given_vectors, hasher)
        elif all(digests):
            hasher.update("\n".join(digest for digest in digests if digest).encode())
        else:
            # Prompts alone have no both side.
            hasher.update(self.text_digest("both" if "both" in self.sides else "instruction").encode())
        return hasher.hexdigest()

    def texts(self, side: Side) -> pa.ChunkedArray:
        """Return the texts of one side, length n.

        Raises:
            DataError: the data set has no such side.
        """
        if side not in SIDES:
            raise bad_parameter("side", "a view", f"one of {', '.join(SIDES)}", side)
        if self.given_vectors is not None:
            raise DataError(f"{self.name}: holds vectors only, so nothing that needs text can be computed on it.")
        if side not in self.sides:
            own = next(iter(self.sides))
            raise DataError(
                f"{self.name}: has no {side} side (schema {self.sources[0].schema.name}). Pass --side {own} (side={own!r})."
            )
        return self.sides[side]

    def text_digest(self, side: Side) -> str:
        """Return a hash of one side's texts that does not depend on how they are chunked."""
        return self.kept.once(("digest", side), lambda: digest_texts(self.texts(side)))

    def vectors(self, side: Side = "both", embedder: str = DEFAULT_EMBEDDER) -> Vectors:
        """Return the vectors of one side, shape (n, d), computed once and cached on disk.

        Raises:
            DataError: a vector is zero, not finite, or more than its storage can hold; the message names the rows.
            ParameterError: the embedder's vectors are made elsewhere, and there is nothing to store.
        """
        from variegate.views.embed import embed_texts

        if self.given_vectors is not None:
            return self.kept.once(("vectors",), lambda: checked_vectors(self.given_vectors, self.name, self.numbers), getitem)
        embedder, where = settled(embedder, [self]), f"{self.name}, {side} side"
        made = partial(self._embedded, side, embedder, embed_texts)
        checked = lambda: checked_vectors(made(), where, self.numbers, partial(self._blank, side))  # noqa: E731
        return self.kept.once(("vectors", side, embedder), checked, getitem)

    def _blank(self, side: Side, row: int) -> str | None:
        """Say where a row stands if it has no word on a side."""
        return None if str(self.texts(side)[row].as_py()).strip() else self.where(row)

    def _embedded(self, side: Side, embedder: str, embed_texts: Any) -> Vectors:
        if embedder.startswith("column:"):
            refuse_storage(self.vector_storage, embedder)
            field_name = embedder.removeprefix("column:")
            return stack_vectors(self.name, field_name, self.column(field_name), (self.numbers + 1).tolist())
        if embedder.lower().endswith(".npy"):
            refuse_storage(self.vector_storage, embedder)
            vectors = read_vectors(embedder)
            if len(vectors) != self.row_count:
                raise DataError(f"{embedder}: holds {len(vectors)} vectors, but {self.name} has {self.row_count} rows.")
            return vectors if np.array_equal(self.numbers, np.arange(self.row_count)) else vectors[self.numbers]
        tokens = partial(self.tokens, side, "llama2")
        made = embed_texts(self.texts(side), embedder, self.text_digest(side), tokens, self.vector_storage, self.where)
        return cast(Vectors, made)

    def made_by(self, embedder: str) -> dict[str, Any]:
        """Return what vectors are made by and, where that is not float32, kept as, for the record."""
        given = self.given_vectors
        half = self.vector_storage == FLOAT16 if given is None else given.dtype == np.float16
        made = {"embedder": "given vectors"} if given is not None else named_in_records(settled(embedder, [self]))
        return made | ({"vector_storage": FLOAT16} if half else {})

    def tokens(self, side: Side = "both", tokenizer: str = "llama2") -> Tokens:
        """Return the token ids of one side, computed once and cached on disk."""
        from variegate.views.tokens import Tokens, tokenize_texts

        return self.kept.once(
            ("tokens", side, tokenizer), lambda: tokenize_texts(self.texts(side), tokenizer, self.text_digest(side)), Tokens.take
        )  # fmt: skip

    def topics(self, side: Side, topics: str, embedder: str, fitted_on: Corpus) -> Ints:
        """Return the topic of each row, shape (n,): a column's values numbered, or clusters of the vectors.

        Args:
            side: of which the vectors are taken.
            topics: see `variegate list topics`.
            embedder: what makes the vectors.
            fitted_on: the corpus that is clustered (this one, or a reference).
        """
        from variegate.views.topics import cluster_labels, is_clustering

        if not is_clustering(topics):
            return self.labels(topics)
        embedder = settled(embedder, [fitted_on])
        vectors, fitted = self.vectors(side, embedder), fitted_on.vectors(side, embedder)
        same_dimensions(self, vectors, fitted_on, fitted)

        build = partial(cluster_labels, topics, vectors, fitted, lambda: fitted_on.vector_digest(side, embedder))
        return self.kept.once(("topics", side, embedder, topics), build, getitem, fitted_on)

    def vector_digest(self, side: Side, embedder: str) -> str:
        """Return a hash of the vectors of one side."""
        return self.kept.once(("vector digest", side, embedder), lambda: digest_vectors(self.vectors(side, embedder)))

    def tags(self, side: Side, tags: str, fitted_on: Corpus) -> Tags:
        """Return the tags of each row.

        Args:
            side: of which keyphrases are taken, or which a model tags.
            tags: see `variegate list tags`.
            fitted_on: the corpus (this one, or a reference) in which keyphrases are weighed, and from which normalised tags
                take their names.
        """
        from variegate.views.tags.tagger import is_llm, llm_tags
        from variegate.views.tags.tags import KEYPHRASES, Tags, column_tags, normalized

        wanted = normalized(tags)
        if wanted is None and is_llm(tags):
            return self.kept.once(("tags", side, tags), lambda: llm_tags(self.texts(side), tags, self.where), Tags.take)
        if wanted is None and tags != KEYPHRASES:
            return self.kept.once(("tags", tags), lambda: column_tags(self.column(tags), self.where), Tags.take)

        def build() -> Tags:
            from variegate.views.tags.keyphrases import keyphrase_tags

            if wanted is not None:
                names = fitted_on.tag_names(side, tags)
                return names.applied(self.tags(side, wanted.source, fitted_on), self.name)
            texts, fitted = self.texts(side), fitted_on.texts(side)
            return keyphrase_tags(texts, self.text_digest(side), fitted, fitted_on.text_digest(side))

        return self.kept.once(("tags", side, tags), build, Tags.take, fitted_on)

    def tag_vectors(self, side: Side, tags: str, embedder: str, fitted_on: Corpus) -> Vectors:
        """Return the vectors of the names of this corpus's tags, by ascending tag number, shape (tags, d).

        Args:
            side: of which keyphrases are taken.
            tags: see `variegate list tags`.
            embedder: what makes the vectors; one that embeds texts.
            fitted_on: the corpus (this one, or a reference) in which keyphrases are weighed.

        Raises:
            ParameterError: the embedder has vectors of rows only.
            DataError: the vector of a tag is zero or not finite.
        """
        from variegate.views.embed import embed_tags

        embedder, own = settled(embedder, [fitted_on]), self.tags(side, tags, fitted_on)
        build = partial(embed_tags, own, embedder, self.name)
        return self.kept.once(("tag vectors", side, tags, embedder), build, fitted_on=fitted_on)

    def tag_names(self, side: Side, tags: str) -> TagNames:
        """Return what `normalized` tags are called after this corpus."""
        from variegate.views.tags.names import fit_names
        from variegate.views.tags.tags import normalized

        wanted = normalized(tags)
        if wanted is None:
            raise bad_parameter("tags", "Corpus.tag_names", "of the form normalized:TAGS", tags)
        source = wanted.source
        found = self.kept.once(("names", side, source), lambda: fit_names(self.tags(side, source, self)))
        return found.kept(wanted.fewest_rows, tags, self.name)

    def where(self, row: int) -> str:
        """Say which file and line (or row) a row comes from."""
        source_at, position = self.origin[row].tolist()
        source = self.sources[source_at]
        return f"{source.name}, {source.rows.where(position)}"

    def labels(self, column: str) -> Ints:
        """Return a number for the value of one field in each row, shape (n,)."""
        from variegate.views.topics import column_labels

        return self.kept.once(("labels", column), lambda: column_labels(self.column(column)), getitem)

    def column(self, name: str) -> list[Any]:
        """Return one field of every row as it stands in the data, length n.

        Raises:
            DataError: a row lacks the field.
        """
        values = []
        for source_at, source in enumerate(self.sources):
            positions = self.origin[self.origin[:, 0] == source_at, 1]
            for position, row in _rows_at(source, positions):
                if name not in row:
                    known = ", ".join(map(str, row))
                    raise DataError(f"{source.name}, {source.rows.where(position)}: lacks the field '{name}'. It has: {known}.")
                values.append(row[name])
        if not self.sources:
            raise DataError(f"{self.name}: holds vectors only, so it has no field '{name}'.")
        order = np.argsort(np.concatenate([np.flatnonzero(self.origin[:, 0] == at) for at in range(len(self.sources))]))
        return [values[at] for at in order]

    def take(self, rows: Sequence[int] | Ints, name: str | None = None) -> Corpus:
        """Return the corpus of some rows, in the order given, with the views that were built; "subset of" this without a name."""
        import pyarrow as pa

        at = np.asarray(rows, np.int64)
        sides = {side: texts.take(pa.array(at)) for side, texts in self.sides.items()}
        label = name or f"subset of {self.name}"
        part = Corpus(
            label, self.sources, self.origin[at], self.numbers[at], sides, unnamed=name is None, kept=self.kept.share(at)
        )  # fmt: skip
        part.vector_storage = self.vector_storage
        if self.given_vectors is not None:
            part.given_vectors = self.given_vectors[at]
        return part

    def rows(self) -> list[dict[str, Any]]:
        """Return the raw rows, with every column that they came with."""
        return list(in_order(self.places))

    def samples(self) -> Iterator[Sample]:
        """Yield each row with the schema that it is read by and where it stands."""
        for at, (row, source) in enumerate(zip(in_order(self.places), self.origin[:, 0].tolist(), strict=True)):
            yield row, self.sources[source].schema.of(row), self.where(at)

    def converted(self, schema: str) -> Corpus:
        """Return the same samples with their rows in another schema, and all other columns; rows that are in it stay untouched.

        Args:
            schema: "messages", "prompt-completion", "alpaca" or "sharegpt".

        Raises:
            DataError: a row would lose something, such as turns for which there is no room.
        """
        places = self.places
        found = target_schema(schema)
        written, others, changed = convert_rows(self.samples(), schema)
        if not changed:
            return self
        rows = replaced(self.name, places, written, others)
        source = Source(self.name, rows, found, False, None)
        origin = np.stack([np.zeros(len(self), np.int64), np.arange(len(self))], axis=1)
        return replace(
            self, sources=[source], origin=origin, numbers=np.arange(len(self)), skipped=[], kept=self.kept.copy()
        )  # fmt: skip

    @property
    def places(self) -> list[tuple[Rows, int]]:
        """Where each row stands: its source's rows, and its position there; a DataError where there are vectors only."""
        if self.given_vectors is not None:
            raise DataError(f"{self.name}: holds vectors only, so there are no rows to write.")
        return [(self.sources[source].rows, position) for source, position in self.origin.tolist()]

    def write(self, path: str | Path, named: Path | None = None) -> None:
        """Write the raw rows in the schema that they came in; the format goes by the file's ending."""
        places = self.places
        if named is not None:
            write_rows(Path(path), places, named)
            return
        with whole_file(Path(path)) as temporary:
            write_rows(temporary, places, Path(path))

    def to_dataset(self) -> Any:
        """Return the raw rows as a `datasets.Dataset`."""
        try:
            import datasets
        except ImportError:
            from variegate.errors import missing_extra

            raise missing_extra("datasets", "hub", "Corpus.to_dataset") from None
        return datasets.Dataset(as_table(self.name, self.places))


def _rows_at(source: Source, positions: Ints) -> Iterable[tuple[int, dict[str, Any]]]:
    for start in range(0, len(positions), CHUNK):
        part = positions[start : start + CHUNK].tolist()
        yield from zip(part, source.rows.take(part), strict=True)
