"""Tags: a few subjects per sample. Here the names of their sources, and tags that stand in a column of the data."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.errors import DataError, ParameterError, bad_parameter
from variegate.ragged import starts_of
from variegate.views.tokens import Tokens

__all__ = ["KEYPHRASES", "TAGS", "Normalized", "Tags", "column_tags", "is_fitted", "normalized", "tags_of_rows"]

Ints = NDArray[np.int64]

KEYPHRASES = "keyphrases"
TAGS = {
    KEYPHRASES: "words and word pairs that mark a text out, by TF-IDF; a fallback that needs no model",
    "llm:MODEL[@URL]": "what a chat model says each text is for, asked once a text (variegate[endpoint])",
    "normalized:TAGS": "any of these, spellings and synonyms merged, below 20 rows dropped (MIN: normalized@MIN:TAGS)",
    "COLUMN": "a field of the data: a list of tags, or a string with commas or semicolons between them",
}
# InsTag's bound.
FEWEST_ROWS = 20
NORMALIZED = re.compile(r"normalized(?:@(?P<fewest>[^:]*))?:(?P<source>.*)", re.DOTALL)
NORMALISED = re.compile(r"normalised[@:]|normalized(@[^:]*)?$")


@dataclass(frozen=True)
class Normalized:
    """Tags of a source, to be normalised.

    Attributes:
        source: see `TAGS`.
        fewest_rows: that a tag must have to be kept.
    """

    source: str
    fewest_rows: int


def normalized(tags: str) -> Normalized | None:
    """Read `normalized:SOURCE` or `normalized@MIN:SOURCE`; None for other tags.

    Raises:
        ParameterError: it names no source, or MIN is no number of rows.
    """
    found = NORMALIZED.fullmatch(tags)
    if found is None:
        if NORMALISED.match(tags):
            raise ParameterError(f"The tags {tags!r} are not understood. Spell them normalized:TAGS or normalized@MIN:TAGS.")
        return None
    source, fewest = found["source"], found["fewest"]
    if not source or NORMALIZED.fullmatch(source):
        raise ParameterError(f"The tags {tags!r} must name what is normalised, for example normalized:{KEYPHRASES}.")
    if fewest is not None and not (fewest.isdecimal() and int(fewest) > 0):
        raise bad_parameter("MIN", "normalized@MIN:TAGS", "a number of rows of at least 1", fewest)
    return Normalized(source, FEWEST_ROWS if fewest is None else int(fewest))


def is_fitted(tags: str) -> bool:
    """Say whether tags depend on the corpus that they are fitted on."""
    return tags == KEYPHRASES or normalized(tags) is not None


@dataclass(frozen=True)
class Tags(Tokens):
    """Tags of n samples, one sample's after the other's.

    Attributes:
        ids: (total,) int64, a hash of the tag, the same in every data set.
        offsets: (n + 1,) int64; sample i has `ids[offsets[i]:offsets[i + 1]]`, all different.
        names: the text of each tag.
    """

    names: dict[int, str]

    def take(self, rows: Ints) -> Tags:
        """Return the tags of some samples, in the order given."""
        part = super().take(rows)
        return Tags(part.ids, part.offsets, self.names)

    def followed_by(self, other: Tokens) -> Tags:
        """Return these samples' tags and then those of others."""
        joined = super().followed_by(other)
        return Tags(joined.ids, joined.offsets, self.names | (other.names if isinstance(other, Tags) else {}))


def tag_id(tag: str) -> int:
    """Return the number of a tag: a hash, so that a tag has the same number in every data set."""
    return int.from_bytes(hashlib.blake2b(tag.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little", signed=True)


def column_tags(values: list[Any], where: Callable[[int], str]) -> Tags:
    """Return the tags that a column holds, in lower case, white space squeezed, each once a row.

    Args:
        values: for each row a list of strings, a list of objects with a `tag` (as InsTag's own output has them), either of
            these written as a string, one string with commas or semicolons between tags, or None.
        where: says where a row stands, for errors.

    Raises:
        DataError: a value is of another kind; the message names the row.
    """
    rows: list[list[str]] = []
    for at, value in enumerate(values):
        tags = _split(value) if isinstance(value, str) else [] if value is None else value
        if isinstance(tags, list | tuple):
            tags = [tag.get("tag") if isinstance(tag, dict) else tag for tag in tags]
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise DataError(
                f"{where(at)}: tags must be a list of strings, or one string with commas or semicolons between tags. Got "
                f"{str(value)[:60]!r}."
            )
        rows.append([" ".join(tag.lower().split()) for tag in tags])
    return tags_of_rows(rows)


def _split(text: str) -> Any:
    """Read a string of tags; CSV files hold lists as JSON, or as Python writes them."""
    if text.lstrip().startswith("["):
        for read in (json.loads, ast.literal_eval):
            try:
                return read(text.strip())
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return re.split("[,;]", text)


def tags_of_rows(rows: list[list[str]]) -> Tags:
    """Return tags from the names that each row has; a row has each name once, and none that is empty."""
    rows = [list(dict.fromkeys(filter(None, row))) for row in rows]
    known = {tag: tag_id(tag) for tag in dict.fromkeys(tag for row in rows for tag in row)}
    ids = np.array([known[tag] for row in rows for tag in row], np.int64)
    return Tags(ids, starts_of([len(row) for row in rows]), {number: tag for tag, number in known.items()})
