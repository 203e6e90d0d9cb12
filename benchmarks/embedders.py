"""What embedders know of texts: whether a row's neighbours are of its kind, and what counts as a near-duplicate.

Usage: embedders.py DATA ... [--embedders static,lsa] [--sides both,instruction,response] [--rows N] [--label FIELD] [--neighbours K]
[--few DATA] [--few-rows M] [--fit data|rows] [--set LEFT=0.1,...]. N rows of each data set are drawn with a fixed seed, and M of the
set --few are put among them. --fit says what lsa is fitted on; --set changes the settings of variegate.views.lsa.fit (and LONGEST,
the longest n-gram). A path of a sentence-transformers model is an embedder too.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np

import variegate as vg
from variegate.geometry import near_duplicates, unit_rows
from variegate.views.lsa import fit as lsa_fit
from variegate.views.lsa import grams as lsa_grams
from variegate.views.lsa.names import is_lsa, settled

BLOCK = 1000
# Texts that are changed, and how long they are at least, in characters.
CHANGED, LEAST = 300, 80
# Near-duplicates that share fewer of their runs of three characters are none.
LIKE = 0.4
SENTENCE = re.compile(r"(?<=[.!?。！？\n])")
WORD = re.compile(r"\w+")


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return unit_rows(np.asarray(x, np.float64)) @ unit_rows(np.asarray(y, np.float64)).T


def of_a_kind(x: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Return the share of the k nearest other rows, by cosine, that have a row's own label."""
    same = []
    for low in range(0, len(x), BLOCK):
        near = cosines(x[low : low + BLOCK], x)
        near[np.arange(len(near)), low + np.arange(len(near))] = -2
        nearest = np.argpartition(-near, k - 1, axis=1)[:, :k]
        same.append(labels[nearest] == labels[low : low + len(near), None])
    return float(np.concatenate(same).mean())


def mean_cosine(x: np.ndarray) -> float:
    total = np.square(unit_rows(x.astype(np.float64)).sum(axis=0)).sum()
    return float((total - len(x)) / (len(x) * (len(x) - 1)))


def one_word_changed(text: str, rng: np.random.Generator) -> str | None:
    words = list(WORD.finditer(text))
    if len(text) < LEAST or not words:
        return None
    found = words[rng.integers(len(words))]
    return text[: found.start()] + words[rng.integers(len(words))][0] + "s" + text[found.end() :]


def sentences_shuffled(text: str, rng: np.random.Generator) -> str | None:
    sentences = [part for part in SENTENCE.split(text) if part]
    return "".join(sentences[at] for at in rng.permutation(len(sentences))) if len(sentences) > 2 else None


def changed_copies(texts: list[str], change: Any) -> dict[int, str]:
    rng = np.random.default_rng(0)
    changed: dict[int, str] = {}
    for row in rng.permutation(len(texts)).tolist():
        other = change(texts[row], rng)
        if other is not None and other != texts[row] and len(changed) < CHANGED:
            changed[row] = other
    return changed


def found_again(x: np.ndarray, texts: list[str], name: str) -> list[str]:
    """Return the shares of changed copies to which no row is nearer than their text, and that are its near-duplicates."""
    copies = [changed_copies(texts, change) for change in (one_word_changed, sentences_shuffled)]
    of = np.array([row for some in copies for row in some], np.int64)
    if not len(of):
        return ["-"] * 4
    y = np.asarray(vg.load([{"text": text} for some in copies for text in some.values()]).vectors("both", name), np.float32)
    near = cosines(y, x)
    # What differs by rounding alone is as near.
    nearest = near[np.arange(len(of)), of] > near.max(axis=1) - 1e-6
    groups = near_duplicates(np.concatenate([x, y])).representative
    grouped = groups[len(x) :] == groups[of]
    first = np.arange(len(of)) < len(copies[0])
    return [f"{some[kind].mean():.1%}" if kind.any() else "-" for some in (nearest, grouped) for kind in (first, ~first)]


def groups_of(x: np.ndarray, texts: list[str], few: int) -> list[str]:
    """Return how many rows count as near-duplicates of an earlier one, and how many of them are not like it."""

    def runs(text: str) -> set[str]:
        return {text[at : at + 3] for at in range(max(1, len(text) - 2))}

    groups = near_duplicates(x).representative
    rows = np.flatnonzero(groups != np.arange(len(x)))
    pairs = [(runs(texts[row]), runs(texts[groups[row]])) for row in rows]
    unlike = np.array([len(own & other) < LIKE * len(own | other) for own, other in pairs], bool)
    found = [f"{len(rows):,}", f"{unlike.sum():,}"]
    if few:
        last = rows >= len(x) - few
        found += [f"{last.sum():,}", f"{unlike[last].sum():,}", f"{mean_cosine(x[-few:]):.3f}"]
    return found


def line(corpus: vg.Corpus, part: vg.Corpus, labels: np.ndarray, side: Any, embedder: str, given: Any, few: int) -> str:
    name = settled(embedder, [part if given.fit == "rows" else corpus])
    x = np.asarray(part.vectors(side, name), np.float32)
    texts = part.texts(side).to_pylist()
    fitted = f", fitted on the {given.fit}" if is_lsa(embedder) else ""
    cells = [
        Path(corpus.name).name, side, Path(embedder).name + fitted, f"{of_a_kind(x, labels, given.neighbours):.3f}",
        *found_again(x, texts, name), f"{mean_cosine(x):.3f}", *groups_of(x, texts, few),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--embedders", default="static,lsa")
    parser.add_argument("--sides", default="both,instruction,response")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--label", default="source")
    parser.add_argument("--neighbours", type=int, default=10)
    parser.add_argument("--few")
    parser.add_argument("--few-rows", type=int, default=40)
    parser.add_argument("--fit", choices=["data", "rows"], default="data")
    parser.add_argument("--set", dest="settings", default="")
    given = parser.parse_args()
    for setting in filter(None, given.settings.split(",")):
        name, value = setting.split("=")
        home = lsa_grams if name == "LONGEST" else lsa_fit
        setattr(home, name, type(getattr(home, name))(value))
    header = ["data", "side", "embedder", f"of a row's {given.neighbours} nearest, of its {given.label}"]
    header += [f"{change}: {found}" for found in ("nearest", "grouped") for change in ("one word changed", "sentences shuffled")]
    header += ["mean cosine", "rows grouped", "of them unlike"]
    if given.few:
        header += ["of the few: grouped", "unlike", "mean cosine"]
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for path in given.data:
        corpus = vg.load(path)
        part = drawn(corpus, given.rows)
        few = drawn(vg.load(given.few), given.few_rows) if given.few else None
        if few is not None:
            corpus = part = vg.load([*part.rows(), *few.rows()], name=f"{path} and {len(few)} of {Path(given.few).name}")
        labels = np.unique(part.column(given.label), return_inverse=True)[1]
        chance = np.square(np.bincount(labels) / len(labels)).sum()
        print(f"| {Path(path).name} | | chance | {chance:.3f} |{' |' * (len(header) - 4)}", flush=True)
        for side in given.sides.split(","):
            for embedder in given.embedders.split(","):
                print(line(corpus, part, labels, side, embedder, given, len(few or ())), flush=True)


def drawn(corpus: vg.Corpus, rows: int) -> vg.Corpus:
    return corpus.take(np.sort(np.random.default_rng(0).permutation(len(corpus))[:rows]))


if __name__ == "__main__":
    main()
