"""Texts to tag, and the tags that the chat server of the tests gives them."""

from __future__ import annotations

import json
from pathlib import Path

import variegate as vg
from tests.chat_server import tags_for

TEXTS = [f"text {'word ' * (at % 7)}number {at}" for at in range(40)]


def corpus_of(texts: list[str], folder: Path, name: str = "pool.jsonl") -> vg.Corpus:
    path = folder / name
    path.write_text("".join(json.dumps({"instruction": text, "response": "r"}) + "\n" for text in texts), encoding="utf-8")
    return vg.load(path, name=name)


def names(corpus: vg.Corpus, tags: str) -> list[list[str]]:
    found = corpus.tags("instruction", tags, corpus)
    return [[found.names[tag] for tag in found[row].tolist()] for row in range(len(found))]


def expected(texts: list[str]) -> list[list[str]]:
    return [tags_for(text) for text in texts]
