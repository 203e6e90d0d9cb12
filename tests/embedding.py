"""A few texts to embed, long ones and short ones among them."""

from __future__ import annotations

import json
from pathlib import Path

import variegate as vg

TEXTS = [
    "The cat sat on the mat.",
    "Stochastic gradient descent " * 90 + "and at last something else " * 20,
    "你好",
    "x",
    "A longer sentence about nothing in particular, really.",
]


def corpus_of(texts: list[str], folder: Path) -> vg.Corpus:
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return vg.load(path)
