"""When numbers should be doubted: vectors that cannot see a set's language, and sets that cannot be compared."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from variegate.data.record import Side

if TYPE_CHECKING:
    from variegate.corpus import Corpus
    from variegate.metrics.spec import Measurement
    from variegate.viewing import Views

__all__ = ["doubts_of_sets", "doubts_of_vectors", "only_counts_rows", "script_of"]

# Single bytes among a set's tokens, and mean cosine, above which static vectors say little.
MOST_BYTES = 0.2
MOST_ALIKE = 0.5
# LLaMA-2's tokens of single bytes.
FIRST_BYTE, LAST_BYTE = 3, 258
# Texts, and characters of each, by which a set's script is known.
SCRIPT_TEXTS, SCRIPT_CHARACTERS = 400, 200


def doubts_of_vectors(corpus: Corpus, views: Views) -> tuple[str, ...]:
    """Return why what is computed on a set's vectors should be doubted; nothing where it should not.

    Two things are looked at. Static vectors are means of token vectors, and a text in a script that the tokenizer does not know
    falls into single bytes: above a fifth of the tokens, texts look alike or differ for no reason. And where the mean cosine of
    two rows is above 0.5, whatever the embedder, distances are small beside what all rows share.
    """
    found, side = [], views.side
    if views.embedder == "static" and corpus.given_vectors is None:
        share = _byte_share(corpus, side)
        if share > MOST_BYTES:
            found.append(
                f"{share:.0%} of the tokens of {corpus.name} ({side}) are single bytes, which static vectors know nothing of: "
                "values on them may say the contrary of what is true. Use --embedder lsa, or a model of this language."
            )
    alike = _mean_cosine(corpus, side, views.embedder)
    if alike > MOST_ALIKE:
        found.append(
            f"two rows of {corpus.name} ({side}) have a cosine of {alike:.2f} on average by {views.embedder}: its vectors "
            "hardly tell these texts apart, so differences of values mean little. Try another --embedder, such as lsa."
        )
    return tuple(found)


def doubts_of_sets(corpora: Sequence[Corpus], side: Side) -> tuple[str, ...]:
    """Return why sets should not be compared: they are mostly in different scripts, so in different languages."""
    scripts = {corpus.name: script_of(corpus, side) for corpus in corpora if corpus.given_vectors is None}
    known = {name: script for name, script in scripts.items() if script is not None}
    if len(set(known.values())) < 2:
        return ()
    told = ", ".join(f"{name} {script}" for name, script in known.items())
    return (
        f"the sets are in different scripts ({told}; {side}): tokens, and vectors that are made of tokens, are of another kind "
        "for each, so values do not compare. Compare sets of one language, or use a model that knows both.",
    )


def script_of(corpus: Corpus, side: Side) -> str | None:
    """Return the script that most letters of a set are of, such as "Latin"; None where there is none of more than half."""
    rows = np.random.default_rng(0).permutation(len(corpus))[:SCRIPT_TEXTS]
    texts = corpus.texts(side).take(np.sort(rows)).to_pylist()
    counts = Counter(_script(letter) for text in texts for letter in text[:SCRIPT_CHARACTERS] if letter.isalpha())
    if not counts:
        return None
    (script, most), *_ = counts.most_common(1)
    return script if most > counts.total() / 2 else None


def _script(letter: str) -> str:
    # Character names begin with the script: LATIN SMALL LETTER A, CJK UNIFIED IDEOGRAPH-4E2D.
    name = unicodedata.name(letter, "other").split(" ")[0].split("-")[0]
    return "Chinese" if name == "CJK" else name.capitalize()


def _byte_share(corpus: Corpus, side: Side) -> float:
    ids = corpus.tokens(side, "llama2").ids
    return float(((ids >= FIRST_BYTE) & (ids <= LAST_BYTE)).mean()) if len(ids) else 0.0


def _mean_cosine(corpus: Corpus, side: Side, embedder: str) -> float:
    vectors = corpus.vectors(side, embedder)
    n = len(vectors)
    if n < 2:
        return 0.0
    total = np.zeros(vectors.shape[1])
    for start in range(0, n, 4096):
        block = np.asarray(vectors[start : start + 4096], np.float64)
        total += (block / np.linalg.norm(block, axis=1, keepdims=True)).sum(axis=0)
    return float((total @ total - n) / (n * (n - 1)))


def only_counts_rows(result: Measurement) -> bool:
    """Whether each row is a topic of its own, so that a metric of topics or clusters says nothing but the number of rows."""
    metric = result.metric.partition("@")[0]
    if metric in ("topic_count", "topic_hill"):
        return result.n > 1 and math.isclose(result.value, result.n, rel_tol=1e-9)
    if metric in ("topic_entropy", "partition_entropy"):
        return result.n > 1 and math.isclose(result.value, math.log2(result.n), rel_tol=1e-9)
    return False
