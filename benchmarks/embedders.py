"""What embedders know of texts: whether a row's neighbours are of its kind, and whether a changed copy is found again.

Usage: embedders.py DATA ... [--embedders static,lsa] [--sides both,instruction,response] [--rows N] [--label FIELD] [--neighbours K]
[--fit data|rows] [--set LEFT=0.1,...]. N rows of each data set are drawn with a fixed seed. --fit says what lsa is fitted on; --set
changes the settings of variegate.views.lsa_fit (and LONGEST, the longest n-gram). A path of a sentence-transformers model is an
embedder too.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np

import variegate as vg
from variegate.geometry import near_duplicates, unit_rows
from variegate.views import lsa_fit, lsa_grams
from variegate.views.lsa import is_lsa, settled

BLOCK = 1000
# Texts that are changed, and how long they are at least, in characters.
CHANGED, LEAST = 300, 80
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


def one_word_changed(text: str, rng: np.random.Generator) -> str | None:
    words = list(WORD.finditer(text))
    if len(text) < LEAST or not words:
        return None
    found = words[rng.integers(len(words))]
    return text[: found.start()] + words[rng.integers(len(words))][0] + "s" + text[found.end() :]


def sentences_shuffled(text: str, rng: np.random.Generator) -> str | None:
    sentences = [part for part in SENTENCE.split(text) if part]
    return "".join(sentences[at] for at in rng.permutation(len(sentences))) if len(sentences) > 2 else None


def found_again(x: np.ndarray, texts: list[str], change: Any, name: str) -> float:
    """Return the share of changed texts to which no row is nearer than the one that was changed."""
    rng = np.random.default_rng(0)
    changed: dict[int, str] = {}
    for row in rng.permutation(len(texts)).tolist():
        other = change(texts[row], rng)
        if other is not None and other != texts[row] and len(changed) < CHANGED:
            changed[row] = other
    if not changed:
        return float("nan")
    near = cosines(vg.load([{"text": text} for text in changed.values()]).vectors("both", name), x)
    # What differs by rounding alone is as near.
    return float((near[np.arange(len(near)), list(changed)] > near.max(axis=1) - 1e-6).mean())


def line(corpus: vg.Corpus, part: vg.Corpus, labels: np.ndarray, side: Any, embedder: str, given: Any) -> list[str]:
    name = settled(embedder, [part if given.fit == "rows" else corpus])
    x = np.asarray(part.vectors(side, name), np.float32)
    texts = part.texts(side).to_pylist()
    total = np.square(unit_rows(x.astype(np.float64)).sum(axis=0)).sum()
    again = [found_again(x, texts, change, name) for change in (one_word_changed, sentences_shuffled)]
    return [
        Path(corpus.name).name, side, Path(embedder).name + (f", fitted on the {given.fit}" if is_lsa(embedder) else ""),
        f"{of_a_kind(x, labels, given.neighbours):.3f}", *(f"{share:.1%}" for share in again),
        f"{(total - len(x)) / (len(x) * (len(x) - 1)):.3f}", f"{near_duplicates(x).collapsed:,}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--embedders", default="static,lsa")
    parser.add_argument("--sides", default="both,instruction,response")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--label", default="source")
    parser.add_argument("--neighbours", type=int, default=10)
    parser.add_argument("--fit", choices=["data", "rows"], default="data")
    parser.add_argument("--set", dest="settings", default="")
    given = parser.parse_args()
    for setting in filter(None, given.settings.split(",")):
        name, value = setting.split("=")
        home = lsa_grams if name == "LONGEST" else lsa_fit
        setattr(home, name, type(getattr(home, name))(value))
    header = ["data", "side", "embedder", f"of a row's {given.neighbours} nearest, of its {given.label}"]
    header += [
        "one word changed, found",
        "sentences shuffled, found",
        "mean cosine",
        "near-duplicates",
        "seconds of processor time",
    ]
    print(f"| {' | '.join(header)} |\n|{' --- |' * len(header)}")
    for path in given.data:
        corpus = vg.load(path)
        rows = np.sort(np.random.default_rng(0).permutation(len(corpus))[: given.rows])
        part = corpus.take(rows)
        labels = np.unique(part.column(given.label), return_inverse=True)[1]
        chance = np.square(np.bincount(labels) / len(labels)).sum()
        print(f"| {Path(path).name} | | chance | {chance:.3f} | | | | |", flush=True)
        for side in given.sides.split(","):
            for embedder in given.embedders.split(","):
                print(f"| {' | '.join(line(corpus, part, labels, side, embedder, given))} |", flush=True)


if __name__ == "__main__":
    main()
